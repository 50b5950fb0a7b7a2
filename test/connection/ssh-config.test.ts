import { chmodSync, readFileSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ConnectionVariables } from "../../src/connection/settings.ts";
import { resolveConnection } from "../../src/connection/ssh-config.ts";
import { chooseTransport } from "../../src/connection/transport.ts";
import { type Directory, temporaryDirectory } from "./support/server.ts";

/** What `ssh -G` of OpenSSH 9.2 printed, in so far as it concerns us. */
const DEFAULTS = `user ${userInfo().username}
port 22
stricthostkeychecking ask
identitiesonly no
identityfile ~/.ssh/id_rsa
identityfile ~/.ssh/id_ecdsa
identityfile ~/.ssh/id_ecdsa_sk
identityfile ~/.ssh/id_ed25519
identityfile ~/.ssh/id_ed25519_sk
identityfile ~/.ssh/id_xmss
identityfile ~/.ssh/id_dsa
globalknownhostsfile /etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2
userknownhostsfile ${homedir()}/.ssh/known_hosts ${homedir()}/.ssh/known_hosts2
`;

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv("SSH_AUTH_SOCK", "/run/agent");
});
afterEach(() => {
  directory[Symbol.dispose]();
  vi.unstubAllEnvs();
});

/** An `ssh` that knows these hosts, and notes its arguments. */
function sshKnows(hosts: Record<string, string>): void {
  for (const [host, lines] of Object.entries(hosts)) directory.write(`host-${host}`, `${lines}\n${DEFAULTS}`);
  directory.write(
    "ssh",
    `#!/bin/sh\nfor last; do :; done\necho "$*" >>"$0.log"\nexec cat "\${0%/*}/host-$last"\n`,
  );
  chmodSync(join(directory.path, "ssh"), 0o755);
  vi.stubEnv("PATH", `${directory.path}:/usr/bin:/bin`);
}

const variables = (address: string, changes: Partial<ConnectionVariables> = {}): ConnectionVariables => ({
  host: "redis-01",
  address,
  sshOptions: {},
  timeoutSeconds: 10,
  become: true,
  ...changes,
});

