import { describe, expect, it } from "vitest";
import { hostTasks } from "../../src/playbook/host-tasks.ts";
import { inventoryOf, refusal } from "../inventory/inventory-on-disk.ts";
import { paramsOf, playbookOf, playOf, type Situation, tasksOf } from "./support.ts";

const FACTS = { hostname: "redis-01", memory_bytes: 8 * 2 ** 30, role: "master" };
const namesOf = async (situation: Situation) => (await tasksOf(situation)).tasks.map(({ task }) => task);

describe("the tasks of a host", () => {
  it("come in the playbook's order, with parameters left out at their defaults", async () => {
    const { tasks, skipped, needsFacts } = await tasksOf({
      play: 'tasks: [{ name: Save, persistence: { mode: aof } }, { bind: { addresses: ["127.0.0.1"] } }]',
    });
    expect(tasks.map(({ task, name, params }) => ({ task, name, params }))).toEqual([
      { task: "persistence", name: "Save", params: { mode: "aof" } },
      {
        task: "bind",
        name: "bind",
        params: {
          addresses: ["127.0.0.1"],
          unix_socket: "auto",
          protected_mode: true,
          wait_for_network: true,
        },
      },
    ]);
    expect(skipped).toEqual([]);
    expect(needsFacts).toBe(false);
  });

  it("take what the default playbook says where addresses, subnets and users are left out", async () => {
    const { tasks } = await tasksOf({
      play: "tasks: [bind: , acl: , firewall: ]",
      host: "{ private_ip: 10.0.0.5, app_subnet: 10.0.0.0/24 }",
    });
    const [bind, acl, firewall] = tasks.map(({ params }) => params);
    expect(bind).toMatchObject({ addresses: ["127.0.0.1", "-::1", "10.0.0.5"] });
    expect(acl).toMatchObject({ users: [{ name: "app" }, { name: "metrics" }, { name: "admin" }] });
    expect(firewall).toMatchObject({ allow: ["10.0.0.0/24"] });
    expect(await paramsOf({ play: "tasks: [bind: ]" })).toMatchObject({
      addresses: ["127.0.0.1", "-::1", ""],
    });
  });

  it("are those that the tags select", async () => {
    const play =
      "tasks: [{ bind: , tags: network }, { acl: , tags: [access] }, limits: , { permissions: , tags: never }]";
    expect(await namesOf({ play })).toEqual(["bind", "acl", "limits"]);
    expect(await namesOf({ play, tags: ["network", "never"] })).toEqual(["bind", "permissions"]);
    expect(await namesOf({ play, skipTags: ["network"] })).toEqual(["acl", "limits"]);
  });

  it("are refused where one comes twice, with the place of the second", async () => {
    const play = "tasks:\n  - bind:\n  - bind:";
    expect(await refusal(tasksOf({ play }))).toBe(
      "site.yml:4:7  tasks[1]: bind applies twice to h1: a host takes each task once (use when, or one entry)",
    );
    expect(
      await namesOf({ play: "tasks: [{ bind: , when: a }, { bind: , when: '!a' }]", host: "{ a: true }" }),
    ).toEqual(["bind"]);
  });
});

