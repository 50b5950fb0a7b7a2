import { beforeAll, describe, expect, it } from "vitest";
import { hostVariables, type Inventory } from "../../../src/inventory/inventory.ts";
import { loadInventory } from "../../../src/inventory/load-inventory.ts";
import { OMIT, Rendering } from "../../../src/inventory/rendering.ts";
import { InputError } from "../../../src/lib/errors.ts";
import { temporaryDirectory } from "../../connection/support/server.ts";
import { runWithAnsible } from "./ansible-python.ts";

/** What the templates name. */
const VARIABLES = `
  port: 2222
  half: 2.5
  whole: 2.0
  large: 1.0e+20
  yes_it_is: yes
  nothing: ~
  empty: ""
  zero: 0
  no_list: []
  word: redis
  spaced: " x "
  true_word: "True"
  digits: "22"
  domain: example.com
  list: [a, 2, "{{ word }}", no]
  cfg: { port: 6380, name: "{{ word }}-x", deep: { key: [10, 20] }, "true": 1, flag: yes, none: ~ }
  chain: "{{ chain2 }}"
  chain2: "{{ port }}"
  chain_null: "{{ chain_null2 }}"
  chain_null2: "{{ nothing }}"
  chain_flag: "{{ yes_it_is }}"
  plain: !unsafe "{{ word }}"
  line_end: "a\\n"
  umlaut: käse
`;

/** As Ansible renders them. */
const SAME = [
  "{{ port }}",
  "{{port}}",
  "{{ half }}",
  "{{ whole }}",
  "{{ yes_it_is }}",
  "{{ nothing }}",
  "{{ empty }}",
  "{{ list }}",
  "{{ cfg }}",
  "{{ word }}",
  "{{ spaced }}",
  "{{ true_word }}",
  "{{ digits }}",
  "{{ chain }}",
  "{{ plain }}",
  "{{ umlaut }}",
  "{{ line_end }}",
  "x{{ port }}",
  "x{{ half }}/{{ whole }}/{{ large }}",
  "x{{ yes_it_is }}{{ nothing }}{{ empty }}",
  "{{ word }}.{{ domain }}",
  "{{ word }}{{ port }}\n",
  "{{ word }} ",
  " {{ port }}",
  "{{ port }}{{ port }}",
  "{{ 'a' }}",
  '{{ "a b" }}.c',
  "{{ 12 }}",
  "{{ 'True' }}",
  "{{ cfg.port }}",
  "{{ cfg['port'] }}",
  "{{ cfg['port'] | default('x') }}",
  "{{ cfg.name }}",
  "{{ cfg.deep.key[0] }}",
  "{{ cfg.deep['key'][-1] }}",
  "{{ cfg.deep.key.1 }}",
  "{{ cfg.deep }}",
  "{{ cfg.flag }}",
  "{{ cfg.none }}",
  "x{{ cfg.none }}",
  "{{ cfg[word] | default(port) }}",
  "{{ list[0] }}",
  "{{ list[1] }}",
  "{{ list[2] }}",
  "{{ list[3] }}",
  "{{ list[9] | default('none') }}",
  "{{ absent | default('x') }}",
  "{{ absent | default(port) }}",
  "{{ absent | default(22) }}",
  "{{ absent | default }}",
  "{{ absent | default() }}",
  "{{ absent | d('x') }}",
  "{{ absent | default(omit) }}",
  "{{ absent | default(none) }}",
  "{{ absent | default(true) }}",
  "{{ absent.more | default('x') }}",
  "{{ absent['a'][0] | default('x') }}",
  "{{ absent | default(also_absent) | default('x') }}",
  "{{ empty | default('x') }}",
  "{{ empty | default('x', true) }}",
  "{{ empty | default('x', boolean=True) }}",
  "{{ zero | default('x', true) }}",
  "{{ nothing | default('x') }}",
  "{{ nothing | default('x', true) }}",
  "{{ no_list | default('x', true) }}",
  "{{ word | default('x', true) }}",
  "{{ list | default('x', true) }}",
  "{{ port | default(1) }}",
  "{{ yes_it_is | default(1) }}",
  "{{ (absent) | default((word)) }}",
  "{{ inventory_hostname }}",
  "{{ inventory_hostname_short }}",
  "{{ inventory_hostname }}.{{ domain }}",
  "{{ group_names }}",
  "{{ group_names[0] }}",
  "{{ groups['g'][0] }}",
  "{{ groups.g[1] }}",
  "{{ groups['g'] }}",
  "{{ hostvars['h2'].ansible_host }}",
  "{{ hostvars['h2']['ansible_host'] }}",
  "{{ hostvars[groups['g'][1]].ansible_host }}",
  "{{ hostvars[inventory_hostname]['port'] }}",
  "{{ hostvars['h2'].named }}",
  "{{ hostvars['h2'].inventory_hostname }}",
  "{{ hostvars['h2'].absent | default('x') }}",
  "{{ hostvars['nobody'].ansible_host | default('x') }}",
  "{{ lookup('env', 'REDKEEP_WORD') }}",
  '{{ lookup("ansible.builtin.env", "REDKEEP_WORD") }}/x',
  "{{ lookup('env', 'REDKEEP_ABSENT') }}",
  "{{ lookup('env', 'REDKEEP_TRUE') }}",
  "{{ lookup('env', 'REDKEEP_TEMPLATE') }}",
  "{{ lookup('env', word) }}",
  "{{ lookup('env', 'REDKEEP_ABSENT') | default('x', true) }}",
  "{{ playbook_dir }}",
  "{{ inventory_dir }}/keys",
  "{{ inventory_file }}",
  "[{{ word }}",
  "[{{ word }}]",
  "{{ '{app}' }}",
  "{{ chain2 }}",
  "{{ chain_null }}",
  "{{ chain_flag }}",
  "{a}{{ word }}",
  "{{ 'True' }}x",
  "}}{{ word }}",
  "{{ 'a}}b' }}",
  "{{ '{{' }}",
  "{{ cfg['true'] }}",
  "{ {{ word }}",
  "\\d{{ word }}",
] as const;

