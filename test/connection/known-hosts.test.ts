import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  addKnownHost,
  checkHostKey,
  fingerprint,
  knownHostsName,
  knownKeyTypes,
} from "../../src/connection/known-hosts.ts";
import { generateKey, temporaryDirectory } from "./support/server.ts";

const PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICRfCKfR+O7rgT502Rf1nQRX+pnwjEgU4wewWgs2y5qh";
const KEY: Buffer = Buffer.from(PUBLIC.split(" ")[1] ?? "", "base64");
/** Two lines written by `ssh-keygen -H`: redis.example.com, and the same host on port 2222. */
const HASHED = `|1|6LPNnkeZ/nAJrOmVBLLk/oZAcoE=|xeypX8+Fgw391bEgnP9E5mZ3CdY= ${PUBLIC}
|1|6zmaL9vwP3gAfwdHTbGcGvqeIwg=|kPyitBZpCAbRDuNqQ8s3r7Y6354= ${PUBLIC}
`;
const OTHER = generateKey();

describe("known_hosts", () => {
  const check = (content: string, address: string, port = 22, key = KEY) => {
    using directory = temporaryDirectory();
    return checkHostKey(address, port, key, [directory.write("known_hosts", content)]);
  };

  it("prints fingerprints as ssh-keygen does", () => {
    expect(fingerprint(KEY)).toBe("SHA256:BdiKolxJCblTFIPC104rXmhVMjmMykIxV0LwBOefrDk");
  });

  it.each([
    ["a plain name", `redis.example.com ${PUBLIC}`, "redis.example.com", 22],
    ["a name with a comment", `redis.example.com ${PUBLIC} root@redis`, "redis.example.com", 22],
    ["another case", `Redis.example.com ${PUBLIC}`, "REDIS.example.com", 22],
    ["a list", `other,10.0.0.5 ${PUBLIC}`, "10.0.0.5", 22],
    ["a wildcard", `*.example.com ${PUBLIC}`, "redis.example.com", 22],
    ["a question mark", `redis-0? ${PUBLIC}`, "redis-07", 22],
    ["a port", `[10.0.0.5]:2222 ${PUBLIC}`, "10.0.0.5", 2222],
    ["a wildcard with a port", `[*.example.com]:2222 ${PUBLIC}`, "redis.example.com", 2222],
    ["an IPv6 address with a port", `[fd00::5]:2222 ${PUBLIC}`, "fd00::5", 2222],
    ["the plain name of a host on another port", `10.0.0.5 ${PUBLIC}`, "10.0.0.5", 2222],
    ["a hashed name", HASHED, "redis.example.com", 22],
    ["a hashed name with a port", HASHED, "redis.example.com", 2222],
    ["tabs and CRLF", `10.0.0.5\t${PUBLIC}\r\n`, "10.0.0.5", 22],
  ])("knows a host by %s", (_, content, address, port) => {
    expect(check(content, address, port)).toEqual({ outcome: "ok" });
  });

  it.each([
    ["another name", `redis-02 ${PUBLIC}`, "redis-01", 22],
    ["a name that only begins alike", `redis ${PUBLIC}`, "redis-01", 22],
    ["a negated name", `*.example.com,!redis.example.com ${PUBLIC}`, "redis.example.com", 22],
    ["another port", `[10.0.0.5]:2222 ${PUBLIC}`, "10.0.0.5", 2223],
    ["a commented line", `# 10.0.0.5 ${PUBLIC}`, "10.0.0.5", 22],
    ["a hashed name of another host", HASHED, "redis2.example.com", 22],
    ["half a line", "10.0.0.5 ssh-ed25519", "10.0.0.5", 22],
    ["no line at all", "", "10.0.0.5", 22],
  ])("does not know a host by %s", (_, content, address, port) => {
    expect(check(content, address, port)).toMatchObject({ outcome: "unknown" });
  });

  it("reports a changed key with the line that has the old one", () => {
    expect(check(`\nother ${OTHER.public}\n10.0.0.5 ${PUBLIC}\n`, "10.0.0.5", 22, OTHER.blob)).toMatchObject({
      outcome: "changed",
      place: { file: expect.stringContaining("known_hosts"), line: 3 },
      type: "ssh-ed25519",
      fingerprint: fingerprint(KEY),
    });
  });

  it("takes a key of another type for changed, not for new", () => {
    const ecdsa = generateKey("ecdsa");
    expect(check(`10.0.0.5 ${PUBLIC}`, "10.0.0.5", 22, ecdsa.blob)).toMatchObject({ outcome: "changed" });
  });

  it("refuses a revoked key even where another line knows it", () => {
    const content = `10.0.0.5 ${PUBLIC}\n@revoked * ${PUBLIC}\n`;
    expect(check(content, "10.0.0.5")).toMatchObject({ outcome: "revoked", place: { line: 2 } });
    expect(check(content, "10.0.0.5", 2222)).toMatchObject({ outcome: "revoked" });
  });

  it("does not accept a certificate authority's key as a host's, and says that there is one", () => {
    expect(check(`@cert-authority *.example.com ${PUBLIC}`, "redis.example.com")).toMatchObject({
      outcome: "unknown",
      certAuthority: { line: 1 },
    });
  });

  it("looks into every file, and leaves out one that does not exist", () => {
    using directory = temporaryDirectory();
    const files = [
      join(directory.path, "missing"),
      directory.write("first", `other ${PUBLIC}\n`),
      directory.write("second", `10.0.0.5 ${PUBLIC}\n`),
    ];
    expect(checkHostKey("10.0.0.5", 22, KEY, files)).toEqual({ outcome: "ok" });
    expect(knownKeyTypes("10.0.0.5", 22, files)).toEqual(["ssh-ed25519"]);
  });

  it("sees a line that was added since it first read the file", () => {
    using directory = temporaryDirectory();
    const file = directory.write("known_hosts", "");
    expect(checkHostKey("10.0.0.5", 22, KEY, [file])).toMatchObject({ outcome: "unknown" });
    addKnownHost(file, "10.0.0.5", 22, KEY);
    expect(checkHostKey("10.0.0.5", 22, KEY, [file])).toEqual({ outcome: "ok" });
  });

  it("adds a host to a new file that only its owner can read", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, ".ssh", "known_hosts");
    addKnownHost(file, "10.0.0.5", 2222, KEY);
    expect(readFileSync(file, "utf8")).toBe(`[10.0.0.5]:2222 ${PUBLIC}\n`);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(statSync(join(directory.path, ".ssh")).mode & 0o777).toBe(0o700);
  });

  it("does not write into a last line without a line end", () => {
    using directory = temporaryDirectory();
    const file = directory.write("known_hosts", `other ${PUBLIC}`);
    addKnownHost(file, "10.0.0.5", 22, KEY);
    expect(readFileSync(file, "utf8")).toBe(`other ${PUBLIC}\n10.0.0.5 ${PUBLIC}\n`);
  });

  it("reads a hostile pattern in no time", () => {
    const pattern = `${"*a".repeat(2_000)}b`;
    expect(check(`${pattern} ${PUBLIC}`, "a".repeat(2_000))).toMatchObject({ outcome: "unknown" });
  });

  it("names hosts as OpenSSH does", () => {
    expect([knownHostsName("10.0.0.5", 22), knownHostsName("10.0.0.5", 22022)]).toEqual([
      "10.0.0.5",
      "[10.0.0.5]:22022",
    ]);
  });
});
