import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { excerpt, FoundSecrets, redact, Secret } from "../../src/lib/secret.ts";

const value = `Käse "4" it's 100%+\\$x/y~`;
const secret = new Secret(value);
const key = new Secret(
  "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg\nq83vEjRWeJq83vEjRWeJq83vEjRWeJo=\n-----END PRIVATE KEY-----\n",
);
const bytes = Buffer.from(value);
const base64 = (before: string, behind: string) =>
  Buffer.concat([Buffer.from(before), bytes, Buffer.from(behind)]).toString("base64");

/** What of the secret is left in base64: eight characters of it in a row are a leak. */
function left(text: string): string[] {
  const plain = text.replaceAll("••••", " ");
  return [0, 1, 2].flatMap((offset) => {
    const whole = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    return Array.from({ length: whole.length - 12 }, (_, at) => whole.slice(at + 2, at + 10)).filter((part) =>
      plain.includes(part),
    );
  });
}

describe("a secret", () => {
  it("is not shown by printing, JSON or inspection", () => {
    expect(`${secret} ${JSON.stringify({ secret })} ${inspect({ secret })} ${String(key)}`).not.toMatch(
      /Käse|MIGH/,
    );
    expect(secret.reveal()).toBe(value);
  });
});

describe("redact", () => {
  it.each([
    ["plain", value],
    ["URL-encoded", encodeURIComponent(value)],
    ["URL-encoded in small letters", encodeURIComponent(value).replace(/%../g, (byte) => byte.toLowerCase())],
    ["of a form", new URLSearchParams({ value }).toString().slice("value=".length)],
    ["JSON", JSON.stringify(value).slice(1, -1)],
    ["JSON in ASCII", JSON.stringify(value).slice(1, -1).replace("ä", "\\u00e4")],
    ["quoted for a shell", value.replaceAll("'", `'\\''`)],
    ["quoted for a shell by double quotes", value.replaceAll("'", `'"'"'`)],
    ["escaped for a shell", value.replace(/[ "'\\$~]/g, "\\$&")],
    ["in double quotes of a shell", value.replace(/["\\$]/g, "\\$&")],
    ["words for redis-cli", [...bytes].map((byte) => `\\x${byte.toString(16)}`).join("")],
    ["as Redis prints it", value.replace(/["\\]/g, "\\$&").replace("ä", "\\xc3\\xa4")],
    ["hex", bytes.toString("hex")],
    ["hex in capitals", bytes.toString("hex").toUpperCase()],
  ])("masks the form %s", (_, form) => {
    expect(redact(`before ${form} behind`)).toBe("before •••• behind");
  });

  it.each(["", "a", "ab", "abc", "user:", "password="])("masks a secret in base64 behind %j", (before) => {
    for (const behind of ["", "x", "yz", "\n"]) {
      const text = base64(before, behind);
      expect(left(text).length).toBeGreaterThan(10);
      expect(left(redact(text))).toEqual([]);
      expect(left(redact(text.replaceAll("+", "-").replaceAll("/", "_")))).toEqual([]);
    }
  });

  it("masks each line of a private key", () => {
    expect(redact(key.reveal().split("\n")[2] ?? "")).toBe("••••");
    expect(redact("-----BEGIN PRIVATE KEY-----")).toBe("-----BEGIN PRIVATE KEY-----");
  });

  it.each([
    [`>>> 'requirepass "hunter 2"'`, ">>> 'requirepass ••••"],
    [">>> 'user bob on >hunter2 ~* +@all'", ">>> 'user ••••"],
    [">>> 'masterauth hunter2 too many'", ">>> 'masterauth ••••"],
    [">>> 'maxmemory 12 elephants'", ">>> 'maxmemory 12 elephants'"],
  ])("masks a quoted line of redis.conf although its secret is unknown: %s", (line, shown) => {
    expect(redact(`at line 12\n${line}\nBad directive`)).toBe(`at line 12\n${shown}\nBad directive`);
  });
});

describe("a secret that is found on a host", () => {
  it("is masked in that host's words alone, unless it is a common word of redkeep's own texts", () => {
    const words = ["legacy-0815-password", "s3cret-x", "redis", "redis-server", "test", "admin", "password"];
    const found = new FoundSecrets();
    found.add(words);
    expect(found.mask("s3cret-x legacy-0815-password")).toBe("•••• ••••");
    expect(found.mask(Buffer.from("x! legacy-0815-password").toString("base64"))).toBe("eCEg••••");
    expect(found.mask(`of the controller: ${value}`)).toBe("of the controller: ••••");
    const ours = "redis.conf:requirepass of redis-server, the admin's password in a test";
    expect(found.mask(ours)).toBe(ours);
    expect(redact("s3cret-x legacy-0815-password")).toBe("s3cret-x legacy-0815-password");
    expect(new FoundSecrets().mask("s3cret-x")).toBe("s3cret-x");
  });

  it.each([
    ["more than 500", Array.from({ length: 501 }, (_, number) => `Secret-${number}`.padEnd(9, "x"))],
    ["one that is very long", ["x".repeat(513)]],
  ])("makes redkeep show none of the host's words where it is %s", (_, secrets) => {
    const found = new FoundSecrets();
    found.add(secrets);
    expect(found.mask("any word")).toMatch(/^\(not shown: /);
    expect(found.mask("")).toBe("");
  });

  it("is searched for in a bounded time, and unsearched text is not shown", () => {
    const found = new FoundSecrets();
    found.add(Array.from({ length: 480 }, (_, number) => "A".repeat(20 + number)));
    const before = process.threadCpuUsage();
    expect(found.mask("A".repeat(1_000_000))).toMatch(/^\(not shown: to look for/);
    for (let word = 0; word < 1_000; word++) expect(found.mask("A".repeat(19))).toMatch(/^\(not shown: /);
    const { user, system } = process.threadCpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(2_000);
  });

  it("is searched for in all that an honest host says", () => {
    const found = new FoundSecrets();
    const secrets = Array.from({ length: 100 }, (_, number) => `Honest-password-${number}`);
    found.add(secrets);
    const log = Array.from(
      { length: 10_000 },
      (_, line) => `AUTH ${secrets[line % 100]} from 10.0.0.${line % 250}\n`,
    );
    for (let again = 0; again < 10; again++) expect(found.mask(log.join(""))).not.toMatch(/Honest|not shown/);
  });
});

describe("excerpt", () => {
  it("shows no part of a secret, wherever it cuts", () => {
    for (let limit = 1; limit < 40; limit++) expect(excerpt(`word ${value}`, limit)).not.toContain("K");
    expect(excerpt(`word ${value} and more`, 12)).toBe("word •••• an…");
    expect(excerpt("short", 12)).toBe("short");
  });
});

describe("many secrets", () => {
  it("are each masked, the longest first, and nothing of two that overlap stays", () => {
    for (let host = 0; host < 300; host++) new Secret(`FLUSHALL-${host}-0123456789abcdef`);
    for (const text of ["first-secret-overlap", "overlap-second-secret", "first-secret", "first-sec"])
      new Secret(text);
    expect(redact("a FLUSHALL-7-0123456789abcdef b FLUSHALL-299-0123456789abcdef c")).toBe("a •••• b •••• c");
    expect(redact("x first-secret-overlap-second-secret y")).toBe("x •••• y");
    expect(redact("x first-secret-over y first-sect z first-secr")).toBe("x ••••-over y ••••t z ••••r");
  });
});