describe("when", () => {
  it.each<[string, string, boolean]>([
    ["yes", "{}", true],
    ["no", "{}", false],
    ["size > 2", "{ size: 3 }", true],
    ["size > 2", "{ size: 2 }", false],
    ["'<%= size > 2 %>'", "{ size: 3 }", true],
    ["<%= flag %>", "{ flag: no }", false],
    ['group_names.includes("redis")', "{}", false],
    ['inventory_hostname === "h1"', "{}", true],
    ['typeof missing === "undefined"', "{}", true],
    ["[size > 2, size < 9]", "{ size: 3 }", true],
    ["[size > 2, size < 9]", "{ size: 9 }", false],
    ["[size > 2, missing]", "{ size: 1 }", false],
    ["[]", "{}", true],
    ["", "{}", true],
  ])("%s on a host with %s: %s", async (when, host, runs) => {
    const { tasks, skipped } = await tasksOf({
      play: `tasks:\n  - limits:\n    when: ${when}\n  - permissions:`,
      host,
    });
    expect(tasks.map(({ task }) => task)).toEqual(runs ? ["limits", "permissions"] : ["permissions"]);
    expect(skipped).toEqual(
      runs ? [] : [{ task: "limits", name: "limits", reason: "when: false on this host", index: 0 }],
    );
  });

  it.each([
    ["flag", '{ flag: "false" }', 'should be true or false on h1, found "false"'],
    ["flag", "{ flag: 0 }", "should be true or false on h1, found 0"],
    ["flag", "{ flag: ~ }", "should be true or false on h1, found null"],
    ["flag", "{ flag: [] }", "should be true or false on h1, found an empty list"],
    ["redis_password", "{ redis_password: hunter2hunter2 }", "should be true or false on h1, found a text"],
    ["siez > 2", "{ size: 3 }", 'siez is not defined on h1. Did you mean "size"?'],
    ["fatcs.role", "{}", 'fatcs is not defined on h1. Did you mean "facts"?'],
    [
      "size > 2 and size < 9",
      "{ size: 3 }",
      "Unexpected identifier 'and' on h1. Expressions are JavaScript: &&, || and ! for and, or and not",
    ],
    [
      "size is defined",
      "{ size: 3 }",
      "Unexpected identifier 'is' on h1. Expressions are JavaScript: &&, || and ! for and, or and not",
    ],
    ["'{{ flag }}'", "{ flag: true }", "Expressions are JavaScript"],
  ])("%s on a host with %s is refused with its place", async (when, host, message) => {
    const refused = await refusal(
      tasksOf({
        play: `tasks:\n  - limits:\n    when: ${when}`,
        host,
      }),
    );
    expect(refused).toContain("site.yml:4:7  tasks[0].when: ");
    expect(refused).toContain(message);
    expect(refused).not.toContain("hunter2");
  });
});

