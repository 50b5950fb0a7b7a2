/** Hostile inputs by name, over every way in, each with what has to become of it. */
import assert from "node:assert/strict";
import { checkHostKey, knownKeyTypes } from "../../../src/connection/known-hosts.ts";
import { resolveConnection } from "../../../src/connection/ssh-config.ts";
import { chooseTransport } from "../../../src/connection/transport.ts";
import { parseRules } from "../../../src/firewall/ufw-rules.ts";
import { parseHostKey } from "../../../src/inventory/host-name.ts";
import { matchHosts } from "../../../src/inventory/host-pattern.ts";
import type { Inventory } from "../../../src/inventory/inventory.ts";
import { parseSshArguments } from "../../../src/inventory/ssh-arguments.ts";
import { InputError } from "../../../src/lib/errors.ts";
import { guardLines, printableText } from "../../../src/lib/printable.ts";
import { evaluate } from "../../../src/lib/template.ts";
import { parseYaml } from "../../../src/lib/yaml.ts";
import { parseConfig } from "../../../src/redis/config-document.ts";
import { parseAclFile } from "../../../src/redis/parse-acl.ts";
import { ACCEPTED, compileParameter, PARAMETERS } from "./compiled.ts";
import { framed, labelOf, TITLES, useAnswer, withSection } from "./host-says.ts";
import { isRefusal, Sandbox } from "./sandbox.ts";

export interface Curated {
  /** Way in, and what is hostile. */
  name: string;
  /** Throws where something else becomes of it than should. */
  run(sandbox: Sandbox): Promise<void> | void;
}

type Files = Record<string, string | Uint8Array>;
/** A text, or one that names the canary file. */
type Text = string | ((canary: string) => string);

const textOf = (text: Text, { canary }: Sandbox) => (typeof text === "string" ? text : text(canary));
const shown = (text: Text) =>
  JSON.stringify(typeof text === "string" ? text : text("CANARY")).replace(/^(.{70}).+$/s, '$1…"');

/** Nothing listens there: a run that gets as far as to connect ends with 4. */
const HOSTS = "redis: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1 } } }\n";
const SITE = "- hosts: redis\n  tasks:\n    - limits: { nofile: 64 }\n";

/** Ends with 1, before any host is reached, and says what and where. */
async function refuses(
  sandbox: Sandbox,
  args: readonly string[],
  files: Files,
  where: RegExp,
): Promise<void> {
  const { exitCode, stderr, stdout } = await sandbox.redkeep(args, files);
  assert.equal(exitCode, 1, `ended with ${exitCode}: ${stdout}${stderr}`);
  assert.match(stderr, where);
  assert.match(stderr, /\d+ problems?\. No host was touched\.\n$|^error: /);
  assert.equal(stdout, "");
}

/** Gets as far as to a host that is not there. */
async function reaches(sandbox: Sandbox, args: readonly string[], files: Files): Promise<void> {
  const { exitCode, stderr, stdout } = await sandbox.redkeep(args, files);
  assert.equal(exitCode, 4, `ended with ${exitCode}: ${stdout}${stderr}`);
}

const PLAN = ["plan", "site.yml", "-i", "hosts.yml"];
const LIST = ["inventory", "-i", "hosts.yml", "--list"];

// --- inventory: names ------------------------------------------------------------------------------------------------

const NO_NAMES: Text[] = [
  (canary) => `-oProxyCommand=touch ${canary}`,
  (canary) => `a;touch ${canary}`,
  (canary) => `$(touch ${canary})`,
  (canary) => `\`touch ${canary}\``,
  (canary) => `a|touch ${canary}`,
  (canary) => `a&touch ${canary}&`,
  (canary) => `a>${canary}`,
  (canary) => `a\ntouch ${canary}`,
  (canary) => `a\r\ntouch ${canary}`,
  "--",
  "-",
  "-a",
  "a b",
  "a\tb",
  "a\0b",
  "a\x1b[2Jb",
  "a\x7fb",
  "a\x9bb",
  "../../etc/passwd",
  "/etc/shadow",
  "a/b",
  ".",
  "..",
  ".hidden",
  "a'b",
  'a"b',
  "a\\b",
  "a*b",
  "a?",
  "a]b",
  "a,b",
  "!a",
  "a!b",
  "a@b",
  "user@host",
  "a#b",
  "a%b",
  "a=b",
  "~root",
  "(a+)+$",
  "${HOME}",
  "%h",
  "{{ lookup('pipe', 'id') }}",
  "<%= process.exit(7) %>",
  "a\u202eb",
  "a\u200bb",
  "a\u00a0b",
  "\u2028",
  "a\u{e0041}b",
  "::set-output name=x::y",
  "##vso[task.complete]",
  "all",
  "x".repeat(300),
  "r\u0435dis",
];

const RANGES = [
  "h[1:",
  "h[]",
  "h[:]",
  "h[1]",
  "h[1:2:0]",
  "h[1:2:-1]",
  "h[1:2:3:4]",
  "h[2:1]",
  "h[z:a]",
  "h[01:3]",
  "h[1e3:2e3]",
  "h[0x1:0x9]",
  "h[-1:2]",
  "h[1:999999999]",
  "h[1:9999][1:9999]",
  "h[1:99999999999999999999]",
  "h[a:é]",
  "h[[1:2]]",
  "h[1:2][",
  "h[$(id):2]",
  "h:0",
  "h:65536",
  "h:99999999999999999999",
  "h:22:22",
  "[::1]",
  "[::1]:0",
  "fe80::1%eth0",
];

const GROUPS: Text[] = [
  (canary) => `$(touch ${canary})`,
  "a/b",
  "../../etc",
  "a\nb",
  "a\0b",
  "-a",
  "a\x1b[2J",
  "a,b",
  "!a",
  "~a",
  "{{ x }}",
];

const names: Curated[] = [
  ...NO_NAMES.map((name) => ({
    name: `inventory, a host's name: ${shown(name)}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        LIST,
        { "hosts.yml": `g:\n  hosts:\n    ${JSON.stringify(textOf(name, sandbox))}:\n` },
        /^hosts\.yml:\d+(?::\d+)? {2}/m,
      ),
  })),
  ...NO_NAMES.slice(0, 12).map((name) => ({
    name: `-i, a host's name in a list: ${shown(name)}`,
    run: (sandbox: Sandbox) =>
      refuses(sandbox, ["inventory", "-i", `h1,${textOf(name, sandbox)},`], {}, /-i|hosts?\b/),
  })),
  ...RANGES.map((name) => ({
    name: `inventory, a range or port: ${name}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        LIST,
        { "hosts.yml": `g:\n  hosts:\n    ${JSON.stringify(name)}:\n` },
        /^hosts\.yml:3:5 {2}/m,
      ),
  })),
  ...GROUPS.map((name) => ({
    name: `inventory, a group's name: ${shown(name)}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        LIST,
        { "hosts.yml": `${JSON.stringify(textOf(name, sandbox))}:\n  hosts: { h1: }\n` },
        /^hosts\.yml:\d+(?::\d+)? {2}/m,
      ),
  })),
];

// --- inventory: variables --------------------------------------------------------------------------------------------

