import { describe, expect, it } from "vitest";
import { type ConnectionDefaults, connectionVariables } from "../../src/inventory/connection-variables.ts";
import { hostVariables } from "../../src/inventory/inventory.ts";
import { Secret } from "../../src/lib/secret.ts";
import { unlocking } from "../../src/vault/locked.ts";
import { noVault } from "../../src/vault/vault.ts";
import { inventoryOf, refusal } from "./inventory-on-disk.ts";

/** The connection of host h, whose own variables are `host` and its group's `group`, both in flow style. Their commands are allowed. */
async function connectionOf(
  host: string,
  { group = "", defaults = {} as ConnectionDefaults, extraVars = [] as string[] } = {},
) {
  const inventory = await inventoryOf({
    files: { "hosts.yml": `g:\n  hosts:\n    h: {${host}}\n  vars: {${group}}\n` },
    extraVars,
  });
  const env = { ...process.env, SSH_PASSWORD: "from-env" };
  return unlocking(noVault(), () =>
    connectionVariables(
      "h",
      hostVariables(inventory, "h"),
      { allowInventoryCommands: true, ...defaults },
      { cwd: "/", env, inventory },
    ),
  );
}

const OPEN = { host: "h", address: "h", sshOptions: {}, timeoutSeconds: 10, become: false };

describe("a connection", () => {
  it("is left to ssh where the inventory says nothing", async () => {
    expect(await connectionOf("")).toEqual(OPEN);
  });

  it.each<[string, object]>([
    ["ansible_host: 10.0.0.5", { address: "10.0.0.5" }],
    ["ansible_host: 'fe80::1%eth0'", { address: "fe80::1%eth0" }],
    ["ansible_ssh_host: db.example.com", { address: "db.example.com" }],
    ["ansible_host: ~", { address: "h" }],
    ["ansible_port: 2222", { port: 2222 }],
    ["ansible_port: '2222'", { port: 2222 }],
    ["ansible_port: 22.0", { port: 22 }],
    ["ansible_ssh_port: 2222", { port: 2222 }],
    ["ansible_user: admin", { user: "admin" }],
    ["ansible_user: admin@example.com", { user: "admin@example.com" }],
    ["ansible_ssh_user: admin", { user: "admin" }],
    ["ansible_private_key_file: ~/.ssh/fleet", { privateKeyFile: "~/.ssh/fleet" }],
    ["ansible_ssh_private_key_file: keys/fleet", { privateKeyFile: "keys/fleet" }],
    ["ansible_timeout: 30", { timeoutSeconds: 30 }],
    ["ansible_ssh_timeout: '30'", { timeoutSeconds: 30 }],
    ...["yes", "'true'", "1", "'1'", "on", "'Yes'"].map((value): [string, object] => [
      `ansible_become: ${value}`,
      { become: true },
    ]),
    ...["no", "'false'", "0"].map((value): [string, object] => [
      `ansible_become: ${value}`,
      { become: false },
    ]),
    ["ansible_become: yes, ansible_become_method: sudo, ansible_become_user: root", { become: true }],
    [
      "ansible_become: no, ansible_become_method: su, ansible_become_user: redis, ansible_become_flags: -H",
      {},
    ],
    ["ansible_connection: ssh", {}],
    ["ansible_connection: smart", {}],
    ["ansible_ssh_executable: /usr/bin/ssh", {}],
    [
      "ansible_ssh_pkcs11_provider: /usr/lib/p.so, ansible_ssh_common_args: -o PKCS11Provider=other",
      { sshOptions: { others: [["PKCS11Provider", "/usr/lib/p.so"]], needsOpenssh: "PKCS11Provider" } },
    ],
    ["ansible_host_key_checking: yes", {}],
    [
      "ansible_python_interpreter: /usr/bin/python3, ansible_pipelining: yes, ansible_shell_type: sh, ansible_ssh_control_path: '%h', ansible_sudo: yes",
      {},
    ],
    ["unused: '{{ x }}', ansible_become_password: !vault x", {}],
  ])("{%s}", async (host, expected) => {
    expect(await connectionOf(host)).toEqual({ ...OPEN, ...expected });
  });

  it.each<[string, ConnectionDefaults, string, object]>([
    ["the play's port is weaker than the inventory's", { play: { port: 1 } }, "ansible_port: 2", { port: 2 }],
    ["the play's port", { play: { port: 1 } }, "", { port: 1 }],
    ["-u", { user: "cli" }, "", { user: "cli" }],
    ["remote_user beats -u", { user: "cli", play: { remoteUser: "play" } }, "", { user: "play" }],
    [
      "ansible_user beats remote_user and -u",
      { user: "cli", play: { remoteUser: "play" } },
      "ansible_user: inv",
      { user: "inv" },
    ],
    ["--private-key", { privateKey: "cli" }, "", { privateKeyFile: "cli" }],
    [
      "the inventory's key beats --private-key",
      { privateKey: "cli" },
      "ansible_private_key_file: inv",
      { privateKeyFile: "inv" },
    ],
    ["--timeout", { timeoutSeconds: 3 }, "", { timeoutSeconds: 3 }],
    ["ansible_timeout beats --timeout", { timeoutSeconds: 3 }, "ansible_timeout: 4", { timeoutSeconds: 4 }],
    ["-b", { become: true }, "", { become: true }],
    ["the play's become beats -b", { become: true, play: { become: false } }, "", { become: false }],
    [
      "ansible_become: false beats the play",
      { play: { become: true } },
      "ansible_become: false",
      { become: false },
    ],
    [
      "ansible_become: null leaves the play's word",
      { play: { become: true } },
      "ansible_become: ~",
      { become: true },
    ],
    ["--known-hosts", { knownHosts: "kh" }, "", { knownHostsFile: "kh" }],
  ])("%s", async (_name, defaults, host, expected) => {
    expect(await connectionOf(host, { defaults })).toEqual({ ...OPEN, ...expected });
  });

  it("takes -e over everything else", async () => {
    const extraVars = ["ansible_host=10.9.9.9", "ansible_port=2200"];
    expect(await connectionOf("ansible_host: 10.0.0.1, ansible_port: 22", { extraVars })).toMatchObject({
      address: "10.9.9.9",
      port: 2200,
    });
  });
});