/** Ansible fails too. */
const FAILS = [
  "{{ absent }}",
  "x{{ absent }}",
  "{{ cfg.absent }}",
  "{{ list[9] }}",
  "{{ absent.x }}",
  "{{ hostvars['nobody'].x }}",
  "{{ hostvars['h2'].absent }}",
  "{{ ring }}",
  "{{ word",
  "{{ }}",
  "{{ word word }}",
  "{{ word.",
] as const;

/** Ansible renders them; redkeep refuses them where they are used. */
const REFUSED: readonly (readonly [string, string])[] = [
  ["{{ word | upper }}", "with the filter upper"],
  ["{{ absent | default('x') | upper }}", "with the filter upper"],
  ["{{ word if yes_it_is else 'x' }}", 'with "if" where a plain name ends'],
  ["{{ port + 1 }}", 'with "+" where a plain name ends'],
  ["{{ word ~ 'x' }}", 'with "~" where a plain name ends'],
  ["{{ not yes_it_is }}", 'with "not" where a plain name ends'],
  ["{{ [word] }}", 'with "[" where a plain name ends'],
  ["{{ {'a': 1} }}", 'with "{" where a plain name ends'],
  ["{{- word -}}", 'with "-" where a plain name ends'],
  ["{% if port %}x{% endif %}", "with a statement ({% … %})"],
  ["{{ word }}{# why #}", "with a comment ({# … #})"],
  ["{{ lookup('pipe', 'echo x') }}", 'with the lookup "pipe"'],
  ["{{ lookup('env', 'REDKEEP_WORD', 'HOME') }}", "whose lookup of env has not exactly one variable"],
  ["{{ query('env', 'HOME') }}", "that calls query()"],
  ["{{ word.upper() }}", "that calls upper()"],
  ["{{ cfg.items }}", "that uses Python's own items"],
  ["{{ word.__class__ }}", "that uses Python's own __class__"],
  ["{{ hostvars }}", "that names all variables of a host"],
  ["{{ hostvars['h2'] }}", "that names all variables of a host"],
  ["x{{ list }}", "that puts a list or mapping into a text"],
  ["[{{ port }}]", "whose text Ansible may read as a list or mapping"],
  ["{{ 'a' 'b' }}", 'with "b" where a plain name ends'],
  ["{{ 'a\\b' }}", 'with "\'" where a plain name ends'],
  ["{{ hostvars['h2'].other }}", "which is not set"],
];

const ENVIRONMENT = {
  HOME: "/nonexistent",
  REDKEEP_WORD: "from env",
  REDKEEP_TRUE: "True",
  REDKEEP_TEMPLATE: "{{ word }}",
  redis: "named by a variable",
};

type Outcome = { value: unknown } | { omitted: true } | { error: string };

const all = [...SAME, ...FAILS, ...REFUSED.map(([template]) => template)];
const nameOf = (template: string) => `case_${all.indexOf(template)}`;
const directory = temporaryDirectory();
let ansible: Record<string, Outcome>;
let inventory: Inventory;

beforeAll(async () => {
  const cases = all.map((template) => `  ${nameOf(template)}: ${JSON.stringify(template)}\n`).join("");
  const vars = `${VARIABLES}  ring: "{{ ring2 }}"\n  ring2: "{{ ring }}"\n${cases}`.replace(
    /^(?=.)/gm,
    "      ",
  );
  const h2 = `{ ansible_host: 10.0.0.2, named: "{{ ansible_host }}:{{ port }}", port: 7, other: "{{ hostvars['h1.example.org'].port }}" }`;
  const file = directory.write(
    "hosts.yml",
    `all:\n  children:\n    g:\n      hosts:\n        h1.example.org:\n        h2: ${h2}\n    other: { hosts: { h1.example.org: } }\n  vars:\n${vars}`,
  );
  const asked = { inventory: file, host: "h1.example.org", names: all.map(nameOf) };
  const env = { ...ENVIRONMENT, ANSIBLE_CONFIG: directory.write("ansible.cfg", "") };
  ansible = runWithAnsible("render_with_ansible.py", asked, directory.path, env) as Record<string, Outcome>;
  inventory = await loadInventory({ sources: [file], cwd: directory.path, env: ENVIRONMENT });
});

function ours(template: string): Outcome {
  const variables = hostVariables(inventory, "h1.example.org");
  const name = nameOf(template);
  const variable = variables.get(name);
  if (variable === undefined) throw new Error(`no ${name}`);
  try {
    const value = new Rendering("h1.example.org", variables, inventory).value(variable, name);
    return value === OMIT ? { omitted: true } : { value };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { error: error.message };
  }
}

describe("a template is rendered as Ansible renders it", () => {
  it.each(SAME)("%j", (template) => {
    expect(ansible[nameOf(template)]).not.toHaveProperty("error");
    expect(JSON.parse(JSON.stringify(ours(template)))).toEqual(ansible[nameOf(template)]);
  });
});

describe("a template that Ansible cannot render is refused", () => {
  it.each(FAILS)("%j", (template) => {
    expect(ansible[nameOf(template)]).toHaveProperty("error");
    expect(ours(template)).toEqual({ error: expect.stringContaining("is a Jinja template") });
  });
});

describe("a template that does more than name a value is refused, with the reason", () => {
  it.each(REFUSED)("%j", (template, reason) => {
    expect(ours(template)).toEqual({ error: expect.stringContaining(reason) });
  });
});