const VALUES: Text[] = [
  (canary) => `$(touch ${canary})`,
  (canary) => `\`touch ${canary}\`;touch ${canary}`,
  (canary) => `' ; touch ${canary} ; '`,
  (canary) => `\ntouch ${canary}\n`,
  "<%= process.exit(7) %>",
  "<% while (true); %>",
  "%n %h ${HOME}",
  "../../../etc/shadow",
  "a\r\nb",
  "\u202eabc\u2066",
  "::add-mask::a",
  "__proto__",
  "x".repeat(100_000),
];

const OWN_NAMES = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "hasOwnProperty",
  "__defineGetter__",
  "valueOf",
  "then",
  "toJSON",
  "length",
];

const variables: Curated[] = [
  ...VALUES.map((value) => ({
    name: `inventory, a variable's value, taken literally: ${shown(value)}`,
    run: async (sandbox: Sandbox) => {
      const text = textOf(value, sandbox);
      const { exitCode, stdout } = await sandbox.redkeep(["inventory", "-i", "hosts.yml", "--host", "h1"], {
        "hosts.yml": `g: { hosts: { h1: { x: ${JSON.stringify(text)} } } }\n`,
      });
      assert.equal(exitCode, 0);
      assert.deepEqual(JSON.parse(stdout), { x: text });
    },
  })),
  ...OWN_NAMES.map((name) => ({
    name: `inventory, a variable called ${name}, taken literally`,
    run: async (sandbox: Sandbox) => {
      const { exitCode, stdout } = await sandbox.redkeep(["inventory", "-i", "hosts.yml", "--host", "h1"], {
        "hosts.yml": `g: { hosts: { h1: { ${name}: { x: polluted } } }, vars: { ${name}: { x: 1 } } }\n`,
        [`group_vars/${name}.yml`]: "{}\n",
      });
      assert.equal(exitCode, 0);
      const entries = Object.entries(JSON.parse(stdout, (_, value) => value) as object);
      assert.deepEqual(
        entries.map(([key, value]) => [key, { ...(value as object) }]),
        [[name, { x: "polluted" }]],
      );
    },
  })),
  ...OWN_NAMES.slice(0, 6).map((name) => ({
    name: `inventory, a host and a group called ${name}`,
    run: async (sandbox: Sandbox) => {
      const { exitCode, stdout } = await sandbox.redkeep(["inventory", "-i", "hosts.yml", "--graph"], {
        "hosts.yml": `${name}: { hosts: { ${name}-1: { x: 1 } } }\n`,
        [`host_vars/${name}-1.yml`]: "__proto__: { x: 2 }\n",
      });
      assert.equal(exitCode, 0);
      assert.match(stdout, new RegExp(`@${name}:\\n.*${name}-1`, "s"));
    },
  })),
];

const CONNECTION: [variables: Text, where?: RegExp][] = [
  [(canary) => `ansible_host: "-oProxyCommand=touch ${canary}"`],
  [(canary) => `ansible_host: "$(touch ${canary})"`],
  [(canary) => `ansible_host: "a;touch ${canary}"`],
  ['ansible_host: "a b"'],
  ['ansible_host: "a\\nb"'],
  ['ansible_host: "a\\0b"'],
  ['ansible_host: ""'],
  ["ansible_host: [127.0.0.1]"],
  ["ansible_host: { a: b }"],
  ["ansible_host: 127"],
  ['ansible_host: "user@host"'],
  ['ansible_host: "../x"'],
  ['ansible_host: "{{ x }}"'],
  [`ansible_host: "${"a".repeat(300)}"`],
  ["ansible_port: 0"],
  ["ansible_port: 65536"],
  ["ansible_port: -22"],
  ["ansible_port: 22.5"],
  ["ansible_port: 1e99"],
  ["ansible_port: .nan"],
  ['ansible_port: "22; id"'],
  ['ansible_port: "0x16"'],
  ["ansible_port: 999999999999999999999999"],
  [(canary) => `ansible_user: "-oProxyCommand=touch ${canary}"`],
  ['ansible_user: "a b"'],
  ['ansible_user: "a\\nb"'],
  ['ansible_user: "a\\0b"'],
  ["ansible_user: [root]"],
  ["ansible_user: { __proto__: root }"],
  ['ansible_ssh_private_key_file: "a\\0b"'],
  ["ansible_ssh_private_key_file: [a]"],
  ["ansible_ssh_private_key_file: /nowhere/at/all"],
  ["ansible_ssh_private_key_file: /etc"],
  ['ansible_password: "a\\nb"'],
  ['ansible_password: "a\\0b"'],
  ["ansible_password: 01234"],
  ["ansible_password: { env: A, file: b }"],
  ["ansible_password: { env: NOT_THERE_AT_ALL }"],
  ["ansible_password: { file: ../../../../nowhere }"],
  ["ansible_password: { command: touch }"],
  ["ansible_password: { command: [] }"],
  ["ansible_password: { command: [no-such-program-at-all] }"],
  ["ansible_password: { __proto__: { env: PATH } }"],
  ["ansible_password: { constructor: x }"],
  ["ansible_password: !vault abc"],
  ["ansible_ssh_passphrase: [a]"],
  ['ansible_become_password: "a\\rb", ansible_become: true'],
  ["ansible_become: maybe"],
  ["ansible_become: [true]"],
  [(canary) => `ansible_become: true, ansible_become_exe: "touch ${canary}"`],
  [(canary) => `ansible_become: true, ansible_become_flags: "-u root touch ${canary}"`],
  ["ansible_become: true, ansible_become_user: nobody"],
  ["ansible_become: true, ansible_become_method: su"],
  [(canary) => `ansible_ssh_executable: "touch ${canary}"`],
  ["ansible_connection: local"],
  [(canary) => `ansible_connection: "$(touch ${canary})"`],
  ["ansible_host_key_checking: false"],
  ["ansible_ssh_host_key_checking: no"],
  ["ansible_timeout: 0"],
  ["ansible_timeout: -1"],
  ["ansible_timeout: .inf"],
  ["ansible_timeout: forever"],
  ["ansible_user: a, ansible_ssh_user: b"],
  ["redkeep_unit: [a]"],
  [(canary) => `redkeep_unit: "redis; touch ${canary}"`],
  [(canary) => `redkeep_unit: "$(touch ${canary})"`],
  ['redkeep_unit: "../../etc/x.service"'],
  ['redkeep_unit: "-H evil"'],
  ['redkeep_unit: "a\\nb"'],
];

