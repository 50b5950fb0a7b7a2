import { describe, expect, it } from "vitest";
import { loadPlaybook } from "../../src/playbook/load-playbook.ts";
import { directoryWith, refusal } from "../inventory/inventory-on-disk.ts";
import { playbookOf, playOf } from "./support.ts";

const TASKS = "tasks: [permissions: {}]";

describe("a play", () => {
  it("has the values that are written, and Ansible's defaults for the rest", async () => {
    const { plays } = await playbookOf(`
- hosts: [redis, "!old"]
  become: yes
  become_user: root
  become_method: sudo
  remote_user: deploy
  port: 2222
  connection: ssh
  order: reverse_sorted
  max_fail_percentage: 10%
  any_errors_fatal: yes
  gather_facts: no
  vars: { a: 1 }
  defaults: { b: "" }
  tasks:
    - name: Close
      permissions: {}
    - bind:
- name: Second
  hosts: other
  tasks: [limits: { maxmemory: 1gb }]
`);
    expect(plays[0]).toMatchObject({
      name: "redis,!old",
      hosts: ["redis", "!old"],
      become: true,
      becomeUser: "root",
      becomeMethod: "sudo",
      remoteUser: "deploy",
      port: 2222,
      connection: "ssh",
      order: "reverse_sorted",
      maxFailPercentage: 10,
      anyErrorsFatal: true,
      tasks: [
        { name: "Close", task: "permissions", params: {} },
        { name: "bind", task: "bind", params: {} },
      ],
    });
    expect(plays[0]?.vars.get("a")).toEqual({ value: 1, place: { file: "site.yml", line: 13, column: 11 } });
    expect(plays[1]).toMatchObject({
      name: "Second",
      hosts: ["other"],
      become: undefined,
      serial: [],
      order: "inventory",
      maxFailPercentage: undefined,
      anyErrorsFatal: false,
      tasks: [{ task: "limits", params: { maxmemory: "1gb" } }],
    });
  });

  it("is read relative to the working directory, and named as the user named it", async () => {
    const cwd = await directoryWith({ "plays/site.yml": `- {hosts: all, ${TASKS}}` });
    expect(await loadPlaybook("plays/site.yml", cwd)).toMatchObject({
      file: "plays/site.yml",
      directory: "plays",
    });
    expect(await refusal(loadPlaybook("plays/nosuch.yml", cwd))).toBe("plays/nosuch.yml  does not exist");
  });
});

describe("serial", () => {
  const all = { percent: 100 };
  it.each<[string, unknown]>([
    ["3", [{ count: 3 }]],
    ['"3"', [{ count: 3 }]],
    ["2.5", [{ count: 2 }]],
    ['"30%"', [{ percent: 30 }]],
    ["30%", [{ percent: 30 }]],
    ["0%", [{ percent: 0 }]],
    ["[1, 10%, 100%]", [{ count: 1 }, { percent: 10 }, { percent: 100 }]],
    ["0", [all]],
    ["-1", [all]],
    ['"-1"', [all]],
    ["[1, 0]", [{ count: 1 }, all]],
    ["[]", []],
    ["null", []],
  ])("%s is %j", async (serial, expected) => {
    expect((await playOf(`serial: ${serial}\n${TASKS}`)).serial).toEqual(expected);
  });

  it.each([
    ["abc", '"abc"'],
    ["33.5%", '"33.5%"'],
    ["101%", '"101%"'],
    ['"1e3"', '"1e3"'],
    ['""', '""'],
    ["yes", "true"],
    [".inf", "Infinity"],
    ["[1, x]", '"x"'],
    ["[1, [2]]", "a list"],
    ["{a: 1}", "a mapping"],
  ])("%s is refused", async (serial, found) => {
    expect(await refusal(playOf(`serial: ${serial}\n${TASKS}`))).toContain(
      `should be a number of hosts or a whole percentage such as 10%, found ${found}`,
    );
  });

  it("names the place of the entry that is wrong", async () => {
    expect(await refusal(playOf(`serial: [1, x]\n${TASKS}`))).toMatch(/^site\.yml:2:15 {2}serial\[1\]: /);
  });
});

describe("tags", () => {
  it("are the play's and the task's, commas and lists alike", async () => {
    const play = await playOf(
      "tags: a, b\ntasks: [{ bind: , tags: [c, 'd,e'] }, { acl: , tags: f }, { limits: }]",
    );
    expect(play.tasks.map(({ tags }) => tags)).toEqual([
      ["a", "b", "c", "d", "e"],
      ["a", "b", "f"],
      ["a", "b"],
    ]);
  });
});

describe("when", () => {
  it.each<[string, unknown]>([
    ["a == 1", ["a == 1"]],
    ["[a, no]", ["a", false]],
    ["yes", [true]],
    ["", []],
    ['""', []],
    ["[]", []],
    ["[~, '']", []],
  ])("%s is %j", async (when, expected) => {
    const play = await playOf(`tasks:\n  - permissions:\n    when: ${when}`);
    expect(play.tasks[0]?.when).toEqual(expected);
  });
});

