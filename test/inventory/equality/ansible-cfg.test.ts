import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { parseCfg } from "../../../src/inventory/ansible-cfg.ts";
import { ansibleSettings } from "../../../src/inventory/ansible-settings.ts";
import { InputError } from "../../../src/lib/errors.ts";
import { temporaryDirectory } from "../../connection/support/server.ts";
import { runWithAnsible } from "./ansible-python.ts";

/** Files that Ansible reads. */
const READ = [
  "",
  "# only a comment\n; and another\n\n",
  "[defaults]\ninventory = hosts.yml\n",
  "[defaults]\ninventory=hosts.yml\nremote_user : deploy\n",
  "[defaults]\n  inventory   =   hosts.yml   \n",
  "[defaults]\ninventory = hosts.yml ; the fleet\nremote_user = a;b\nforks = 12\t;x\n",
  "[defaults]\nany_other_key = deploy # no comment\n",
  "[defaults]\n#inventory = other\n;forks = 3\nforks = 4\n",
  "[defaults]\nInventory = hosts.yml\nREMOTE_USER = Deploy\n",
  "[defaults]\ninventory = hosts.yml,\n  more.yml\n",
  "[defaults]\ninventory = hosts.yml, more.yml ,dir\n",
  "[defaults]\nany_other_key = a\n\n  b\n\n",
  "[defaults]\nany_other_key = a\n# comment\n  b\n",
  "[defaults]\nany_other_key = a\n  # comment\n  b\n",
  "[ssh_connection]\nssh_args = -o ControlMaster=auto\n   -o ControlPersist=60s\n   -J gate\n",
  "[ssh_connection]\nssh_args = -o ControlPath=%(directory)s/%%h-%%r\n",
  "[ssh_connection]\nssh_args=\n",
  "[defaults]\nremote_user = 'deploy'\nvault_identity_list = 'a@b'\n",
  "[defaults]\nprivate_key_file = ~/.ssh/key\n",
  "[defaults]\nprivate_key_file = $REDKEEP_KEYS/key\nvault_password_file = ${REDKEEP_KEYS}/vault\n",
  "[defaults]\ninventory = {{CWD}}/hosts.yml\n",
  "[defaults]\nvault_identity_list = dev@dev.txt, prod@prod.txt\n",
  "[defaults]\nvault_identity_list = 'dev@dev.txt', 'prod@prod.txt'\n",
  '[defaults]\nvault_identity_list = "dev@dev.txt, prod@prod.txt"\n',
  "[defaults]\nforks = 20\ntimeout = 30\n[privilege_escalation]\nbecome = True\nbecome_user = root\n",
  "[privilege_escalation]\nbecome = yes\n",
  "[privilege_escalation]\nbecome = no\n",
  "[DEFAULT]\nremote_user = everywhere\n[defaults]\nforks = 2\n",
  "[DEFAULT]\nremote_user = everywhere\n[defaults]\nremote_user = here\n",
  "[defaults] trailing words\nremote_user = a\n",
  "[de]faults]\nx = 1\n[defaults]\nremote_user = a\n",
  "[defaults]\nx = [defaults]\n",
  "[defaults]\r\nremote_user = a\r\nforks = 7\r\n",
  "[defaults]\nkey with spaces = 1\nany_other_key = a = b : c\n",
  "[defaults]\nremote_user =\tdeploy\n",
  "[a]\nx = 1\n[defaults]\nremote_user = a\n[b]\nx = 2\n",
] as const;

/** Files that Ansible refuses. */
const REFUSED = [
  "remote_user = a\n",
  "[defaults]\nremote_user\n",
  "[defaults]\nforks = 1\nforks = 2\n",
  "[defaults]\nforks = 1\nFORKS = 2\n",
  "[defaults]\nx = 1\n[other]\ny = 1\n[defaults]\nz = 1\n",
  "[defaults]\n= value\n",
  "[defaults\nx = 1\n",
  "[]\nx = 1\n",
  "[defaults]\nx = 1\nwords without a sign\n",
  "[defaults]\nforks = many\n",
  "\ufeff[defaults]\nforks = 1\n",
] as const;

interface Read {
  error?: string;
  sections?: Record<string, Record<string, string>>;
  settings?: Record<string, unknown>;
}

const directory = temporaryDirectory();
const env = { HOME: join(directory.path, "home"), REDKEEP_KEYS: join(directory.path, "keys") };
const all = [...READ, ...REFUSED];
let ansible: Read[];

const folderOf = (text: string) => join(directory.path, `case-${all.indexOf(text as never)}`);
const cfgOf = (text: string) => join(folderOf(text), "ansible.cfg");

beforeAll(() => {
  mkdirSync(join(directory.path, "home/.ssh"), { recursive: true });
  mkdirSync(join(directory.path, "keys"));
  for (const file of ["home/.ssh/key", "keys/key", "keys/vault", "hosts.yml"]) directory.write(file, "");
  for (const text of all) {
    mkdirSync(folderOf(text));
    writeFileSync(cfgOf(text), text);
    for (const file of ["hosts.yml", "more.yml", "dir", "key"]) writeFileSync(join(folderOf(text), file), "");
  }
  ansible = runWithAnsible("read_cfg_with_ansible.py", all.map(cfgOf), directory.path, env) as Read[];
});

const theirs = (text: string): Read => ansible[all.indexOf(text as never)] ?? {};

describe("an ansible.cfg is read as Ansible reads it", () => {
  it.each(READ)("%j", async (text) => {
    const { sections, settings = {} } = theirs(text);
    const ours = [...parseCfg(text, "ansible.cfg")].map(([name, entries]) => [
      name,
      Object.fromEntries([...entries].map(([key, { value }]) => [key, value])),
    ]);
    expect(Object.fromEntries(ours)).toEqual(sections);

    const found = await ansibleSettings(
      { cwd: directory.path, env: { ...env, ANSIBLE_CONFIG: cfgOf(text) } },
      false,
    );
    const absolute = (path: string) => join(directory.path, path);
    expect({
      inventory: found.inventory?.sources.map(absolute) ?? ["/etc/ansible/hosts"],
      user: found.user ?? null,
      privateKey: found.privateKey ?? null,
      forks: found.forks ?? 5,
      timeout: found.timeoutSeconds ?? 10,
      become: found.become ?? false,
      becomeUser: found.connection.becomeUser?.value ?? "root",
      vaultPasswordFile: found.vault.passwordFile?.value ?? null,
      vaultIdentityList: found.vault.identityList?.value ?? [],
    }).toEqual(settings);
  });
});

describe("an ansible.cfg that Ansible refuses is refused, with the line", () => {
  it.each(REFUSED)("%j", async (text) => {
    expect(theirs(text)).toHaveProperty("error");
    const work = ansibleSettings(
      { cwd: directory.path, env: { ...env, ANSIBLE_CONFIG: cfgOf(text) } },
      false,
    );
    await expect(work).rejects.toThrow(InputError);
    await expect(work).rejects.toThrow(/ansible\.cfg:\d+ /);
  });
});
