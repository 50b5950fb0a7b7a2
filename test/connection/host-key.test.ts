import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { HostError } from "../../src/connection/connection.ts";
import { admitHostKey } from "../../src/connection/host-key.ts";
import type { ResolvedConnection } from "../../src/connection/ssh-config.ts";
import { type Directory, generateKey, temporaryDirectory } from "./support/server.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const key = generateKey();

function target(changes: Partial<ResolvedConnection>): ResolvedConnection {
  return {
    host: "redis-01",
    address: "10.0.0.5",
    port: 22,
    user: "root",
    hostKeyAlias: undefined,
    knownHostsFiles: [],
    revokedKeysFiles: [],
    newHostKeysFile: undefined,
    inventoryNamesKnownHosts: false,
    strictHostKeyChecking: "yes",
    identityFiles: [],
    identitiesOnly: true,
    identityAgent: undefined,
    privateKeyPassphrase: undefined,
    password: undefined,
    timeoutSeconds: 5,
    jumps: [],
    asked: { address: "10.0.0.5", port: undefined, user: undefined, configFile: undefined },
    namesIdentities: false,
    userKnownHostsFiles: [],
    otherOptions: [],
    proxyCommand: undefined,
    controlPath: undefined,
    beyondSsh2: [],
    ...changes,
  };
}

describe("a host key that is known", () => {
  const known = () => directory.write("known_hosts", `10.0.0.5 ${key.public}\n`);

  it("is refused where RevokedHostKeys names it", () => {
    const revokedKeysFiles = [directory.write("none", ""), directory.write("revoked", key.public)];
    const host = target({ knownHostsFiles: [known()], revokedKeysFiles });
    expect(() => admitHostKey(key.blob, host)).toThrow(
      /^the host key of redis-01 \(10\.0\.0\.5:22\) is revoked by \S+revoked: ssh-ed25519 SHA256:/,
    );
    expect(() =>
      admitHostKey(key.blob, { ...host, revokedKeysFiles: revokedKeysFiles.slice(0, 1) }),
    ).not.toThrow();
  });

  it("is refused where nobody can say whether it is revoked", () => {
    const host = target({ knownHostsFiles: [known()], revokedKeysFiles: [join(directory.path, "gone")] });
    expect(() => admitHostKey(key.blob, host)).toThrow(
      /may be revoked: \S+gone, the RevokedHostKeys of ~\/\.ssh\/config, cannot be used: ENOENT/,
    );
  });
});

describe("a host key that is new, with accept-new", () => {
  const newIn = (file: string) =>
    target({ knownHostsFiles: [file], newHostKeysFile: file, strictHostKeyChecking: "accept-new" });

  it("is taken once, and known from then on", () => {
    const file = join(directory.path, "known_hosts");
    admitHostKey(key.blob, newIn(file));
    admitHostKey(key.blob, newIn(file));
    expect(readFileSync(file, "utf8")).toBe(`10.0.0.5 ${key.public}\n`);
    expect(() => admitHostKey(generateKey().blob, newIn(file))).toThrow("has changed");
  });

  it.each<[string, (path: string) => void]>([
    ["/dev/null", (path) => symlinkSync("/dev/null", path)],
    ["/dev/zero", (path) => symlinkSync("/dev/zero", path)],
    ["/dev/full", (path) => symlinkSync("/dev/full", path)],
    ["a pipe", (path) => execFileSync("mkfifo", [path])],
    ["a folder", (path) => mkdirSync(path)],
  ])("is not taken where it would be kept in %s", (_, make) => {
    const file = join(directory.path, "known_hosts");
    make(file);
    expect(() => admitHostKey(key.blob, newIn(file))).toThrow("is new and cannot be added to");
  });

  it.each([
    ["authorized_keys", `${generateKey().public} me@laptop\n`],
    ["a shell's profile", "# ~/.profile\nexport PATH=/bin\n"],
    ["a list of hosts", "10.0.0.7 redis-07\n"],
    ["half a line", "10.0.0.7 ssh-ed25519\n"],
    ["a key of another type than it says", `10.0.0.7 ${key.public.replace("ssh-ed25519", "ssh-rsa")}\n`],
  ])("is not added to %s", (_, content) => {
    const file = directory.write("known_hosts", content);
    expect(() => admitHostKey(key.blob, newIn(file))).toThrow(
      /is new and cannot be added to \S+: line \d does not look like known_hosts/,
    );
    expect(readFileSync(file, "utf8")).toBe(content);
  });

  it("is added to whatever OpenSSH keeps in known_hosts", () => {
    const other = generateKey("ecdsa").public;
    const content = `# known\n\n@cert-authority *.a ${other} x\n@revoked b ${other}\n|1|a=|b= ${other}\nc 1024 35 12345\nd\t${other}\r\n`;
    const file = directory.write("known_hosts", content);
    admitHostKey(key.blob, newIn(file));
    expect(readFileSync(file, "utf8")).toBe(`${content}10.0.0.5 ${key.public}\n`);
  });

  it("is not kept in a file that the inventory names", () => {
    const host = target({
      knownHostsFiles: [join(directory.path, "theirs")],
      inventoryNamesKnownHosts: true,
      strictHostKeyChecking: "accept-new",
    });
    expect(() => admitHostKey(key.blob, host)).toThrow(
      /is new: ssh-ed25519 SHA256:\S+; accept-new writes only to your own known_hosts files, and not to \S+theirs, which the inventory names/,
    );
  });

  it("is not taken where there is no file to keep it in", () => {
    const host = target({ strictHostKeyChecking: "accept-new" });
    expect(() => admitHostKey(key.blob, host)).toThrow("is not in any known_hosts file");
  });
});

describe("a host key that is not known", () => {
  const remedyFor = (changes: Partial<ResolvedConnection>): string => {
    try {
      admitHostKey(key.blob, target({ port: 2222, newHostKeysFile: "/tmp/known", ...changes }));
    } catch (error) {
      return (error as HostError).remedy;
    }
    throw new Error("it was admitted");
  };

  it("is refused with the line for known_hosts, under the alias that it is looked up by", () => {
    const remedy = remedyFor({ hostKeyAlias: "redis-03" });
    expect(remedy).toMatch(/ssh-keyscan -p 2222 10\.0\.0\.5 \| sed '[^']*' >>\/tmp\/known$/);
    const sed = /sed '([^']*)'/.exec(remedy)?.[1] ?? "";
    const line = execFileSync("sed", [sed], { input: `[10.0.0.5]:2222 ${key.public}\n`, encoding: "utf8" });
    const known = directory.write("known_hosts", line);
    const host = target({ port: 2222, hostKeyAlias: "redis-03", knownHostsFiles: [known] });
    expect(() => admitHostKey(key.blob, host)).not.toThrow();
  });

  it("is refused with the advice to log in with ssh, where a shell or sed would misread its alias", () => {
    expect(remedyFor({ hostKeyAlias: "a/b'$(x)" })).toContain("Log in once with ssh");
  });
});