describe("templates in parameters", () => {
  const play =
    'tasks: [{ bind: { addresses: [127.0.0.1, "<%= private_ip %>"], protected_mode: "<%= safe %>" } }]';

  it("take the host's variables and keep their type", async () => {
    const params = await paramsOf({ play, host: "{ private_ip: 10.0.0.11, safe: no }" });
    expect(params).toMatchObject({ addresses: ["127.0.0.1", "10.0.0.11"], protected_mode: false });
  });

  it.each([
    "{ private_ip: '{{ ip }}', ip: 10.0.0.11, safe: '{{ no_tls }}', no_tls: no }",
    "{ private_ip: \"{{ hostvars['h1']['ip'] }}\", ip: 10.0.0.11, safe: '{{ absent | default(false) }}' }",
    "{ private_ip: '10.0.0.{{ number }}', number: 11, safe: '{{ from_play }}' }",
  ])("take an inventory's variable with its own templates rendered: %s", async (host) => {
    const vars = 'vars: { part: no, from_play: "<%= part %>" }\n';
    const params = await paramsOf({ play: `${vars}${play}`, host });
    expect(params).toMatchObject({ addresses: ["127.0.0.1", "10.0.0.11"], protected_mode: false });
  });

  it("never render what a template of the inventory took from the playbook or from a value a second time", async () => {
    const limits = 'vars: { own: "<%= text %>" }\ntasks: [{ acl: { file: "<%= path %>" } }]';
    const host = "{ path: '/x/{{ own }}', text: '<%= 1 + 1 %>' }";
    expect(await refusal(paramsOf({ play: limits, host }))).toContain('found "/x/<%= 1 + 1 %>"');
  });

  it("may be a whole list, a whole mapping, or a part of a text", async () => {
    const params = await paramsOf({
      play: 'tasks: [{ acl: { file: "<%= dir %>/users.acl", users: "<%= users %>" } }]',
      host: "{ dir: /etc/redis, users: [{ name: app, preset: application, password: { env: APP } }] }",
    });
    expect(params).toMatchObject({
      file: "/etc/redis/users.acl",
      users: [{ name: "app", password: { env: "APP" } }],
    });
  });

  it.each([
    [
      "an undefined name",
      "{ private_pi: 10.0.0.11, safe: no }",
      'private_ip is not defined on h1. Did you mean "private_pi"?',
    ],
    [
      "a line break inside a text",
      '{ private_ip: "x", safe: no, dir: "/etc\\nx" }',
      "a value holds a line break",
    ],
    [
      "a Jinja template",
      '{ private_ip: "{{ ansible_host }}", safe: no }',
      "private_ip of h1: is a Jinja template",
    ],
    [
      "a vault value",
      "{ private_ip: !vault abc, safe: no }",
      "private_ip of h1: should begin with $ANSIBLE_VAULT;1.1;AES256",
    ],
    [
      "a template in an inventory value",
      '{ private_ip: "<%= safe %>", safe: no }',
      'found "<%= safe %>" on h1 (private_ip: hosts.yml:1)',
    ],
    [
      "a line break in a value",
      '{ private_ip: "10.0.0.1\\nport 1", safe: no }',
      'found "10.0.0.1\\nport 1" on h1',
    ],
    [
      "another type",
      "{ private_ip: [10.0.0.11], safe: no }",
      "tasks[0].bind.addresses[1]: should be text, found a list on h1 (private_ip: hosts.yml:1)",
    ],
  ])("%s is refused", async (_, host, message) => {
    const text = host.includes("dir:") ? 'tasks: [{ acl: { file: "<%= dir %>/a" } }]' : play;
    expect(await refusal(tasksOf({ play: text, host }))).toContain(message);
  });

  it("never render what comes from the inventory or the command line", async () => {
    const hostile = "<%= process.exit(1) %>";
    const play =
      'tasks: [{ acl: { users: [{ name: a, preset: admin, password: { file: "<%= path %>" } }] } }]';
    const expected = { users: [{ password: { file: hostile } }] };
    expect(await paramsOf({ play, host: `{ path: "${hostile}" }` })).toMatchObject(expected);
    expect(await paramsOf({ play, extraVars: [`{"path": "${hostile}"}`] })).toMatchObject(expected);
  });

  it("ignore variables that they do not name, also Jinja, vault and broken values", async () => {
    const host =
      '{ private_ip: 10.0.0.11, safe: no, other: "{{ x }}", secret: !vault abc, class: 1, __proto__: 2, "a b": 3 }';
    expect(await namesOf({ play, host })).toEqual(["bind"]);
  });

  it("do not take a property for a variable of the same name", async () => {
    const host = '{ net: { ip: 10.0.0.11 }, ip: "{{ x }}", safe: no }';
    const params = await paramsOf({ play: play.replace("private_ip", "net.ip"), host });
    expect(params.addresses).toEqual(["127.0.0.1", "10.0.0.11"]);
  });

  it.each([
    [
      '{ bind: { addresses: ["{{ private_ip }}"] } }',
      'tasks[0].bind.addresses[0]: is a Jinja template ("{{ private_ip }}"); a playbook of redkeep takes <%= NAME %>',
    ],
    [
      "{ limits: { maxmemory: !vault abc } }",
      "tasks[0].limits.maxmemory: should begin with $ANSIBLE_VAULT;1.1;AES256",
    ],
    [
      '{ limits: { maxmemory: "<%- size %>" } }',
      "tasks[0].limits.maxmemory: <%- inserts a value without checking",
    ],
  ])("%s is refused in the playbook itself", async (task, message) => {
    expect(await refusal(tasksOf({ play: `tasks: [${task}]`, host: "{ size: 1gb }" }))).toContain(message);
  });

  it("leave the template language of a secret's command alone", async () => {
    const command = "[docker, inspect, -f, '{{.Config}}']";
    const play = `tasks: [{ acl: { users: [{ name: a, preset: admin, password: { command: ${command} } }] } }]`;
    expect(await namesOf({ play })).toEqual(["acl"]);
  });
});

