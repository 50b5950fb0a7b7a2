import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { ConnectionVariables } from "../../src/connection/settings.ts";
import { connect } from "../../src/connection/ssh.ts";
import { Secret } from "../../src/lib/secret.ts";
import { type Directory, generateKey, startAgent, temporaryDirectory } from "../connection/support/server.ts";
import { type LabHost, labKey, operatorPassword, startHost, startNetwork } from "./support/lab.ts";

const OPTIONS = { timeoutMs: 20_000 };

let host: LabHost;
let directory: Directory;
beforeAll(async () => {
  host = await startHost();
  directory = temporaryDirectory();
});
afterAll(async () => {
  directory[Symbol.dispose]();
  await host[Symbol.asyncDispose]();
});

const variablesOf = (changes: Partial<ConnectionVariables> = {}): ConnectionVariables => ({
  host: "redis-01",
  address: host.address,
  port: host.sshPort,
  user: "root",
  privateKeyFile: labKey,
  sshOptions: {},
  timeoutSeconds: 10,
  become: true,
  knownHostsFile: directory.write("known_hosts", `${host.hostKeyLine}\n`),
  ...changes,
});

/** What `script` prints on the host. */
async function ask(variables: ConnectionVariables, script: string): Promise<string> {
  const connection = await connect(variables);
  try {
    const { status, stdout } = await connection.run(script, OPTIONS);
    expect(status).toBe(0);
    return stdout.toString().trim();
  } finally {
    connection.close();
  }
}

/** Runs `inside` on the host by docker exec, which owes nothing to SSH. */
async function onHost(script: string): Promise<string> {
  const { status, stdout, stderr } = await host.sh(script);
  if (status !== 0) throw new Error(`${script}: ${stderr}`);
  return stdout.trim();
}

async function addUser(name: string, options: string): Promise<void> {
  await onHost(
    `useradd -m ${options} ${name} && echo '${name} ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/${name}`,
  );
}

