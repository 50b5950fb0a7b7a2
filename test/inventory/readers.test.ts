import { chmod, readdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { directoryWith, type Files, refusal } from "./inventory-on-disk.ts";

async function hostsOf(files: Files, source: string, lay: (cwd: string) => Promise<void>) {
  const cwd = await directoryWith(files);
  await lay(cwd);
  const { hosts, warnings } = await loadInventory({ sources: [source], cwd });
  return { hosts: [...hosts.keys()], warnings };
}

describe("a link to nothing", () => {
  it("in a folder of inventories is a warning", async () => {
    const link = (cwd: string) => symlink("/nonexistent/hosts", join(cwd, "inv/lost"));
    expect(await hostsOf({ "inv/hosts": "h\n" }, "inv", link)).toEqual({
      hosts: ["h"],
      warnings: ["inv/lost is not read: it is a link to something that does not exist"],
    });
  });

  it("in group_vars is a warning, and the next name counts", async () => {
    const files = { hosts: "[g]\nh\n", "group_vars/g.yaml": "x: 1\n", "group_vars/all/a.yml": "y: 1\n" };
    const links = async (cwd: string) => {
      await symlink("/nonexistent/g", join(cwd, "group_vars/g.yml"));
      await symlink("nowhere", join(cwd, "group_vars/all/b.yml"));
    };
    expect(await hostsOf(files, "hosts", links)).toEqual({
      hosts: ["h"],
      warnings: [
        "group_vars/g.yml is not read: it is a link to something that does not exist",
        "group_vars/all/b.yml is not read: it is a link to something that does not exist",
      ],
    });
  });
});

describe("a file that may be executed", () => {
  it("and does not begin as a program does is data: no shell ever runs it", async () => {
    const files = { "hosts.yml": "g:\n  hosts:\n    h:\n      x: $(touch ran)\n" };
    const cwd = await directoryWith(files);
    await chmod(join(cwd, "hosts.yml"), 0o755);
    const { hosts } = await loadInventory({ sources: ["hosts.yml"], cwd });
    expect([...hosts.keys()]).toEqual(["h"]);
    expect(await readdir(cwd)).toEqual(["hosts.yml"]);
  });
});

it("a folder with nothing but a hosts.ini is refused by the file that Ansible skips there", async () => {
  const cwd = await directoryWith({ "inv/hosts.ini": "[g]\nh\n", "inv/group_vars/g.yml": "x: 1\n" });
  expect(await refusal(loadInventory({ sources: ["inv"], cwd }))).toBe(
    "inv/hosts.ini  is not read: of a folder Ansible takes no .ini and no .cfg. Name the file itself: -i inv/hosts.ini",
  );
});

describe("a large file", () => {
  it.each(["hosts", "hosts.yml"])(
    "such as ansible-inventory exports of a cloud is read: %s",
    async (name) => {
      const names = Array.from({ length: 500 }, (_, index) => `redis-${index}`);
      const tags = "x".repeat(4_000);
      const files = {
        hosts: names.map((host) => `${host} tags=${tags}\n`).join(""),
        "hosts.yml": `all:\n  hosts:\n${names.map((host) => `    ${host}: { tags: ${tags} }\n`).join("")}`,
      };
      expect((await hostsOf(files, name, async () => {})).hosts).toEqual(names);
    },
  );

  it("that is no inventory is refused with the first hundred of its problems", async () => {
    const problems = await refusal(hostsOf({ hosts: "h a b\n".repeat(500_000) }, "hosts", async () => {}));
    expect(problems.split("\n")).toHaveLength(21);
    expect(problems).toMatch(/\nand 80 more$/);
    expect(problems).toMatch(/^hosts:1 {2}expected key=value after the host h, found "a"/);
  });

  it("of more than 32 MiB is refused", async () => {
    const files = { hosts: `h\n${"#\n".repeat(16 * 1024 * 1024)}` };
    expect(await refusal(hostsOf(files, "hosts", async () => {}))).toContain("hosts  is larger than 32 MiB");
  });
});
