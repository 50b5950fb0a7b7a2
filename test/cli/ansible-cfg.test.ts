import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Directory, temporaryDirectory } from "../connection/support/server.ts";
import { redkeep } from "../support/cli.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  // Without ssh, OpenSSH's defaults hold.
  vi.stubEnv("PATH", directory.path);
  vi.stubEnv("HOME", directory.path);
  // Port 1 refuses at once: the run gets as far as the host, and no further.
  directory.write(
    "hosts.yml",
    "all: { hosts: { h1: {} }, vars: { ansible_host: 127.0.0.1, ansible_port: 1 } }\n",
  );
  directory.write("site.yml", "- hosts: all\n  tasks:\n    - limits: { nofile: 64 }\n");
});
afterEach(() => {
  directory[Symbol.dispose]();
  vi.unstubAllEnvs();
});

const run = (args: string[], env: Record<string, string> = {}) => redkeep(args, { cwd: directory.path, env });
const plan = (...args: string[]) => run(["plan", "site.yml", ...args]);
const cfg = (text: string) => directory.write("ansible.cfg", text);

describe("an ansible.cfg", () => {
  it("names the inventory, so that no command needs -i, and redkeep says which it took", async () => {
    cfg("[defaults]\ninventory = hosts.yml\n");
    const { exitCode, stdout, stderr } = await plan("-v");
    expect(exitCode).toBe(4);
    expect(stderr).toContain("configuration: ansible.cfg\n");
    expect(stderr).toContain("inventory: hosts.yml, from ansible.cfg:2 (inventory)\n");
    expect(stdout).toContain("connection refused by 127.0.0.1:1");
    const listed = await run(["inventory", "--list"]);
    expect(JSON.parse(listed.stdout)._meta.hostvars.h1.ansible_port).toBe(1);
  });

  it("gives the next command its inventory too, and the options for a vault are repeated there", async () => {
    cfg("[defaults]\ninventory = hosts.yml\n");
    directory.write("pw", "secret\n");
    const { stdout } = await plan("-l", "h1", "--vault-password-file", "pw", "--vault-id", "ops@pw");
    expect(stdout.replace(/\s+/g, " ")).toContain(
      " plan site.yml --limit h1 --vault-id ops@pw --vault-password-file pw exit 4",
    );
  });

  it("is weaker than -i", async () => {
    cfg("[defaults]\ninventory = gone.yml\n");
    const { exitCode, stderr } = await plan("-i", "hosts.yml");
    expect(exitCode).toBe(4);
    expect(stderr).not.toContain("inventory:");
  });

  it("lies where ANSIBLE_CONFIG says, and its paths count from its own folder", async () => {
    mkdirSync(join(directory.path, "etc"));
    directory.write("etc/ansible.cfg", "[defaults]\ninventory = ../hosts.yml\n");
    const { stderr } = await run(["plan", "site.yml"], { ANSIBLE_CONFIG: "etc" });
    expect(stderr).toContain("inventory: hosts.yml, from etc/ansible.cfg:2 (inventory)");
  });

  it("in a folder that everybody may write to is not read, which is said", async () => {
    cfg("[defaults]\ninventory = hosts.yml\n");
    chmodSync(directory.path, 0o777);
    const { exitCode, stderr } = await plan();
    expect(exitCode).toBe(1);
    expect(stderr).toContain("redkeep does not read ansible.cfg here: every user may write to this folder");
    expect(stderr).toContain(
      "--inventory: name an inventory with it, or in ansible.cfg by inventory = PATH in [defaults]",
    );
  });

  it("says whom to log in as: weaker than -u, the play and the inventory, stronger than ~/.ssh/config", async () => {
    const { startServer } = await import("../connection/support/server.ts");
    await using server = await startServer({ authenticate: (context) => context.reject([]) });
    const host = (more: string) =>
      directory.write(
        "hosts.yml",
        `all: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: ${server.port}${more} } } }\n`,
      );
    cfg("[defaults]\ninventory = hosts.yml\nremote_user = of_cfg\n");
    const userOf = async (...args: string[]) =>
      /no login as (\w+) at/.exec((await plan("--host-keys", "accept-new", ...args)).stdout)?.[1];
    host("");
    expect(await userOf()).toBe("of_cfg");
    expect(await userOf("-u", "of_option")).toBe("of_option");
    host(", ansible_user: of_inventory");
    expect(await userOf("-u", "of_option")).toBe("of_inventory");
  });

  it("with host_key_checking = False is named once, and not followed", async () => {
    cfg("[defaults]\ninventory = hosts.yml\nhost_key_checking = False\n");
    directory.write(
      "hosts.yml",
      "all: { hosts: { h1: {}, h2: {} }, vars: { ansible_host: 127.0.0.1, ansible_port: 1 } }\n",
    );
    const { exitCode, stderr } = await plan();
    expect(exitCode).toBe(4);
    expect(stderr.match(/switches host keys off/g)).toHaveLength(1);
    expect(stderr).toContain(
      "warning: ansible.cfg:3 (host_key_checking) switches host keys off, which redkeep does not follow: to take each host's first key, give --host-keys accept-new\n",
    );
    expect((await plan("--host-keys", "accept-new")).stderr).not.toContain("switches host keys off");
  });

  it("with a # comment behind host_key_checking has it off, as Ansible has", async () => {
    cfg("[defaults]\ninventory = hosts.yml\nhost_key_checking = True # as it should be\n");
    directory.write("hosts.yml", "all: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n");
    expect((await plan()).stderr).toContain("ansible.cfg:3 (host_key_checking) switches host keys off");
  });

  it("with hash_behaviour = merge has the mappings of one name merged", async () => {
    cfg("[defaults]\ninventory = hosts.yml\nhash_behaviour = merge\n");
    directory.write(
      "hosts.yml",
      "all: { hosts: { h1: { redis: { port: 6380 } } }, vars: { redis: { bind: x, port: 1 } } }\n",
    );
    const listed = async (...args: string[]) => {
      const { stdout } = await run(["inventory", "--list", ...args]);
      return JSON.parse(stdout)._meta.hostvars.h1.redis;
    };
    expect(await listed()).toEqual({ bind: "x", port: 6380 });
    expect(await listed("-e", '{"redis": {"tls": 1}}')).toEqual({ bind: "x", port: 6380, tls: 1 });
  });

  it.each<[string, string, string]>([
    [
      "[defaults]",
      "inventory = gone.yml",
      "ansible.cfg:2  inventory: names gone.yml, which does not exist\n",
    ],
    [
      "[defaults]",
      "private_key_file = gone",
      'ansible.cfg:2  private_key_file: names a file that does not exist, found "gone"',
    ],
    [
      "[defaults]",
      "vault_password_file = gone",
      "ansible.cfg:2  vault_password_file: names a file that does not exist",
    ],
    [
      "[defaults]",
      "vault_identity_list = prod@gone",
      'ansible.cfg:2  vault_identity_list: expected a file with the vault\'s password, or a program that prints it; found no file "gone"',
    ],
    ["[defaults]", "vault_identity_list = a b@x", "ansible.cfg:2  vault_identity_list: expected ID@FILE"],
    [
      "[defaults]",
      "forks = many",
      'ansible.cfg:2  forks: expected a whole number from 1 to 1000, found "many"',
    ],
    [
      "[privilege_escalation]",
      "become = True # always",
      'ansible.cfg:2  become: expected true or false, and ";" before a comment behind it, found "True # always"',
    ],
    ["[defaults]", "host_key_checking = maybe", "ansible.cfg:2  host_key_checking: expected true or false"],
    [
      "[defaults]",
      "hash_behaviour = mix",
      'ansible.cfg:2  hash_behaviour: expected replace or merge, found "mix"',
    ],
    [
      "[defaults]",
      "transport = paramiko",
      'ansible.cfg:2  transport: expected ssh: redkeep has no other connection, found "paramiko"',
    ],
    ["[defaults]", "remote_user = -x", 'ansible.cfg:2  remote_user: expected a user name, found "-x"'],
    ["[defaults]", "remote_port = x", "ansible.cfg:2  remote_port: expected a whole number from 1 to 65535"],
    ["[defaults]", "words", 'ansible.cfg:2  expected key = value, found "words"'],
    ["[privilege_escalation]", "become_method = su", ""],
    [
      "[privilege_escalation]\nbecome = yes",
      "become_method = su",
      "ansible.cfg:3  become_method: expected sudo",
    ],
    [
      "[privilege_escalation]\nbecome = yes",
      "become_user = redis",
      "ansible.cfg:3  become_user: expected root",
    ],
    [
      "[ssh_connection]",
      "ssh_args = -o StrictHostKeyChecking=no",
      "ansible.cfg:2  ssh_args: StrictHostKeyChecking=no would let anybody pose as the host",
    ],
    [
      "[ssh_connection]",
      "ssh_common_args = -o Nonsense=1",
      "ansible.cfg:2  ssh_common_args: unknown ssh option Nonsense",
    ],
    ["[privilege_escalation]\nbecome = yes", "become_flags = -H -S -n", ""],
    [
      "[privilege_escalation]\nbecome = yes",
      "become_flags = -E",
      "ansible.cfg:3  become_flags: redkeep does not support this setting",
    ],
    ["[ssh_connection]", "ssh_executable = /opt/ssh", "ansible.cfg:2  ssh_executable: expected ssh"],
    ["[ssh_connection]", "ssh_args = -C -o ControlMaster=auto -o ControlPath=%(directory)s/%%h", ""],
    [
      "[galaxy]\nserver_list = x\n[defaults]",
      "roles_path = gone\ncallbacks_enabled = timer\nretry_files_enabled = False",
      "",
    ],
  ])("%s %s", async (section, line, message) => {
    cfg(`${section}\n${line}\n`);
    const { exitCode, stderr } = await (line.startsWith("inventory") ? plan() : plan("-i", "hosts.yml"));
    expect(exitCode).toBe(message === "" ? 4 : 1);
    expect(stderr).toContain(message);
  });

  it("gives way to variables of the environment", async () => {
    cfg("[defaults]\ninventory = gone.yml\nforks = 1\n[ssh_connection]\nssh_args = -o Nonsense=1\n");
    const env = { ANSIBLE_INVENTORY: "hosts.yml", ANSIBLE_SSH_ARGS: "-C" };
    const { exitCode, stderr } = await run(["plan", "site.yml"], env);
    expect(exitCode).toBe(4);
    expect(stderr).toContain("inventory: hosts.yml, from ANSIBLE_INVENTORY\n");
    const wrong = await run(["plan", "site.yml"], { ...env, ANSIBLE_SSH_COMMON_ARGS: "-o Nonsense=1" });
    expect(wrong.stderr).toContain("ANSIBLE_SSH_COMMON_ARGS: unknown ssh option Nonsense");
    const gone = await run(["plan", "site.yml"], { ANSIBLE_CONFIG: "gone.cfg" });
    expect(gone.stderr).toContain("gone.cfg  ANSIBLE_CONFIG: does not exist");
  });

  it("gives way to a variable of the inventory of the same meaning", async () => {
    cfg(
      "[ssh_connection]\nssh_common_args = -o Nonsense=1\n[privilege_escalation]\nbecome = yes\nbecome_method = su\n",
    );
    directory.write(
      "hosts.yml",
      "all: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1, ansible_ssh_common_args: -C, ansible_become_method: sudo } } }\n",
    );
    expect((await plan("-i", "hosts.yml")).exitCode).toBe(4);
  });
});