describe("what the inventory leaves open", () => {
  it("comes from ~/.ssh/config", async () => {
    sshKnows({
      full: `user admin
hostname 10.9.9.9
port 2200
stricthostkeychecking accept-new
hostkeyalias redis
identitiesonly yes
identityagent none
identityfile ~/.ssh/%h_%r
identityfile \${HOME}/key
userknownhostsfile ~/kh1 /etc/kh2`,
    });
    expect(await resolveConnection(variables("full"))).toMatchObject({
      host: "redis-01",
      address: "10.9.9.9",
      port: 2200,
      user: "admin",
      hostKeyAlias: "redis",
      strictHostKeyChecking: "accept-new",
      identitiesOnly: true,
      identityAgent: undefined,
      newHostKeysFile: join(homedir(), "kh1"),
      jumps: [],
    });
    const { identityFiles } = await resolveConnection(variables("full"));
    expect(identityFiles.slice(0, 2).map(({ path }) => path)).toEqual([
      join(homedir(), ".ssh/10.9.9.9_admin"),
      join(process.env.HOME ?? "", "key"),
    ]);
  });

  it("is OpenSSH's default where nobody says anything, even without ssh", async () => {
    vi.stubEnv("PATH", directory.path);
    const without = await resolveConnection(variables("redis-01.example.com"));
    sshKnows({ "redis-02.example.com": "" });
    const withSsh = await resolveConnection(variables("redis-02.example.com"));
    expect({ ...withSsh, address: "redis-01.example.com", asked: without.asked }).toEqual(without);
    expect(without).toMatchObject({
      port: 22,
      user: userInfo().username,
      strictHostKeyChecking: "yes",
      identityAgent: "/run/agent",
    });
    expect(without.knownHostsFiles).toEqual([
      join(homedir(), ".ssh/known_hosts"),
      join(homedir(), ".ssh/known_hosts2"),
      "/etc/ssh/ssh_known_hosts",
      "/etc/ssh/ssh_known_hosts2",
    ]);
    expect(without.identityFiles).toContainEqual({
      path: join(homedir(), ".ssh/id_ed25519"),
      isNamed: false,
    });
  });

  it("is looked up once for each address, user and port", async () => {
    sshKnows({ first: "", once: "" });
    await resolveConnection(variables("first"));
    await Promise.all([
      resolveConnection(variables("once")),
      resolveConnection(variables("once")),
      resolveConnection(variables("once", { port: 22, user: "root" })),
    ]);
    expect(readFileSync(join(directory.path, "ssh.log"), "utf8").split("\n").sort()).toEqual([
      "",
      "-G -- once",
      "-G -p 22 -l root -- once",
      expect.stringContaining("first"),
    ]);
  });

  /** What comes of names that are asked about at once, where the real ssh reads `config` alone; and which it was asked about. */
  async function resolveAfresh(names: readonly string[], config: string) {
    const file = directory.write("config", config);
    const log = join(directory.path, "asked.log");
    const script = `for last; do :; done\necho "$last" >>${log}\nexec /usr/bin/ssh -F ${file} "$@"`;
    directory.write("ssh", `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory.path, "ssh"), 0o755);
    vi.stubEnv("PATH", `${directory.path}:/usr/bin:/bin`);
    const resolved = await Promise.all(
      names.map((name, index) => resolveConnection(variables(name, { port: 2000 + index }))),
    );
    return {
      resolved: resolved.map(({ user, address, port }) => `${user}@${address}:${port}`),
      asked: readFileSync(log, "utf8").trim().split("\n").sort(),
    };
  }
  const manyNames = Array.from({ length: 20 }, (_, index) => (index === 15 ? "special-15" : `many-${index}`));

  it.each([
    ["sets a user for some of them", "Host special-*\n  User other\n"],
    ["may tell them apart by a program", 'Match exec "test %h = special-15"\n  User other\n'],
    ["writes the keyword in its own way", "Host special-*\n\tUSER = other\n"],
  ])("is asked about each host where ssh's configuration %s", async (_, config) => {
    const { resolved, asked } = await resolveAfresh(manyNames, config);
    expect(asked).toEqual(manyNames.toSorted());
    expect(resolved).toEqual(
      manyNames.map(
        (name, index) => `${index === 15 ? "other" : userInfo().username}@${name}:${2000 + index}`,
      ),
    );
  });

  it.each([
    ["includes a file for some of them", "Host special-*\n  Include /none.conf\n"],
    ["includes a file by the host's name", "Include /none/%h.conf\n"],
    ["may turn names into others", "CanonicalizeHostname no\n"],
  ])("is asked about each host where ssh's configuration %s", async (_, config) => {
    const { asked } = await resolveAfresh(manyNames, config);
    expect(asked).toEqual(manyNames.toSorted());
  });

  it("is OpenSSH's default, looked up once, where ssh's configuration says nothing that matters", async () => {
    const config =
      "# Debian's own\nInclude /etc/ssh/none.d/*.conf\nHost *\n    SendEnv LANG LC_*\n    HashKnownHosts yes\n";
    const { resolved, asked } = await resolveAfresh(manyNames, config);
    expect(asked).toEqual(["many-0"]);
    expect(resolved).toEqual(
      manyNames.map((name, index) => `${userInfo().username}@${name}:${2000 + index}`),
    );
  });

  it("is looked for in one home for all hosts: that of the account, as ssh does, whatever HOME says", async () => {
    const known = "userknownhostsfile /account/.ssh/known_hosts /account/.ssh/known_hosts2";
    directory.write("config", "");
    const script = `echo "OpenSSH_9.2p1" >&2\necho "debug1: Reading configuration data ${directory.path}/config" >&2\necho "${known}"`;
    directory.write("ssh", `#!/bin/sh\n${script}\n`);
    chmodSync(join(directory.path, "ssh"), 0o755);
    vi.stubEnv("PATH", `${directory.path}:/usr/bin:/bin`);
    vi.stubEnv("HOME", directory.path);
    for (const name of ["home-1", "home-2"]) {
      const { newHostKeysFile } = await resolveConnection(variables(name));
      expect(newHostKeysFile, name).toBe("/account/.ssh/known_hosts");
    }
  });

  it("cannot switch host key checking off", async () => {
    sshKnows({ off: "stricthostkeychecking false" });
    expect(await resolveConnection(variables("off"))).toMatchObject({ strictHostKeyChecking: "yes" });
  });

  it("is not guessed where ssh rejects its own configuration", async () => {
    sshKnows({});
    await expect(resolveConnection(variables("broken"))).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("ssh -G broken failed: cat:"),
    });
  });
});

