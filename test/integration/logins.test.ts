import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startFidoAgent } from "./support/fido-agent.ts";
import { startRealm } from "./support/kerberos.ts";
import { type LabHost, labKey, startHost, writeInventory } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject, type Project, type ProjectRun } from "./support/project.ts";

/*
 * Each way to log in that only OpenSSH knows, on a real host: one apply that changes it, and one verify.
 */

let host: LabHost;
let project: Project;
beforeAll(async () => {
  host = await startHost();
  project = openProject({ "redis-01": host });
  mkdirSync(project.path("ssh"));
});
afterAll(async () => {
  project?.[Symbol.dispose]();
  await host?.[Symbol.asyncDispose]();
});

const run = promisify(execFile);
const keygen = (...args: string[]) => run("ssh-keygen", ["-q", ...args]);

/** A new key that the host does not know. */
async function newKey(name: string): Promise<string> {
  const path = project.path(`ssh/${name}`);
  await keygen("-t", "ed25519", "-N", "", "-f", path);
  return path;
}

/** Has sshd read another line of configuration, and starts it anew. */
async function configureSshd(line: string): Promise<void> {
  await onHost(host, `echo '${line}' >>/etc/ssh/sshd_config.d/lab.conf; sshd -t && systemctl reload ssh`);
}

/** Lets a key in, beside the lab's. */
const authorize = (key: string) => onHost(host, `echo '${key}' >>/etc/ssh/lab_authorized_keys`);

