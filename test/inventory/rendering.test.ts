import { describe, expect, it } from "vitest";
import { hostVariables } from "../../src/inventory/inventory.ts";
import { Rendering } from "../../src/inventory/rendering.ts";
import { unlocking } from "../../src/vault/locked.ts";
import { noVault } from "../../src/vault/vault.ts";
import { inventoryOf, refusal } from "./inventory-on-disk.ts";

/** The value of `v` of host h, whose variables are in block style. */
async function rendered(variables: string, name = "v"): Promise<unknown> {
  const inventory = await inventoryOf(`g:\n  hosts:\n    h:\n${variables.replace(/^(?=.)/gm, "      ")}\n`);
  const rendering = new Rendering("h", hostVariables(inventory, "h"), inventory);
  return unlocking(noVault(), () => rendering.variable(name)?.value);
}

describe("a value without a template", () => {
  it.each<[string, unknown]>([
    ["plain", "plain"],
    ["'{app}:*'", "{app}:*"],
    ["!unsafe '{{ x }}'", "{{ x }}"],
    ["!unsafe ['{{ x }}']", ["{{ x }}"]],
    ["[a, {b: 1}]", ["a", { b: 1 }]],
    ["'{ {'", "{ {"],
    ["'True'", "True"],
    ["~", null],
    ["1.0", 1],
  ])("stays as it is: %s", async (value, expected) => {
    expect(await rendered(`v: ${value}`)).toEqual(expected);
  });
});

describe("a template", () => {
  it("renders texts inside of lists and mappings, and no key", async () => {
    expect(await rendered("x: 7\nv: { '{{ x }}': ['{{ x }}', { a: 'b{{ x }}' }] }")).toEqual({
      "{{ x }}": [7, { a: "b7" }],
    });
  });

  it("reads only the parts that it names", async () => {
    expect(await rendered("all: { port: 1, other: '{{ x | upper }}' }\nv: '{{ all.port }}'")).toBe("1");
  });

  it.each<[string, string]>([
    [
      "v: '{{ x }}'",
      'hosts.yml:4:10  v of h: is a Jinja template ("{{ x }}") that names x, which is not set',
    ],
    ["v: [a, {b: '{% x %}'}]", 'hosts.yml:4:18  v of h: is a Jinja template ("{% x %}") with a statement'],
    ["v: [a, !vault x]", "hosts.yml:4:14  v of h: should begin with $ANSIBLE_VAULT;1.1;AES256"],
    [
      "v: '{{ w }}'\nw: '{{ y | upper }}'",
      'hosts.yml:5:10  v of h: is a Jinja template ("{{ y | upper }}") with the filter upper',
    ],
    ["v: '{{ w }}'\nw: !vault x", "hosts.yml:5:10  v of h: should begin with $ANSIBLE_VAULT;1.1;AES256"],
    ["v: '{{ v }}'", "that names itself: v → v"],
    ["v: '{{ a }}'\na: 'x{{ b }}'\nb: '{{ c }}'\nc: '{{ a }}'", "that names itself: a → b → c → a"],
    ["v: '{{ a.x }}'\na: { x: '{{ a.x }}' }", "that leads through more than 30 templates"],
    ["v: ['{{ x | default(omit) }}']", "omits a part of a list or mapping"],
    ["v: 'a{{ x | default(omit) }}'", "that puts omit into a text"],
    ["v: '{{ a[0] }}'\na: { 0: x }", "that asks a mapping for a number"],
    ["v: '{{ a.x }}'\na: text", "that looks for x in a value that has no parts"],
  ])("that cannot be rendered is refused where it stands: %j", async (variables, message) => {
    expect(await refusal(rendered(variables))).toContain(message);
  });

  it("is not shown where its variable may be a secret", async () => {
    const message = await refusal(rendered("db_password: 'hunter2{{ x }}'", "db_password"));
    expect(message).toContain("db_password of h: is a Jinja template that names x");
    expect(message).not.toContain("hunter2");
  });

  it("is not shown, and neither is what it names, where it stands in a vault", () => {
    const place = { file: "secrets.yml", line: 2, fromVault: true as const };
    const rendering = new Rendering("h", new Map([["v", { value: "hun{{ ter2 }}", place }]]));
    expect(() => rendering.value({ value: "hun{{ ter2 }}", place }, "v")).toThrow(
      'secrets.yml:2  v of h: is a Jinja template ("••••") that redkeep does not render: write the value',
    );
  });

  it("that stands in no file is refused with the place of its variable", () => {
    const variable = { value: { a: ["{{ x }}"] }, place: { file: "-e" } };
    const rendering = new Rendering("h", new Map([["v", variable]]));
    expect(() => rendering.value(variable, "v")).toThrow("-e  v of h: is a Jinja template");
  });
});

describe("a hostile template", () => {
  it.each(["__proto__", "constructor", "toString", "hasOwnProperty"])(
    "reaches nothing of JavaScript by %s",
    async (name) => {
      const of = (template: string) => refusal(rendered(`a: { b: 1 }\nl: [1]\nv: "${template}"`));
      for (const template of [
        `{{ a['${name}'] }}`,
        `{{ a.${name} }}`,
        `{{ ${name} }}`,
        `{{ l['${name}'] }}`,
        `{{ groups['${name}'] }}`,
        `{{ hostvars['${name}'].x }}`,
        `{{ hostvars['h']['${name}'] }}`,
      ])
        expect(await of(template)).toMatch(/which is not set|Python's own __proto__/);
      expect(await rendered(`v: "{{ lookup('env', '${name}') }}"`)).toBe("");
    },
  );

  it("may name such a key where the inventory has one", async () => {
    expect(await rendered("a: { constructor: c }\nv: \"{{ a['constructor'] }}\"")).toBe("c");
  });

  it("that doubles itself is cut off", async () => {
    const doubling = (value: (before: string) => string) =>
      Array.from({ length: 28 }, (_, index) => `a${index + 1}: ${value(`{{ a${index} }}`)}`).join("\n");
    const texts = `a0: xxxxxxxx\n${doubling((before) => `'${before}${before}'`)}\nv: '{{ a28 }}'`;
    expect(await refusal(rendered(texts))).toMatch(/more than 262144 characters|more than 10000 steps/);
    const lists = `a0: [x, x]\n${doubling((before) => `['${before}', '${before}']`)}\nv: '{{ a28 }}'`;
    expect(await refusal(rendered(lists))).toMatch(/more than 10000 steps|more than 30 templates/);
  });

  it.each([
    `{{ ${"(".repeat(5000)}x${")".repeat(5000)} }}`,
    `{{ a${"[a".repeat(5000)}${"]".repeat(5000)} }}`,
    `{{ x${" | default(x".repeat(5000)}${")".repeat(5000)} }}`,
    `${"x".repeat(70_000)}{{ x }}`,
  ])("that is too deep or too long is refused", async (template) => {
    expect(await refusal(rendered(`a: 1\nv: "${template}"`))).toMatch(
      /nested more than|more than 65536 characters/,
    );
  });

  it("that comes out of a template is not rendered again", async () => {
    const inventory = await inventoryOf({
      files: { "hosts.yml": "g: { hosts: { h: { v: \"{{ lookup('env', 'X') }}\" } } }" },
    });
    const surroundings = { cwd: "/", env: { X: "{{ inventory_hostname }}" } };
    const rendering = new Rendering("h", hostVariables(inventory, "h"), { ...inventory, surroundings });
    expect(rendering.variable("v")?.value).toBe("{{ inventory_hostname }}");
  });
});
