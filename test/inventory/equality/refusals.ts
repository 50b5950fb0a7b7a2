import type { Case } from "./case.ts";

/** What Ansible reads or passes over and redkeep refuses, in whose words, and the row of docs/inventory.md that says so. */
export interface Refusal extends Case {
  message: string;
  docs: string;
}

const ini = (text: string): Case => ({ files: { hosts: text } });
const yaml = (text: string): Case => ({ files: { "hosts.yml": text } });
const program = (text: string): Case => ({ files: { "fleet.sh": `#!/bin/sh\n${text}\n` } });
/** Its text is of no matter: Ansible does not see that it is encrypted. */
const VAULT = `$ANSIBLE_VAULT;1.1;AES256\n${"61".repeat(40)}\n`;
const answering = (json: string): Case => program(`echo '${json}'`);

const NO_READER = "a file that is in none of these forms, also one of several in a folder";
const NO_HOST = "an inventory without a host, and a file that does not exist";
const FAILING = "a program that fails, takes too long, or prints anything but an inventory's JSON";
const TWICE = "a key that stands twice";
const TAGS = "a YAML tag, such as `!!set`, other than `!vault`, `!unsafe` and those of YAML's plain types";
const NAMESAKE = "a host named like a group, unless the group has it alone";
const NO_GROUP = "a group that is a text or a list, a host whose variables are `false`, `0` or empty text";
const NAMES =
  "a host's name with other characters than letters, digits, `.`, `_`, `-`, or with look-alike letters of two alphabets; a group's name with others than these and spaces";
const LITERALS =
  "in an INI value: a set, a complex number, an ellipsis, a character by `\\N{NAME}`, or bytes that are no plain letters";
const MARK =
  "a byte order mark before an INI inventory, before an encrypted file, before JSON from a program, in an `ansible.cfg` or a file of `--limit`";
const PORTS =
  "a port that only the second mention of a host has, the port 0, a port after a name that cannot have one";