describe("connection variables with templates", () => {
  const group =
    "port: 2222, jump: gate, secret: s3cret, node_ip: 10.0.0.7, unset: ~, user_of: '{{ absent | default(omit) }}'";

  it.each<[string, object]>([
    ["ansible_host: '{{ node_ip }}'", { address: "10.0.0.7" }],
    ["ansible_host: '{{ inventory_hostname }}.example.com'", { address: "h.example.com" }],
    ["ansible_host: '{{ hostvars[\"h\"].node_ip }}'", { address: "10.0.0.7" }],
    ["ansible_host: '{{ unset }}'", { address: "h" }],
    ["ansible_port: '{{ port }}'", { port: 2222 }],
    ["ansible_port: '{{ absent | default(22) }}'", { port: 22 }],
    ["ansible_user: '{{ user_of }}'", {}],
    [
      "ansible_user: '{{ absent | default(omit) }}', ansible_become: '{{ absent | default(true) }}'",
      { become: true },
    ],
    ["ansible_ssh_common_args: '-J {{ jump }}'", { sshOptions: { proxyJump: ["gate"] } }],
    ["ansible_timeout: '{{ port }}', ansible_ssh_timeout: 2222", { timeoutSeconds: 2222 }],
    ["ansible_ssh_private_key_file: '{{ playbook_dir }}/key'", { privateKeyFile: /\/key$/ }],
  ])("{%s}", async (host, expected) => {
    const connection = await connectionOf(host, { group });
    const { privateKeyFile, ...rest } = connection;
    if (privateKeyFile === undefined) expect(rest).toEqual({ ...OPEN, ...expected });
    else expect(privateKeyFile).toMatch(Object(expected).privateKeyFile);
  });

  it("keep a password a secret", async () => {
    const { password } = await connectionOf("ansible_password: '{{ secret }}'", { group });
    expect(String(password)).toBe("••••");
    expect(password?.reveal()).toBe("s3cret");
  });
});