describe("on a real host", () => {
  it("root runs scripts as root", async () => {
    expect(await ask(variablesOf(), "id -un; hostname")).toBe(`root\n${await onHost("hostname")}`);
  });

  it("a user with sudo and no password becomes root", async () => {
    expect(await ask(variablesOf({ user: "deploy" }), "id -un; echo $HOME")).toBe("root\n/root");
  });

  it("a user with sudo and a password becomes root, and no log has the password", async () => {
    const variables = variablesOf({ user: "operator", becomePassword: new Secret(operatorPassword) });
    expect(await ask(variables, "id -un; cat")).toBe("root");
    const found = await onHost(
      `journalctl --no-pager | grep -c 'COMMAND=/bin/sh'; grep -rlF '${operatorPassword}' /var/log /run/log || true`,
    );
    expect(found).toMatch(/^[1-9]\d*$/);
  });

  it("a wrong become password is one failed attempt, and the script does not run", async () => {
    const failures = () =>
      onHost("journalctl --no-pager | grep -c 'pam_unix(sudo:auth): authentication failure' || true");
    const attempts = () => onHost("journalctl --no-pager | grep 'incorrect password attempt' || true");
    const before = Number(await failures());
    const variables = variablesOf({ user: "operator", becomePassword: new Secret("not-the-password") });
    const connection = await connect(variables);
    await expect(connection.run("touch /tmp/ran", OPTIONS)).rejects.toMatchObject({
      kind: "failed",
      message: "redis-01: sudo does not accept the become password of operator",
    });
    connection.close();
    await expect.poll(attempts).toContain("1 incorrect password attempt");
    expect(Number(await failures())).toBe(before + 1);
    expect(await onHost("ls /tmp/ran 2>&1 || true")).toContain("No such file");
  });

  it("a user whose sudo needs a password gets an error that names the variable to set", async () => {
    await expect(ask(variablesOf({ user: "operator" }), "true")).rejects.toMatchObject({
      kind: "failed",
      message: "redis-01: sudo wants a password for operator",
      remedy: expect.stringContaining("Run with -K, or set ansible_become_password."),
    });
  });

  it("a user without a login shell gets an error that says so", async () => {
    await addUser("noshell", "-s /bin/false");
    await expect(ask(variablesOf({ user: "noshell" }), "true")).rejects.toMatchObject({
      kind: "failed",
      message: "redis-01: the login shell of noshell ran nothing (exit 1)",
    });
  });

  it("the output of a login file does not get into the facts", async () => {
    await addUser("noisy", "-s /bin/bash");
    await onHost("printf 'echo Welcome; echo Oops >&2; set -x\\n' >/home/noisy/.bashrc");
    const connection = await connect(variablesOf({ user: "noisy" }));
    const result = await connection.run("echo fact", OPTIONS);
    connection.close();
    expect(result).toMatchObject({ stdout: Buffer.from("fact\n"), stderr: "" });
  });

  it("sudo is understood with its lecture, in another language and with a terminal of its own", async () => {
    await onHost("printf 'Defaults lecture=always\\nDefaults use_pty\\n' >/etc/sudoers.d/zz-defaults");
    const variables = variablesOf({ user: "operator", becomePassword: new Secret(operatorPassword) });
    const script = `text='${"0123456\n".repeat(128 * 1024)}'; printf '%s' "$text" | wc -c`;
    expect(await ask(variables, script)).toBe(String(1024 * 1024));
    await onHost("rm /etc/sudoers.d/zz-defaults");
  });

  it("a session that is killed leaves the script's outcome unknown", async () => {
    const connection = await connect(variablesOf());
    const running = connection.run("sleep 300", OPTIONS).catch((error: unknown) => error);
    await expect.poll(() => host.sh("pgrep -xf 'sleep 300'").then(({ status }) => status)).toBe(0);
    await onHost("pkill -KILL -f '^sshd: root'");
    expect(await running).toMatchObject({ kind: "lost" });
  });

  it("a host that no longer answers is noticed before a script's 45 seconds are over", async () => {
    const connection = await connect(variablesOf());
    const running = connection.run("sleep 301", { timeoutMs: 45_000 }).catch((error: unknown) => error);
    await expect.poll(() => host.sh("pgrep -xf 'sleep 301'").then(({ status }) => status)).toBe(0);
    await onHost("iptables -A INPUT -p tcp --dport 22 -j DROP; iptables -A OUTPUT -p tcp --sport 22 -j DROP");
    try {
      expect(await running).toMatchObject({
        kind: "lost",
        message: expect.stringContaining("the connection was lost while a script ran"),
      });
    } finally {
      await onHost("iptables -F");
      connection.close();
    }
  });
});

