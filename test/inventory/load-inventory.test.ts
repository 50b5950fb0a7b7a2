import { describe, expect, it } from "vitest";
import { hostVariables, type Inventory } from "../../src/inventory/inventory.ts";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { inventoryOf, refusal, type Situation } from "./inventory-on-disk.ts";

const hostsOf = (inventory: Inventory, group = "all") => inventory.groups.get(group)?.allHosts;
const valueFor = (inventory: Inventory, host: string, name: string) =>
  hostVariables(inventory, host).get(name)?.value;

describe("an inventory file", () => {
  it.each<[string, string, Record<string, string[]>]>([
    ["may have groups at top level", "redis: {hosts: {a: , b: }}", { all: ["a", "b"], redis: ["a", "b"] }],
    ["may have groups under all.children", "all: {children: {redis: {hosts: {a: }}}}", { redis: ["a"] }],
    [
      "adds up a group that is given twice",
      "redis: {hosts: {b: }}\nall: {children: {redis: {hosts: {a: }}}}",
      { redis: ["b", "a"] },
    ],
    [
      "takes null for empty",
      "redis: {hosts: {a: ~}, vars: , children: }\nempty:",
      { redis: ["a"], empty: [] },
    ],
    [
      "takes one name as text",
      "redis: {hosts: a, children: kid}\nkid: {hosts: 'b[1:2]'}",
      { redis: ["a", "b1", "b2"], kid: ["b1", "b2"] },
    ],
    [
      "puts hosts of no group into ungrouped",
      "all: {hosts: {a: , b: }, children: {g: {hosts: {b: }}}}",
      { ungrouped: ["a"], all: ["a", "b"] },
    ],
    [
      "takes a host out of ungrouped that has a group",
      "ungrouped: {hosts: {a: , b: }}\ng: {hosts: {a: }}",
      { ungrouped: ["b"], all: ["b", "a"] },
    ],
    [
      "holds the hosts of children",
      "p: {hosts: {a: }, children: {c: {hosts: {b: }, children: {d: {hosts: {e: }}}}}}",
      { p: ["a", "b", "e"] },
    ],
    [
      "works with anchors and merges",
      "g: {hosts: {a: &v {x: 1}, b: *v}}\nh: {hosts: {c: {<<: *v}}}",
      { all: ["a", "b", "c"] },
    ],
    ["may be JSON", '{"redis": {"hosts": {"a": null, "b": {}}}}', { redis: ["a", "b"] }],
    [
      "keeps unusual group names",
      "my-group: {hosts: a}\ng.x: {hosts: a}\n9g: {hosts: a}\né: {hosts: a}",
      { "my-group": ["a"], "g.x": ["a"], "9g": ["a"], é: ["a"] },
    ],
    ["keeps a quoted number as a host", "g: {hosts: {'10': , '9': }}", { g: ["10", "9"] }],
    ["keeps IPv6 addresses", "g: {hosts: {'2001:db8::1': , '::1': }}", { g: ["2001:db8::1", "::1"] }],
  ])("%s", async (_name, text, groups) => {
    const inventory = await inventoryOf(text);
    for (const [group, hosts] of Object.entries(groups)) expect(hostsOf(inventory, group)).toEqual(hosts);
  });

  it("orders hosts breadth-first in file order, all's own and the ungrouped first", async () => {
    const inventory = await inventoryOf(
      "deep: {children: {d1: {hosts: {x9: }}}, hosts: {x2: }}\nflat: {hosts: {x1: , x2: }}\nall: {hosts: {x8: }}",
    );
    expect(hostsOf(inventory)).toEqual(["x8", "x2", "x1", "x9"]);
    expect([...inventory.hosts.keys()]).toEqual(["x8", "x2", "x1", "x9"]);
  });

  it("joins the variables of a host's entries, the later one winning key by key", async () => {
    const inventory = await inventoryOf("g: {hosts: {a: {x: 1, y: 1}}}\nh: {hosts: {a: {y: 2}}}");
    expect(valueFor(inventory, "a", "x")).toBe(1);
    expect(valueFor(inventory, "a", "y")).toBe(2);
  });

  it("gives the variables of ungrouped to hosts without another group", async () => {
    const inventory = await inventoryOf("ungrouped: {hosts: {a: , b: }, vars: {u: 1}}\ng: {hosts: {a: }}");
    expect([valueFor(inventory, "a", "u"), valueFor(inventory, "b", "u")]).toEqual([undefined, 1]);
  });

  it("may use names that JavaScript objects have of their own", async () => {
    const inventory = await inventoryOf("constructor: {hosts: {a: {__proto__: 1, toString: 2}}}");
    expect(valueFor(inventory, "a", "__proto__")).toBe(1);
    expect(hostsOf(inventory, "constructor")).toEqual(["a"]);
  });
});