describe("passwords", () => {
  const revealed = async (host: string, defaults: ConnectionDefaults = {}) => {
    const connection = await connectionOf(host, { defaults });
    return [connection.password, connection.becomePassword, connection.privateKeyPassphrase].map((secret) =>
      secret?.reveal(),
    );
  };

  it.each<[string, ConnectionDefaults, (string | undefined)[]]>([
    ["ansible_password: s3cret", {}, ["s3cret", undefined, undefined]],
    ["ansible_ssh_pass: s3cret", {}, ["s3cret", undefined, undefined]],
    ["ansible_ssh_password: s3cret", {}, ["s3cret", undefined, undefined]],
    ["ansible_password: {env: SSH_PASSWORD}", {}, ["from-env", undefined, undefined]],
    ["ansible_password: {command: [echo, hi]}", {}, ["hi", undefined, undefined]],
    ["ansible_ssh_passphrase: {env: SSH_PASSWORD}", {}, [undefined, undefined, "from-env"]],
    ["ansible_become: yes, ansible_become_password: s3cret", {}, [undefined, "s3cret", undefined]],
    ["ansible_become: yes, ansible_become_pass: s3cret", {}, [undefined, "s3cret", undefined]],
    ["ansible_become: yes, ansible_sudo_pass: s3cret", {}, [undefined, "s3cret", undefined]],
    ["ansible_become: yes, ansible_password: s3cret", {}, ["s3cret", undefined, undefined]],
    ["ansible_become: yes, ansible_become_password: ''", {}, [undefined, undefined, undefined]],
    ["ansible_become: yes", { becomePassword: new Secret("from -K") }, [undefined, "from -K", undefined]],
    [
      "ansible_become: yes, ansible_become_pass: inv",
      { becomePassword: new Secret("from -K") },
      [undefined, "inv", undefined],
    ],
    ["", { password: new Secret("from -k") }, ["from -k", undefined, undefined]],
    ["ansible_password: inv", { password: new Secret("from -k") }, ["inv", undefined, undefined]],
    ["ansible_password: 6543210", {}, ["6543210", undefined, undefined]],
    ["ansible_password: !unsafe '{{ plain }}'", {}, ["{{ plain }}", undefined, undefined]],
    ["ansible_password: '{app}:*'", {}, ["{app}:*", undefined, undefined]],
  ])("{%s}", async (host, defaults, expected) => {
    expect(await revealed(host, defaults)).toEqual(expected);
  });

  it("come from a file whose relative path counts from the inventory file that names it", async () => {
    const { directoryWith } = await import("./inventory-on-disk.ts");
    const { loadInventory } = await import("../../src/inventory/load-inventory.ts");
    const cwd = await directoryWith({
      "inv/hosts.yml": "g: {hosts: {h: {ansible_password: {file: pw}}}}",
      "inv/pw": "from-file\n",
    });
    const inventory = await loadInventory({ sources: ["inv/hosts.yml"], cwd });
    const connection = await connectionVariables("h", hostVariables(inventory, "h"), {}, { cwd, env: {} });
    expect(connection.password?.reveal()).toBe("from-file");
  });

  it("are not shown in an error about them", async () => {
    const message = await refusal(connectionOf("ansible_password: hunter22, ansible_ssh_pass: swordfish"));
    expect(message).toContain("ansible_ssh_pass of h: differs from ansible_password at hosts.yml:3");
    expect(message).not.toMatch(/hunter22|swordfish/);
    expect(await refusal(connectionOf("ansible_password: 'hunter{{ x }}'"))).not.toContain("hunter");
  });
});

