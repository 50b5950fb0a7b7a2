import { describe, expect, it, vi } from "vitest";
import { BecomePasswords } from "../../src/connection/become-passwords.ts";
import { type Connection, HostError } from "../../src/connection/connection.ts";
import { Link } from "../../src/connection/link.ts";
import { endingOf, runTransaction, type Target } from "../../src/transaction/controller-side.ts";
import { reportText } from "../support/report.ts";

/** Where a transaction runs: a host that answers over its connection like this. */
function targetWith(run: Connection["run"]): Target & { link: Link } {
  const link = new Link({} as never, new BecomePasswords());
  link.use({ run } as Connection);
  return { link, server: { usedMemory: 0, unit: "redis-server.service" as never } };
}

describe("a host whose transaction never ends", () => {
  const NONCE = "f".repeat(32);
  const applying = reportText({ state: "applying", journal: "1 armed" }, NONCE);

  /** What is said of a host that answers in these ways when it is asked again, each as if minutes had gone by. */
  async function ask(...answers: ("applying" | "silence")[]) {
    let asked = 0;
    const now = performance.now.bind(performance);
    vi.spyOn(performance, "now").mockImplementation(() => now() + asked * 200_000);
    const lost = () => Promise.reject(new HostError("lost", "gone"));
    const target = targetWith(lost);
    vi.spyOn(target.link, "dial").mockImplementation(async () => {
      const answer = answers[asked++] ?? "silence";
      if (answer === "silence") return await lost();
      return {
        run: async () => ({ status: 0, stdout: Buffer.from(applying), stderr: "" }),
        close: () => {},
      } as never;
    });
    const report = await runTransaction(target, "", { id: "x", nonce: NONCE, holder: "me" });
    return { asked, state: report?.state, status: endingOf(report).status };
  }

  it("is given up after three times the cap of its transaction", async () => {
    expect(await ask("applying", "applying", "applying")).toEqual({
      asked: 2,
      state: "applying",
      status: "unknown",
    });
  });

  it("is reported as unknown where it last answered with a state that it may have left since", async () => {
    expect(await ask("applying", "silence")).toEqual({ asked: 2, state: undefined, status: "unknown" });
  });

  it("is given up sooner where it gives no answer at all", async () => {
    expect(await ask("silence", "applying")).toEqual({ asked: 1, state: undefined, status: "unknown" });
  });
});

describe("the words of a host in its report", () => {
  it("are shown without the secrets of its files, beside redkeep's own words", async () => {
    const secrets = [
      "Legacy-0815",
      "redis-server.service",
      "/etc/redis/redis.conf",
      "restart redis-server.service",
    ];
    const NONCE = "f".repeat(32);
    const journal = [
      ...["1 armed", "1 file /etc/redis/redis.conf", "1 restart redis-server.service"],
      ...["fail restart log: Legacy-0815", "1 fail restart redis-server.service"],
    ];
    const report = reportText(
      { state: "rolled_back", journal: journal.join("\n"), log: "said Legacy-0815" },
      NONCE,
    );
    const target = targetWith(async () => ({
      status: 0,
      signal: undefined,
      stdout: Buffer.from(report),
      stderr: "",
    }));
    target.link.hide(secrets);
    const outcome = await runTransaction(target, "", { id: "x", nonce: NONCE, holder: "me" });
    expect(outcome).toMatchObject({
      log: "said ••••",
      journal: [
        "armed",
        "file /etc/redis/redis.conf",
        "restart redis-server.service",
        "fail restart log: ••••",
        "fail restart redis-server.service",
      ],
    });
  });
});