describe("variables", () => {
  const bind = 'tasks: [{ bind: { addresses: ["<%= ip %>"] } }]';
  const addresses = async (situation: Situation) => (await paramsOf(situation)).addresses;

  it("win in this order, the strongest last: defaults, inventory, play, task, command line", async () => {
    const task = bind.replace("{ bind", "{ vars: { ip: 10.0.0.4 }, bind");
    const defaults = "defaults: { ip: 10.0.0.1 }\n";
    const vars = "vars: { ip: 10.0.0.3 }\n";
    const host = "{ ip: 10.0.0.2 }";
    expect(await addresses({ play: defaults + bind })).toEqual(["10.0.0.1"]);
    expect(await addresses({ play: defaults + bind, host })).toEqual(["10.0.0.2"]);
    expect(await addresses({ play: defaults + vars + bind, host })).toEqual(["10.0.0.3"]);
    expect(await addresses({ play: defaults + vars + task, host })).toEqual(["10.0.0.4"]);
    expect(await addresses({ play: defaults + vars + task, host, extraVars: ["ip=10.0.0.5"] })).toEqual([
      "10.0.0.5",
    ]);
  });

  it("of the playbook may be templates that refer to each other, in any order", async () => {
    const play = `defaults: { ip: "<%= net %>.<%= last %>" }\nvars: { net: "<%= prefix %>.0", last: "<%= 10 + 1 %>" }\n${bind}`;
    expect(await addresses({ play, host: "{ prefix: '10.0' }" })).toEqual(["10.0.0.11"]);
  });

  it("of the playbook may hold templates deep inside", async () => {
    const play = `vars: { nets: [{ ip: "<%= private_ip %>" }] }\n${bind.replace("= ip", "= nets[0].ip")}`;
    expect(await addresses({ play, host: "{ private_ip: 10.0.0.11 }" })).toEqual(["10.0.0.11"]);
  });

  it("of the playbook that nothing uses may be wrong", async () => {
    expect(
      await addresses({ play: `vars: { unused: "<%= nope %>" }\n${bind}`, host: "{ ip: 10.0.0.2 }" }),
    ).toEqual(["10.0.0.2"]);
  });

  it("that refer to each other in a ring are refused", async () => {
    const play = `vars: { ip: "<%= a %>", a: "<%= b %>", b: "<%= a %>" }\n${bind}`;
    expect(await refusal(tasksOf({ play }))).toBe("site.yml:2:27  a: names itself: a → b → a");
  });

  it("that are wrong are reported with their own place", async () => {
    const play = `vars:\n  ip: "<%= nope %>"\n${bind}`;
    expect(await refusal(tasksOf({ play, host: "{ note: 1 }" }))).toBe(
      'site.yml:3:5  ip: nope is not defined on h1. Did you mean "note"?',
    );
  });

  it("cannot stand in for the facts", async () => {
    const play = bind.replace("= ip", "= facts.ip");
    expect(
      await addresses({ play, host: "{ facts: { ip: 10.6.6.6 } }", facts: { ip: "10.0.0.11" } }),
    ).toEqual(["10.0.0.11"]);
  });
});