describe("what the inventory says", () => {
  it("is stronger than ~/.ssh/config", async () => {
    sshKnows({ strong: "user admin\nport 2200\nstricthostkeychecking accept-new\nproxyjump bastion" });
    const resolved = await resolveConnection(
      variables("strong", {
        port: 22,
        user: "root",
        privateKeyFile: "~/keys/%r",
        knownHostsFile: "kh",
        sshOptions: {
          strictHostKeyChecking: "yes",
          proxyJump: [],
          identityFiles: ["/k2"],
          userKnownHostsFiles: ["/other"],
        },
      }),
    );
    expect(resolved).toMatchObject({
      port: 22,
      user: "root",
      strictHostKeyChecking: "yes",
      knownHostsFiles: ["kh", "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
      newHostKeysFile: "kh",
      identityFiles: [
        { path: join(homedir(), "keys/root"), isNamed: true },
        { path: "/k2", isNamed: true },
      ],
      jumps: [],
    });
  });

  it("of known_hosts is read, and written to only where the file is the operator's own", async () => {
    sshKnows({ kept: "" });
    const kept = async (userKnownHostsFiles: string[], knownHostsFile?: string) => {
      const sshOptions = { userKnownHostsFiles, strictHostKeyChecking: "accept-new" as const };
      const given = knownHostsFile === undefined ? {} : { knownHostsFile };
      return await resolveConnection(variables("kept", { sshOptions, ...given }));
    };
    const authorized = join(homedir(), ".ssh/authorized_keys");
    expect(await kept(["~/.ssh/authorized_keys"])).toMatchObject({
      knownHostsFiles: [authorized, "/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"],
      newHostKeysFile: undefined,
      inventoryNamesKnownHosts: true,
    });
    expect(await kept(["/theirs", "~/.ssh/known_hosts"])).toMatchObject({
      newHostKeysFile: join(homedir(), ".ssh/known_hosts"),
    });
    expect(await kept(["/theirs"], "mine")).toMatchObject({
      newHostKeysFile: "mine",
      inventoryNamesKnownHosts: false,
    });
  });

  it("in ansible_port is stronger than in the ssh options", async () => {
    sshKnows({ ports: "" });
    const sshOptions = { port: 99, user: "x", connectTimeoutSeconds: 3 };
    expect(await resolveConnection(variables("ports", { sshOptions }))).toMatchObject({
      port: 99,
      user: "x",
      timeoutSeconds: 3,
    });
    expect(await resolveConnection(variables("ports", { sshOptions, port: 22 }))).toMatchObject({ port: 22 });
  });
});

describe("jump hosts", () => {
  const chain = async (address: string, changes: Partial<ConnectionVariables> = {}) =>
    (await resolveConnection(variables(address, changes))).jumps.map(
      ({ user, address, port }) => `${user}@${address}:${port}`,
    );
  const me = userInfo().username;

  it("are passed in order, behind those that ssh_config puts before the first", async () => {
    sshKnows({
      target: "proxyjump ops@j1:2200,j2",
      j1: "hostname 10.0.0.1\nproxyjump outer",
      j2: "hostname 10.0.0.2\nuser two\nproxyjump never",
      outer: "",
    });
    expect(await chain("target")).toEqual([`${me}@outer:22`, "ops@10.0.0.1:2200", "two@10.0.0.2:22"]);
  });

  it("bring their own keys, and try the host's after them", async () => {
    sshKnows({ keyed: "proxyjump keyring", keyring: "" });
    const [jump] = (await resolveConnection(variables("keyed", { privateKeyFile: "/fleet" }))).jumps;
    expect(jump?.identityFiles.at(0)).toEqual({ path: join(homedir(), ".ssh/id_rsa"), isNamed: false });
    expect(jump?.identityFiles.at(-1)).toEqual({ path: "/fleet", isNamed: true });
    expect(jump?.password).toBeUndefined();
  });

  it.each([
    ["ssh -W %h:%p gate", `${me}@gate:22`],
    ["ssh -q -l ops -p 2200 -W [%h]:%p gate", "ops@gate:2200"],
    ["/usr/bin/ssh ops@gate -W %h:%p", "ops@gate:22"],
  ])("are read from ProxyCommand %s", async (command, jump) => {
    sshKnows({ [`pc-${jump}`]: `proxycommand ${command}`, gate: "" });
    expect(await chain(`pc-${jump}`)).toEqual([jump]);
  });

  it.each([
    "nc -X connect -x proxy:3128 %h %p",
    "ssh -W localhost:22 gate",
    "ssh -F /x -W %h:%p gate",
    "ssh gate nc %h %p",
  ])("are not made from ProxyCommand %s, which is left to ssh", async (command) => {
    const host = `no-${command.length}`;
    sshKnows({ [host]: `proxycommand ${command}` });
    const resolved = await resolveConnection(variables(host));
    expect(resolved).toMatchObject({ jumps: [], proxyCommand: command });
    expect(await chooseTransport(resolved, "auto")).toEqual({
      name: "openssh",
      reason: `~/.ssh/config has a ProxyCommand for redis-01: ${command}`,
    });
    await expect(chooseTransport(resolved, "ssh2")).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining(`${command}, which ssh2 cannot do, and redkeep_transport is ssh2`),
    });
  });

  it("are what the inventory says, whatever command ~/.ssh/config has", async () => {
    sshKnows({ commanded: "proxycommand nc %h %p", gate: "" });
    const sshOptions = { proxyJump: ["gate"] };
    const resolved = await resolveConnection(variables("commanded", { sshOptions }));
    expect(resolved).toMatchObject({ proxyCommand: undefined, beyondSsh2: [], jumps: [{ address: "gate" }] });
  });

  it("that ssh2 cannot reach have the system's ssh carry the hosts behind them too", async () => {
    sshKnows({ behind: "proxyjump walled", walled: "proxycommand nc -x proxy %h %p" });
    expect(await chooseTransport(await resolveConnection(variables("behind")), "auto")).toEqual({
      name: "openssh",
      reason: "jump host walled: ~/.ssh/config has a ProxyCommand for walled: nc -x proxy %h %p",
    });
  });

  it("do not include the host itself", async () => {
    sshKnows({ self: "proxyjump self", behind: "proxyjump self" });
    expect(await chain("self")).toEqual([]);
    expect(await chain("behind")).toEqual([`${me}@self:22`]);
  });

  it("in a circle are an error", async () => {
    sshKnows({ ring1: "proxyjump ring2", ring2: "proxyjump ring3", ring3: "proxyjump ring2" });
    await expect(resolveConnection(variables("ring1"))).rejects.toThrow("circle");
  });

  it("from the inventory may have a user, a port and an IPv6 address", async () => {
    sshKnows({ six: "", "fd00::1": "", plain: "" });
    expect(
      await chain("six", { sshOptions: { proxyJump: ["ops@[fd00::1]:2200", "ssh://ops@plain:2201"] } }),
    ).toEqual(["ops@fd00::1:2200", "ops@plain:2201"]);
  });
});