describe("host ranges", () => {
  it.each<[string, string]>([
    ["r[1:3]", "r1 r2 r3"],
    ["r[01:03]", "r01 r02 r03"],
    ["r[08:11]", "r08 r09 r10 r11"],
    ["r[1:010]", "r1 r2 r3 r4 r5 r6 r7 r8 r9 r10"],
    ["r[a:c]", "ra rb rc"],
    ["r[A:C]", "rA rB rC"],
    ["r[y:B]", "ry rz rA rB"],
    ["r[1:10:3]", "r1 r4 r7 r10"],
    ["r[:3]", "r0 r1 r2 r3"],
    ["r[1:2][a:b].example.com", "r1a.example.com r1b.example.com r2a.example.com r2b.example.com"],
    ["10.0.0.[9:11]", "10.0.0.9 10.0.0.10 10.0.0.11"],
    ["2001:db8::[1:3]", "2001:db8::1 2001:db8::2 2001:db8::3"],
  ])("%s is %s", async (range, hosts) => {
    expect(hostsOf(await inventoryOf(`g: {hosts: {"${range}": }}`))).toEqual(hosts.split(" "));
  });

  it("need no quotes in block style, and later entries add to their hosts", async () => {
    const inventory = await inventoryOf("g:\n  hosts:\n    r[1:2]:\n      x: 1\n    r2:\n      y: 2\n");
    expect([valueFor(inventory, "r2", "x"), valueFor(inventory, "r2", "y")]).toEqual([1, 2]);
  });

  it.each<[string, string]>([
    ["r[5]", "[5]: a range is [begin:end] or [begin:end:step]"],
    ["r[1-3]", "write [1:3]"],
    ["r[1,2]", "[1,2]: a range is"],
    ["r[01:100]", "[01:100]: begin and end must have the same number of digits"],
    ["r[1:]", "[1:]: a range must have an end"],
    ["r[c:a]", "[c:a]: begin comes after end"],
    ["r[5:3]", "[5:3]: begin is greater than end"],
    ["r[aa:ac]", "[aa:ac]: expected two numbers or two letters"],
    ["r[a:3]", "[a:3]: expected two numbers or two letters"],
    ["r[1:3:0]", "[1:3:0]: expected a step of 1 or more"],
    ["r[1:3:x]", '[1:3:x]: expected a step of 1 or more, found "x"'],
    ["r[1:3", 'the range has no closing "]"'],
    ["r[1:999999999]", "stands for more than 100000 hosts"],
    ["r[1:999][1:999]", "stands for more than 100000 hosts"],
  ])("%s is refused", async (range, message) => {
    expect(await refusal(inventoryOf(`g:\n  hosts:\n    "${range}":\n`))).toMatch(/^hosts\.yml:3:5 {2}"r\[/);
    expect(await refusal(inventoryOf(`g:\n  hosts:\n    "${range}":\n`))).toContain(message);
  });
});

describe("a port in a host's name", () => {
  it.each<[string, string, unknown]>([
    ["web:2222", "web", 2222],
    ["[2001:db8::1]:22", "2001:db8::1", 22],
    ["r[1:2]:2200", "r2", 2200],
    ["10.0.0.1:22", "10.0.0.1", 22],
  ])("%s sets ansible_port of %s", async (key, host, port) => {
    expect(valueFor(await inventoryOf(`g: {hosts: {"${key}": }}`), host, "ansible_port")).toBe(port);
  });

  it("is weaker than ansible_port on the host, and stronger than that of a group", async () => {
    const inventory = await inventoryOf(
      'g: {vars: {ansible_port: 1}, hosts: {"a:22": , "b:22": {ansible_port: 33}}}\nall: {vars: {ansible_port: 2}}',
    );
    expect([valueFor(inventory, "a", "ansible_port"), valueFor(inventory, "b", "ansible_port")]).toEqual([
      22, 33,
    ]);
  });

  it.each<[string, string]>([
    [
      "g: {hosts: {a: }}\nh: {hosts: {'a:22': }}",
      "a:22: only the first mention of a host sets its port, and at hosts.yml:1 it stands without one",
    ],
    ["g: {hosts: {'a:22': }}\nh: {hosts: {'a:23': }}", "it stands with 22"],
    ["g: {hosts: {'d:0': }}", "expected a port number (1 to 65535), found 0"],
    ["g: {hosts: {'c:99999': }}", "expected a port number (1 to 65535), found 99999"],
    ["g: {hosts: {'e:abc': }}", "expected a port number (1 to 65535) after the colon"],
    ["g: {hosts: {'f:': }}", "expected a port number (1 to 65535) after the colon"],
    ["g: {hosts: {'g:22:33': }}", "a host name has only letters"],
    ["g: {hosts: {'h.example.com.:22': }}", "a host name before a port cannot end in"],
    ["g: {hosts: {'[2001:db8::9]': }}", "write an IPv6 address without brackets"],
  ])("%s is refused", async (text, message) => {
    expect(await refusal(inventoryOf(text))).toContain(message);
  });

  it("may be repeated at a later mention of the host", async () => {
    expect(hostsOf(await inventoryOf("g: {hosts: {'a:22': }}\nh: {hosts: {'a:22': , a: }}"))).toEqual(["a"]);
  });
});

describe("a mistake in an inventory file is refused with its place", () => {
  it.each<[string, string, string]>([
    ...["false", "0", '""', "[]", "3", "abc", "[x]"].map((value): [string, string, string] => [
      `a host's value ${value}`,
      `g:\n  hosts:\n    a: ${value}\n`,
      "hosts.yml:3:5  g.hosts.a: expected the host's variables as a mapping, found",
    ]),
    [
      "vars as text",
      "g:\n  hosts: a\n  vars: x\n",
      'hosts.yml:3:3  g.vars: expected a mapping, found the text "x"',
    ],
    [
      "hosts as a list",
      "g:\n  hosts: [a, b]\n",
      "hosts.yml:2:3  g.hosts: expected a mapping, found a list; write each name",
    ],
    [
      "children as a list",
      "g:\n  children: [a]\n",
      "hosts.yml:2:3  g.children: expected a mapping, found a list",
    ],
    ["vars as a list", "g:\n  vars: [a]\n", "hosts.yml:2:3  g.vars: expected a mapping, found a list"],
    ["a list at top level", "- a\n", "hosts.yml:1:1  expected a mapping of groups, found a list"],
    [
      "a group that is a list",
      "g: [a]\n",
      "hosts.yml:1:1  g: expected a group (hosts, children, vars), found a list",
    ],
    ["a group that is text", "g: a\n", "hosts.yml:1:1  g: expected a group"],
    [
      "an unknown key",
      "g:\n  host: {a: }\n",
      'hosts.yml:2:3  g.host: unknown key "host" in a group, expected hosts, children or vars. Did you mean "hosts"?',
    ],
    [
      "a ring of groups",
      "a: {children: {b: }}\nb: {children: {c: }}\nc:\n  children:\n    a:\nh: {hosts: x}\n",
      "hosts.yml:5:5  groups contain each other: a > b > c > a",
    ],
    ["a group in itself", "a: {children: {a: }, hosts: x}\n", "groups contain each other: a > a"],
    [
      "all as a child",
      "g:\n  children:\n    all:\n",
      "hosts.yml:3:5  all: all holds every group and cannot be a child of one",
    ],
    [
      "a host named all",
      "g:\n  hosts:\n    all:\n",
      'hosts.yml:3:5  "all": "all" is the group of every host',
    ],
    ["a duplicate host", "g:\n  hosts:\n    a:\n    a:\n", "hosts.yml:4:5  g.hosts.a: duplicate key"],
    [
      "a duplicate key in a JSON inventory",
      '{"g": {"hosts": {"a": {}}, "hosts": {"b": {}}}}',
      "g.hosts: duplicate key",
    ],
    [
      "a host named like a group of others",
      "redis:\n  hosts:\n    redis:\n    r2:\n",
      "hosts.yml:3:5  redis: a host and a group have this name, and the group has r2 too",
    ],
    [
      "a number as a host",
      "g:\n  hosts:\n    10:\n",
      "hosts.yml:3:5  g.hosts.10: expected the name of a host, which is text: quote it (YAML reads it as 10)",
    ],
    ["a float as a host", "g: {hosts: {1.5: }}\n", "quote it (YAML reads it as 1.5)"],
    ["a time as a host", "g:\n  hosts:\n    10:30:\n", "quote it (YAML reads it as 630)"],
    ["yes as a host", "g:\n  hosts:\n    yes:\n", "quote it (YAML reads it as true)"],
    [
      "a number as a group",
      "1: {hosts: a}\n",
      "hosts.yml:1:1  1: expected the name of a group, which is text: quote it",
    ],
    [
      "on as a group",
      "on: {hosts: a}\n",
      "expected the name of a group, which is text: quote it (YAML reads it as true)",
    ],
    ["a Jinja host name", 'g: {hosts: {"{{ x }}": }}\n', "a host name cannot be a Jinja template"],
    ...["a b", "a,b", "a*", "!a", "a/b", "../a", "..", ".a", "-a", "a\\nb", "a'b", "a%b"].map(
      (name): [string, string, string] => [
        `a host named ${name}`,
        `g: {hosts: {"${name}": }}\n`,
        "a host name has only letters, digits, . _ and -",
      ],
    ),
    ...["a/b", "../a", "a\\nb", "-a", "!a", "&a", "~a", "a,b", ".a"].map((name): [string, string, string] => [
      `a group named ${name}`,
      `"${name}": {hosts: h}\n`,
      "a group name has only letters",
    ]),
    [
      "a group priority that is no integer",
      "g:\n  hosts: a\n  vars:\n    ansible_group_priority: high\n",
      "hosts.yml:4:5  g.vars.ansible_group_priority: expected an integer",
    ],
    ["an empty file", "", "hosts.yml:1:1  the inventory file is empty: it has no hosts"],
    ["comments only", "# nothing\n", "the inventory file is empty"],
    ["{}", "{}", "the inventory file is empty"],
    ["groups without hosts", "g: {children: {h: }}\n", "hosts.yml  the inventory has no hosts"],
    [
      "a dynamic inventory",
      "plugin: aws_ec2\nregions: [x]\n",
      "hosts.yml:1:1  plugin: this is the configuration of the inventory plugin aws_ec2, which redkeep does not run. This makes a " +
        "file of what it finds: ansible-inventory -i hosts.yml --list --yaml --export --output FILE.yml. That file holds in plain " +
        "text what vaulted files hold: keep it to yourself",
    ],
    [
      "the JSON of inventory scripts",
      '{"g": {"hosts": ["a"]}, "_meta": {}}',
      "_meta: this is the JSON that inventory programs print",
    ],
    ["two documents", "g: {hosts: a}\n---\nh: {hosts: b}\n", "hosts.yml:3:1  expected one YAML document"],
    ["an unknown tag", "g: {hosts: {a: {x: !foo 1}}}\n", "unknown tag !foo"],
    ["an encrypted file", "$ANSIBLE_VAULT;1.1;AES256\n61\n", "hosts.yml:2:1  is damaged: it is cut off"],
    ["a circular alias", "g: &g {children: *g}\n", "stands inside the value that it names"],
  ])("%s", async (_name, text, message) => {
    expect(await refusal(inventoryOf(text))).toContain(message);
  });

  it("reports all mistakes at once", async () => {
    const message = await refusal(inventoryOf("g:\n  host: {a: }\n  hosts: {'b[5]': , 'c:0': }\n"));
    expect(message.split("\n")).toHaveLength(3);
  });

  it("even behind a chain of thousands of groups", async () => {
    const chain = Array.from({ length: 5000 }, (_, i) => `g${i}: {children: {g${i + 1}: }}`).join("\n");
    const inventory = await inventoryOf(`${chain}\ng5000: {hosts: a}\n`);
    expect(hostsOf(inventory, "g0")).toEqual(["a"]);
  });
});

describe("sources", () => {
  const two = { "a.yml": "g: {vars: {v: a}, hosts: {h1: }}", "b.yml": "g: {vars: {v: b}, hosts: {h2: }}" };

  it.each<[string, Situation, string[]]>([
    ["a list", { sources: ["a,b"] }, ["a", "b"]],
    ["a list with a comma at its end", { sources: ["10.0.0.5,"] }, ["10.0.0.5"]],
    [
      "a list with spaces and ports",
      { sources: [" a , b:2222 ,[2001:db8::1]:22"] },
      ["a", "b", "2001:db8::1"],
    ],
    ["several files", { sources: ["a.yml", "b.yml"], files: two }, ["h1", "h2"]],
    ["a file without extension", { sources: ["hosts"], files: { hosts: "g: {hosts: a}" } }, ["a"]],
    [
      "a directory in byte order",
      {
        sources: ["inv"],
        files: {
          "inv/9-d.yml": "g: {hosts: d}",
          "inv/10-c.yml": "g: {hosts: c}",
          "inv/sub/e.yml": "g: {hosts: e}",
        },
      },
      ["c", "d", "e"],
    ],
    [
      "a directory without the files that are no inventory",
      {
        sources: ["inv"],
        files: Object.fromEntries([
          ["inv/a.yml", "g: {hosts: a}"],
          ...[
            ".hidden.yml",
            "b.yml~",
            "c.bak",
            "d.md",
            "e.txt",
            "f.rst",
            "g.orig",
            "h.ini",
            "i.cfg",
            "j.retry",
            "k.pyc",
            "l.swp",
            "m.rpm",
            "group_vars/g.yml",
            "host_vars/a.yml",
          ].map((name) => [`inv/${name}`, "x: 1"]),
        ]),
      },
      ["a"],
    ],
  ])("%s", async (_name, situation, hosts) => {
    expect(hostsOf(await inventoryOf(situation))).toEqual(hosts);
  });

  it("that come later win", async () => {
    expect(valueFor(await inventoryOf({ sources: ["a.yml", "b.yml"], files: two }), "h1", "v")).toBe("b");
    expect(valueFor(await inventoryOf({ sources: ["b.yml", "a.yml"], files: two }), "h1", "v")).toBe("a");
  });

  it.each<[string, Situation, string]>([
    ["a missing file", { sources: ["nosuch.yml"] }, "nosuch.yml  does not exist"],
    [
      "one missing of several",
      { sources: ["a.yml", "nosuch.yml"], files: two },
      "nosuch.yml  does not exist",
    ],
    ["a name without a comma", { sources: ["web"] }, "put a comma at its end: -i web,"],
    [
      "a list of files",
      { sources: ["a.yml,b.yml"], files: two },
      '"a.yml" is a file, but a comma makes this a list of host names',
    ],
    [
      "a list with a file among hosts",
      { sources: ["web,hosts"], files: { hosts: "g: {hosts: a}" } },
      '"hosts" is a file',
    ],
    ["a list with a range", { sources: ["r[1:3],"] }, "ranges are allowed only in inventory files"],
    ["a list with a bad name", { sources: ["a b,"] }, '-i a b,  "a b": a host name has only letters'],
    ["nothing", { sources: [""] }, "-i: expected a file, a directory or a list of hosts, found nothing"],
    ["commas only", { sources: [","] }, "the inventory has no hosts"],
    ["no -i at all", { sources: [] }, "no inventory: give one with -i"],
    ["an empty directory", { sources: ["inv"], files: { "inv/.keep": "" } }, "the inventory has no hosts"],
    [
      "bytes that are not UTF-8",
      { sources: ["i.yml"], files: { "i.yml": new Uint8Array([0x67, 0x3a, 0xff]) } },
      "i.yml  is not UTF-8 text",
    ],
    [
      "NUL",
      { sources: ["i.yml"], files: { "i.yml": "g: {hosts: a\0}" } },
      "i.yml:1:13  found a NUL character",
    ],
  ])("%s is refused", async (_name, situation, message) => {
    expect(await refusal(inventoryOf(situation))).toContain(message);
  });
});

describe("precedence", () => {
  // Every step sets v to its own number; taking the strongest away must uncover the next one.
  const steps: [string, (v: string) => Situation["files"]][] = [
    ["all.vars", () => ({})],
    ["group vars of the file", () => ({})],
    ["group_vars/all beside the inventory", (v) => ({ "inv/group_vars/all.yml": v })],
    ["group_vars/all beside the playbook", (v) => ({ "play/group_vars/all.yml": v })],
    ["group_vars/GROUP beside the inventory", (v) => ({ "inv/group_vars/g.yml": v })],
    ["group_vars/GROUP beside the playbook", (v) => ({ "play/group_vars/g.yml": v })],
    ["host vars of the file", () => ({})],
    ["host_vars beside the inventory", (v) => ({ "inv/host_vars/h.yml": v })],
    ["host_vars beside the playbook", (v) => ({ "play/host_vars/h.yml": v })],
  ];

  it.each(steps.map(([name], i) => [i + 1, name] as const))("step %i: %s", async (step) => {
    const set = (n: number, text: string) => (n <= step ? text : "");
    const files = {
      "inv/hosts.yml":
        `all: {vars: {${set(1, "v: 1")}}}\n` +
        `g: {vars: {${set(2, "v: 2")}}, hosts: {h: {${set(7, "v: 7")}}}}\n`,
      "play/none": "",
      ...Object.assign({}, ...steps.slice(0, step).map(([, write], i) => write(`v: ${i + 1}`))),
    };
    const inventory = await inventoryOf({ files, sources: ["inv/hosts.yml"], playbookDir: "play" });
    expect(valueFor(inventory, "h", "v")).toBe(step);
  });

  it("ends with play vars, task vars and -e; the play's defaults are the weakest", async () => {
    const inventory = await inventoryOf("g: {vars: {b: inventory}, hosts: {h: }}");
    const extra = await inventoryOf({ files: { "hosts.yml": "g: {hosts: h}" }, extraVars: ["e=extra"] });
    const of = (value: string, ...names: string[]) =>
      new Map(names.map((name) => [name, { value, place: { file: "p" } }]));
    const playbook = {
      playDefaults: of("default", "a", "b", "c", "d", "e"),
      playVars: of("play", "c", "d", "e"),
      taskVars: of("task", "d", "e"),
    };
    const values = (from: Inventory) =>
      ["a", "b", "c", "d", "e"].map((name) => hostVariables(from, "h", playbook).get(name)?.value);
    expect(values(inventory)).toEqual(["default", "inventory", "play", "task", "task"]);
    expect(values(extra)).toEqual(["default", "default", "play", "task", "extra"]);
  });

  it.each<[string, string, unknown]>([
    ["a child beats its parent", "p: {vars: {v: p}, children: {c: {vars: {v: c}, hosts: h}}}", "c"],
    [
      "a deeper group beats an unrelated one whatever the names",
      "z: {vars: {v: z}, hosts: h}\np: {children: {a: {vars: {v: a}, hosts: h}}}",
      "a",
    ],
    ["the alphabet decides within a depth", "b: {vars: {v: b}, hosts: h}\na: {vars: {v: a}, hosts: h}", "b"],
    ["upper case sorts first", "B: {vars: {v: B}, hosts: h}\na: {vars: {v: a}, hosts: h}", "a"],
    ["g10 sorts before g9", "g9: {vars: {v: 9}, hosts: h}\ng10: {vars: {v: 10}, hosts: h}", 9],
    [
      "priority decides before the alphabet",
      "a: {vars: {v: a, ansible_group_priority: 10}, hosts: h}\nb: {vars: {v: b}, hosts: h}",
      "a",
    ],
    [
      "priority may be text",
      "a: {vars: {v: a, ansible_group_priority: '10'}, hosts: h}\nb: {vars: {v: b}, hosts: h}",
      "a",
    ],
    [
      "priority never beats depth",
      "a: {vars: {v: a, ansible_group_priority: 10}, hosts: h}\np: {children: {c: {vars: {v: c}, hosts: h}}}",
      "c",
    ],
    [
      "depth is the longest path",
      "a: {children: {b: {children: {c: {vars: {v: c}, hosts: h}}}}}\nz: {children: {c: , y: {vars: {v: y}, hosts: h}}}",
      "c",
    ],
    ["a mapping is replaced, never merged", "g: {vars: {v: {x: 1}}, hosts: {h: {v: {y: 2}}}}", { y: 2 }],
    ["null overrides", "g: {vars: {v: 1}, hosts: {h: {v: ~}}}", null],
  ])("%s", async (_name, text, value) => {
    expect(valueFor(await inventoryOf(text), "h", "v")).toEqual(value);
  });

  it("group_vars of a parent beats what the file gives to its child", async () => {
    const files = { "hosts.yml": "p: {children: {c: {vars: {v: c}, hosts: h}}}", "group_vars/p.yml": "v: p" };
    expect(valueFor(await inventoryOf({ files }), "h", "v")).toBe("p");
  });

  it("runs group_vars source by source: a later source's parent beats an earlier one's child", async () => {
    const files = {
      "one/hosts.yml": "p: {children: {c: {hosts: h}}}",
      "one/group_vars/c.yml": "v: child of one",
      "two/hosts.yml": "p: {}",
      "two/group_vars/p.yml": "v: parent of two",
    };
    expect(
      valueFor(await inventoryOf({ files, sources: ["one/hosts.yml", "two/hosts.yml"] }), "h", "v"),
    ).toBe("parent of two");
  });

  it("priority in group_vars is an ordinary variable", async () => {
    const files = {
      "hosts.yml": "a: {vars: {v: a}, hosts: h}\nb: {vars: {v: b}, hosts: h}",
      "group_vars/a.yml": "ansible_group_priority: 10",
    };
    const inventory = await inventoryOf({ files });
    expect([valueFor(inventory, "h", "v"), valueFor(inventory, "h", "ansible_group_priority")]).toEqual([
      "b",
      10,
    ]);
  });

  it("puts the magic variables over all others", async () => {
    const inventory = await inventoryOf({
      files: {
        "hosts.yml": "g: {hosts: {h.example.com: {group_names: x, groups: x}}}\nB: {hosts: h.example.com}",
      },
      extraVars: ["inventory_hostname=x", "inventory_hostname_short=x"],
    });
    const variables = hostVariables(inventory, "h.example.com");
    expect(variables.get("inventory_hostname")?.value).toBe("h.example.com");
    expect(variables.get("inventory_hostname_short")?.value).toBe("h");
    expect(variables.get("group_names")?.value).toEqual(["B", "g"]);
    expect(variables.get("groups")?.value).toEqual({
      all: ["h.example.com"],
      ungrouped: [],
      g: ["h.example.com"],
      B: ["h.example.com"],
    });
  });

  it("keeps an address whole in inventory_hostname_short", async () => {
    expect(
      valueFor(await inventoryOf({ sources: ["10.0.0.5,"] }), "10.0.0.5", "inventory_hostname_short"),
    ).toBe("10.0.0.5");
  });

  it("keeps the place of each value", async () => {
    const inventory = await inventoryOf({
      files: { "hosts.yml": "g: {hosts: h}", "group_vars/g/a.yml": "x: 1\nv: 2\n" },
    });
    expect(hostVariables(inventory, "h").get("v")?.place).toEqual({
      file: "group_vars/g/a.yml",
      line: 2,
      column: 1,
    });
  });
});

describe("group_vars and host_vars", () => {
  const load = (files: Situation["files"]) =>
    inventoryOf({ files: { "hosts.yml": "g: {hosts: {h: , web.example.com: }}", ...files } });

  it.each<[string, Situation["files"], unknown]>([
    ["NAME before NAME.yml", { "group_vars/g": "v: 1", "group_vars/g.yml": "v: 2" }, 1],
    ["NAME.yml before NAME.yaml", { "group_vars/g.yml": "v: 2", "group_vars/g.yaml": "v: 3" }, 2],
    ["NAME.yaml before NAME.json", { "group_vars/g.yaml": "v: 3", "group_vars/g.json": '{"v": 4}' }, 3],
    ["NAME.json", { "group_vars/g.json": '{"v": 4}' }, 4],
    ["a directory before a file", { "group_vars/g/x.yml": "v: 5", "group_vars/g.yml": "v: 2" }, 5],
    ["a directory NAME.yml", { "group_vars/g.yml/x": "v: 6" }, 6],
    [
      "the last of a directory in byte order",
      {
        "group_vars/g/10-x.yml": "v: 1",
        "group_vars/g/9-y.yml": "v: 2",
        "group_vars/g/B.yml": "v: 3",
        "group_vars/g/a.yml": "v: 4",
      },
      4,
    ],
    ["sub-directories", { "group_vars/g/sub/x.json": '{"v": 7}' }, 7],
    ["no sub-directories with an extension", { "group_vars/g/sub.d/x.yml": "v: 7" }, undefined],
    [
      "no hidden, backup or other files",
      { "group_vars/g/.x.yml": "v: 1", "group_vars/g/x.yml~": "v: 1", "group_vars/g/x.txt": "v: 1" },
      undefined,
    ],
    ["empty files as nothing", { "group_vars/g.yml": "# nothing\n" }, undefined],
    ["whole host names", { "host_vars/h.yml": "v: 8" }, 8],
  ])("reads %s", async (_name, files, value) => {
    expect(valueFor(await load(files), "h", "v")).toBe(value);
  });

  it("reads a host's file by its whole name, without the port", async () => {
    const files = {
      "hosts.yml": "g: {hosts: {'web.example.com:22': }}",
      "host_vars/web.example.com.yml": "v: 1",
    };
    expect(valueFor(await inventoryOf({ files }), "web.example.com", "v")).toBe(1);
  });

  it.each<[string, Situation["files"], string]>([
    [
      "a file that another one hides",
      { "group_vars/g": "v: 1", "group_vars/g.yml": "v: 2" },
      "group_vars/g.yml is not read, because group_vars/g comes first",
    ],
    [
      "a file for an unknown group",
      { "group_vars/redsi.yml": "v: 1", "hosts.yml": "redis: {hosts: h}" },
      'group_vars/redsi.yml is not read: the inventory has no group "redsi". Did you mean "redis"?',
    ],
    [
      "a file for an unknown host",
      { "host_vars/web.exmaple.com.yml": "v: 1" },
      'host_vars/web.exmaple.com.yml is not read: the inventory has no host "web.exmaple.com". Did you mean "web.example.com"?',
    ],
    [
      "a group_vars that is no directory",
      { group_vars: "v: 1" },
      "group_vars is not read: it is no directory",
    ],
    [
      "a directory for an unknown group",
      { "group_vars/nobody/a.yml": "v: 1" },
      'group_vars/nobody is not read: the inventory has no group "nobody".',
    ],
  ])("warns of %s", async (_name, files, warning) => {
    expect((await load(files)).warnings).toEqual([warning]);
  });

  it("gives no warning of a file that is meant to be ignored", async () => {
    const files = {
      "group_vars/.gitkeep": "",
      "group_vars/README.md": "",
      "group_vars/g.yml~": "",
      "group_vars/g.yml": "v: 1",
      "host_vars/web.example.com": "",
    };
    expect((await load(files)).warnings).toEqual([]);
  });

  it("of hosts that are named like the group that has them alone, where that takes their variables", async () => {
    const files = {
      "hosts.yml":
        "redis: {hosts: {redis: {ansible_host: 10.0.0.1}}}\nweb: {hosts: {web: }, vars: {x: 1}}\ndb: {hosts: {db: {x: 1}}}\n",
    };
    expect((await load(files)).warnings).toEqual([
      "named like the group that has it alone: redis, db. As for Ansible, what the inventory says of such a host is the group's, and group_vars/all is stronger",
    ]);
  });

  it.each<[string, Situation["files"], string]>([
    [
      "a list",
      { "group_vars/g.yml": "- a\n" },
      "group_vars/g.yml:1:1  expected a mapping of variables, found a list",
    ],
    [
      "text",
      { "host_vars/h.yml": "abc\n" },
      'host_vars/h.yml:1:1  expected a mapping of variables, found the text "abc"',
    ],
    ["a duplicate key", { "group_vars/g.yml": "a: 1\na: 2\n" }, "group_vars/g.yml:2:1  a: duplicate key"],
  ])("refuses %s", async (_name, files, message) => {
    expect(await refusal(load(files))).toContain(message);
  });

  it("follows symbolic links and reads what is beside the link, as for any path", async () => {
    const { symlink } = await import("node:fs/promises");
    const { directoryWith } = await import("./inventory-on-disk.ts");
    const cwd = await directoryWith({
      "real/hosts.yml": "g: {hosts: h}",
      "here/group_vars/g.yml": "v: here",
    });
    await symlink("../real/hosts.yml", `${cwd}/here/hosts.yml`);
    expect(valueFor(await loadInventory({ sources: ["here/hosts.yml"], cwd }), "h", "v")).toBe("here");
  });
});

describe("-e", () => {
  const extra = (extraVars: string[], files: Situation["files"] = {}) =>
    inventoryOf({ files: { "hosts.yml": "g: {hosts: {h: {x: inventory}}}", ...files }, extraVars });

  it.each<[string, string[], Record<string, unknown>]>([
    ["key=value is text", ["x=false"], { x: "false" }],
    ["several in one argument", ["x=1 y=2"], { x: "1", y: "2" }],
    ["quotes", [`x="a b" y='c d'`], { x: "a b", y: "c d" }],
    ["an equals sign in the value", ["x=a=b"], { x: "a=b" }],
    ["an empty value", ["x="], { x: "" }],
    ["escapes", [String.raw`x=a\\b\ty`], { x: "a\\b\ty" }],
    ["JSON", ['{"x": 1e3, "y": [true]}'], { x: 1000, y: [true] }],
    ["YAML in braces", ["{x: yes, y: 0644}"], { x: true, y: 420 }],
    ["the later one", ["x=1", "x=2"], { x: "2" }],
    ["a value that starts with a slash", ["x=/etc"], { x: "/etc" }],
  ])("%s", async (_name, args, values) => {
    const inventory = await extra(args);
    for (const [name, value] of Object.entries(values)) expect(valueFor(inventory, "h", name)).toEqual(value);
  });

  it.each([
    ["vars.yml", "x: from file\n"],
    ["vars.json", '{"x": "from file"}'],
  ])("@%s", async (file, text) => {
    expect(valueFor(await extra([`@${file}`], { [file]: text }), "h", "x")).toBe("from file");
  });

  it.each<[string, string]>([
    ["foo", '-e  expected key=value, found "foo"'],
    ["a = x", '-e  expected key=value, found "a"'],
    ["x=1 foo", '-e  expected key=value, found "foo"'],
    ["=x", '-e  expected key=value, found "=x"'],
    ["", "-e  expected key=value, found nothing"],
    ["./f.yml", "to read a file write -e @./f.yml"],
    ["/etc/f.yml", "to read a file write -e @/etc/f.yml"],
    ["[1, 2]", "-e  expected a mapping of variables, found a list"],
    ["{}", "-e  expected a mapping of variables, found an empty one"],
    ["{a: 1", "-e:1:"],
    ['x="a', '-e  the quote " is not closed'],
    ["@nosuch.yml", "nosuch.yml  does not exist"],
    ["@empty.yml", "empty.yml  has no variables"],
    ["@list.yml", "list.yml:1:1  expected a mapping of variables, found a list"],
  ])("%s is refused", async (arg, message) => {
    expect(await refusal(extra([arg], { "empty.yml": "", "list.yml": "- a\n" }))).toContain(message);
  });
});

describe("a large fleet", () => {
  it("loads 2000 hosts with their files within seconds", async () => {
    const files = {
      "hosts.yml": "redis:\n  hosts:\n    r[0001:2000]:\n      private_ip: 10.0.0.1\n",
      "group_vars/all.yml": Array.from({ length: 50 }, (_, i) => `v${i}: ${i}`).join("\n"),
    };
    const inventory = await inventoryOf({ files });
    expect(inventory.hosts.size).toBe(2000);
    expect(valueFor(inventory, "r2000", "v49")).toBe(49);
  });
});

it("the inventory in the README is valid", async () => {
  const inventory = await loadInventory({
    sources: ["inventory/example.yml"],
    cwd: new URL("../..", import.meta.url).pathname,
  });
  expect(hostsOf(inventory, "redis")).toEqual(["redis-01", "redis-02", "redis-03"]);
  expect(valueFor(inventory, "redis-02", "private_ip")).toBe("10.0.0.12");
  expect(valueFor(inventory, "redis-03", "app_subnet")).toBe("10.0.0.0/24");
});