/** An `ssh` that reads these lines as its configuration, for the PATH. */
function sshWith(config: string): string {
  const folder = project.path("bin");
  mkdirSync(folder, { recursive: true });
  writeFileSync(project.path("bin/config"), config);
  writeFileSync(project.path("bin/ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F ${folder}/config "$@"\n`);
  chmodSync(project.path("bin/ssh"), 0o755);
  return `${folder}:${process.env.PATH}`;
}

let maxclients = 300;

/** A playbook that changes something each time. */
function nextPlaybook(): void {
  maxclients++;
  project.playbook("site.yml", [{ name: "Bound the clients", limits: { maxclients } }]);
}

/** Hardens the host once more, and checks that it is. */
async function harden(
  vars: Record<string, unknown>,
  env: Record<string, string> = {},
): Promise<{ applied: ProjectRun; verified: ProjectRun }> {
  const known = existsSync(project.path("known_hosts")) ? readFileSync(project.path("known_hosts")) : "";
  writeInventory(project.dir, { "redis-01": host }, vars);
  writeFileSync(project.path("known_hosts"), known);
  nextPlaybook();
  const options = { env: { SSH_AUTH_SOCK: "", ...env } };
  const applied = await project.runWith(options, "apply", "site.yml", "--yes", "-v");
  expect(applied.host("redis-01")).toMatchObject({ status: "changed", error: null });
  expect(await host.redis("CONFIG", "GET", "maxclients")).toBe(`maxclients\n${maxclients}`);
  const verified = await project.runWith(options, "verify", "site.yml");
  expect(verified.host("redis-01")).toMatchObject({ error: null, connections: 1, roundTrips: 1 });
  return { applied, verified };
}

/** What an apply costs, as over ssh2: one connection to plan and change, and one that proves that a new login works. */
const COST = { connections: 2, roundTrips: 4 };

describe("a host is hardened by a login with", () => {
  it("a user certificate", async () => {
    const [authority, key] = [await newKey("user-ca"), await newKey("certified")];
    await keygen("-s", authority, "-I", "operator", "-n", "root", `${key}.pub`);
    await host.writeFile("/etc/ssh/user_ca.pub", readFileSync(`${authority}.pub`, "utf8"));
    await configureSshd("TrustedUserCAKeys /etc/ssh/user_ca.pub");
    const { applied } = await harden({ ansible_ssh_private_key_file: key });
    expect(applied.host("redis-01")).toMatchObject({
      ...COST,
      transport: { name: "openssh", reason: `${key}-cert.pub is an OpenSSH certificate` },
    });
    expect(applied.stdout.replace(/\s+/g, " ")).toContain(
      `redis-01: by the system's ssh: ${key}-cert.pub is an OpenSSH certificate`,
    );
  });

  it("a host certificate, whose authority is all that known_hosts has", async () => {
    const authority = await newKey("host-ca");
    writeFileSync(project.path("ssh/host.pub"), host.hostKey);
    await keygen("-h", "-s", authority, "-I", "redis-01", "-n", "127.0.0.1", project.path("ssh/host.pub"));
    await host.writeFile("/etc/ssh/host-cert.pub", readFileSync(project.path("ssh/host-cert.pub"), "utf8"));
    await configureSshd("HostCertificate /etc/ssh/host-cert.pub");
    const known = readFileSync(project.path("known_hosts"));
    const line = `@cert-authority [127.0.0.1]:* ${readFileSync(`${authority}.pub`, "utf8")}`;
    writeFileSync(project.path("known_hosts"), line);
    try {
      const { applied } = await harden({ ansible_ssh_private_key_file: labKey });
      expect(applied.host("redis-01")).toMatchObject({
        ...COST,
        transport: { name: "openssh", reason: "known_hosts knows the host by a @cert-authority only" },
      });
      writeInventory(project.dir, { "redis-01": host }, { redkeep_transport: "ssh2" });
      writeFileSync(project.path("known_hosts"), line);
      const refused = await project.run("verify", "site.yml");
      expect(refused.host("redis-01").error?.found).toContain("that needs redkeep_transport: openssh");
      const stranger = `@cert-authority [127.0.0.1]:* ${readFileSync(`${await newKey("other-ca")}.pub`, "utf8")}`;
      writeInventory(project.dir, { "redis-01": host });
      writeFileSync(project.path("known_hosts"), stranger);
      const unproven = await project.run("verify", "site.yml");
      expect(unproven.host("redis-01")).toMatchObject({ status: "unreachable", roundTrips: 0 });
      expect(unproven.host("redis-01").error?.found).toMatch(
        /the host key of redis-01 .* is not in .*no certificate came with it that the @cert-authority/,
      );
    } finally {
      writeFileSync(project.path("known_hosts"), known);
      await onHost(host, "sed -i /^HostCertificate/d /etc/ssh/sshd_config.d/lab.conf; systemctl reload ssh");
    }
  });

  it("a FIDO key", async () => {
    const socket = project.path("fido");
    await using agent = await startFidoAgent(socket);
    await authorize(agent.publicKey);
    const { applied } = await harden({ ansible_ssh_private_key_file: null }, { SSH_AUTH_SOCK: socket });
    expect(applied.host("redis-01")).toMatchObject({
      ...COST,
      transport: { name: "openssh", reason: "a key of the agent is a FIDO key" },
    });
  });

  it("a key of a PKCS #11 token", async () => {
    const library = "/usr/lib/softhsm/libsofthsm2.so";
    const conf = project.path("ssh/softhsm2.conf");
    mkdirSync(project.path("ssh/tokens"));
    writeFileSync(conf, `directories.tokendir = ${project.path("ssh/tokens")}\n`);
    const env = { ...process.env, SOFTHSM2_CONF: conf };
    const pem = project.path("ssh/token.pem");
    await run("openssl", ["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", pem]);
    const token = ["--token", "redkeep", "--pin", "7531"];
    await run(
      "softhsm2-util",
      ["--init-token", "--free", "--label", "redkeep", "--so-pin", "7531", ...token.slice(2)],
      { env },
    );
    await run("softhsm2-util", ["--import", pem, "--label", "operator", "--id", "01", ...token], { env });
    const { stdout } = await run("ssh-keygen", ["-D", library], { env });
    await authorize(stdout.trim());
    const PATH = sshWith(`Host *\n  PKCS11Provider ${library}\n`);
    const { applied } = await harden(
      { ansible_ssh_private_key_file: null, ansible_ssh_passphrase: "7531" },
      { PATH, SOFTHSM2_CONF: conf },
    );
    expect(applied.host("redis-01")).toMatchObject({
      ...COST,
      transport: { name: "openssh", reason: "~/.ssh/config sets PKCS11Provider for redis-01" },
    });
  });

  it("a key of an agent that may be used for this host alone", async () => {
    const key = await newKey("restricted");
    await authorize(readFileSync(`${key}.pub`, "utf8").trim());
    const socket = project.path("agent");
    const agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    try {
      await expect.poll(() => existsSync(socket)).toBe(true);
      const known = project.path("known_hosts");
      await run("ssh-add", ["-q", "-H", known, "-h", `[127.0.0.1]:${host.sshPort}`, key], {
        env: { ...process.env, SSH_AUTH_SOCK: socket },
      });
      const env = { SSH_AUTH_SOCK: socket };
      writeInventory(project.dir, { "redis-01": host }, { ansible_ssh_private_key_file: null });
      const first = await project.runWith({ env }, "verify", "site.yml");
      // ssh2 asks the agent, which refuses to sign; then ssh proves to it which host this is.
      expect(first.host("redis-01")).toMatchObject({
        error: null,
        connections: 2,
        transport: {
          name: "openssh",
          reason: "the agent refused to sign: its keys may be for certain hosts only",
        },
      });
      await harden({ ansible_ssh_private_key_file: null, redkeep_transport: "openssh" }, env);
    } finally {
      agent.kill();
      await once(agent, "exit");
    }
  });

  it("a Kerberos ticket, which the host does not get", async () => {
    await using realm = await startRealm(project.path("realm"));
    const keytab = await realm.addService(`host/${host.address}`);
    await onHost(host, "umask 077; base64 -d >/etc/krb5.keytab", keytab.toString("base64"));
    await host.writeFile("/etc/krb5.conf", `[libdefaults]\n default_realm = ${realm.name}\n`);
    await host.writeFile("/root/.k5login", `operator@${realm.name}\n`);
    await configureSshd("GSSAPIAuthentication yes");
    // The host does not call itself by the address that it is reached at.
    await configureSshd("GSSAPIStrictAcceptorCheck no");
    // A ticket that it was given would stay after the login.
    await configureSshd("GSSAPICleanupCredentials no");
    await realm.logIn("operator");
    const PATH = sshWith("Host *\n  GSSAPIAuthentication yes\n  GSSAPIDelegateCredentials yes\n");
    const { applied } = await harden({ ansible_ssh_private_key_file: null }, { ...realm.env, PATH });
    expect(applied.host("redis-01")).toMatchObject({
      ...COST,
      transport: { name: "openssh", reason: "there is a Kerberos ticket" },
    });
    const logins = await onHost(
      host,
      "journalctl --no-pager -u ssh | grep -o 'Accepted gssapi.*operator@[A-Z.]*'",
    );
    expect(logins.split("\n")).toHaveLength(COST.connections + 1);
    expect(await onHost(host, "ls /tmp")).not.toContain("krb5cc");
  });

  it("a command that connects", async () => {
    const connect = "bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!'";
    const PATH = sshWith(`Host *\n  ProxyCommand ${connect}\n`);
    const { applied } = await harden({}, { PATH });
    expect(applied.host("redis-01")).toMatchObject({
      ...COST,
      transport: {
        name: "openssh",
        reason: expect.stringContaining("~/.ssh/config has a ProxyCommand for redis-01: bash -c"),
      },
    });
  });

  it("a connection that stands already, which stays, and a new one that proves the change", async () => {
    const socket = project.path("standing");
    const options = ["-o", `UserKnownHostsFile=${project.path("known_hosts")}`, "-i", labKey];
    const args = ["-N", "-M", "-S", socket, ...options, "-p", String(host.sshPort), "root@127.0.0.1"];
    const standing = spawn("ssh", args, { stdio: "ignore" });
    try {
      await expect.poll(() => existsSync(socket)).toBe(true);
      const PATH = sshWith(`Host *\n  ControlPath ${socket}\n`);
      writeInventory(project.dir, { "redis-01": host });
      nextPlaybook();
      const logins = () => onHost(host, "journalctl --no-pager -u ssh | grep -c 'Accepted '");
      const before = Number(await logins());
      const applied = await project.runWith({ env: { PATH } }, "apply", "site.yml", "--yes");
      expect(applied.host("redis-01")).toMatchObject({ status: "changed", error: null, connections: 1 });
      expect(Number(await logins())).toBe(before + 1);
      const verified = await project.runWith({ env: { PATH } }, "verify", "site.yml");
      expect(verified.host("redis-01")).toMatchObject({
        connections: 0,
        roundTrips: 1,
        transport: { name: "openssh", reason: `your connection ${socket} stands (ControlPath)` },
      });
      expect(standing.exitCode).toBeNull();
    } finally {
      standing.kill();
      await once(standing, "exit");
    }
  });

  it("nothing is left of an ssh that redkeep started", async () => {
    const { stdout } = await run("ps", ["-eo", "args"]);
    expect(
      stdout.split("\n").filter((line) => line.includes(project.dir) && line.startsWith("ssh ")),
    ).toEqual([]);
  });
});