describe("a parameter or condition that names facts", () => {
  const play =
    'tasks: [{ limits: { maxmemory: "<%= Math.floor(facts.memory_bytes / 4) %>" } }, permissions: ]';

  it("is evaluated once the host's facts are there", async () => {
    const before = await tasksOf({ play });
    expect(before.needsFacts).toBe(true);
    expect(before.tasks.map(({ task }) => task)).toEqual(["permissions"]);
    const after = await tasksOf({ play, facts: FACTS });
    expect(after.needsFacts).toBe(false);
    expect(after.tasks.map(({ task }) => task)).toEqual(["limits", "permissions"]);
    expect(after.tasks[0]?.params).toMatchObject({ maxmemory: 2 ** 31 });
  });

  it("is recognised where only a variable of the playbook names the facts", async () => {
    const through = `vars: { size: "<%= facts.memory_bytes %>" }\n${play.replace("facts.memory_bytes", "size")}`;
    expect((await tasksOf({ play: through })).needsFacts).toBe(true);
    expect((await tasksOf({ play: through, facts: FACTS })).tasks[0]?.params).toMatchObject({
      maxmemory: 2 ** 31,
    });
  });

  it("decides `when` once the facts are there", async () => {
    const conditional = "tasks: [{ limits: , when: 'facts.role === \"master\"' }]";
    expect(await tasksOf({ play: conditional })).toMatchObject({ tasks: [], skipped: [], needsFacts: true });
    expect(await namesOf({ play: conditional, facts: FACTS })).toEqual(["limits"]);
    expect(await namesOf({ play: conditional, facts: { role: "slave" } })).toEqual([]);
  });

  it("needs no facts where another condition is false already", async () => {
    const conditional = "tasks: [{ limits: , when: [facts.role, no] }]";
    expect(await tasksOf({ play: conditional })).toMatchObject({
      skipped: [{ task: "limits" }],
      needsFacts: false,
    });
  });

  it.each([
    [
      "{ bind: { adresses: [], protected_mode: '<%= facts.x %>' } }",
      'tasks[0].bind.adresses: unknown parameter. Did you mean "addresses"?',
    ],
    ["{ bind: { addresses: ['<%= facts.x %>', 5] } }", "tasks[0].bind.addresses[1]: should be text, found 5"],
    [
      "{ bind: { addresses: ['<%= facts.x %>', '<%= nope %>'] } }",
      "tasks[0].bind.addresses[1]: nope is not defined on h1.",
    ],
    [
      "{ bind: { protected_mode: 5 }, when: facts.x }",
      "tasks[0].bind.protected_mode: should be true or false, found 5",
    ],
  ])("is checked before the facts are there, as far as possible: %s", async (task, message) => {
    expect(await refusal(tasksOf({ play: `tasks: [${task}]` }))).toContain(message);
  });

  it("is refused where the host has no such fact", async () => {
    expect(
      await refusal(tasksOf({ play: 'tasks: [{ bind: { addresses: ["<%= facts.ip %>"] } }]', facts: FACTS })),
    ).toContain("tasks[0].bind.addresses[0]: the value is undefined on h1.");
  });
});