const SSH_ARGS: Text[] = [
  (canary) => `-o ProxyCommand="touch ${canary}"`,
  (canary) => `-o ProxyCommand="ssh -W %h:%p host; touch ${canary}"`,
  (canary) => `-o ProxyCommand="ssh -W %h:%p $(touch ${canary})"`,
  (canary) => `-o "ProxyCommand=sh -c 'touch ${canary}'"`,
  (canary) => `-o ProxyCommand="ssh -o ProxyCommand='touch ${canary}' -W %h:%p h"`,
  (canary) => `-oLocalCommand="touch ${canary}" -oPermitLocalCommand=yes`,
  (canary) => `-o KnownHostsCommand="touch ${canary}"`,
  (canary) => `-o Match="exec touch ${canary}"`,
  "-o StrictHostKeyChecking=no",
  "-o StrictHostKeyChecking=off",
  "-o StrictHostKeyChecking=ask",
  "-o stricthostkeychecking=NO",
  "-o UserKnownHostsFile=/dev/null",
  "-o UserKnownHostsFile=none",
  "-o VerifyHostKeyDNS=yes",
  "-o NoHostAuthenticationForLocalhost=yes",
  "-o PKCS11Provider=/tmp/evil.so",
  "-o SecurityKeyProvider=/tmp/evil.so",
  "-o Include=/etc/shadow",
  "-F /tmp/evil",
  "-E /etc/shadow",
  "-L 1:localhost:22",
  "-D 1080",
  "-w 0:0",
  "-o",
  "-J",
  "-J -oProxyCommand=x",
  "-J a@b@c",
  "-J h:99999",
  "-J h;id",
  "-p 0",
  "-p 65536",
  "-p x",
  "-l -oX",
  "-o User=-x",
  "-o ConnectTimeout=-1",
  "-o IdentitiesOnly=maybe",
  "evil.example",
  "'not closed",
  '-o "',
  "-o ForwardAgent",
];

const onHost = (value: string) =>
  `redis:\n  hosts:\n    h1: { ${value}${/ansible_host:/.test(value) ? "" : ", ansible_host: 127.0.0.1"}${/ansible_port:/.test(value) ? "" : ", ansible_port: 1"} }\n`;

const connections: Curated[] = [
  ...CONNECTION.map(([value]) => ({
    name: `inventory, a connection: ${shown(value)}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        PLAN,
        { "site.yml": SITE, "hosts.yml": onHost(textOf(value, sandbox)) },
        /^hosts\.yml:3:\d+ {2}(?:.* of h1|redkeep_unit|\S*h1\S*): |ansible_ssh_private_key_file of h1: /m,
      ),
  })),
  ...SSH_ARGS.map((args) => ({
    name: `inventory, ansible_ssh_common_args: ${shown(args)}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        PLAN,
        {
          "site.yml": SITE,
          "hosts.yml": onHost(`ansible_ssh_common_args: ${JSON.stringify(textOf(args, sandbox))}`),
        },
        /^hosts\.yml:3:\d+ {2}ansible_ssh_common_args of h1: /m,
      ),
  })),
];

// --- YAML ------------------------------------------------------------------------------------------------------------

const bomb = Array.from({ length: 30 }, (_, i) =>
  i === 0
    ? "a0: &a0 [x, x, x, x, x, x, x, x, x]"
    : `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(", ")}]`,
).join("\n");

const NO_YAML: [what: string, text: string | Uint8Array][] = [
  ["a function", "x: !!js/function 'function () { return 1 }'"],
  ["a regular expression", "x: !!js/regexp /(a+)+$/"],
  ["undefined", "x: !!js/undefined ''"],
  ["a Python object", "x: !!python/object/apply:os.system [id]"],
  ["an unknown tag", "x: !evil y"],
  ["a verbatim tag", "x: !<tag:example.com,2026:evil> y"],
  ["an unknown directive's tag", "%TAG ! tag:evil,2026:\n---\nx: !y z"],
  ["an alias bomb", bomb],
  [
    "a bomb of merges",
    `a: &a {${Array.from({ length: 400 }, (_, i) => `k${i}: 1`).join(", ")}}\n${Array.from({ length: 400 }, (_, i) => `m${i}: { <<: *a }`).join("\n")}`,
  ],
  ["an alias inside itself", "x: &a [*a]"],
  ["an alias of nothing", "x: *nowhere"],
  ["a merge of a text", "x: { <<: evil }"],
  ["two merges in one mapping", "x: { <<: {a: 1}, <<: {b: 2} }"],
  ["a key twice", "x: 1\nx: 2"],
  ["a key twice, quoted", 'x: 1\n"x": 2'],
  ["__proto__ twice", "__proto__: 1\n__proto__: 2"],
  ["ten thousand lists deep", `x: ${"[".repeat(10_000)}`],
  ["ten thousand closed lists deep", `x: ${"[".repeat(10_000)}${"]".repeat(10_000)}`],
  ["ten thousand mappings deep", `x: ${"{a: ".repeat(10_000)}1${"}".repeat(10_000)}`],
  [
    "ten thousand blocks deep",
    Array.from({ length: 10_000 / 40 }, (_, i) => `${" ".repeat(i)}a:`)
      .join("\n")
      .concat(" 1: 2"),
  ],
  ["a mapping as a key", "? {a: b}\n: c"],
  ["two documents", "a: {}\n---\nb: {}"],
  ["a tab for an indent", "a:\n\tb: 1"],
  ["a NUL", "a: \0"],
  ["no UTF-8", Uint8Array.of(0x61, 0x3a, 0x20, 0xff, 0xfe)],
  ["UTF-16", Uint8Array.of(0xff, 0xfe, 0x61, 0, 0x3a, 0)],
  ["more than a megabyte", `a: ${"x".repeat(1024 * 1024)}`],
  ["a number that would be rounded", "x: 99999999999999999999"],
  ["an unclosed quote", 'x: "abc'],
  ["an unclosed list", "x: [a, b"],
  ["a vault file", "$ANSIBLE_VAULT;1.1;AES256\n3132"],
  ["a text", "just a text"],
  ["a list", "- a\n- b"],
  ["nothing", ""],
  ["a comment", "# nothing"],
  ["binary", Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 3)],
];

