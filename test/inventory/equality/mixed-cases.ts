import type { Case } from "./case.ts";

const INI = "[redis]\nr1 a=ini\nr2\n[redis:vars]\nv=ini\n";
const YAML = "redis:\n  hosts:\n    r2: {a: yaml}\n    r3:\n  vars: {v: yaml}\n";

/** Several files: directories, variables beside them, several -i, lists. */
export const MIXED: Record<string, Case> = {
  "INI with group_vars and host_vars": {
    files: {
      hosts: "[redis]\nr1 x=line\nr2.example.com:2222\n[redis:vars]\ny=file\n[all:vars]\nz=file\n",
      "group_vars/all.yml": "z: beside\nw: all\n",
      "group_vars/redis/10-main.yml": "w: redis\nlist: [1, 2]\n",
      "group_vars/redis/9-late": "w: late\n",
      "host_vars/r1.yml": "x: beside\n",
      "host_vars/r2.example.com.json": '{"j": 1.0}',
      "group_vars/ungrouped": "none: 1\n",
    },
  },
  "INI with hosts named like the groups that have them alone": {
    files: {
      hosts:
        "[db]\ndb ansible_host=10.0.0.1 weak=line x=5\n[redis]\nredis:2222 ansible_host=10.0.0.2 weak=line own=line\n[web]\ncache late=1\n[cache]\ncache early=2\n[all:children]\ndb\n[mail:children]\nrelay\n[relay]\nmail x=1\n",
      "group_vars/all.yml": "weak: all\n",
      "group_vars/redis.yml": "own: group\ng: 1\n",
      "host_vars/redis.yml": "h: 1\n",
    },
  },
  "YAML with hosts named like the groups that have them alone": {
    files: {
      "hosts.yml":
        "all:\n  children:\n    redis:\n      vars: {a: group, b: group}\n      hosts: {redis: {a: host, c: host, ansible_group_priority: 3}}\n    prod: {children: {cache: {children: {in: {hosts: {cache: {x: 1}}}}, hosts: {cache: }}}}\n    late: {hosts: {db: {x: 1}}}\n    db: {hosts: {db: {y: 1}}}\n",
    },
  },
  "YAML with group_vars and host_vars": {
    files: {
      "hosts.yml": "a: {children: {b: {hosts: h, vars: {v: file}}}, vars: {v: file-a}}\n",
      "group_vars/a.yaml": "v: a\n",
      "group_vars/all/x.yml": "v: all\nk: yes\n",
      "host_vars/h/sub/deep.yml": "d: 1\n",
    },
  },
  "a directory of INI, YAML and JSON": {
    sources: ["inv"],
    files: {
      "inv/01-hosts": INI,
      "inv/02.yml": YAML,
      "inv/03.json": '{"redis": {"hosts": {"r4": {"a": "json"}}}}',
      "inv/group_vars/redis.yml": "g: 1\n",
    },
  },
  "a directory with the endings that are skipped": {
    sources: ["inv"],
    files: {
      "inv/hosts": INI,
      "inv/aws.ini": "[aws]\nnobody\n",
      "inv/x.cfg": "[x]\nnobody\n",
      "inv/README.md": "# hosts\n",
      "inv/hosts.bak": "[old]\nnobody\n",
      "inv/hosts~": "[old]\nnobody\n",
      "inv/.hidden": "[old]\nnobody\n",
      "inv/site.retry": "nobody\n",
      "inv/notes.txt": "not an inventory at all\n",
    },
  },
  "a directory of directories": {
    sources: ["inv"],
    files: {
      "inv/b/hosts": INI,
      "inv/a/hosts.yml": YAML,
      "inv/10": "[ten]\nt\n",
      "inv/9": "[nine]\nn\n",
      "inv/b/group_vars/redis": "x: 1\n",
    },
  },
  "groups that one file declares and another uses": {
    sources: ["inv"],
    files: {
      "inv/1": "[web]\nw1\n[db]\nd1\n",
      "inv/2": "[prod:children]\nweb\ndb\n[web:vars]\nx=1\n",
      "inv/3.yml": "prod: {vars: {env: prod}}\n",
    },
  },
  "an empty file beside others": {
    sources: ["inv"],
    files: { "inv/1": "", "inv/2.yml": "# nothing\n", "inv/3": INI },
  },
  "a program, a YAML and an INI in a directory": {
    sources: ["inv"],
    files: {
      "inv/1.sh":
        '#!/bin/sh\necho \'{"redis": {"hosts": ["r1", "r9"], "vars": {"v": "program"}}, "_meta": {"hostvars": {"r9": {"a": 1}}}}\'\n',
      "inv/2.yml": YAML,
      "inv/3": INI,
    },
  },
  "two -i, the later wins": { sources: ["a", "b.yml"], files: { a: INI, "b.yml": YAML } },
  "two -i in the other order": { sources: ["b.yml", "a"], files: { a: INI, "b.yml": YAML } },
  "two -i with variables beside each": {
    sources: ["one/hosts", "two/hosts"],
    files: {
      "one/hosts": "[p:children]\nc\n[c]\nh\n",
      "one/group_vars/c.yml": "v: one-c\n",
      "one/host_vars/h.yml": "w: one\n",
      "two/hosts": "[p]\nk\n",
      "two/group_vars/p.yml": "v: two-p\n",
    },
  },
  "a list of hosts": { sources: ["r1,r2.example.com,10.0.0.1:2222, [2001:db8::1]:22,r1,"], files: {} },
  "a list and a file": { sources: ["hosts", "r9,"], files: { hosts: INI } },
  "a YAML file that may be executed": { files: { "hosts.yml": YAML }, executable: ["hosts.yml"] },
  "an INI file that may be executed": { files: { hosts: INI }, executable: ["hosts"] },
  "a link to nothing in a directory": {
    sources: ["inv"],
    files: { "inv/hosts": INI },
    links: { "inv/lost": "/nonexistent/x" },
  },
  "a link to nothing in group_vars": {
    files: { hosts: INI, "group_vars/redis.yaml": "y: 1\n" },
    links: { "group_vars/redis.yml": "/nonexistent/x", "group_vars/all": "nowhere" },
  },
  "a link to an inventory": {
    sources: ["hosts"],
    files: { "real/hosts.yml": YAML },
    links: { hosts: "real/hosts.yml" },
  },
};
