/**
 * Records what lab hosts answer to the probe, for test/fixtures/facts: see the README there.
 *
 *     sh lab/setup.sh && sh lab/setup.sh bullseye && sh lab/setup.sh trixie
 *     npx node test/support/record-facts.ts [STORY...]
 */
import { execFile } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { dump } from "js-yaml";
import { makeAuthority } from "../../src/pki/issue.ts";
import {
  type LabHost,
  labKey,
  redkeep,
  startHost,
  startNetwork,
  writeInventory,
} from "../integration/support/lab.ts";
import { FACTS, NONCE, PASSWORDS, partsOf, recordingScript, unitOf } from "./facts.ts";

/** The CA and the passwords of all recorded hosts, kept so that a story can be recorded again alone. */
const state = resolve(import.meta.dirname, "../../lab/.cache/recorded-state");
const directory = mkdtempSync(join(tmpdir(), "redkeep-record-"));

async function prepareState(): Promise<void> {
  mkdirSync(join(state, "pki"), { recursive: true, mode: 0o700 });
  const metrics = PASSWORDS.get("metrics")?.reveal();
  writeFileSync(join(state, "secrets.yml"), dump({ passwords: { metrics } }), { mode: 0o600 });
  if (!existsSync(join(state, "pki/ca.crt"))) {
    const { certificate, key } = await makeAuthority();
    writeFileSync(join(state, "pki/ca.key"), key.reveal(), { mode: 0o600 });
    writeFileSync(join(state, "pki/ca.crt"), certificate);
  }
  copyFileSync(join(state, "pki/ca.crt"), join(FACTS, "ca.crt"));
}

/** Runs the probe as redkeep does, over SSH with the script on stdin, and keeps the answer as it came. */
async function record(name: string, host: LabHost, user = "root"): Promise<void> {
  const { knownHosts } = writeInventory(directory, { host });
  const options = ["-F", "none", "-o", `UserKnownHostsFile=${knownHosts}`, "-o", "BatchMode=yes"];
  const login = ["-i", labKey, "-p", `${host.sshPort}`, `${user}@${host.address}`, "sh"];
  const running = promisify(execFile)("ssh", [...options, ...login], {
    encoding: "buffer",
    maxBuffer: 16 * 1024 * 1024,
  });
  running.child.stdin?.end(recordingScript(name));
  const parts = [...partsOf((await running).stdout)].map(([title, text]) => `\n${NONCE} ${title}\n${text}`);
  writeFileSync(join(FACTS, `${name}.txt`), parts.join(""));
  process.stdout.write(`${name}\n`);
}

/** Applies the default playbook, with the same administrator's password on each host: it is known to the tests. */
async function harden(name: string, host: LabHost): Promise<void> {
  const unit = unitOf(name);
  const { inventory } = writeInventory(directory, { host }, unit === "" ? {} : { redkeep_unit: unit });
  const playbook = join(directory, "harden.yml");
  const shipped = readFileSync(resolve(import.meta.dirname, "../../playbooks/harden.yml"), "utf8");
  const given = "name: admin, preset: admin, password: { env: ADMIN_PASSWORD }";
  writeFileSync(playbook, shipped.replace("name: admin, preset: admin, password: { generate: true }", given));
  const run = await redkeep(["apply", playbook, "-i", inventory, "--yes", "--state", state], {
    env: {
      APP_PASSWORD: PASSWORDS.get("app")?.reveal(),
      ADMIN_PASSWORD: PASSWORDS.get("admin")?.reveal(),
    },
  });
  if (run.status !== 0)
    throw new Error(`${name}: apply ended with ${run.status}\n${run.stdout}${run.stderr}`);
}

async function sh(host: LabHost, script: string): Promise<string> {
  const { status, stdout, stderr } = await host.sh(`set -e\n${script}`);
  if (status !== 0) throw new Error(`${script}: ${stdout}${stderr}`);
  return stdout;
}

/** As the administrator over the Unix socket; CONFIG has another name on a hardened host. */
function asAdmin(host: LabHost, commands: string): Promise<string> {
  const login = `AUTH admin ${PASSWORDS.get("admin")?.reveal()}`;
  return sh(
    host,
    `CONFIG=$(sed -n 's/^rename-command CONFIG //p' /etc/redis/redis.conf)
     printf '%s\\n' '${login}' ${commands} | redis-cli -s /run/redis/redis.sock`,
  );
}

const STRANGE_CONF = [
  "# Company Redis, kept on Windows",
  "BIND 0.0.0.0",
  "Protected-Mode\tno",
  "port 7777",
  "include /etc/redis/company.conf",
  "PORT\t7379",
  "\tmaxmemory  100mb",
  "MAXMEMORY 200mb",
  'requirepass "Strange \\x70assword"',
  "user legacy on >Legacy-password-0001 ~* +@all",
  "dir /var/lib/redis",
  'logfile "/var/log/redis/redis-server.log"',
  "save 900 1",
];