describe("ssh options", () => {
  const viaBastion = { sshOptions: { proxyJump: ["ops@b:2222"] } };
  it.each<[string, object]>([
    ["-o UserKnownHostsFile=known", { sshOptions: { userKnownHostsFiles: ["known"] } }],
    ['-o "UserKnownHostsFile=a b"', { sshOptions: { userKnownHostsFiles: ["a", "b"] } }],
    ["-o StrictHostKeyChecking=yes", { sshOptions: { strictHostKeyChecking: "yes" } }],
    ["-oStrictHostKeyChecking=accept-new", { sshOptions: { strictHostKeyChecking: "accept-new" } }],
    ["-o stricthostkeychecking=ACCEPT-NEW", { sshOptions: { strictHostKeyChecking: "accept-new" } }],
    ["-o 'StrictHostKeyChecking accept-new'", { sshOptions: { strictHostKeyChecking: "accept-new" } }],
    ["-o 'StrictHostKeyChecking = accept-new'", { sshOptions: { strictHostKeyChecking: "accept-new" } }],
    [
      "-o StrictHostKeyChecking=yes -o StrictHostKeyChecking=accept-new",
      { sshOptions: { strictHostKeyChecking: "yes" } },
    ],
    ["-J ops@b:2222", viaBastion],
    ["-J ssh://ops@b:2222", viaBastion],
    ["-Jb1,ops@[2001:db8::1]:22", { sshOptions: { proxyJump: ["b1", "ops@[2001:db8::1]:22"] } }],
    ["-o ProxyJump=ops@b:2222", viaBastion],
    ["-o ProxyJump=none", { sshOptions: { proxyJump: [] } }],
    ['-o ProxyCommand="ssh -W %h:%p ops@b -p 2222"', viaBastion],
    ['-o ProxyCommand="ssh -q -l ops -p 2222 -W %h:%p b"', viaBastion],
    ["-o ProxyCommand='/usr/bin/ssh -W [%h]:%p -o User=ops -o Port=2222 b'", viaBastion],
    ["-o IdentityFile=~/a -i b", { sshOptions: { identityFiles: ["~/a", "b"] } }],
    ["-o IdentitiesOnly=yes", { sshOptions: { identitiesOnly: true } }],
    ["-p 99 -l ops", { port: 99, user: "ops" }],
    ["-o Port=99 -o User=ops", { port: 99, user: "ops" }],
    ["-o ConnectTimeout=33", { timeoutSeconds: 33 }],
    [
      "-C -o ControlMaster=auto -o ControlPersist=60s -o ControlPath=/tmp/%h -o ServerAliveInterval=30 -q -o LogLevel=ERROR -A",
      {},
    ],
    [
      "-4 -tt -vvv -o PasswordAuthentication=no -o PreferredAuthentications=publickey -o PubkeyAuthentication=yes -o AddKeysToAgent=yes -o ConnectionAttempts=5 -S none",
      {},
    ],
    ["-F ssh.cfg -F other.cfg", { sshOptions: { configFile: "other.cfg" } }],
    [
      "-o ProxyCommand='ssh -i ~/.ssh/b -q -W %h:%p %r@b'",
      { sshOptions: { proxyJump: ["%r@b"], jumpIdentityFiles: ["~/.ssh/b"] } },
    ],
    ["-J %r@b-%h:%p", { sshOptions: { proxyJump: ["%r@b-%h:%p"] } }],
    ["-o GSSAPIAuthentication=yes", { sshOptions: { others: [["GSSAPIAuthentication", "yes"]] } }],
    ...["nc b 22", "ssh b nc %h %p", "ssh -o Ciphers=aes256-ctr -W %h:%p b", "ssh b"].map(
      (command): [string, object] => [
        `-o ProxyCommand='${command}' -J later`,
        { sshOptions: { others: [["ProxyCommand", command]], needsOpenssh: "ProxyCommand" } },
      ],
    ),
    [
      "-o hostkeyalgorithms=+ssh-rsa -b 10.0.0.1 -o HostKeyAlgorithms=second",
      {
        sshOptions: {
          others: [
            ["HostKeyAlgorithms", "+ssh-rsa"],
            ["BindAddress", "10.0.0.1"],
          ],
          needsOpenssh: "HostKeyAlgorithms",
        },
      },
    ],
    ["", {}],
  ])("%s", async (options, expected) => {
    expect(await connectionOf(`ansible_ssh_common_args: ${JSON.stringify(options)}`)).toEqual({
      ...OPEN,
      ...expected,
    });
  });

  it("rank as ssh ranks them: ansible_ssh_args, the variables, common_args, extra_args", async () => {
    const of = (name: string, port: number) =>
      `${name}: -p ${port} -o ConnectTimeout=${port} -l u${port} -J j${port}`;
    const strong = of("ansible_ssh_args", 1);
    const weak = `${of("ansible_ssh_common_args", 3)}, ${of("ansible_ssh_extra_args", 4)}`;
    const variables = "ansible_port: 2, ansible_user: u2, ansible_timeout: 2";
    expect(await connectionOf(`${strong}, ${variables}, ${weak}`)).toMatchObject({
      port: 1,
      user: "u1",
      timeoutSeconds: 1,
      sshOptions: { proxyJump: ["j1"] },
    });
    expect(await connectionOf(`${variables}, ${weak}`)).toMatchObject({
      port: 2,
      user: "u2",
      timeoutSeconds: 2,
      sshOptions: { proxyJump: ["j3"] },
    });
    expect(await connectionOf(weak)).toMatchObject({ port: 3, user: "u3", timeoutSeconds: 3 });
  });

  it("of ansible_ssh_args come before those of the other two, and the first proxy replaces the other", async () => {
    const of = (strong: string, weak: string) =>
      connectionOf(
        `ansible_ssh_args: ${JSON.stringify(strong)}, ansible_ssh_common_args: ${JSON.stringify(weak)}`,
      );
    expect((await of("-o ProxyCommand='nc %h %p'", "-J b")).sshOptions).toEqual({
      others: [["ProxyCommand", "nc %h %p"]],
      needsOpenssh: "ProxyCommand",
    });
    expect((await of("-J b", "-o ProxyCommand='nc %h %p'")).sshOptions).toEqual({ proxyJump: ["b"] });
  });

  it("that switch host keys off count as accept-new with --host-keys accept-new, for jump hosts too", async () => {
    const { sshOptions } = await connectionOf(
      `ansible_ssh_common_args: "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o GlobalKnownHostsFile=/dev/null -o ProxyCommand='ssh -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -W %h:%p b'"`,
      { defaults: { hostKeys: "accept-new" } },
    );
    expect(sshOptions).toEqual({ strictHostKeyChecking: "accept-new", proxyJump: ["b"] });
    const command = "ssh -o StrictHostKeyChecking=no b nc %h %p";
    const problem = connectionOf(`ansible_ssh_common_args: "-o ProxyCommand='${command}'"`, {
      defaults: { hostKeys: "accept-new" },
    });
    expect(await refusal(problem)).toContain("so --host-keys cannot override that");
  });

  it.each<[string, string]>([
    [
      "-o StrictHostKeyChecking=no",
      "StrictHostKeyChecking=no would let anybody pose as the host: use yes, or accept-new",
    ],
    ["-o StrictHostKeyChecking=off", "StrictHostKeyChecking=off would let anybody pose"],
    ["-oStrictHostKeyChecking=ask", "StrictHostKeyChecking=ask"],
    ["-o UserKnownHostsFile=/dev/null", "UserKnownHostsFile=/dev/null would forget every host key"],
    ["-o UserKnownHostsFile=/../dev//null", "UserKnownHostsFile=/../dev//null would forget every host key"],
    ["-o UserKnownHostsFile=NONE", "UserKnownHostsFile=NONE would forget every host key"],
    ["-o UserKnownHostsFile=none", "UserKnownHostsFile=none would forget every host key"],
    ["-o 'UserKnownHostsFile a /dev/null'", "UserKnownHostsFile=/dev/null"],
    ["-o GlobalKnownHostsFile=/dev/null", "give --host-keys accept-new"],
    [
      "-o GlobalKnownHostsFile=known",
      "GlobalKnownHostsFile: redkeep reads the system's host keys where ~/.ssh/config says",
    ],
    ["-o NoHostAuthenticationForLocalhost=yes", "skips host keys"],
    ["-o VerifyHostKeyDNS=yes", "skips host keys"],
    [
      "-o ProxyCommand='ssh -o StrictHostKeyChecking=no -W %h:%p b'",
      "StrictHostKeyChecking=no would let anybody pose",
    ],
    [
      "-o KnownHostsCommand=/bin/echo",
      "KnownHostsCommand: redkeep follows it in ~/.ssh/config alone: set it there",
    ],
    ["-o PrefferedAuthentications=x", "unknown ssh option PrefferedAuthentications"],
    [
      "-o ProxyJmp=b",
      'unknown ssh option ProxyJmp: redkeep does not support it here; remove it, or set it in ~/.ssh/config. Did you mean "ProxyJump"?',
    ],
    [
      "-o ProxyCommand='ssh -o UserKnownHostsFile=/dev/null b nc %h %p'",
      "UserKnownHostsFile=/dev/null would forget every host key",
    ],
    ["-o ProxyCommand='sshpass -p x ssh -W %h:%p b'", "sshpass shows its password to every user"],
    ["-o CertificateFil=x", 'Did you mean "CertificateFile"?'],
    [
      "-o LocalCommand=id",
      "LocalCommand: redkeep's connection carries one script and nothing else: remove it",
    ],
    ["-J -oProxyCommand=id", "expected a jump host as [user@]host[:port]"],
    ["-J b:99999", "expected a jump host"],
    ["-J 'b c'", "expected a jump host"],
    ["-L 80:b:80", "redkeep does not take the ssh option -L: it takes -o Key=value, -F, -J, -p, -i and -l"],
    ["-tL", "redkeep does not take the ssh option -tL: it takes -o"],
    ["host", 'expected an ssh option, found "host"'],
    ["-o", "the option -o has no value"],
    ["-o Port", "expected -o Key=value, found -o Port"],
    ["-p abc", 'expected a port number (1 to 65535), found "abc"'],
    ["-l -x", 'expected a user name, found "-x"'],
    ["-o ConnectTimeout=0", "expected seconds"],
    ["-o 'x", "a quote is not closed"],
  ])("%s is refused", async (options, message) => {
    const name = "ansible_ssh_extra_args";
    const problem = await refusal(connectionOf(`${name}: ${JSON.stringify(options)}`));
    expect(problem).toMatch(/^hosts\.yml:3:9 {2}ansible_ssh_extra_args of h: /);
    expect(problem).toContain(message);
  });
});

