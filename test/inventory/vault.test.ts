import { describe, expect, it } from "vitest";
import { connectionVariables } from "../../src/inventory/connection-variables.ts";
import { hostVariables, type Inventory } from "../../src/inventory/inventory.ts";
import { inventoryHost, inventoryList } from "../../src/inventory/listing.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { ServerNames } from "../../src/inventory/server-names.ts";
import { redact, Secret } from "../../src/lib/secret.ts";
import { encrypt } from "../../src/vault/envelope.ts";
import { vaultSettings } from "../../src/vault/identities.ts";
import { unlocking } from "../../src/vault/locked.ts";
import { openerOf, Vault } from "../../src/vault/vault.ts";
import { directoryWith, type Files, refusal } from "./inventory-on-disk.ts";

const sealed = (text: string, password = "one", id?: string) => encrypt(text, new Secret(password), id);
/** A value as `ansible-vault encrypt_string` writes it. */
const value = async (text: string, indent: string, password?: string) =>
  `!vault |\n${(await sealed(text, password)).trim().replace(/^/gm, indent)}\n`;

const HOSTS = "g:\n  hosts:\n    a:\n    b:\nother:\n  hosts:\n    c:\n";

/** An inventory, the vault that opens it, and how often it asked for a password. */
async function situation(files: Files, { answer = "one", extraVars = [] as string[] } = {}) {
  const cwd = await directoryWith({ "hosts.yml": HOSTS, ...files });
  const asked: string[] = [];
  const settings = vaultSettings({ ids: [], passwordFiles: [], ask: true }, { cwd, env: {} });
  const vault = new Vault(settings, {
    env: {},
    interrupted: new AbortController().signal,
    ask: async (question) => {
      asked.push(question);
      return new Secret(answer);
    },
  });
  const inventory = await loadInventory({ sources: ["hosts.yml"], extraVars, vault, cwd });
  return { inventory, vault, asked, cwd };
}

const connectionTo = (inventory: Inventory, host: string, vault: Vault) =>
  unlocking(vault, () =>
    connectionVariables(
      host,
      hostVariables(inventory, host),
      { allowInventoryCommands: true },
      { cwd: "/", env: {}, openVault: openerOf(vault) },
    ),
  );