const STORIES: Record<string, () => Promise<void>> = {
  async stock() {
    await using host = await startHost();
    await record("stock", host);
  },

  /** As a login sees it that is not root, and in no group of Redis. */
  async unprivileged() {
    await using host = await startHost();
    await record("unprivileged", host, "deploy");
  },

  /** From a hardened host on: what Redis itself rewrote, then what people did to it. */
  async hardened() {
    await using host = await startHost();
    await harden("hardened", host);
    await record("hardened", host);
    await sh(host, "chown redis /etc/redis /etc/redis/*.conf /etc/redis/*.acl; chmod 770 /etc/redis");
    await asAdmin(host, `"$CONFIG REWRITE" 'ACL SAVE'`);
    await sh(host, "chown root /etc/redis /etc/redis/*.conf /etc/redis/*.acl; chmod 750 /etc/redis");
    await record("rewritten", host);
    await asAdmin(
      host,
      `"$CONFIG SET maxmemory 1gb" 'ACL SETUSER intruder on >Intruder-password-1 ~* &* +@all'`,
    );
    await sh(
      host,
      `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 >/etc/redis/tls/redkeep-server.key
       sed -i 's/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
       ufw insert 1 allow 6380/tcp`,
    );
    await record("drifted", host);
  },

  async "login-lost"() {
    await using host = await startHost();
    await harden("login-lost", host);
    await asAdmin(host, "'ACL SETUSER admin resetpass >Somebody-elses-password-1'");
    await record("login-lost", host);
  },

  async strange() {
    await using host = await startHost();
    await host.writeFile(
      "/etc/redis/redis.conf",
      STRANGE_CONF.map((line) => `${line}\r\n`).join(""),
      "0640",
      "redis:redis",
    );
    await host.writeFile(
      "/etc/redis/company.conf",
      'rename-command FLUSHDB ""\nrename-command config company_config\nsave 300 10\n',
      "0644",
    );
    await sh(
      host,
      `ufw allow 22/tcp; ufw allow 7379; ufw deny from 203.0.113.0/24; ufw allow from 10.0.0.0/8 to any port 8080 proto tcp
       ufw --force enable
       systemd-run --unit=webapp redis-server --port 8080 --bind 0.0.0.0 --protected-mode no --save ''
       systemctl restart redis-server`,
    );
    await record("strange", host);
  },

  /** The guide's first way of authentication, then Redis' own rewrite of it. */
  async requirepass() {
    await using host = await startHost();
    await sh(
      host,
      `echo 'requirepass Recorded-requirepass-1' >>/etc/redis/redis.conf
       systemctl restart redis-server
       printf 'AUTH Recorded-requirepass-1\\nCONFIG REWRITE\\n' | redis-cli`,
    );
    await record("requirepass", host);
  },

  async "config-renamed"() {
    await using host = await startHost();
    await sh(
      host,
      `echo 'rename-command CONFIG cfg_8f2a' >>/etc/redis/redis.conf
       systemctl restart redis-server`,
    );
    await record("config-renamed", host);
  },

  async aof() {
    await using host = await startHost();
    await sh(
      host,
      `sed -i 's/^appendonly .*/appendonly yes/' /etc/redis/redis.conf
       systemctl restart redis-server
       for i in 1 2 3; do echo "SET key:$i $i"; done | redis-cli`,
    );
    await record("aof", host);
  },

  async pair() {
    await using network = await startNetwork();
    await using primary = await startHost({ network, alias: "primary" });
    await using replica = await startHost({ network, alias: "replica" });
    const open =
      "sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf";
    await sh(primary, `${open}; systemctl restart redis-server; redis-cli SET kept yes`);
    await sh(
      replica,
      `${open}; echo 'replicaof ${primary.ip} 6379' >>/etc/redis/redis.conf; systemctl restart redis-server
       until redis-cli INFO replication | grep -q master_link_status:up; do sleep 0.1; done`,
    );
    await record("primary", primary);
    await record("replica", replica);
    await watchWithSentinel(primary);
    await record("watched-by-sentinel", primary);
  },

  async bullseye() {
    await using host = await startHost({ image: "redkeep-lab:bullseye" });
    await record("redis-6-stock", host);
    await harden("redis-6-hardened", host);
    await record("redis-6-hardened", host);
  },

  async trixie() {
    await using host = await startHost({ image: "redkeep-lab:trixie" });
    await record("redis-8-stock", host);
    await harden("redis-8-hardened", host);
    await record("redis-8-hardened", host);
  },

  async valkey() {
    await using host = await startValkey();
    await record("valkey-8-stock", host);
    await harden("valkey-8-hardened", host);
    await record("valkey-8-hardened", host);
  },
};

async function watchWithSentinel(host: LabHost): Promise<void> {
  await sh(
    host,
    `printf 'port 26379\\nprotected-mode no\\nsentinel monitor main %s 6379 1\\n' ${host.ip} >/run/sentinel.conf
     systemd-run --unit=redis-sentinel redis-server /run/sentinel.conf --sentinel
     until redis-cli CLIENT LIST | grep -q 'name=sentinel-'; do sleep 0.1; done`,
  );
}

async function startValkey(): Promise<LabHost> {
  const host = await startHost({ image: "redkeep-lab:trixie" });
  await sh(host, "systemctl disable --now redis-server; systemctl enable --now valkey-server");
  return host;
}

try {
  await prepareState();
  const asked = process.argv.slice(2);
  for (const [name, story] of Object.entries(STORIES)) {
    if (asked.length === 0 || asked.includes(name)) await story();
  }
} finally {
  rmSync(directory, { recursive: true });
}