describe("a mistake in a playbook is refused with its place", () => {
  it.each([
    ["", "site.yml:1:1  should be a list of plays, each with hosts and tasks"],
    ["[]", "site.yml:1:1  should be a list of plays, each with hosts and tasks"],
    ["hosts: all", "site.yml:1:1  should be a list of plays, each with hosts and tasks"],
    ["- text", 'site.yml:1:3  should be a play, a mapping with hosts and tasks, found "text"'],
    [
      `- {hosts: all, task: [], ${TASKS}}`,
      'site.yml:1:16  task: unknown keyword of a play. Did you mean "tasks"?',
    ],
    [`- {hosts: all, roles: [a], ${TASKS}}`, "site.yml:1:16  roles: unknown keyword of a play."],
    [`- {${TASKS}}`, "site.yml:1:3  hosts: should be a host pattern such as redis, found nothing"],
    [`- {hosts: "", ${TASKS}}`, 'site.yml:1:4  hosts: should be a host pattern such as redis, found ""'],
    [
      `- {hosts: [], ${TASKS}}`,
      "site.yml:1:4  hosts: should be a host pattern such as redis, found an empty list",
    ],
    [`- {hosts: 3, ${TASKS}}`, "site.yml:1:4  hosts: should be a host pattern such as redis, found 3"],
    ["- {hosts: all}", "site.yml:1:3  tasks: should be a list of tasks, found nothing"],
    ["- {hosts: all, tasks: {bind: {}}}", "site.yml:1:16  tasks: should be a list of tasks, found a mapping"],
    [
      "- {hosts: all, tasks: [bind]}",
      'site.yml:1:24  tasks[0]: should be a task, a mapping such as { bind: { … } }, found "bind"',
    ],
    [
      "- {hosts: all, tasks: [{bnid: {}}]}",
      'site.yml:1:25  tasks[0].bnid: unknown task or keyword. Did you mean "bind"? Tasks are acl, bind, firewall, ' +
        "limits, permissions, persistence, rename-command, service-user, tls",
    ],
    [
      "- {hosts: all, tasks: [{bind: {}, wen: a}]}",
      'tasks[0].wen: unknown task or keyword. Did you mean "when"?',
    ],
    ["- {hosts: all, tasks: [{__proto__: {}}]}", "tasks[0].__proto__: unknown task or keyword."],
    ["- {hosts: all, tasks: [{name: x}]}", "site.yml:1:24  tasks[0]: should name a task: one of acl, bind,"],
    [
      "- {hosts: all, tasks: [{bind: {}, acl: {}}]}",
      "site.yml:1:35  tasks[0].acl: a second task in one entry, beside bind: give each its own",
    ],
    [
      "- {hosts: all, tasks: [{bind: {}, when: 1}]}",
      "site.yml:1:35  tasks[0].when: should be an expression or a list of them, found 1",
    ],
    [
      "- {hosts: all, tasks: [{bind: {}, when: [a, {b: c}]}]}",
      "site.yml:1:45  tasks[0].when[1]: should be an expression or a list of them, found a mapping",
    ],
    [
      "- {hosts: all, tasks: [{bind: {}, tags: 1}]}",
      "tasks[0].tags: should be a tag or a list of tags, found 1",
    ],
    [
      "- {hosts: all, tasks: [{bind: {}, vars: [1]}]}",
      "tasks[0].vars: should be a mapping of variables, found a list",
    ],
    ["- {hosts: all, tasks: [{bind: {}, name: 1}]}", "tasks[0].name: should be text, found 1"],
    [
      `- {hosts: all, become: maybe, ${TASKS}}`,
      'site.yml:1:16  become: should be true or false, found "maybe"',
    ],
    [
      `- {hosts: all, port: 70000, ${TASKS}}`,
      "site.yml:1:16  port: should be a port (1 to 65535), found 70000",
    ],
    [`- {hosts: all, port: "22", ${TASKS}}`, 'site.yml:1:16  port: should be a number, found "22"'],
    [
      `- {hosts: all, order: sort, ${TASKS}}`,
      "site.yml:1:16  order: should be one of inventory, reverse_inventory, sorted, reverse_sorted, shuffle, " +
        'found "sort".',
    ],
    [
      `- {hosts: all, max_fail_percentage: 101, ${TASKS}}`,
      "site.yml:1:16  max_fail_percentage: should be a percentage (0 to 100), found 101",
    ],
    [
      `- {hosts: all, vars: [a], ${TASKS}}`,
      "site.yml:1:16  vars: should be a mapping of variables, found a list",
    ],
    [
      `- {hosts: all, hosts: all, ${TASKS}}`,
      "site.yml:1:16  [0].hosts: duplicate key, it stands already at line 1",
    ],
    ["- {hosts: all", "site.yml:"],
  ])("%j", async (text, expected) => {
    expect(await refusal(playbookOf(text))).toContain(expected);
  });

  it("together with all others, with the play's number from the second play on", async () => {
    const text = `- {hosts: all, order: x, ${TASKS}}\n- {hosts: all, port: x, tasks: [{bnid: }]}`;
    expect((await refusal(playbookOf(text))).split("\n").map((line) => line.split(": ")[0])).toEqual([
      "site.yml:1:16  order",
      "site.yml:2:16  [1].port",
      "site.yml:2:34  [1].tasks[0].bnid",
    ]);
  });
});