const yaml: Curated[] = [
  ...NO_YAML.map(([what, text]) => ({
    name: `inventory, YAML with ${what}`,
    run: (sandbox: Sandbox) =>
      refuses(sandbox, LIST, { "hosts.yml": text }, /^hosts\.yml(?::\d+(?::\d+)?)? {2}/m),
  })),
  ...NO_YAML.map(([what, text]) => ({
    name: `playbook, YAML with ${what}`,
    run: (sandbox: Sandbox) =>
      refuses(sandbox, PLAN, { "hosts.yml": HOSTS, "site.yml": text }, /^site\.yml(?::\d+:\d+)? {2}/m),
  })),
  ...NO_YAML.filter(([what]) => !/^(?:nothing|a comment)$/.test(what)).map(([what, text]) => ({
    name: `host_vars, YAML with ${what}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        LIST,
        { "hosts.yml": HOSTS, "host_vars/h1.yml": text },
        /^host_vars\/h1\.yml(?::\d+:\d+)? {2}/m,
      ),
  })),
];

// --- playbook --------------------------------------------------------------------------------------------------------

const PLAYS: [what: string, text: Text, where?: RegExp][] = [
  [
    "an unknown keyword",
    "- hosts: redis\n  environment: { LD_PRELOAD: evil.so }\n  tasks: [{ limits: {} }]\n",
  ],
  ["a role", "- hosts: redis\n  roles: [evil]\n  tasks: [{ limits: {} }]\n"],
  ["handlers", "- hosts: redis\n  handlers: []\n  tasks: [{ limits: {} }]\n"],
  ["an included playbook", "- import_playbook: /etc/shadow\n"],
  ["a task of Ansible's", (canary) => `- hosts: redis\n  tasks: [{ shell: "touch ${canary}" }]\n`],
  ["a command task", (canary) => `- hosts: redis\n  tasks: [{ command: touch ${canary} }]\n`],
  ["a task by its path", "- hosts: redis\n  tasks: [{ ../../evil: {} }]\n"],
  ["a task called __proto__", "- hosts: redis\n  tasks: [{ __proto__: {} }]\n"],
  ["a task called constructor", "- hosts: redis\n  tasks: [{ constructor: {} }]\n"],
  ["a task called task", "- hosts: redis\n  tasks: [{ task: {} }]\n"],
  ["two tasks in one entry", "- hosts: redis\n  tasks: [{ bind: {}, limits: {} }]\n"],
  ["a task twice", "- hosts: redis\n  tasks: [{ limits: {} }, { limits: {} }]\n"],
  ["a parameter called __proto__", "- hosts: redis\n  tasks: [{ limits: { __proto__: { nofile: 1 } } }]\n"],
  ["a parameter called constructor", "- hosts: redis\n  tasks: [{ limits: { constructor: 1 } }]\n"],
  [
    "a merge that brings an unknown parameter",
    "- hosts: redis\n  vars: &v { evil: 1 }\n  tasks: [{ limits: { <<: *v } }]\n",
  ],
  ["parameters that are a list", "- hosts: redis\n  tasks: [{ limits: [nofile] }]\n"],
  ["parameters that are a text", "- hosts: redis\n  tasks: [{ limits: nofile=64 }]\n"],
  ["hosts that are a number", "- hosts: 10\n  tasks: [{ limits: {} }]\n"],
  ["hosts that open a bracket", "- hosts: 'redis[0'\n  tasks: [{ limits: {} }]\n"],
  ["hosts that are no regular expression", "- hosts: '~(('\n  tasks: [{ limits: {} }]\n"],
  ["hosts that nobody is called", "- hosts: $(id)\n  tasks: [{ limits: {} }]\n"],
  ["no tasks", "- hosts: redis\n"],
  ["a serial of text", "- hosts: redis\n  serial: [1; id]\n  tasks: [{ limits: {} }]\n"],
  ["a serial beyond all", "- hosts: redis\n  serial: 900%\n  tasks: [{ limits: {} }]\n"],
  ["a port that is none", "- hosts: redis\n  port: 70000\n  tasks: [{ limits: {} }]\n"],
  [
    "a become_method of its own",
    "- hosts: redis\n  become: true\n  become_method: evil\n  tasks: [{ limits: {} }]\n",
  ],
  ["a local connection", "- hosts: redis\n  connection: local\n  tasks: [{ limits: {} }]\n"],
  ["a percentage that is none", "- hosts: redis\n  max_fail_percentage: lots\n  tasks: [{ limits: {} }]\n"],
  ["an order that is none", "- hosts: redis\n  order: evil\n  tasks: [{ limits: {} }]\n"],
  ["a when that is no condition", "- hosts: redis\n  tasks: [{ limits: {}, when: { a: b } }]\n"],
  ["a when of a text", "- hosts: redis\n  tasks: [{ limits: {}, when: '\"yes\"' }]\n"],
  ["a when that reads a module", `- hosts: redis\n  tasks: [{ limits: {}, when: 'require("fs")' }]\n`],
  ["a template that does not close", "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= 1' } }]\n"],
  ["a template that inserts unescaped", "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%- 1 %>' } }]\n"],
  [
    "a template that includes a file",
    `- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= include("/etc/shadow") %>' } }]\n`,
  ],
  [
    "a template that requires",
    `- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= require("child_process") %>' } }]\n`,
  ],
  [
    "a template that imports",
    `- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= import("fs") %>' } }]\n`,
  ],
  [
    "a template of what is not there",
    "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= nowhere %>' } }]\n",
  ],
  [
    "a template of every object's own",
    "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= __proto__ %>' } }]\n",
  ],
  ["a template that throws", "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<% throw 1 %>' } }]\n"],
  [
    "a template that throws nothing",
    "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<% throw undefined %>' } }]\n",
  ],
  [
    "a template that gives a function",
    "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= () => 1 %>' } }]\n",
  ],
  [
    "a template that gives a symbol",
    "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= Symbol.iterator %>' } }]\n",
  ],
  [
    "a template that gives a big number",
    "- hosts: redis\n  tasks: [{ limits: { maxmemory: '<%= 10n ** 30n %>' } }]\n",
  ],
  [
    "a template that gives a ring",
    "- hosts: redis\n  tasks: [{ limits: '<% const a = []; a.push(a) %><%= a %>' }]\n",
  ],
  ["Jinja", "- hosts: redis\n  tasks: [{ limits: { maxmemory: \"{{ lookup('pipe', 'id') }}\" } }]\n"],
  ["a Jinja block", "- hosts: redis\n  tasks: [{ limits: { maxmemory: '{% if x %}1{% endif %}' } }]\n"],
  [
    "variables that name each other",
    "- hosts: redis\n  vars: { a: '<%= b %>', b: '<%= a %>' }\n  tasks: [{ limits: { maxmemory: '<%= a %>' } }]\n",
  ],
  ["a vault value where it is used", "- hosts: redis\n  tasks: [{ limits: { maxmemory: !vault x } }]\n"],
  [
    "a secret from two places",
    "- hosts: redis\n  tasks: [{ acl: { users: [{ name: admin, preset: admin, password: { env: A, file: b } }] } }]\n",
  ],
  [
    "a secret in clear text",
    "- hosts: redis\n  tasks: [{ acl: { users: [{ name: admin, preset: admin, password: clear-text-password }] } }]\n",
  ],
  [
    "a secret from outside the project that is not there",
    "- hosts: redis\n  tasks: [{ acl: { users: [{ name: admin, preset: admin, password: { file: ../../nowhere } }] } }]\n",
  ],
  [
    "a secret from a command that fails",
    "- hosts: redis\n  tasks: [{ acl: { users: [{ name: admin, preset: admin, password: { command: ['false'] } }] } }]\n",
  ],
  [
    "a secret of several lines",
    "- hosts: redis\n  tasks: [{ acl: { users: [{ name: admin, preset: admin, password: { command: [printf, 'a\\nb'] } }] } }]\n",
  ],
  [
    "a CA that is none",
    "- hosts: redis\n  tasks: [{ tls: { ca: { cert: { file: site.yml }, key: { file: site.yml } } } }]\n",
  ],
  ["a file mode as a number", "- hosts: redis\n  tasks: [{ permissions: { mode: 0640 } }]\n"],
  ["yes for a text", "- hosts: redis\n  tasks: [{ persistence: { mode: yes } }]\n"],
  ["a remote_user that is an option", "- hosts: redis\n  remote_user: -oX\n  tasks: [{ limits: {} }]\n"],
  ["an exponent for a number", "- hosts: redis\n  tasks: [{ limits: { nofile: 1e3 } }]\n"],
  ["infinity for a number", "- hosts: redis\n  tasks: [{ limits: { nofile: .inf } }]\n"],
];

/** For each parameter what nobody means; key and channel patterns and names may hold nearly anything that is one word. */
const NO_PARAMETERS: Text[] = [
  (canary) => `$(touch ${canary}) `,
  "x\nuser evil on nopass ~* &* +@all",
  "x\r\nrequirepass evil",
  "x\0y",
];

/** Where nearly any word is right. */
const ANY_WORD = ["a key pattern", "a channel pattern", "a user's name"];

const playbooks: Curated[] = [
  ...PLAYS.map(([what, text, where = /^site\.yml:\d+:\d+ {2}\S/m]) => ({
    name: `playbook with ${what}`,
    run: (sandbox: Sandbox) =>
      refuses(sandbox, PLAN, { "hosts.yml": HOSTS, "site.yml": textOf(text, sandbox) }, where),
  })),
  ...PARAMETERS.flatMap(([place, task, params]) =>
    NO_PARAMETERS.map((value) => ({
      name: `playbook, ${place} of ${task}: ${shown(value)}`,
      run: (sandbox: Sandbox) => {
        const tasks = JSON.stringify({ [task]: params(textOf(value, sandbox)) });
        return refuses(
          sandbox,
          PLAN,
          { "hosts.yml": HOSTS, "site.yml": `- hosts: redis\n  tasks:\n    - ${tasks}\n` },
          /^site\.yml:3:\d+ {2}tasks\[0\]\.\S/m,
        );
      },
    })),
  ),
  ...PARAMETERS.filter(([place]) => ANY_WORD.includes(place)).flatMap((parameter) =>
    [
      (canary: string) => `$(touch\${IFS}${canary})`,
      (canary: string) => `\`touch\${IFS}${canary}\``,
      (canary: string) => `';touch\${IFS}${canary};'`,
      () => "%n%h${X}",
      () => "#x",
      () => "é",
      () => "\\x00",
    ].map((value) => ({
      name: `playbook, ${parameter[0]}, one word as it stands: ${shown(value)}`,
      run: (sandbox: Sandbox) => {
        try {
          compileParameter(parameter, value(sandbox.canary));
        } catch (error) {
          if (!isRefusal(error)) throw error;
        }
      },
    })),
  ),
  ...PARAMETERS.slice(0, 3).map(([place, task, params, harmless]) => ({
    name: `playbook, ${place} of ${task} that is harmless gets through`,
    run: (sandbox: Sandbox) =>
      reaches(sandbox, [...PLAN, ...ACCEPTED.flatMap((name) => ["--accept", name])], {
        "hosts.yml": HOSTS,
        "site.yml": `- hosts: redis\n  tasks:\n    - ${JSON.stringify({ [task]: params(harmless) })}\n`,
      }),
  })),
  ...VALUES.slice(0, 6).map((value) => ({
    name: `playbook, a template of an inventory value, which is no template: ${shown(value)}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        PLAN,
        {
          "hosts.yml": `redis: { hosts: { h1: { ansible_host: 127.0.0.1, ansible_port: 1, x: ${JSON.stringify(textOf(value, sandbox))} } } }\n`,
          "site.yml": "- hosts: redis\n  tasks: [{ service-user: { user: '<%= x %>' } }]\n",
        },
        /^site\.yml:2:\d+ {2}tasks\[0\]\.service-user\.user: .*h1/m,
      ),
  })),
];

// --- the command line ------------------------------------------------------------------------------------------------

const record = (hosts: unknown, schema: unknown = "redkeep.run/1") => JSON.stringify({ schema, hosts });

const OPTIONS: [option: string, value: Text, where: RegExp, files?: Files][] = [
  ["-e", "", /-e/],
  ["-e", "novalue", /-e/],
  ["-e", "=x", /-e/],
  ["-e", "a='b", /-e/],
  ["-e", "/etc/shadow", /-e/],
  ["-e", "@", /-e|@|directory|file/],
  ["-e", "@/nowhere/at/all.yml", /nowhere/],
  ["-e", "@/etc", /\/etc/],
  ["-e", "@list.yml", /list\.yml/, { "list.yml": "- a\n" }],
  ["-e", "@tag.yml", /tag\.yml:1/, { "tag.yml": "x: !!js/function 'a'\n" }],
  ["-e", "@bomb.yml", /bomb\.yml/, { "bomb.yml": bomb }],
  ["-e", "{", /-e/],
  ["-e", "{a: 1, a: 2}", /-e/],
  ["-e", "[1]", /-e/],
  ["-e", "{x: !!python/object:os.system a}", /-e/],
  ["-e", `${"{a: ".repeat(5000)}1${"}".repeat(5000)}`, /-e/],
  ["-e", (canary) => `$(touch ${canary})`, /-e/],
  ["-e", "\x1b[2J", /-e/],
  ["--limit", "", /--limit/],
  ["--limit", ",", /--limit/],
  ["--limit", "nobody", /nobody/],
  ["--limit", "!nobody", /nobody/],
  ["--limit", "h1[", /--limit/],
  ["--limit", "h1[9]", /h1\[9\]/],
  ["--limit", "h1[99999999999999999999]", /h1/],
  ["--limit", "~(", /--limit/],
  ["--limit", "~[", /--limit/],
  ["--limit", "@/nowhere", /nowhere/],
  ["--limit", "@empty", /empty/, { empty: "\n\n" }],
  ["--limit", "@binary", /binary/, { binary: Uint8Array.of(0xff, 0xfe, 0) }],
  ["--limit", (canary) => `$(touch ${canary})`, /--limit/],
  ["--limit", "__proto__", /__proto__/],
  ["--limit", "a\x1b[2Jb", /--limit/],
  ["--limit", "[".repeat(60_000), /--limit/],
  ["--limit", "*".repeat(60_000).concat("x"), /--limit/],
  ["--tags", "", /--tags/],
  ["--tags", ",,", /--tags/],
  ["--tags", "$(id)", /--tags/],
  ["--tags", "__proto__", /--tags/],
  ["--skip-tags", " ", /--skip-tags/],
  ["--accept", "everything", /--accept/],
  ["--accept", "*", /--accept/],
  ["--accept", "constructor", /--accept/],
  ["--accept", "weak-password,__proto__", /--accept/],
  ["--accept", "a\x1b[2J", /--accept/],
  ["--accept", "x".repeat(100_000), /--accept/],
  ["--shard", "", /--shard/],
  ["--shard", "0/3", /--shard/],
  ["--shard", "4/3", /--shard/],
  ["--shard", "1/0", /--shard/],
  ["--shard", "-1/3", /--shard/],
  ["--shard", "1/3/5", /--shard/],
  ["--shard", "1e0/3", /--shard/],
  ["--shard", "1.5/3", /--shard/],
  ["--shard", "999999999999/999999999999", /--shard/],
  ["--shard", "1/2;id", /--shard/],
  ["--shard", "１/３", /--shard/],
  ["--forks", "0", /forks/],
  ["--forks", "1e9", /forks/],
  ["--forks", "-1", /forks/],
  ["--forks", "NaN", /forks/],
  ["--timeout", "0", /timeout/],
  ["--timeout", "99999999999999999999", /timeout/],
  ["--rotate", "__proto__", /--rotate/],
  ["--rotate", "../../ca", /--rotate/],
  ["--json", "/nowhere/at/all/run.json", /--json/],
  ["--json", ".", /--json/],
  ["--private-key", "/nowhere", /nowhere/],
  ["--private-key", "a\0b", /a/],
  ["--known-hosts", "/nowhere", /nowhere/],
  ["--user", "-oProxyCommand=x", /--user|-u|user name|connect/],
  ["--user", "a b\nc", /--user|-u|user name|connect/],
  ["--state", "hosts.yml", /hosts\.yml/],
  ["--retry-failed", "/nowhere", /nowhere/],
  ["--retry-failed", ".", /directory/],
  ...(
    [
      ["nothing", ""],
      ["no JSON", "{"],
      ["a list", "[]"],
      ["null", "null"],
      ["a text", '"redkeep.run/1"'],
      ["another schema", record([], "redkeep.run/2")],
      ["a schema that is a list", record([], ["redkeep.run/1"])],
      ["no hosts", JSON.stringify({ schema: "redkeep.run/1" })],
      ["hosts that are a mapping", record({ h1: "failed" })],
      ["hosts that are numbers", record([1, 2])],
      ["a host without a status", record([{ host: "h1" }])],
      ["a host that is no text", record([{ host: ["h1"], status: "failed" }])],
      ["a status that is no text", record([{ host: "h1", status: { toString: "failed" } }])],
      ["a stranger", record([{ host: "evil.example", status: "failed" }])],
      ["a stranger with metacharacters", record([{ host: "$(touch canary)", status: "failed" }])],
      ["a stranger that steers", record([{ host: "\x1b[2J\u202e::error::x", status: "failed" }])],
      ["a stranger called __proto__", record([{ host: "__proto__", status: "failed" }])],
      ["ten thousand lists", "[".repeat(10_000)],
      ["two megabytes", `"${"x".repeat(2 << 20)}"`],
      ["no UTF-8", Uint8Array.of(0xff, 0xfe, 0x00)],
    ] as const
  ).map(([what, text]): [string, string, RegExp, Files] => [
    "--retry-failed",
    `run-with-${what.replaceAll(" ", "-")}.json`,
    new RegExp(`run-with-${what.replaceAll(" ", "-")}\\.json`),
    { [`run-with-${what.replaceAll(" ", "-")}.json`]: text },
  ]),
];

const commandLine: Curated[] = [
  ...OPTIONS.map(([option, value, where, files]) => ({
    name: `${option} ${shown(value)}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        [...PLAN, option, textOf(value, sandbox)],
        { "hosts.yml": HOSTS, "site.yml": SITE, ...files },
        where,
      ),
  })),
  {
    name: "--retry-failed with a record that says of a host what a prototype says",
    run: async (sandbox) => {
      const text = `{"schema":"redkeep.run/1","__proto__":{"x":1},"hosts":[{"host":"h1","status":"failed","__proto__":{"x":1}}]}`;
      await reaches(sandbox, [...PLAN, "--retry-failed", "run.json"], {
        "hosts.yml": HOSTS,
        "site.yml": SITE,
        "run.json": text,
      });
    },
  },
  {
    name: "--retry-failed with a record in which every host is done, though its summary says otherwise",
    run: async (sandbox) => {
      const text = JSON.stringify({
        schema: "redkeep.run/1",
        summary: { failed: 9 },
        exitCode: 3,
        hosts: [{ host: "h1", status: "unchanged" }],
      });
      const { exitCode } = await sandbox.redkeep([...PLAN, "--retry-failed", "run.json"], {
        "hosts.yml": HOSTS,
        "site.yml": SITE,
        "run.json": text,
      });
      assert.equal(exitCode, 0);
    },
  },
  ...VALUES.slice(0, 4).map((value) => ({
    name: `-e, a value, taken literally: ${shown(value)}`,
    run: async (sandbox: Sandbox) => {
      const text = textOf(value, sandbox);
      const { exitCode, stdout } = await sandbox.redkeep(
        ["inventory", "-i", "hosts.yml", "--host", "h1", "-e", JSON.stringify({ x: text })],
        { "hosts.yml": HOSTS },
      );
      assert.equal(exitCode, 0);
      assert.equal(JSON.parse(stdout).x, text);
    },
  })),
];

// --- the controller's own files --------------------------------------------------------------------------------------

const ACL =
  "- hosts: redis\n  tasks: [{ acl: { users: [{ name: admin, preset: admin, password: { generate: true } }] } }]\n";
const TLS = "- hosts: redis\n  tasks: [{ tls: { ca: { generate: true }, clients: [] } }]\n";

const SECRETS: [what: string, text: string | Uint8Array][] = [
  ["a list", "- a\n"],
  ["a text", "evil\n"],
  ["nothing", "\n"],
  ["another key", "passwords: {}\nevil: 1\n"],
  ["a password that is a number", "passwords: { admin: 1234567890123456 }\n"],
  ["a password that is a list", "passwords: { admin: [a] }\n"],
  ["a password that is null", "passwords: { admin: }\n"],
  ["a password of two lines", 'passwords: { admin: "a\\nuser evil on nopass" }\n'],
  ["a password with a NUL", 'passwords: { admin: "a\\0b" }\n'],
  ["an empty password", 'passwords: { admin: "" }\n'],
  ["a password twice", "passwords: { admin: aaaaaaaaaaaaaaaaa, admin: bbbbbbbbbbbbbbbbbb }\n"],
  ["a function", "passwords: { admin: !!js/function 'a' }\n"],
  ["an alias bomb", `${bomb}\npasswords: *a29\n`],
  ["passwords that are a text", "passwords: evil\n"],
  ["no UTF-8", Uint8Array.of(0xff, 0xfe, 0x00, 0x01)],
  ["a vault", "$ANSIBLE_VAULT;1.1;AES256\n31\n"],
];

const PKI: [what: string, files: Files][] = [
  ["a CA that is garbage", { "ca.crt": "garbage", "ca.key": "garbage" }],
  ["a CA that is empty", { "ca.crt": "", "ca.key": "" }],
  ["a CA that is binary", { "ca.crt": Uint8Array.of(0xff, 0), "ca.key": Uint8Array.of(0xff, 0) }],
  ["a CA of a megabyte", { "ca.crt": "x".repeat(1 << 20), "ca.key": "x" }],
  [
    "a CA whose PEM is cut short",
    { "ca.crt": "-----BEGIN CERTIFICATE-----\nMIIB\n", "ca.key": "-----BEGIN PRIVATE KEY-----\nMIIB\n" },
  ],
];

const state: Curated[] = [
  ...SECRETS.map(([what, text]) => ({
    name: `.redkeep/secrets.yml with ${what}`,
    run: (sandbox: Sandbox) =>
      refuses(
        sandbox,
        PLAN,
        { "hosts.yml": HOSTS, "site.yml": ACL, ".redkeep/secrets.yml": text },
        /\.redkeep\/secrets\.yml/,
      ),
  })),
  ...PKI.map(([what, files]) => ({
    name: `.redkeep/pki with ${what}`,
    run: (sandbox: Sandbox) => {
      const pki = Object.entries(files).map(([name, text]) => [`.redkeep/pki/${name}`, text]);
      return refuses(
        sandbox,
        PLAN,
        { "hosts.yml": HOSTS, "site.yml": TLS, ...Object.fromEntries(pki) },
        /\.redkeep\/pki\/ca\.key/,
      );
    },
  })),
  {
    name: ".redkeep/secrets.yml with a user called __proto__",
    run: (sandbox) =>
      reaches(sandbox, PLAN, {
        "hosts.yml": HOSTS,
        "site.yml": ACL,
        ".redkeep/secrets.yml":
          "passwords: { __proto__: aaaaaaaaaaaaaaaaaaaa, constructor: bbbbbbbbbbbbbbbbbbbb }\n",
      }),
  },
];

// --- known_hosts and ~/.ssh/config -----------------------------------------------------------------------------------

/** A key that was never shown to anybody. */
const KEY = Buffer.concat([Buffer.from([0, 0, 0, 11]), Buffer.from("ssh-ed25519"), Buffer.alloc(36, 7)]);
const B64 = KEY.toString("base64");

const KNOWN_HOSTS: [what: string, text: string | Uint8Array, outcome: string][] = [
  ["nothing", "", "unknown"],
  ["garbage", "\x00\x01garbage\n\n\n", "unknown"],
  ["no UTF-8", Uint8Array.of(0xff, 0xfe, 0), "unknown"],
  ["a line cut short", "[127.0.0.1]:2222 ssh-ed25519", "unknown"],
  ["a key that is no base64", "[127.0.0.1]:2222 ssh-ed25519 !!!!\n", "unknown"],
  ["a key of one byte", "[127.0.0.1]:2222 ssh-ed25519 QQ==\n", "changed"],
  ["another key", `[127.0.0.1]:2222 ssh-ed25519 ${Buffer.alloc(51, 1).toString("base64")}\n`, "changed"],
  ["the key of another port", `[127.0.0.1]:2223 ssh-ed25519 ${B64}\n`, "unknown"],
  ["the key for everybody but this one", `*,!127.0.0.1,![127.0.0.1]:2222 ssh-ed25519 ${B64}\n`, "unknown"],
  [
    "the key, revoked",
    `@revoked [127.0.0.1]:2222 ssh-ed25519 ${B64}\n[127.0.0.1]:2222 ssh-ed25519 ${B64}\n`,
    "revoked",
  ],
  [
    "the key, revoked for all",
    `[127.0.0.1]:2222 ssh-ed25519 ${B64}\n@revoked * ssh-ed25519 ${B64}\n`,
    "revoked",
  ],
  ["a CA in place of a key", `@cert-authority * ssh-ed25519 ${B64}\n`, "unknown"],
  ["an unknown marker", `@evil [127.0.0.1]:2222 ssh-ed25519 ${B64}\n`, "unknown"],
  ["a comment", `# [127.0.0.1]:2222 ssh-ed25519 ${B64}\n`, "unknown"],
  ["a hash of another name", `|1|AAAA|BBBB ssh-ed25519 ${B64}\n`, "unknown"],
  ["a broken hash", `|1| ssh-ed25519 ${B64}\n|1||||| ssh-ed25519 ${B64}\n`, "unknown"],
  ["a pattern of stars that never matches", `${"*a".repeat(20_000)}b ssh-ed25519 ${B64}\n`, "unknown"],
  ["a regular expression", `(a+)+$,.* ssh-ed25519 ${B64}\n`, "unknown"],
  ["a line of a megabyte", `${"x".repeat(1 << 20)} ssh-ed25519 ${B64}\n`, "unknown"],
];

/** These are the operator's own, and only the system's ssh follows them. */
const SSH_CONFIG_OTHER: [what: string, lines: Text][] = [
  ["a ProxyCommand", (canary) => `proxycommand touch ${canary}`],
  ["a ProxyCommand behind ssh", (canary) => `proxycommand ssh -W %h:%p h; touch ${canary}`],
  ["a ProxyCommand with a shell", (canary) => `proxycommand sh -c "touch ${canary}"`],
  ["a ProxyCommand within one", (canary) => `proxycommand ssh -oProxyCommand="touch ${canary}" -W %h:%p h`],
  ["a KnownHostsCommand", (canary) => `knownhostscommand /bin/touch ${canary}`],
  ["a ProxyUseFdpass", (canary) => `proxyusefdpass yes\nproxycommand touch ${canary}`],
  ["a ProxyCommand that is ssh alone", "proxycommand ssh"],
];

const SSH_CONFIG: [what: string, lines: Text][] = [
  ["a jump that is an option", (canary) => `proxyjump -oProxyCommand=touch ${canary}`],
  ["a jump that is nothing", "proxyjump ,"],
];

const SSH_CONFIG_LITERAL: [what: string, lines: Text][] = [
  ["a LocalCommand", (canary) => `permitlocalcommand yes\nlocalcommand touch ${canary}`],
  ["a RemoteCommand", (canary) => `remotecommand touch ${canary}`],
  ["a user with metacharacters", (canary) => `user $(touch ${canary})`],
  ["a host name with metacharacters", (canary) => `hostname $(touch ${canary})`],
  ["a key file with metacharacters", (canary) => `identityfile $(touch ${canary})`],
  ["a known_hosts file with metacharacters", (canary) => `userknownhostsfile $(touch ${canary})`],
  ["an agent of its own", (canary) => `identityagent $(touch ${canary})`],
  ["forwarding of the agent", "forwardagent yes"],
  ["host keys switched off", "stricthostkeychecking no"],
  ["host keys switched off by another word", "stricthostkeychecking off"],
  ["a port that is none", "port x"],
  ["a line of a hundred kilobytes", `user ${"x".repeat(100_000)}`],
  ["garbage", "\x01\x02\x03\n\n==\n"],
];

const sshConfig = (lines: string, sandbox: Sandbox) => {
  const bin = sandbox.folder({ ssh: `#!/bin/sh\ncat <<'..END'\n${lines}\n..END\n` });
  const before = process.env.PATH;
  process.env.PATH = `${bin}:${before}`;
  // Each asks ssh anew: answers are kept by address.
  const address = `h-${bin.split("-").at(-1)}.invalid`;
  return resolveConnection({
    host: "h1",
    address,
    sshOptions: {},
    timeoutSeconds: 5,
    become: false,
  }).finally(() => {
    process.env.PATH = before;
  });
};

const openssh: Curated[] = [
  ...KNOWN_HOSTS.map(([what, text, outcome]) => ({
    name: `known_hosts with ${what}`,
    run: (sandbox: Sandbox) => {
      const file = `${sandbox.folder({ known_hosts: text })}/known_hosts`;
      assert.equal(checkHostKey("127.0.0.1", 2222, KEY, [file]).outcome, outcome);
      knownKeyTypes("127.0.0.1", 2222, [file]);
    },
  })),
  ...SSH_CONFIG.map(([what, lines]) => ({
    name: `~/.ssh/config with ${what}`,
    run: async (sandbox: Sandbox) => {
      const resolved = sshConfig(textOf(lines, sandbox), sandbox);
      await assert.rejects(resolved, (error) => isRefusal(error));
    },
  })),
  ...SSH_CONFIG_OTHER.map(([what, lines]) => ({
    name: `~/.ssh/config with ${what}, which ssh2 does not follow`,
    run: async (sandbox: Sandbox) => {
      const resolved = await sshConfig(textOf(lines, sandbox), sandbox);
      await assert.rejects(chooseTransport(resolved, "ssh2"), (error) => isRefusal(error));
      assert.equal((await chooseTransport(resolved, "auto")).name, "openssh");
    },
  })),
  ...SSH_CONFIG_LITERAL.map(([what, lines]) => ({
    name: `~/.ssh/config with ${what}, which runs nothing and opens nothing`,
    run: async (sandbox: Sandbox) => {
      const resolved = await sshConfig(textOf(lines, sandbox), sandbox);
      assert.equal(resolved.strictHostKeyChecking, "yes");
      assert.deepEqual(resolved.jumps, []);
    },
  })),
];

// --- what a host says ------------------------------------------------------------------------------------------------

const ANSWERS: [what: string, edit: (text: string) => string][] = [
  ["nothing", () => ""],
  ["huge numbers", (text) => text.replace(/\d+/g, "9".repeat(400))],
  ["names of JavaScript's own in place of words", (text) => text.replace(/[\w-]+/g, "__proto__")],
];

const REPORTS: [what: string, report: string, label: string][] = [
  ["nothing", "", "unknown"],
  ["no end", framed({ state: "committed" }).replace(/\n\S+ end\n$/, ""), "unknown"],
  ["another run's word", framed({ state: "committed" }, "f".repeat(24)), "unknown"],
  ["no state", framed({ journal: "1 begin\n" }), "unknown"],
  ["an empty state", framed({ state: "" }), "unknown"],
  ["a state of its own", framed({ state: "evil" }), "unknown"],
  ["a prototype for a state", framed({ state: "__proto__" }), "unknown"],
  ["a state in capitals", framed({ state: "COMMITTED" }), "unknown"],
  [
    "two states, the first committed",
    `${framed({ state: "committed" })}${framed({ state: "evil" })}`,
    "unknown",
  ],
  ["a state of two lines", framed({ state: "rolled_back\ncommitted" }), "unknown"],
  ["applied, and it is not to be", framed({ state: "applied" }), "unknown"],
  ["applying, with nothing armed", framed({ state: "applying" }), "failed"],
  ["applying, armed", framed({ state: "applying", journal: "1 armed\n" }), "unknown"],
  ["rolled back", framed({ state: "rolled_back" }), "rolled-back"],
  [
    "rolled back, with garbage",
    framed({ state: "rolled_back", journal: "\x1b[2J\n\0\n::error::x\n" }),
    "rolled-back",
  ],
  ["refused for a lie", framed({ state: "refused", journal: "1 locked \x1b]52;c;x\x07\n" }), "refused"],
  ["refused without a reason", framed({ state: "refused" }), "refused"],
  ["needs a human", framed({ state: "needs_human", journal: "1 edited ../../etc\n" }), "failed"],
  ["numbers beyond all", framed({ state: "rolled_back", "keys.before": "9".repeat(400) }), "rolled-back"],
  [
    "numbers that are none",
    framed({ state: "rolled_back", "keys.before": "NaN", unavailable: "-1" }),
    "rolled-back",
  ],
  ["a log of a megabyte", framed({ state: "rolled_back", log: "x".repeat(1 << 20) }), "rolled-back"],
  [
    "a journal of a million lines",
    framed({ state: "rolled_back", journal: "\n1".repeat(1_000_000) }),
    "rolled-back",
  ],
  ["text that reorders", framed({ state: "rolled_back", log: "\u202eabc\u2066\u{e0041}" }), "rolled-back"],
];

const hosts: Curated[] = [
  ...TITLES.flatMap((title) =>
    ANSWERS.map(([what, edit]) => ({
      name: `a host that says ${what} in ${title}`,
      run: async () => {
        try {
          await useAnswer(withSection(title, edit));
        } catch (error) {
          if (!isRefusal(error)) throw error;
        }
      },
    })),
  ),
  ...REPORTS.map(([what, report, label]) => ({
    name: `a transaction's report: ${what}`,
    run: () => assert.equal(labelOf(report), label),
  })),
];

// --- endless texts ---------------------------------------------------------------------------------------------------

/** Milliseconds. Whoever reads each character a few times needs a hundredth; who starts anew at each, minutes. */
const ENDLESS = 10_000;

const LONG: [what: string, read: (text: string) => unknown, unit: string][] = [
  ["a host pattern", (text) => matchHosts(nobody, text), "["],
  ["a host pattern in a list", (text) => matchHosts(nobody, `${text},x`), "["],
  ["a host pattern of stars", (text) => matchHosts(nobody, text), "*a"],
  ["a host's name", (text) => parseHostKey(text, { file: "x" }), "[1:"],
  ["ssh options", (text) => parseSshArguments(text, fail), '"'],
  ["a jump host", (text) => parseSshArguments(`-J ${text}`, fail), "a."],
  ["a template", (text) => evaluate(text, {}), "<%"],
  ["a template with blanks", (text) => evaluate(`<%=${text}`, {}), " "],
  ["the names in a template", (text) => renderParameter(text), "<%"],
  ["a YAML text of quotes", (text) => parseYaml(text, "x"), '"'],
  ["a YAML text of blanks", (text) => parseYaml(`a:${text}b`, "x"), " "],
  ["a YAML text of colons", (text) => parseYaml(text, "x"), ": "],
  ["a line of redis.conf", (text) => parseConfig({ path: "/x", text }), "\\"],
  ["lines of an ACL file", (text) => parseAclFile(text, "x"), "user a\n"],
  ["ufw's rules", (text) => parseRules(text, 4), "### tuple ### "],
  ["a text to print", (text) => printableText(text), "\u202e"],
  ["a text to print without line ends", (text) => guardLines(text), "\r"],
  ["a report", (text) => labelOf(framed({ state: "rolled_back", log: text })), "\n"],
  ...["memory", "machine", "listeners", "info", "running", "clients", "acl-list", "paths", "lines"].map(
    (title): [string, (text: string) => unknown, string] => [
      `a host's answer in ${title}`,
      (text) => useAnswer(withSection(title, () => text)),
      "1",
    ],
  ),
];

const nobody: Inventory = {
  hosts: new Map(),
  groups: new Map(),
  extraVars: new Map(),
  warnings: [],
  unlock: async () => nobody,
};

function fail(message: string): InputError {
  return new InputError({ message });
}

/** As the first thing that a run does with a playbook's text. */
async function renderParameter(text: string): Promise<void> {
  using sandbox = new Sandbox();
  const site = `- hosts: redis\n  tasks: [{ limits: { maxmemory: ${JSON.stringify(text)} } }]\n`;
  await refuses(sandbox, PLAN, { "hosts.yml": HOSTS, "site.yml": site }, /^site\.yml:2/m);
}

const endless: Curated[] = LONG.map(([what, read, unit]) => ({
  name: `${what}, ${JSON.stringify(unit)} over and over`,
  run: async () => {
    const from = performance.now();
    try {
      await read(unit.repeat(Math.ceil(300_000 / unit.length)));
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    const took = Math.round(performance.now() - from);
    assert(took < ENDLESS, `took ${took} ms`);
  },
}));

/** All of them, by the way in. Names are unique. */
export const CURATED: Readonly<Record<string, readonly Curated[]>> = {
  "the names of an inventory": names,
  "an inventory's variables": variables,
  "an inventory's connections": connections,
  YAML: yaml,
  "a playbook": playbooks,
  "the command line": commandLine,
  "the controller's own state": state,
  "OpenSSH's files": openssh,
  "what a host says": hosts,
  "endless texts": endless,
};