describe("an encrypted file of variables", () => {
  it("gives its variables to the selected hosts, with the precedence that a plain file would have", async () => {
    const { inventory, vault } = await situation({
      "group_vars/g/10-plain.yml": "ansible_user: plain\nansible_port: 1\n",
      "group_vars/g/20-vault.yml": await sealed("ansible_user: vaulted\nansible_port: 2\n"),
      "group_vars/g/30-plain.yml": "ansible_port: 3\n",
    });
    const open = await inventory.unlock(["a"], vault);
    expect(await connectionTo(open, "a", vault)).toMatchObject({ user: "vaulted", port: 3 });
  });

  it("stays closed, and nobody is asked, where no selected host needs it", async () => {
    const { inventory, vault, asked } = await situation({
      "group_vars/g.yml": await sealed("ansible_port: 2\n"),
    });
    const open = await inventory.unlock(["c"], vault);
    expect(open).toBe(inventory);
    expect(await connectionTo(open, "c", vault)).toMatchObject({ host: "c" });
    expect(asked).toEqual([]);
  });

  it("is opened once for all hosts", async () => {
    const { inventory, vault, asked } = await situation({
      "group_vars/g.yml": await sealed("ansible_port: 2\n"),
      "host_vars/c.yml": await sealed("ansible_port: 3\n"),
    });
    const some = await inventory.unlock(["a", "b"], vault);
    const all = await some.unlock(["a", "c"], vault);
    expect((await connectionTo(all, "b", vault)).port).toBe(2);
    expect((await connectionTo(all, "c", vault)).port).toBe(3);
    expect(asked).toHaveLength(1);
  });

  it("is open also where the closed inventory is asked for it once more", async () => {
    const { inventory, vault } = await situation({ "host_vars/a.yml": await sealed("ansible_port: 2\n") });
    await inventory.unlock(["a"], vault);
    const again = await inventory.unlock(["a"], vault);
    expect((await connectionTo(again, "a", vault)).port).toBe(2);
  });

  it("is refused by its name where the password is another", async () => {
    const { inventory, vault } = await situation(
      { "group_vars/g.yml": await sealed("x: 1\n") },
      { answer: "two" },
    );
    expect(await refusal(inventory.unlock(["a"], vault))).toBe(
      "group_vars/g.yml  is encrypted with Ansible Vault (id default), and the password of default (--ask-vault-pass) does not open it: it needs another, or is damaged",
    );
  });

  it.each([
    ["a: [\n", "group_vars/g.yml:2:1"],
    ["hunter2-and-more\n", 'expected a mapping of variables, found the text "••••"'],
    ["a: !!int hunter2-and-more\n", 'expected a value for !!int, found "••••"'],
  ])("says what is wrong in it, and shows nothing of it (%j)", async (text, expected) => {
    const { inventory, vault } = await situation({ "group_vars/g.yml": await sealed(text) });
    const message = await refusal(inventory.unlock(["a"], vault));
    expect(message).toContain(expected);
    expect(message).not.toContain("hunter2");
  });

  it("is listed without its values", async () => {
    const { inventory, vault } = await situation({
      "group_vars/g.yml": await sealed("user: root\nlist: [1, {deep: yes}]\n"),
    });
    const open = await inventory.unlock(["a"], vault);
    expect(JSON.parse(inventoryHost(open, "a"))).toEqual({
      user: "••••",
      list: ["••••", { deep: "••••" }],
    });
    expect(inventoryList(open)).not.toContain("root");
  });

  it("has its values masked in all output, but for short words and the names of the inventory", async () => {
    const files = {
      "hosts.yml": "g:\n  hosts:\n    redis-01.example.com:\n",
      "group_vars/g.yml": await sealed(
        'ansible_host: 10.20.30.40\nname: redis-01.example.com\nport: 6379\nsize: redis\nlist: ["Tr0ub4dor&3"]\n',
      ),
    };
    const { inventory, vault } = await situation(files);
    await inventory.unlock(["redis-01.example.com"], vault);
    expect(redact("redis-01.example.com at 10.20.30.40: redis on 6379 takes Tr0ub4dor&3")).toBe(
      "redis-01.example.com at ••••: redis on 6379 takes ••••",
    );
  });

  it("has commands in ssh options masked too, and plain text that has the tag by mistake", async () => {
    const { inventory, vault } = await situation({
      "group_vars/g.yml": await sealed(
        "ansible_ssh_common_args: -o ProxyCommand='proxy --token=Zq7xW0kP2m %h'\nnote: !vault Zq7xW0kP2m\n",
      ),
    });
    const open = await inventory.unlock(["a"], vault);
    await connectionTo(open, "a", vault);
    expect(redact("by proxy --token=Zq7xW0kP2m %h")).toBe("by ••••");
    expect(inventoryHost(open, "a")).not.toContain("Zq7xW0kP2m");
  });

  it("is not quoted in messages about what it holds", async () => {
    const { inventory, vault } = await situation({
      "group_vars/g.yml": await sealed("ansible_port: nope\nansible_user: '{{ x }}'\nansible_timeout: -5\n"),
    });
    const open = await inventory.unlock(["a"], vault);
    const message = await refusal(connectionTo(open, "a", vault));
    expect(message).toContain('ansible_port of a: expected a port number (1 to 65535), found "••••"');
    expect(message).toContain("ansible_timeout of a: expected seconds (more than 0), found ••••");
    expect(message).not.toMatch(/nope|\{\{ x|-5/);
  });

  it("leaves the name that a server's password is made for alone, whoever is selected", async () => {
    const { inventory, vault } = await situation({
      "host_vars/a.yml": await sealed("ansible_host: 10.0.0.1\n"),
      "host_vars/b.yml": await sealed("ansible_host: 10.0.0.1\n"),
    });
    const one = await inventory.unlock(["b"], vault);
    const both = await inventory.unlock(["a", "b"], vault);
    expect(new ServerNames(one).of("b")).toBe("b");
    expect(new ServerNames(both).of("b")).toBe("b");
  });
});

describe("a !vault value", () => {
  it("is opened where it is used, and is masked from then on", async () => {
    const password = "correct horse";
    const { inventory, vault } = await situation({
      "group_vars/g.yml": `ansible_become: yes\nansible_become_password: ${await value(password, "  ")}`,
    });
    const { becomePassword } = await connectionTo(inventory, "a", vault);
    expect(becomePassword?.reveal()).toBe(password);
    expect(redact(`it is ${password}`)).toBe("it is ••••");
  });

  it("that nobody uses stays closed, even where nobody has its password", async () => {
    const { inventory, vault, asked } = await situation({
      "group_vars/g.yml": `app_password: ${await value("x", "  ", "of another team")}ansible_port: 2\n`,
    });
    const open = await inventory.unlock(["a"], vault);
    expect((await connectionTo(open, "a", vault)).port).toBe(2);
    expect(asked).toEqual([]);
  });

  it("is listed as ansible-inventory lists it, even after it was opened", async () => {
    const text = await sealed("10.0.0.9");
    const { inventory, vault } = await situation({
      "host_vars/a.yml": `ansible_host: !vault |\n${text.trim().replace(/^/gm, "  ")}\n`,
    });
    const closed = inventoryHost(inventory, "a");
    expect((await connectionTo(inventory, "a", vault)).address).toBe("10.0.0.9");
    expect(JSON.parse(inventoryHost(inventory, "a"))).toEqual({ ansible_host: { __ansible_vault: text } });
    expect(inventoryHost(inventory, "a")).toBe(closed);
  });

  it("is refused by file, line and variable where the password is another", async () => {
    const { inventory, vault } = await situation(
      { "host_vars/a.yml": `x: 1\nansible_password: ${await value("x", "  ")}` },
      { answer: "two" },
    );
    expect(await refusal(connectionTo(inventory, "a", vault))).toContain(
      "host_vars/a.yml:2:19  ansible_password of a: is encrypted with Ansible Vault (id default), and the password of default (--ask-vault-pass) does not open it",
    );
  });

  it("that is damaged is refused by the line of the damage", async () => {
    const text = (await value("x", "  ")).replace(/(\n {2}\$.*\n {2})./, "$1x");
    const { inventory, vault } = await situation({ "host_vars/a.yml": `ansible_password: ${text}` });
    const broken = text.split("\n").findIndex((line) => line.startsWith("  x"));
    expect(await refusal(connectionTo(inventory, "a", vault))).toBe(
      `host_vars/a.yml:${broken + 1}:1  ansible_password of a: is damaged: should be hexadecimal digits`,
    );
  });

  it("reaches a variable that names it and stays masked there, like one from an encrypted file", async () => {
    const { inventory, vault } = await situation({
      "group_vars/g/vault.yml": await sealed("vault_password: from the file\n"),
      "group_vars/g/vars.yml": `single: ${await value("single value", "  ")}ansible_become: yes
ansible_become_password: "{{ vault_password }}"
ansible_password: "{{ single }}"
ansible_timeout: "{{ single }}"
`,
    });
    const open = await inventory.unlock(["a"], vault);
    const message = await refusal(connectionTo(open, "a", vault));
    expect(message).toContain('ansible_timeout of a: expected seconds (more than 0), found "••••"');
    const variables = new Map(hostVariables(open, "a"));
    variables.delete("ansible_timeout");
    const connection = await unlocking(vault, () =>
      connectionVariables("a", variables, {}, { cwd: "/", env: {} }),
    );
    expect(connection.becomePassword?.reveal()).toBe("from the file");
    expect(connection.password?.reveal()).toBe("single value");
  });

  it("may stand in JSON as ansible-inventory prints it", async () => {
    const text = await sealed("from JSON");
    const { inventory, vault } = await situation({
      "host_vars/a.json": JSON.stringify({ ansible_password: { __ansible_vault: text } }),
    });
    expect((await connectionTo(inventory, "a", vault)).password?.reveal()).toBe("from JSON");
    expect(JSON.parse(inventoryHost(inventory, "a"))).toEqual({
      ansible_password: { __ansible_vault: text },
    });
  });

  it("holds text, never a template", async () => {
    const { inventory, vault } = await situation({
      "group_vars/g.yml": `ansible_password: ${await value("{{ x }}", "  ")}`,
    });
    expect((await connectionTo(inventory, "a", vault)).password?.reveal()).toBe("{{ x }}");
  });
});

describe("what else may be encrypted", () => {
  it("an INI inventory that is encrypted as a whole", async () => {
    const { inventory, vault } = await situation({
      "hosts.yml": await sealed("[g]\nx ansible_port=2222 note=long-enough-to-mask-too\n"),
    });
    expect((await connectionTo(inventory, "x", vault)).port).toBe(2222);
    expect(inventoryList(inventory)).not.toContain("2222");
    expect(redact("long-enough-to-mask-too")).toBe("••••");
  });

  it("an inventory that is encrypted as a whole", async () => {
    const { inventory, vault } = await situation({
      "hosts.yml": await sealed("g:\n  hosts:\n    x: {ansible_port: 2222, note: long-enough-to-mask}\n"),
    });
    expect((await connectionTo(inventory, "x", vault)).port).toBe(2222);
    expect(inventoryList(inventory)).not.toContain("2222");
    expect(redact("long-enough-to-mask")).toBe("••••");
  });

  it("-e @FILE", async () => {
    const { inventory, vault } = await situation({ "hosts.yml": HOSTS }, { extraVars: ["ansible_port=1"] });
    expect((await connectionTo(inventory, "a", vault)).port).toBe(1);
    const cwd = await directoryWith({ "hosts.yml": HOSTS, "extra.yml": await sealed("ansible_port: 77\n") });
    const more = await loadInventory({ sources: ["hosts.yml"], extraVars: ["@extra.yml"], vault, cwd });
    expect((await connectionTo(more, "a", vault)).port).toBe(77);
    expect(inventoryHost(more, "a")).not.toContain("77");
  });

  it("a file that { file: PATH } names", async () => {
    const cwd = await directoryWith({
      "hosts.yml": "g:\n  hosts:\n    a: {ansible_password: {file: secret}}\n",
      secret: await sealed("from the vault\n"),
    });
    const { vault } = await situation({});
    const inventory = await loadInventory({ sources: ["hosts.yml"], vault, cwd });
    const { password } = await connectionVariables(
      "a",
      hostVariables(inventory, "a"),
      {},
      {
        cwd,
        env: {},
        openVault: openerOf(vault),
      },
    );
    expect(password?.reveal()).toBe("from the vault");
  });
});
