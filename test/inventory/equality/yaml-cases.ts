import { type Case, filesNamed } from "./case.ts";

export const YAML: Record<string, Case> = {
  ...filesNamed("hosts.yml", {
    "the tree of Ansible's documentation": `
ungrouped:
  hosts:
    mail.example.com:
webservers:
  hosts:
    foo.example.com:
    bar.example.com:
    www[01:50:2].example.com:
dbservers:
  hosts:
    one.example.com:
    two.example.com:
  vars: {ntp_server: ntp.example.com}
east: {hosts: {foo.example.com: , one.example.com: }}
prod: {children: {east: }}
`,
    "all with children": `
all:
  vars: {ansible_user: deploy}
  hosts: {bastion: }
  children:
    redis:
      hosts:
        redis-01: {ansible_host: 10.0.0.1}
        redis-02: {ansible_host: 10.0.0.2, ansible_port: 2222}
      vars: {redis_port: 6379}
      children:
        replicas: {hosts: {redis-03: }}
`,
    "scalars of YAML 1.1": `
g:
  hosts:
    h:
      a: yes
      b: off
      c: 0755
      d: 08
      e: 1_000
      f: 12:30
      g: 1.0
      h: 1e3
      i: 1.5e+3
      j: ~
      k: 2024-01-02
      l: "yes"
      m: !!str 5
      n: 0x1F
      o: y
      p: .5
      q: +1
      r: .inf
      s: 1:60
`,
    "anchors, aliases and merges": `
x: &common {vars: &v {a: 1, b: 2}}
g:
  hosts:
    h1: &h {p: 1, l: [1, 2]}
    h2: *h
    h3: {<<: *h, p: 2}
    h4: {<<: [{q: 1}, {q: 2, r: 3}]}
  vars: {<<: *v, b: 3}
`,
    "blocks of text and lists": `
g:
  vars:
    banner: |
      line one
        line two
    folded: >-
      a
      b
    users:
      - {name: a, keys: [x, y]}
      - name: b
    empty_list: []
    empty_map: {}
  hosts:
    h:
`,
    "lists, mappings and texts that go on at the margin": `
g:
  hosts:
    r[1:2]:
      ports: [
  6379, # plain
  6380
]
      users:
        - acl: {
  name: app,
keys: [
"read",
'write']
}
        - "one
text"
      motd: "first

second \\
third"
  vars:
    dump: {
\t"tabs": [1,\t2],
}
`,
    "a block of text that the file's end ends":
      "g:\n  hosts: h\n  vars:\n    key: |\n      -----BEGIN-----\n      -----END-----",
    "names as text": "g: {hosts: a}\nk: {children: g}\n",
    "a group twice, a host in many":
      "a: {hosts: {h: {v: 1}}}\nb: {hosts: {h: {v: 2, w: 1}}, children: {a: {hosts: {k: }}}}\nc: {children: {a: {vars: {x: 1}}}}\n",
    "ranges and ports":
      "g:\n  hosts:\n    r[01:03]:\n    x[a:c]-[1:2].example.com: {v: 1}\n    p:2222:\n    '[2001:db8::1]:22':\n    2001:db8::5: {}\n    r02: {own: 1}\n",
    "Jinja and !unsafe":
      "g:\n  hosts: {h: {a: '{{ b }}', u: !unsafe '{{ raw }}'}}\n  vars: {b: \"{% if x %}y{% endif %}\"}\n",
    "a value for !vault":
      "g:\n  hosts:\n    h:\n      p: !vault |\n        $ANSIBLE_VAULT;1.1;AES256\n        6162\n        6364\n",
    "depth and the alphabet":
      "b: {hosts: h, vars: {v: b}}\na: {hosts: h, vars: {v: a}}\nB: {hosts: h, vars: {v: B, w: B}}\ng10: {hosts: h, vars: {n: 10}}\ng9: {hosts: h, vars: {n: 9}}\ntop: {children: {in: {hosts: h, vars: {d: 2}}}, vars: {d: 1, e: 1}}\nzz: {hosts: h, vars: {e: 2, d: 0}}\n",
    priorities:
      "a: {hosts: h, vars: {v: a, ansible_group_priority: 5}}\nb: {hosts: h, vars: {v: b, ansible_group_priority: '3'}}\n",
    "hosts of ungrouped":
      "all: {hosts: {a: , b: {x: 1}}}\nungrouped: {hosts: {c: , d: }, vars: {u: 1}}\ng: {hosts: {d: , b: }}\n",
    "JSON in a .yml":
      '{"all": {"children": {"redis": {"hosts": {"r1": {"n": 1e3, "f": 1.0, "t": true, "z": null}}}}}}',
    "a document's marks": "%YAML 1.2\n---\ng: {hosts: {h: {a: yes}}}\n...\n",
    "a byte order mark": "\ufeffg: {hosts: h}\n",
    "a group named plugin that is empty": "plugin:\ng: {hosts: h}\n",
  }),
  "a byte order mark, here and in group_vars": {
    files: {
      "hosts.yml": "\ufeffg: {hosts: {h: {v: 1}}}\n",
      "group_vars/g.yml": "\ufeffw: 2\n",
    },
  },
  ...filesNamed("hosts.yaml", { "the ending .yaml": "g: {hosts: {h: {v: 1}}}\n" }),
  ...filesNamed("hosts.json", {
    "a byte order mark before JSON": '\ufeff{"g": {"hosts": {"h": {"v": 1}}}}',
    "the ending .json":
      '{"redis": {"hosts": {"r1": {"a": [1, "x", {"b": false}]}, "r2": null}, "vars": {"p": 6379}}}',
    "a vaulted value in JSON":
      '{"g": {"hosts": {"h": {"p": {"__ansible_vault": "$ANSIBLE_VAULT;1.1;AES256\\n61\\n"}, "u": {"__ansible_unsafe": "{{ x }}"}}}}}',
    "YAML in a .json": "redis:\n  hosts:\n    r1:\n",
  }),
  ...filesNamed("hosts", { "YAML without an ending": "---\nredis:\n  hosts:\n    r1: {a: 1}\n    r2:\n" }),
};
