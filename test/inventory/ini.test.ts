import { describe, expect, it } from "vitest";
import { connectionVariables } from "../../src/inventory/connection-variables.ts";
import { hostVariables } from "../../src/inventory/inventory.ts";
import { type Files, inventoryOf, refusal } from "./inventory-on-disk.ts";

const read = (text: string, files: Files = {}) =>
  inventoryOf({ sources: ["hosts"], files: { hosts: text, ...files } });

describe("an INI inventory", () => {
  it("gives each value the place of its line", async () => {
    const inventory = await read("[web]\nh x=1\n\n[web:vars]\ny = 2\n");
    const variables = hostVariables(inventory, "h");
    expect(variables.get("x")).toMatchObject({ value: 1, place: { file: "hosts", line: 2 } });
    expect(variables.get("y")).toMatchObject({ value: 2, place: { file: "hosts", line: 5 } });
  });

  it("is refused with every line that is wrong, not only the first", async () => {
    expect(await refusal(read("[web]\nh x\n[db\nb=1\n[x:y]\nskipped x\n[z]\n- y\n"))).toBe(
      [
        'hosts:2  expected key=value after the host h, found "x"; a value with spaces must be quoted',
        'hosts:3  expected [GROUP] alone on its line, or followed by a # comment, found "[db"',
        'hosts:5  expected [GROUP], [GROUP:children] or [GROUP:vars], found "[x:y]".',
        'hosts:8  expected key=value after the host -, found "y"; a value with spaces must be quoted',
      ].join("\n"),
    );
  });

  it.each<[string, string, string]>([
    ["a host with an escape sequence", "[g]\na\x1b[2Jb\n", '"a\\u001b[2Jb"'],
    ["a group with one", "[a\x1bb]\nh\n", '"a\\u001bb": a group name has only letters'],
    ["the address of a host", "[g]\nh ansible_host=-oProxyCommand=id\n", "accepted"],
    [
      "a value nested more deeply than YAML may be",
      `[g]\nh x="${"[".repeat(150)}${"]".repeat(150)}"\n`,
      "x: is nested more than 100 deep",
    ],
    ["hosts without measure", "[g]\nh[1:9999][1:9999]\n", "stands for more than 100000 hosts"],
    ["an Ansible Vault file", "$ANSIBLE_VAULT;1.1;AES256\n6162\n", "is encrypted with Ansible Vault"],
  ])("%s", async (_name, text, message) => {
    expect(await refusal(read(text))).toContain(message);
  });

  it("nested more deeply than Python reads is text", async () => {
    const text = `${"[".repeat(201)}${"]".repeat(201)}`;
    expect(hostVariables(await read(`[g]\nh x="${text}"\n`), "h").get("x")?.value).toBe(text);
  });

  it("is read in a time that its length does not multiply", async () => {
    const long = "1".repeat(80_000);
    const values = [
      `${long}x`,
      `${long}.${long}x`,
      `'${long}`,
      "[".repeat(80_000),
      "-".repeat(80_000),
      "(1,".repeat(60_000),
    ];
    const inventory = await read(
      `[g]\nh\n[g:vars]\n${values.map((value, i) => `v${i}=${value}`).join("\n")}\n`,
    );
    expect(hostVariables(inventory, "h").get("v0")?.value).toBe(values[0]);
  });
});

describe("a connection variable in INI", () => {
  const connect = async (line: string) => {
    const inventory = await read(`[g]\nh ${line}\n`);
    return connectionVariables("h", hostVariables(inventory, "h"), {}, { cwd: "/", env: {} });
  };

  it("is held to the same rules as in YAML", async () => {
    expect(await refusal(connect("ansible_host=-oProxyCommand=id"))).toBe(
      'hosts:2  ansible_host of h: expected a host name or an IP address, found "-oProxyCommand=id"',
    );
    expect(await refusal(connect("ansible_port=99999"))).toContain("expected a port number");
  });

  it.each<[string, string]>([
    ["1234", "1234"],
    ["0123", "0123"],
    ["\"'0123'\"", "0123"],
    ["0", "0"],
    ["abc", "abc"],
  ])("as a password %s is the text %s", async (written, password) => {
    for (const name of ["ansible_password", "ansible_ssh_pass"])
      expect((await connect(`${name}=${written}`)).password?.reveal()).toBe(password);
  });

  it.each(["1e5", "12.5", "True", "-5"])("as a password %s must be quoted", async (written) => {
    expect(await refusal(connect(`ansible_password=${written}`))).toContain(
      "ansible_password of h: expected a text",
    );
  });
});
