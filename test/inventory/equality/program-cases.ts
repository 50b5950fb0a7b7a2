import type { Case } from "./case.ts";

function program(list: unknown, hosts: Readonly<Record<string, unknown>> = {}): Case {
  const answers = Object.entries({ "--list": list, ...hosts }).map(
    ([key, answer]) =>
      `"${key}") cat <<'END'\n${typeof answer === "string" ? answer : JSON.stringify(answer)}\nEND\n;;`,
  );
  return { files: { "fleet.sh": `#!/bin/sh\ncase "$*" in\n${answers.join("\n")}\n*) exit 9 ;;\nesac\n` } };
}

/** Inventories that are programs. */
export const PROGRAMS: Record<string, Case> = {
  "groups, variables and _meta": program({
    _meta: {
      hostvars: { r1: { ansible_host: "10.0.0.1", tags: ["a", { b: 1.5 }] }, r2: {}, stranger: { x: 1 } },
    },
    redis: { hosts: ["r1", "r2"], vars: { port: 6379, tls: true, none: null } },
    prod: { children: ["redis", "web"], vars: { env: "prod" } },
    web: { hosts: [] },
    all: { children: ["prod", "ungrouped"] },
  }),
  "groups as plain lists": program({ redis: ["r1", "r2"], web: ["w1"], _meta: { hostvars: {} } }),
  "no _meta: asked for each host": program(
    { redis: { hosts: ["r1", "r2"] }, web: { hosts: ["r2"] } },
    { "--host r1": { a: 1, b: "x" }, "--host r2": {} },
  ),
  "_meta without hostvars": program({ redis: ["r1"], _meta: {} }, { "--host r1": { a: [1] } }),
  "an answer for a host in YAML": program({ redis: ["r1"] }, { "--host r1": "a: yes\nb: 0755\n" }),
  "children before their groups": program({
    p: { children: ["c", "d"] },
    d: { hosts: ["h2"], vars: { v: "d" } },
    c: { hosts: ["h1", "h2"], vars: { v: "c" } },
    _meta: { hostvars: { h2: { v: "h2" } } },
  }),
  "priorities and magic names": program({
    a: { hosts: ["h"], vars: { v: "a", ansible_group_priority: 10 } },
    b: { hosts: ["h"], vars: { v: "b" } },
    _meta: { hostvars: { h: { ansible_port: 2222, ["__proto__"]: 1, constructor: "x" } } },
  }),
  "only ungrouped hosts": program({
    all: { hosts: ["a", "b"] },
    ungrouped: { hosts: ["c"] },
    _meta: { hostvars: { a: { x: 1 } } },
  }),
  "numbers of JSON": program(
    '{"g": ["h"], "_meta": {"hostvars": {"h": {"a": 1.0, "b": 1e3, "c": -0.0, "d": 1E-7, "e": 12345678901}}}}',
  ),
  "vaulted and unsafe values": program({
    g: {
      hosts: ["h"],
      vars: { p: { __ansible_vault: "$ANSIBLE_VAULT;1.1;AES256\n61\n" }, u: { __ansible_unsafe: "{{ x }}" } },
    },
    _meta: { hostvars: {} },
  }),
  "IPv6, capitals and letters of other languages": program({
    g: ["2001:db8::1", "Web01", "büro"],
    _meta: { hostvars: { büro: { ort: "Köln" } } },
  }),
  "hosts named like the groups that have them alone": program({
    redis: { hosts: ["redis"], vars: { a: 1, b: 1 } },
    all: { vars: { c: 1 } },
    _meta: { hostvars: { redis: { a: 2, c: 2 } } },
  }),
  "words on stderr": {
    files: {
      "fleet.sh":
        '#!/bin/sh\necho "warning: old API" >&2\necho \'{"g": {"hosts": ["h"]}, "_meta": {"hostvars": {}}}\'\n',
    },
  },
  "variables beside a program": {
    files: {
      "fleet.sh":
        '#!/bin/sh\necho \'{"g": {"hosts": ["h"], "vars": {"v": "program"}}, "_meta": {"hostvars": {"h": {"w": "program"}}}}\'\n',
      "group_vars/g.yml": "v: beside\n",
      "host_vars/h.yml": "w: beside\n",
    },
  },
  "what it finds where it stands and in its environment": {
    files: {
      "fleet.sh":
        '#!/bin/sh\nread -r name <"$(dirname "$0")/name"\nprintf \'{"g": {"hosts": ["%s"], "vars": {"args": "%s", "in": "%s"}}, "_meta": {"hostvars": {}}}\' "$name" "$*" "$(basename "$PWD")"\n',
      name: "h1\n",
    },
  },
};
