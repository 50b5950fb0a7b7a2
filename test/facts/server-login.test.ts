import { describe, expect, it } from "vitest";
import { ownPassword, ServerLogin } from "../../src/facts/server-login.ts";
import { Secret } from "../../src/lib/secret.ts";

const key = new Secret("a-key-of-the-tests");
const text = (user: string, server: string, from = key) => ownPassword(from, user, server).reveal();

describe("the password of one server", () => {
  it("is long, and the same for everybody who has the key", () => {
    expect(text("admin", "redis-01")).toBe("eiYRhW0laK3UaOJ96YQ_LnsoFkkGmiexvmDV48_XIpU");
    expect(text("admin", "redis-01")).toMatch(/^[A-Za-z0-9_-]{43}$/);
  });

  it("is another one for another server, user or key", () => {
    const all = [
      text("admin", "redis-01"),
      text("admin", "redis-02"),
      text("admi", "nredis-01"),
      text("ops", "redis-01"),
      text("admin", "redis-01", new Secret("another-key")),
      text("admin", ""),
    ];
    expect(new Set(all).size).toBe(all.length);
  });

  it("is not printed with the login", () => {
    const login = ServerLogin.own("admin", key, "redis-01");
    expect(`${JSON.stringify(login)} ${login.password}`).not.toContain(login.password.reveal());
  });

  it("comes in a ServerLogin alone: the types refuse a plain user and password", () => {
    // @ts-expect-error a password of unknown reach is never shown to a server
    const login: ServerLogin = { user: "admin", password: key, kind: "own" };
    expect(login).not.toBeInstanceOf(ServerLogin);
  });
});