describe("a wrong parameter is refused with its exact place", () => {
  it("printed as the contract says", async () => {
    const { plays } = await playbookOf(`- hosts: all
  tasks:
    - bind: {}
    - acl: {}
    - limits: {}
    - tls:
        port: 6380
        cipher: [A]
`);
    const inventory = await inventoryOf("all: { hosts: { h1: } }");
    const [play] = plays;
    if (play === undefined) throw new Error("no play");
    expect(() => hostTasks(inventory, "h1", play, { only: [], skip: [] }, undefined)).toThrow(
      'site.yml:8:9  tasks[3].tls.cipher: unknown parameter. Did you mean "ciphers"?',
    );
  });

  it.each([
    [
      "bind: { adresses: [], protectd_mode: no }",
      'bind.adresses: unknown parameter. Did you mean "addresses"?',
    ],
    [
      "bind: { adresses: [], protectd_mode: no }",
      'bind.protectd_mode: unknown parameter. Did you mean "protected_mode"?',
    ],
    ["bind: { __proto__: {} }", "bind.__proto__: unknown parameter."],
    ["bind: text", 'bind: should be a mapping, found "text"'],
    ["bind: [a]", "bind: should be a mapping, found a list"],
    ["bind: { addresses: 10.0.0.1 }", 'bind.addresses: should be a list, found "10.0.0.1"'],
    ["bind: { addresses: [10.0.0.300] }", "bind.addresses[0]: should be an IP address"],
    ["bind: { unix_socket: 5 }", "bind.unix_socket: should be auto, null or an absolute path, found 5"],
    ["acl: { unlisted: forget }", 'acl.unlisted: should be one of keep, remove, found "forget"'],
    [
      "acl: { users: [{ name: a, preset: admin }] }",
      "acl.users[0].password: expected, instead of the secret itself, { env: NAME }",
    ],
    [
      "acl: { users: [{ preset: admin, password: { env: A } }] }",
      "acl.users[0].name: should be text, found nothing",
    ],
    [
      "acl: { users: [{ name: a, preset: root, password: { env: A } }] }",
      "acl.users[0].preset: should be one of application, metrics",
    ],
    [
      "acl: { users: [{ name: a, preset: admin, pasword: x, password: { env: A } }] }",
      'acl.users[0].pasword: unknown parameter. Did you mean "password"?',
    ],
    [
      "acl: { users: [{ name: 'a b', preset: admin, password: { env: A } }] }",
      "acl.users[0].name: should be one word",
    ],
    [
      "rename-command: { commands: { FLUSHALL: delete } }",
      'rename-command.commands.FLUSHALL: should be disable or rename, found "delete"',
    ],
    [
      "rename-command: { commands: { 'A B': rename } }",
      "rename-command.commands.A B: should be a command without arguments",
    ],
    ["tls: { port: 0 }", "tls.port: should be at least 1, found 0"],
    [
      "tls: { clients: [app, metrics, App] }",
      "tls.clients: should differ in more than upper and lower case, found app and App",
    ],
    ["tls: { port: 70000 }", "tls.port: should be at most 65535, found 70000"],
    ["tls: { port: 63.8 }", "tls.port: should be a whole number, found 63.8"],
    ["tls: { port: '6380' }", 'tls.port: should be a number, found "6380"'],
    ["tls: { protocols: [] }", "tls.protocols: should be a list of at least 1, found an empty list"],
    ["tls: { protocols: [TLSv1.1] }", 'tls.protocols[0]: should be one of TLSv1.2, TLSv1.3, found "TLSv1.1"'],
    [
      "tls: { ca: { generate: no } }",
      "tls.ca: should be { generate: true } or { cert: { file: … }, key: { file: … } }, found a mapping",
    ],
    ["limits: { maxmemory: lots }", "limits.maxmemory: should be a size"],
    ["firewall: { backend: nft }", 'firewall.backend: should be "ufw"'],
    ["firewall: { allow: [10.0.0.0/33] }", "firewall.allow[0]: should be an address or a subnet"],
    ["permissions: { mode: 1 }", "permissions.mode: unknown parameter."],
    [
      "persistence: { mode: off }",
      "persistence.mode: should be one of keep, none, rdb, aof, rdb+aof, found false",
    ],
  ])("%s", async (task, message) => {
    const refused = await refusal(tasksOf({ play: `tasks:\n  - ${task}` }));
    expect(refused).toMatch(/^site\.yml:3:\d+ {2}tasks\[0\]\./);
    expect(refused).toContain(`tasks[0].${message}`);
  });

  it.each([
    "acl: { users: [{ name: a, preset: admin, password: hunter2hunter2 }] }",
    "acl: { users: { a: { password: hunter2hunter2 } } }",
    "acl: { users: [{ name: a, preset: admin, password: [hunter2hunter2] }] }",
    "tls: { ca: { cert: hunter2hunter2, key: hunter2hunter2 } }",
    "tls: { certificate: hunter2hunter2 }",
  ])("without showing what may be a secret: %s", async (task) => {
    const refused = await refusal(tasksOf({ play: `tasks:\n  - ${task}` }));
    expect(refused).toMatch(/^site\.yml:3:\d+ {2}tasks\[0\]\./);
    expect(refused).not.toContain("hunter2");
  });

  it("together with all others of the play", async () => {
    const refused = await refusal(
      tasksOf({ play: "tasks:\n  - bind: { a: 1 }\n  - limits: { b: '<%= nope %>' }\n  - tls: { c: 1 }" }),
    );
    expect(refused.split("\n")).toHaveLength(3);
  });

  it("with its play's number from the second on", async () => {
    const { plays } = await playbookOf(
      "- {hosts: all, tasks: [bind: ]}\n- {hosts: all, tasks: [tls: {a: 1}]}",
    );
    const inventory = await inventoryOf("all: { hosts: { h1: } }");
    const second = plays[1] ?? (await playOf("tasks: [bind: ]"));
    expect(() => hostTasks(inventory, "h1", second, { only: [], skip: [] }, undefined)).toThrow(
      "site.yml:2:30  [1].tasks[0].tls.a: unknown parameter.",
    );
  });
});

describe("an address or subnet that renders to nothing", () => {
  it("is left out, and no mistake", async () => {
    const play =
      'defaults: { ip: "", net: "" }\ntasks: [{ bind: { addresses: [127.0.0.1, "<%= ip %>"] } }, { firewall: { allow: ["<%= net %>"] } }]';
    expect(await namesOf({ play })).toEqual(["bind", "firewall"]);
  });
});