describe("logging in for real", () => {
  it("a host is recognised by a hashed line of known_hosts", async () => {
    await host.writeFile("/tmp/known_hosts", `${host.hostKeyLine}\n`);
    const hashed = await onHost("cd /tmp && ssh-keygen -q -H -f known_hosts 2>&1 && cat known_hosts");
    expect(hashed).not.toContain(host.address);
    const known = directory.write("hashed", `${hashed}\n`);
    expect(await ask(variablesOf({ knownHostsFile: known }), "echo in")).toBe("in");
  });

  it("a host is recognised by its RSA key alone", async () => {
    const rsa = await onHost("cut -d' ' -f1,2 /etc/ssh/ssh_host_rsa_key.pub");
    const knownHostsFile = directory.write("rsa", `[${host.address}]:${host.sshPort} ${rsa}\n`);
    expect(await ask(variablesOf({ knownHostsFile }), "echo in")).toBe("in");
  });

  it("a new host is accepted when asked for, and known from then on", async () => {
    const knownHostsFile = join(directory.path, "accepted");
    const sshOptions = { strictHostKeyChecking: "accept-new" as const };
    expect(await ask(variablesOf({ knownHostsFile, sshOptions }), "echo in")).toBe("in");
    expect(await ask(variablesOf({ knownHostsFile }), "echo in")).toBe("in");
  });

  it("a changed host key is refused before the host sees a login", async () => {
    const knownHostsFile = directory.write(
      "changed",
      `[${host.address}]:${host.sshPort} ${generateKey().public}\n`,
    );
    await onHost("journalctl --rotate -q; journalctl --vacuum-time=1s -q");
    await expect(connect(variablesOf({ knownHostsFile, user: "deploy" }))).rejects.toMatchObject({
      kind: "unreachable",
      message: expect.stringContaining("has changed"),
    });
    expect(await onHost("journalctl --no-pager -u ssh | grep deploy || true")).toBe("");
  });

  it("an encrypted key and an agent let in", async () => {
    const key = generateKey("ed25519", "open sesame");
    await host.writeFile("/home/deploy/.ssh/authorized_keys", `${key.public}\n`, "0600", "deploy:deploy");
    const privateKeyFile = directory.write("locked", key.private);
    const variables = variablesOf({ user: "deploy", privateKeyFile });
    expect(await ask({ ...variables, privateKeyPassphrase: new Secret("open sesame") }, "echo in")).toBe(
      "in",
    );
    await using _agent = await startAgent(directory, [[key, "open sesame"]]);
    expect(await ask(variables, "echo in")).toBe("in");
  });

  it("an agent's key lets in where the named key is refused", async () => {
    const [refused, taken] = [generateKey(), generateKey()];
    await onHost(`echo '${taken.public}' >>/root/.ssh/authorized_keys`);
    await using agent = await startAgent(directory, [[taken]]);
    const privateKeyFile = directory.write("refused", refused.private);
    expect(await ask(variablesOf({ privateKeyFile }), "id -un")).toBe("root");
    expect(agent.signatures).toBe(1);
  });

  it("an RSA key lets in where sshd refuses SHA-1 signatures", async () => {
    const path = join(directory.path, "login-rsa");
    await promisify(execFile)("ssh-keygen", ["-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", path]);
    await onHost(`cat >>/root/.ssh/authorized_keys <<'end'\n${readFileSync(`${path}.pub`, "utf8")}end`);
    expect(await ask(variablesOf({ privateKeyFile: path }), "id -un")).toBe("root");
  });

  it("a login takes one signature of the user's and none of the host's other keys", async () => {
    const loud = "/etc/ssh/sshd_config.d/00-loud.conf";
    await onHost(
      `echo LogLevel DEBUG1 >${loud}; systemctl reload ssh; journalctl --rotate --vacuum-time=1s -q`,
    );
    expect(await ask(variablesOf(), "id -un")).toBe("root");
    const log = await onHost(`rm ${loud}; journalctl --sync; journalctl -u ssh -o cat --no-pager`);
    expect(log).toContain("Accepted publickey for root");
    expect(log.match(/userauth-request for user root/g)).toHaveLength(1);
    expect(log).not.toContain("hostkeys-prove");
  });

  it("a password lets in", async () => {
    const variables = variablesOf({
      user: "operator",
      privateKeyFile: directory.write("stranger", generateKey().private),
      password: new Secret(operatorPassword),
      become: false,
    });
    expect(await ask(variables, "id -un")).toBe("operator");
  });

  it("a host behind another is reached through it", async () => {
    await using network = await startNetwork();
    await using bastion = await startHost({ network, alias: "bastion" });
    await using inner = await startHost({ network, alias: "inner" });
    const variables = variablesOf({
      address: "inner",
      port: 22,
      sshOptions: { proxyJump: [`deploy@${bastion.address}:${bastion.sshPort}`] },
      knownHostsFile: directory.write("jump", `${bastion.hostKeyLine}\ninner ${inner.hostKey}\n`),
    });
    expect(await ask(variables, 'hostname; echo "${SSH_CONNECTION%% *}"')).toBe(`inner\n${bastion.ip}`);
  });
});