describe("a connection variable is refused with its place", () => {
  it.each<[string, string]>([
    ["ansible_host: ''", 'ansible_host of h: expected a host name or an IP address, found ""'],
    ["ansible_host: -oProxyCommand=id", "expected a host name or an IP address"],
    ["ansible_host: admin@10.0.0.5", "expected a host name or an IP address"],
    ["ansible_host: ssh://10.0.0.5", "expected a host name or an IP address"],
    ["ansible_host: 'a b'", "expected a host name or an IP address"],
    ['ansible_host: "a\\nb"', "expected a host name or an IP address"],
    ["ansible_host: 10", "expected a host name or an IP address, found 10"],
    ["ansible_host: 10.0.0.5:22", "expected a host name or an IP address"],
    ["ansible_host: [a]", "expected a host name or an IP address"],
    ["ansible_port: abc", 'ansible_port of h: expected a port number (1 to 65535), found "abc"'],
    ["ansible_port: 0", "expected a port number (1 to 65535), found 0"],
    ["ansible_port: 99999", "expected a port number (1 to 65535), found 99999"],
    ["ansible_port: 22.5", "expected a port number (1 to 65535), found 22.5"],
    ["ansible_user: -x", 'expected a user name, found "-x"'],
    ["ansible_user: 'a b'", "expected a user name"],
    ["ansible_user: 1001", "expected a user name, found 1001"],
    ["ansible_private_key_file: 1", "expected a path, found 1"],
    ["ansible_timeout: 0", "expected seconds (more than 0), found 0"],
    ["ansible_timeout: soon", "expected seconds"],
    ["ansible_become: maybe", 'ansible_become of h: expected true or false, found "maybe"'],
    [
      "ansible_become: yes, ansible_become_method: su",
      'ansible_become_method of h: expected sudo: redkeep has no other way to become root, found "su"',
    ],
    ["ansible_become: yes, ansible_become_method: doas", 'found "doas"'],
    [
      "ansible_become: yes, ansible_become_user: redis",
      'ansible_become_user of h: expected root: redkeep\'s work needs it, found "redis"',
    ],
    ["ansible_become: yes, ansible_sudo_user: redis", "ansible_sudo_user of h: expected root"],
    [
      "ansible_become: yes, ansible_become_flags: -H",
      "ansible_become_flags of h: redkeep does not support this setting: remove it",
    ],
    [
      "ansible_become: yes, ansible_become_exe: /opt/sudo",
      "ansible_become_exe of h: redkeep does not support",
    ],
    [
      "ansible_ssh_executable: /opt/ssh",
      "ansible_ssh_executable of h: expected ssh: where redkeep runs a program for SSH, it is the ssh in your PATH",
    ],
    [
      "ansible_become: yes, ansible_become_password: 0123",
      "ansible_become_password of h: expected a text, found a number: quote it",
    ],
    ["ansible_password: 1_000", "ansible_password of h: expected a text, found a number: quote it"],
    ["ansible_password: -5", "ansible_password of h: expected a text, found a number: quote it"],
    [
      "ansible_password: {env: NOSUCH}",
      "ansible_password of h: the secret from the environment variable NOSUCH is not there",
    ],
    ["ansible_password: {vault: x}", "ansible_password of h: expected one of { env: NAME }"],
    ['ansible_password: "a\\nb"', "ansible_password of h: has a line break or a NUL in it"],
    [
      "ansible_connection: local",
      'ansible_connection of h: expected ssh: redkeep has no other connection, found "local"',
    ],
    ["ansible_connection: paramiko", 'found "paramiko"'],
    ["ansible_connection: docker", 'found "docker"'],
    ["ansible_host_key_checking: no", "ansible_host_key_checking of h: would let anybody pose as the host"],
    ["ansible_ssh_host_key_checking: 'False'", "-o StrictHostKeyChecking=accept-new"],
    [
      "ansible_host: '{{ private_ip }}'",
      'ansible_host of h: is a Jinja template ("{{ private_ip }}") that names private_ip, which is not set: write the value, or pass -e ansible_host=…',
    ],
    ["ansible_port: '{% if x %}22{% endif %}'", "ansible_port of h: is a Jinja template"],
    ["ansible_user: '{# x #}'", "ansible_user of h: is a Jinja template"],
    ["ansible_ssh_common_args: '-J {{ bastion }}'", "ansible_ssh_common_args of h: is a Jinja template"],
    [
      "ansible_password: !vault x",
      "ansible_password of h: should begin with $ANSIBLE_VAULT;1.1;AES256, found",
    ],
    ["ansible_become: '{{ x }}'", "ansible_become of h: is a Jinja template"],
    [
      "ansible_host: 10.0.0.1, ansible_ssh_host: 10.0.0.2",
      "ansible_ssh_host of h: differs from ansible_host at hosts.yml:3, which means the same: keep one",
    ],
  ])("{%s}", async (host, message) => {
    const problem = await refusal(connectionOf(host));
    expect(problem).toMatch(/^hosts\.yml:3:[0-9]+ {2}/);
    expect(problem).toContain(message);
  });

  it("where it contradicts another name for it elsewhere", async () => {
    const problem = await refusal(
      connectionOf("ansible_host: 10.0.0.1", { group: "ansible_ssh_host: 10.0.0.2" }),
    );
    expect(problem).toBe(
      "hosts.yml:4:10  ansible_ssh_host of h: differs from ansible_host at hosts.yml:3, which means the same: keep one",
    );
  });

  it("but not where two names have the same value", async () => {
    expect(
      await connectionOf("ansible_host: 10.0.0.1", { group: "ansible_ssh_host: 10.0.0.1" }),
    ).toMatchObject({ address: "10.0.0.1" });
  });

  it.each<[ConnectionDefaults["play"], string]>([
    [
      { connection: "local" },
      'play.yml:1  connection: expected ssh: redkeep has no other connection, found "local"',
    ],
    [
      { become: true, becomeMethod: "su" },
      'play.yml:1  become_method: expected sudo: redkeep has no other way to become root, found "su"',
    ],
    [
      { become: true, becomeUser: "redis" },
      'play.yml:1  become_user: expected root: redkeep\'s work needs it, found "redis"',
    ],
  ])("where the play has %j", async (play, message) => {
    expect(
      await refusal(
        connectionOf("", { defaults: { play: { ...play, place: { file: "play.yml", line: 1 } } } }),
      ),
    ).toBe(message);
  });

  it("but not where the inventory overrides the play", async () => {
    const play = { become: true, becomeUser: "redis", becomeMethod: "su", connection: "local" };
    const host = "ansible_become_user: root, ansible_become_method: sudo, ansible_connection: ssh";
    expect(await connectionOf(host, { defaults: { play } })).toMatchObject({ become: true });
  });

  it("together with all others that are wrong", async () => {
    const problem = await refusal(
      connectionOf("ansible_host: '', ansible_port: 0, ansible_user: -x, ansible_connection: local"),
    );
    expect(problem.split("\n")).toHaveLength(4);
  });
});