export const REFUSALS: Record<string, Refusal> = {
  "a section of an unknown kind": {
    ...ini("[web]\nh\n[web:var]\na=1\n"),
    message:
      'i/hosts:3  expected [GROUP], [GROUP:children] or [GROUP:vars], found "[web:var]". Did you mean "vars"?',
    docs: NO_READER,
  },
  "a section with a space": {
    ...ini("[web servers]\nh\n"),
    message:
      'i/hosts:1  expected [GROUP], [GROUP:children] or [GROUP:vars] without spaces in it, found "[web servers]"',
    docs: NO_READER,
  },
  "variables of a group that is not declared": {
    ...ini("[web]\nh\n[wbe:vars]\na=1\n"),
    message: 'i/hosts:3  [wbe:vars]: there is no group "wbe": expected a section [wbe]. Did you mean "web"?',
    docs: NO_READER,
  },
  "a child that is not declared": {
    ...ini("[web]\nh\n[p:children]\nwbe\n"),
    message:
      'i/hosts:4  [p:children]: names the group "wbe", which has no section: expected [wbe]. Did you mean "web"?',
    docs: NO_READER,
  },
  "a host line without key=value": {
    ...ini("[web]\nh x=1 y\n"),
    message: 'i/hosts:2  expected key=value after the host h, found "y"; a value with spaces must be quoted',
    docs: NO_READER,
  },
  "a template with spaces on a host line": {
    ...ini("[web]\nh x={{ y }}\n"),
    message: 'i/hosts:2  expected key=value after the host h, found "y"',
    docs: NO_READER,
  },
  "a quote that is not closed": {
    ...ini("[web]\nh x='a\n"),
    message: "i/hosts:2  expected a host and its key=value pairs, found a quote that is not closed",
    docs: NO_READER,
  },
  "a line of :vars without a sign": {
    ...ini("[web]\nh\n[web:vars]\nabc\n"),
    message: 'i/hosts:4  expected key=value in this section, found "abc"',
    docs: NO_READER,
  },
  "a child with more behind it": {
    ...ini("[p:children]\nweb ; x\n[web]\nh\n"),
    message: 'i/hosts:2  expected the name of a group in this section, found "web ; x"',
    docs: NO_READER,
  },
  "a ring of groups": {
    ...ini("[a:children]\nb\n[b:children]\na\n[a]\nh\n"),
    message: "groups contain each other",
    docs: NO_READER,
  },
  "a comment after a section that is none": {
    ...ini("[web] ; the web\nh\n"),
    message: "i/hosts:1  expected [GROUP] alone on its line, or followed by a # comment",
    docs: NO_READER,
  },
  "YAML with an ending of its own": {
    files: { "hosts.prod": "web:\n  hosts:\n    h:\n" },
    message:
      'i/hosts.prod:1  expected the name of a host, found "web:"; as YAML, Ansible reads only .yml, .yaml, .json and names without an ending',
    docs: NO_READER,
  },
  "a template that Python takes for a set of a set": {
    ...ini("[web]\nh\n[web:vars]\na={{ 1 }}\n"),
    message: "i/hosts:4  a: has a set as an item of a set",
    docs: NO_READER,
  },
  "broken YAML": { ...yaml("web:\n  hosts: {a: [\n"), message: "i/hosts.yml:", docs: NO_READER },
  "YAML with a tab": { ...yaml("web:\n\thosts:\n"), message: "i/hosts.yml:2:1  ", docs: NO_READER },
  "broken JSON": {
    files: { "hosts.json": '{"web": {"hosts": {"a": {}}' },
    message: "i/hosts.json:1:",
    docs: NO_READER,
  },
  "a broken file beside a good one": {
    sources: ["inv"],
    files: { "inv/a": "[web]\nh\n", "inv/b": "[web\nx y\n" },
    message: "i/inv/b:",
    docs: NO_READER,
  },
  "a program that nobody may execute": {
    files: { "fleet.py": "#!/usr/bin/python3\nimport json\n" },
    plain: ["fleet.py"],
    message:
      'i/fleet.py:2  expected key=value after the host import, found "json"; a value with spaces must be quoted; it begins as a program does, but may not be executed',
    docs: NO_READER,
  },
  "no host": { ...ini("[web]\n"), message: "the inventory has no hosts", docs: NO_HOST },
  "an empty file": {
    ...ini(""),
    message: "i/hosts:1:1  the inventory file is empty: it has no hosts",
    docs: NO_HOST,
  },
  "a missing file": { files: {}, sources: ["nosuch"], message: "i/nosuch  does not exist", docs: NO_HOST },
  "a plugin's configuration": {
    files: { "aws_ec2.yml": "plugin: aws_ec2\nregions: [eu-west-1]\n" },
    message:
      "i/aws_ec2.yml:1:1  plugin: this is the configuration of the inventory plugin aws_ec2, which redkeep does not run. This makes a file of what it finds: ansible-inventory -i i/aws_ec2.yml --list --yaml --export --output FILE.yml. That file holds in plain text what vaulted files hold",
    docs: "the configuration of a plugin (`plugin: aws_ec2`)",
  },
  "a plugin's configuration with an ending of its own": {
    sources: ["inv"],
    files: { "inv/1": "[web]\nh\n", "inv/zz.config": "plugin: constructed\ngroups: {a: true}\n" },
    message:
      "i/inv/zz.config:1:1  plugin: this is the configuration of the inventory plugin constructed, which redkeep does not run. This makes a file of what it finds: ansible-inventory -i i/inv --list",
    docs: "the configuration of a plugin (`plugin: aws_ec2`)",
  },
  "a plugin that builds on other sources": {
    sources: ["hosts", "x.yml"],
    files: { hosts: "[web]\nh\n", "x.yml": "plugin: ansible.builtin.constructed\ngroups: {a: true}\n" },
    message:
      "makes a file of what it finds: ansible-inventory -i i/hosts -i i/x.yml --list --yaml --export --output FILE.yml",
    docs: "the configuration of a plugin (`plugin: aws_ec2`)",
  },
  TOML: {
    files: { "hosts.toml": "[web.hosts.h]\nansible_port = 22\n" },
    message:
      "i/hosts.toml  is TOML, which redkeep does not read. This makes YAML of it: ansible-inventory -i i/hosts.toml --list --yaml --export --output FILE.yml",
    docs: "TOML",
  },
  "a program that fails": {
    ...program('echo "no credentials for api" >&2\nexit 3'),
    message:
      "i/fleet.sh --list  expected exit status 0, found exit status 3. It said: no credentials for api",
    docs: FAILING,
  },
  "half a JSON": {
    ...program('printf \'{"web": {"hosts": ["h"\''),
    message:
      "i/fleet.sh --list  expected an inventory as one JSON object, found JSON that breaks off after 22 characters",
    docs: FAILING,
  },
  "a program that prints nothing": {
    ...program(":"),
    message: "i/fleet.sh --list  expected an inventory as one JSON object, found nothing",
    docs: FAILING,
  },
  "a list": {
    ...answering('["h"]'),
    message: "i/fleet.sh --list  expected an inventory as one JSON object, found a list",
    docs: FAILING,
  },
  "YAML from a program": {
    ...program("echo 'web: [h]'"),
    message: "i/fleet.sh --list  expected an inventory as one JSON object, found something else",
    docs: FAILING,
  },
  "hosts that are no list": {
    ...answering('{"web": {"hosts": {"h": {}}}, "_meta": {"hostvars": {}}}'),
    message: "i/fleet.sh --list:1:10  web.hosts: expected a list of hosts, found a mapping",
    docs: FAILING,
  },
  "a number as a host": {
    ...answering('{"web": [1], "_meta": {"hostvars": {}}}'),
    message: "web: expected a list of names, found the number 1 in it",
    docs: FAILING,
  },
  "a program that fails for a host": {
    ...program('case $1 in --list) echo \'{"web": ["h"]}\' ;; *) echo "{}"; exit 1 ;; esac'),
    message: "i/fleet.sh --host h  expected exit status 0, found exit status 1",
    docs: FAILING,
  },
  "a group of a program without anything": {
    ...answering('{"web": {}, "db": ["h"], "_meta": {"hostvars": {}}}'),
    message:
      "web: expected hosts, vars or children in the group. Ansible takes this for the variables of a host",
    docs: "a program's group that has none of `hosts`, `vars` and `children`",
  },
  "the answer of a program": {
    files: { "hosts.json": '{"web": {"hosts": ["h"]}, "_meta": {"hostvars": {}}}' },
    message: "_meta: this is the JSON that inventory programs print",
    docs: "the JSON of a program in a file that cannot be executed",
  },
  "a key twice in YAML": {
    ...yaml("web:\n  hosts: {a: }\n  hosts: {b: }\n"),
    message: "i/hosts.yml:3:3  web.hosts: duplicate key",
    docs: TWICE,
  },
  "a key twice in a program's JSON": {
    ...answering('{"web": ["a"], "web": ["b"], "_meta": {"hostvars": {}}}'),
    message: "web: duplicate key",
    docs: TWICE,
  },
  "a key twice in an INI value": {
    ...ini("[web]\nh x=\"{'a': 1, 'a': 2}\"\n"),
    message: 'i/hosts:2  x: has the key "a" twice',
    docs: TWICE,
  },
  "a set in YAML": {
    ...yaml("web:\n  hosts: {a: {s: !!set {x: }}}\n"),
    message: "web.hosts.a.s: unknown tag !!set; redkeep knows !vault, !unsafe and YAML's plain types",
    docs: TAGS,
  },
  "bytes in YAML": {
    ...yaml("web:\n  hosts: {a: {b: !!binary aGk=}}\n"),
    message: "web.hosts.a.b: unknown tag !!binary",
    docs: TAGS,
  },
  "a tag of Python's in YAML": {
    ...yaml("web:\n  hosts: {a: {p: !!python/tuple [1]}}\n"),
    message: "web.hosts.a.p: unknown tag !!python/tuple",
    docs: TAGS,
  },
  "an unknown key in a group": {
    ...yaml("web:\n  host: {a: }\n  hosts: {b: }\n"),
    message: 'unknown key "host" in a group, expected hosts, children or vars. Did you mean "hosts"?',
    docs: "an unknown key in a group, such as `host:`",
  },
  "an unknown key in a program's group": {
    ...answering('{"web": {"hosts": ["h"], "var": {}}, "_meta": {"hostvars": {}}}'),
    message: 'unknown key "var" in a group',
    docs: "an unknown key in a group, such as `host:`",
  },
  "a group that is a text": {
    ...yaml("web: x\ndb: {hosts: h}\n"),
    message: "web: expected a group (hosts, children, vars), found the text",
    docs: NO_GROUP,
  },
  "a host that is false": {
    ...yaml("web: {hosts: {h: false}}\n"),
    message: "web.hosts.h: expected the host's variables as a mapping, found the boolean false",
    docs: NO_GROUP,
  },
  "a host named like a group of others": {
    ...ini("[redis]\nredis x=1\nr2\n"),
    message:
      "redis: a host and a group have this name, and the group has r2 too, while Ansible gives the host's variables to the group",
    docs: NAMESAKE,
  },
  "a host named like a group above others": {
    ...yaml("redis: {hosts: {redis: }, children: {replicas: {hosts: r2}}}\n"),
    message: "redis: a host and a group have this name, and the group has r2 too",
    docs: NAMESAKE,
  },
  "a host named like a group that does not have it": {
    ...ini("[redis]\n[web]\nredis ansible_host=10.0.0.1\n"),
    message: "redis: a host and a group have this name, and the group does not have it",
    docs: NAMESAKE,
  },
  "a host of a program that is named like a group of others": {
    ...answering('{"redis": {"hosts": ["redis", "r2"]}, "_meta": {"hostvars": {"redis": {"x": 1}}}}'),
    message: "redis: a host and a group have this name, and the group has r2 too",
    docs: NAMESAKE,
  },
  "a host with its user in its name": {
    ...ini("[redis]\ndeploy@10.0.0.1 redis_port=6380\n"),
    message: '"deploy@10.0.0.1": has the user in its name: write 10.0.0.1 and set ansible_user to deploy',
    docs: NAMES,
  },
  "a host named like a path": {
    ...ini("[web]\n../x\n"),
    message: '"../x": a host name has only letters',
    docs: NAMES,
  },
  "a host named like an option": {
    ...ini("[web]\n-oProxyCommand\n"),
    message: '"-oProxyCommand": a host name has only letters',
    docs: NAMES,
  },
  "a host of a program with an escape sequence": {
    ...answering('{"web": ["a\\\\u001b[31m"], "_meta": {"hostvars": {}}}'),
    message: "a host name has only letters",
    docs: NAMES,
  },
  "a host of a program with a range": {
    ...answering('{"web": ["r[1:3]"], "_meta": {"hostvars": {}}}'),
    message: '"r[1:3]": expected a port number',
    docs: NAMES,
  },
  "look-alike letters": {
    ...ini("[web]\nr\u0435dis\n"),
    message: "mixes letters of different alphabets that look alike",
    docs: NAMES,
  },
  "a group's name with a slash": {
    ...ini("[web/x]\nh\n"),
    message: '"web/x": a group name has only letters',
    docs: NAMES,
  },
  "a template as a host": {
    ...ini("[web]\n{{host}}\n"),
    message: "a host name cannot be a Jinja template",
    docs: NAMES,
  },
  "a variable below the hosts": {
    ...ini("[web]\nh\nansible_user=deploy\n"),
    message:
      'i/hosts:3  expected the name of a host, found the variable "ansible_user=deploy"; variables of a group stand in [GROUP:vars]',
    docs: "a variable where a host is expected, such as `ansible_user=deploy` below `[web]`",
  },
  "a range that runs backwards": {
    ...ini("[web]\nr[5:3]\nh\n"),
    message: "[5:3]: begin is greater than end",
    docs: "a range without a host, such as `r[5:3]`",
  },
  "a port at the second mention": {
    ...ini("[web]\nh\n[db]\nh:2222\n"),
    message: "only the first mention of a host sets its port",
    docs: PORTS,
  },
  "the port 0": {
    ...ini("[web]\nh:0\n"),
    message: "expected a port number (1 to 65535), found 0",
    docs: PORTS,
  },
  "a port after a dot": {
    ...ini("[web]\nh.example.com.:22\n"),
    message: "a host name before a port cannot end in",
    docs: PORTS,
  },
  "a huge integer": {
    ...ini("[web]\nh id=12345678901234567890\n"),
    message: "id: the number 12345678901234567890 is too large to be read exactly",
    docs: "an integer of more than 15 digits that cannot be kept exactly",
  },
  "a character by its name": {
    ...ini("[web]\nh\n[web:vars]\na='\\N{BULLET}'\n"),
    message: "a: names a character by \\N{…}: write the character itself",
    docs: LITERALS,
  },
  "bytes that are UTF-8": {
    ...ini("[web]\nh\n[web:vars]\na=b'\\xc3\\xa9'\n"),
    message: "a: holds bytes that are no text",
    docs: LITERALS,
  },
  "ungrouped as a child": {
    ...ini("[web:children]\nungrouped\n[db]\nh\n"),
    message: "ungrouped: ungrouped can stand only under all",
    docs: "`ungrouped` as a child of a group",
  },
  "a priority that is True": {
    ...ini("[web]\nh\n[web:vars]\nansible_group_priority=True\n"),
    message: "ansible_group_priority: expected an integer, found true",
    docs: "a group's priority that is no integer, such as `True`",
  },
  "a byte order mark before the first section": {
    ...ini("\ufeff[web]\nh\n"),
    message:
      "i/hosts:1  begins with a byte order mark, which Ansible takes for a part of its first line: save it as UTF-8 without one",
    docs: MARK,
  },
  "a byte order mark before the first host": {
    ...ini("\ufeffh x=1\n[web]\ng\n"),
    message: "i/hosts:1  begins with a byte order mark",
    docs: MARK,
  },
  "a byte order mark before a comment": {
    files: { "hosts.ini": "\ufeff# the fleet\n[web]\nh\n" },
    message: "i/hosts.ini:1  begins with a byte order mark",
    docs: MARK,
  },
  "a byte order mark before an encrypted inventory": {
    files: { hosts: `\ufeff${VAULT}` },
    message:
      "i/hosts:1  begins with a byte order mark, so that Ansible does not see that it is encrypted: save it as UTF-8 without one",
    docs: MARK,
  },
  "a byte order mark before a program's JSON": {
    ...program(`printf '\\357\\273\\277{"web": ["h"], "_meta": {"hostvars": {}}}'`),
    message:
      "i/fleet.sh --list  expected JSON, found a byte order mark before it, which Ansible does not read",
    docs: MARK,
  },
  "a list with a file in it": {
    sources: ["a.yml,b.yml"],
    files: { "a.yml": "g: {hosts: a}\n" },
    message: '"a.yml" is a file, but a comma makes this a list of host names',
    docs: "a file in a list with commas, such as `-i a.yml,b.yml`",
  },
};