describe("what ~/.ssh/config says of host keys", () => {
  it("is obeyed where it revokes keys, for jump hosts too", async () => {
    sshKnows({
      "guarded-target": "proxyjump guarded-jump\nrevokedhostkeys ~/.ssh/revoked-%h",
      "guarded-jump": "revokedhostkeys none",
      "other-target": "proxyjump other-jump",
      "other-jump": "revokedhostkeys /etc/ssh/revoked",
    });
    const guarded = await resolveConnection(variables("guarded-target"));
    expect(guarded.revokedKeysFiles).toEqual([join(homedir(), ".ssh/revoked-guarded-target")]);
    expect(guarded.jumps[0]?.revokedKeysFiles).toEqual([]);
    const other = await resolveConnection(variables("other-target"));
    expect(other.revokedKeysFiles).toEqual([]);
    expect(other.jumps[0]?.revokedKeysFiles).toEqual(["/etc/ssh/revoked"]);
  });

  it("is left to ssh where only a command can tell the known keys", async () => {
    sshKnows({ "command-host": "knownhostscommand /usr/bin/keys %H" });
    const resolved = await resolveConnection(variables("command-host"));
    const reason = "~/.ssh/config has a KnownHostsCommand for redis-01: /usr/bin/keys %H";
    expect(await chooseTransport(resolved, "auto")).toEqual({ name: "openssh", reason });
    await expect(chooseTransport(resolved, "ssh2")).rejects.toThrow(reason);
  });
});

describe("a jump host", () => {
  it("is named with the tokens that ssh expands there: %r is the user at the host", async () => {
    sshKnows({ db: "hostname 10.0.0.9", "gate-10.0.0.9": "user other", gate: "" });
    const jumpsOf = async (proxyJump: string[]) =>
      (
        await resolveConnection(variables("db", { user: "ops", port: 2200, sshOptions: { proxyJump } }))
      ).jumps.map(({ user, address, port }) => `${user}@${address}:${port}`);
    expect(await jumpsOf(["%r@gate"])).toEqual(["ops@gate:22"]);
    expect(await jumpsOf(["%r-%n-%%@gate-%h:%p"])).toEqual(["ops-db-%@gate-10.0.0.9:2200"]);
  });

  it("is shown its own key first", async () => {
    sshKnows({ db: "", gate: "" });
    const sshOptions = { proxyJump: ["gate"], jumpIdentityFiles: ["/keys/gate"] };
    const target = await resolveConnection(variables("db", { privateKeyFile: "/keys/db", sshOptions }));
    expect(target.jumps[0]?.identityFiles[0]).toEqual({ path: "/keys/gate", isNamed: true });
    expect(target.identityFiles.map(({ path }) => path)).toEqual(["/keys/db"]);
  });
});

it("a file of -F is asked instead of ssh's own, and its known_hosts is only read", async () => {
  sshKnows({ db: "userknownhostsfile /srv/known" });
  const sshOptions = { configFile: "ssh.cfg" };
  const target = await resolveConnection(variables("db", { sshOptions, hostKeys: "accept-new" }));
  expect(readFileSync(join(directory.path, "ssh.log"), "utf8")).toContain("-F ssh.cfg -- db");
  expect(target.inventoryNamesKnownHosts).toBe(true);
  expect(target.knownHostsFiles[0]).toBe("/srv/known");
  expect(target.newHostKeysFile).toBe(join(homedir(), ".ssh/known_hosts"));
});