describe("what an inventory would run on this machine", () => {
  const WAYS: [variables: string, named: string][] = [
    ["ansible_ssh_common_args: -o ProxyCommand='nc %h %p'", "ProxyCommand"],
    ["ansible_ssh_args: -o ProxyCommand='ssh -F other -W %h:%p b'", "ProxyCommand"],
    ["ansible_ssh_extra_args: -I /usr/lib/p.so", "PKCS11Provider"],
    ["ansible_ssh_common_args: -o SecurityKeyProvider=/usr/lib/sk.so", "SecurityKeyProvider"],
    ["ansible_ssh_pkcs11_provider: /usr/lib/p.so", "PKCS11Provider"],
    ["ansible_ssh_common_args: -F ssh.cfg", "-F"],
  ];

  it.each(WAYS)("is refused with the option that allows it: {%s}", async (variables, named) => {
    const message = await refusal(connectionOf(variables, { defaults: { allowInventoryCommands: false } }));
    expect(message).toContain(`${named} names a command, a library or another configuration of ssh`);
    expect(message).toContain("give --allow-inventory-commands");
  });

  it.each(["-o ProxyCommand='ssh -W %h:%p b'", "-o ProxyCommand=none", "-J b", "-o PKCS11Provider=none"])(
    "is nothing by %s",
    async (options) => {
      const variables = `ansible_ssh_common_args: ${options}`;
      await connectionOf(variables, { defaults: { allowInventoryCommands: false } });
    },
  );

  it("is allowed behind -e, which you write yourself", async () => {
    const extraVars = ["ansible_ssh_common_args=\"-o ProxyCommand='nc %h %p'\""];
    const defaults = { allowInventoryCommands: false };
    const { sshOptions } = await connectionOf("", { extraVars, defaults });
    expect(sshOptions.others).toEqual([["ProxyCommand", "nc %h %p"]]);
  });
});
