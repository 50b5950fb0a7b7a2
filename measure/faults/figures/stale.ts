/** A host that changes between the plan and the yes: refused, whatever it was, and nothing touched. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type LabHost, redkeep, startHost, startNetwork } from "../../../test/integration/support/lab.ts";
import { filesOf, onHost, redisProcess, residueOf } from "../../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../../test/integration/support/project.ts";
import { applyAsking } from "../asking.ts";
import type { Figure } from "../figure.ts";

/** Shell on the host, where `cli` gets into Redis; or what somebody does from elsewhere. */
type Doing = string | ((host: LabHost, project: Project) => Promise<unknown>);

interface StaleCase {
  name: string;
  /** Before the plan is made. */
  given?: Doing;
  /** While apply asks. */
  meanwhile: Doing;
  /** What the refusal has to name. */
  names: string;
}

const UNITD = "/etc/systemd/system/redis-server.service.d";
const UP = "until cli PING 2>&1 | grep -q -e PONG -e NOAUTH; do sleep 0.05; done";
const harden = readFileSync(join(import.meta.dirname, "../../../playbooks/harden.yml"), "utf8");
const WIDER = harden.replace("maxmemory: 512mb", "maxmemory: 600mb");
const WIDEST = harden.replace("maxmemory: 512mb", "maxmemory: 700mb");

async function runWidest(_host: LabHost, project: Project): Promise<unknown> {
  return await project.run("apply", project.write("playbooks/widest.yml", WIDEST), "--yes");
}

/** On a host as Debian makes it, which is about to be hardened wholly. */
const STOCK: readonly StaleCase[] = [
  {
    name: "a line in redis.conf",
    meanwhile: "echo 'hz 20' >>/etc/redis/redis.conf",
    names: "/etc/redis/redis.conf",
  },
  {
    name: "a blank in redis.conf",
    meanwhile: "sed -i 's/^port 6379$/port 6379 /' /etc/redis/redis.conf",
    names: "/etc/redis/redis.conf",
  },
  {
    name: "the mode of redis.conf",
    meanwhile: "chmod 644 /etc/redis/redis.conf",
    names: "/etc/redis/redis.conf",
  },
  {
    name: "the owner of redis.conf",
    meanwhile: "chown root /etc/redis/redis.conf",
    names: "/etc/redis/redis.conf",
  },
  {
    name: "the group of redis.conf",
    meanwhile: "chgrp root /etc/redis/redis.conf",
    names: "/etc/redis/redis.conf",
  },
  {
    name: "redis.conf becomes a link",
    meanwhile: "mv /etc/redis/redis.conf /root/; ln -s /root/redis.conf /etc/redis/",
    names: "/etc/redis/redis.conf",
  },
  {
    name: "redis.conf gets a second name",
    meanwhile: "ln /etc/redis/redis.conf /etc/redis/redis.twin",
    names: "/etc/redis/redis.conf",
  },
  { name: "redis.conf goes", meanwhile: "rm /etc/redis/redis.conf", names: "/etc/redis/redis.conf" },
  { name: "the mode of the directory", meanwhile: "chmod 755 /etc/redis", names: "/etc/redis" },
  {
    name: "an included file",
    given: "echo 'hz 11' >/etc/redis/site.conf; echo 'include /etc/redis/site.conf' >>/etc/redis/redis.conf",
    meanwhile: "echo 'hz 12' >/etc/redis/site.conf",
    names: "/etc/redis/site.conf",
  },
  {
    name: "the mode of an included file",
    given: "echo 'hz 11' >/etc/redis/site.conf; echo 'include /etc/redis/site.conf' >>/etc/redis/redis.conf",
    meanwhile: "chmod 600 /etc/redis/site.conf",
    names: "/etc/redis/site.conf",
  },
  {
    name: "an included file goes",
    given: "echo 'hz 11' >/etc/redis/site.conf; echo 'include /etc/redis/site.conf' >>/etc/redis/redis.conf",
    meanwhile: "rm /etc/redis/site.conf",
    names: "/etc/redis/site.conf",
  },
  {
    name: "an ACL file appears",
    meanwhile: "echo 'user default on nopass ~* &* +@all' >/etc/redis/users.acl",
    names: "/etc/redis/users.acl",
  },
  {
    name: "a certificate appears",
    meanwhile: "mkdir -p /etc/redis/tls; echo x >/etc/redis/tls/redkeep-server.crt",
    names: "/etc/redis/tls/redkeep-server.crt",
  },
  {
    name: "redkeep's drop-in appears",
    meanwhile: `printf '[Service]\\n' >${UNITD}/redkeep.conf`,
    names: `${UNITD}/redkeep.conf`,
  },
  {
    name: "a drop-in, loaded",
    meanwhile: `printf '[Service]\\nUMask=0022\\n' >${UNITD}/site.conf; systemctl daemon-reload`,
    names: "DropInPaths",
  },
  {
    name: "a drop-in, not loaded",
    meanwhile: `printf '[Service]\\nUMask=0022\\n' >${UNITD}/site.conf`,
    names: "NeedDaemonReload",
  },
  {
    name: "another value in a drop-in",
    given: `printf '[Service]\\nUMask=0022\\n' >${UNITD}/site.conf; systemctl daemon-reload`,
    meanwhile: `printf '[Service]\\nUMask=0027\\n' >${UNITD}/site.conf; systemctl daemon-reload`,
    names: "UMask",
  },
  {
    name: "a unit file of the host's own",
    meanwhile: "cp /lib/systemd/system/redis-server.service /etc/systemd/system/; systemctl daemon-reload",
    names: "FragmentPath",
  },
  { name: "a firewall rule", meanwhile: "ufw allow 9999/tcp", names: "/etc/ufw/user.rules" },
  { name: "the firewall switched on", meanwhile: "ufw allow 22/tcp; ufw --force enable", names: "/etc/ufw/" },
  { name: "the firewall's policy", meanwhile: "ufw default reject incoming", names: "/etc/default/ufw" },
  {
    name: "the firewall without IPv6",
    meanwhile: "sed -i 's/^IPV6=.*/IPV6=no/' /etc/default/ufw",
    names: "/etc/default/ufw",
  },
  {
    name: "another port of sshd",
    meanwhile: "printf 'Port 22\\nPort 2222\\n' >/etc/ssh/sshd_config.d/ports.conf",
    names: "sshd's port",
  },
  {
    name: "another version",
    meanwhile: `mv /usr/bin/redis-server /usr/bin/redis-server.real; printf '#!/bin/sh\\nif [ "$1" = --version ]; then echo Redis server v=7.0.99; else exec /usr/bin/redis-server.real "$@"; fi\\n' >/usr/bin/redis-server; chmod 755 /usr/bin/redis-server`,
    names: "version",
  },
  {
    name: "Redis restarted",
    meanwhile: `systemctl restart redis-server; ${UP}`,
    names: "was restarted since",
  },
  { name: "Redis stopped", meanwhile: "systemctl stop redis-server", names: "does not answer" },
  {
    name: "Redis killed, and started by systemd",
    meanwhile: `kill -9 "$(systemctl show -p MainPID --value redis-server)"; ${UP}`,
    names: "was restarted since",
  },
  { name: "the host rebooted", meanwhile: (host) => host.restart(), names: "was restarted since" },
  {
    name: "CONFIG SET maxmemory",
    meanwhile: "cli CONFIG SET maxmemory 300mb",
    names: "maxmemory of the running server",
  },
  { name: "CONFIG SET save", meanwhile: "cli CONFIG SET save ''", names: "save of the running server" },
  {
    name: "CONFIG SET appendonly",
    // Redis writes its first AOF in the background: what that makes is nobody's change.
    meanwhile:
      "cli CONFIG SET appendonly yes; until [ \"$(cli INFO persistence | grep -c '^aof_rewrite_\\(in_progress\\|scheduled\\):0')\" = 2 ]; do sleep 0.1; done",
    names: "appendonly of the running server",
  },
  {
    name: "CONFIG SET bind",
    meanwhile: "cli CONFIG SET bind 127.0.0.1",
    names: "bind of the running server",
  },
  {
    name: "CONFIG SET requirepass",
    meanwhile: "cli CONFIG SET requirepass set-in-a-hurry",
    names: "does not answer the login",
  },
  {
    name: "CONFIG SET masterauth",
    meanwhile: "cli CONFIG SET masterauth set-in-a-hurry",
    names: "masterauth of the running server",
  },
  {
    name: "CONFIG REWRITE",
    meanwhile: "cli CONFIG SET maxclients 300; cli CONFIG REWRITE",
    names: "/etc/redis/redis.conf",
  },
  {
    name: "a new user",
    meanwhile: "cli ACL SETUSER ops on nopass '~*' +@all",
    names: "user ops of the running server",
  },
  {
    name: "a user with other rights",
    given: "cli ACL SETUSER ops on nopass '~*' +get",
    meanwhile: "cli ACL SETUSER ops +set",
    names: "user ops of the running server",
  },
  {
    name: "a user that goes",
    given: "cli ACL SETUSER ops on nopass '~*' +get",
    meanwhile: "cli ACL DELUSER ops",
    names: "user ops of the running server",
  },
  {
    name: "a primary becomes a replica",
    meanwhile: "cli REPLICAOF 192.0.2.1 6379",
    names: "role of the running server",
  },
  {
    name: "a replica becomes the primary",
    given: "cli REPLICAOF 192.0.2.1 6379",
    meanwhile: "cli REPLICAOF NO ONE",
    names: "role of the running server",
  },
  {
    name: "another primary",
    given: "cli REPLICAOF 192.0.2.1 6379",
    meanwhile: "cli REPLICAOF 192.0.2.2 6379",
    names: "master_host of the running server",
  },
];

/** On a hardened host, of which one setting is about to change without a restart. */
const HARDENED: readonly StaleCase[] = [
  {
    name: "a listed user's rights",
    meanwhile: "cli ACL SETUSER app '~*' +@all",
    names: "user app of the running server",
  },
  {
    name: "the administrator's password",
    meanwhile: "cli ACL SETUSER admin resetpass '>another-password'",
    names: "does not answer the login",
  },
  {
    name: "a line in the ACL file",
    meanwhile: "echo 'user x off' >>/etc/redis/users.acl",
    names: "/etc/redis/users.acl",
  },
  {
    name: "another certificate",
    meanwhile: "cp /etc/redis/tls/redkeep-ca.crt /etc/redis/tls/redkeep-server.crt",
    names: "/etc/redis/tls/redkeep-server.crt",
  },
  {
    name: "the mode of the key",
    meanwhile: "chmod 644 /etc/redis/tls/redkeep-server.key",
    names: "/etc/redis/tls/redkeep-server.key",
  },
  {
    name: "client certificates not asked for",
    meanwhile: "cli CONFIG SET tls-auth-clients no",
    names: "tls-auth-clients of the running server",
  },
  {
    name: "a run of somebody else",
    meanwhile: runWidest,
    names: "/etc/redis/redis.conf",
  },
  {
    name: "a rollback by somebody else",
    given: runWidest,
    meanwhile: async (_host, project) =>
      await redkeep(["rollback", "--yes", "-i", "inventory.yml"], {
        cwd: project.dir,
        env: { APP_PASSWORD: project.appPassword },
      }),
    names: "/etc/redis/redis.conf",
  },
];

/** A replica without its primary is refused before anything is asked, and so is a restart that ends a user of run time. */
const ACCEPTED = ["replication", "replica-rename", "replication-needs-tls", "memory-only-users"].flatMap(
  (guard) => ["--accept", guard],
);

export const STALE_CASES = STOCK.length + HARDENED.length;

interface Result {
  name: string;
  /** What the operator read. */
  told: string | undefined;
  problems: string[];
}

/** Runs cases one after another on one host, put back between them. */
async function runOn(
  cases: readonly StaleCase[],
  isHardened: boolean,
  log: (line: string) => void,
): Promise<Result[]> {
  // By its own address, which it keeps through a reboot where nobody else comes and goes.
  await using network = await startNetwork();
  await using host = await startHost({ network });
  using project = openProject(
    { "redis-01": host },
    { ansible_ssh_common_args: "-o UserKnownHostsFile=known" },
    { "redis-01": { ansible_host: host.ip, ansible_port: 22 } },
  );
  project.write("known", `${host.ip} ${host.hostKey}\n`);
  project.write("playbooks/run.yml", isHardened ? WIDER : harden);
  if (isHardened) await project.run("apply", "--yes");
  await onHost(
    host,
    `mkdir -p ${UNITD}; tar -cpf /root/etc.tar -C / etc/redis etc/ufw etc/default/ufw etc/systemd/system etc/ssh/sshd_config.d usr/bin/redis-server`,
  );
  const results: Result[] = [];
  for (const stale of cases) {
    const password = isHardened ? project.password("admin", host) : "";
    const shell = async (script: string) => await onHost(host, `${CLI}\n${script}`, `${password}\n`);
    await shell(`{ ${RESET}\n${isHardened ? "" : "ufw --force disable"}\n} >/dev/null 2>&1`);
    results.push(await runCase(stale, host, project, shell));
    log(JSON.stringify(results.at(-1)));
  }
  return results;
}

async function runCase(
  { name, given = ":", meanwhile, names }: StaleCase,
  host: LabHost,
  project: Project,
  shell: (script: string) => Promise<string>,
): Promise<Result> {
  const act = async (doing: Doing) =>
    typeof doing === "string" ? await shell(`{ ${doing}\n} >/dev/null 2>&1`) : await doing(host, project);
  const observed = async (): Promise<string> => {
    const files = await filesOf(host, { times: true });
    const running = await shell(
      "cli CONFIG GET '*'; cli ACL LIST; iptables-save | sed -e '/^#/d' -e 's/\\[.*//'",
    );
    // What redkeep keeps for itself holds the refused run.
    return [files.replace(/^\/var\/lib\/redkeep.*\n/gm, ""), await redisProcess(host), running].join("\n");
  };
  await act(given);
  let before = "";
  const { status, record, output } = await applyAsking(
    project,
    ["playbooks/run.yml", ...ACCEPTED],
    async () => {
      await act(meanwhile);
      before = await observed();
    },
  );
  const done = record.hosts[0];
  const told = done?.error?.found;
  const problems: string[] = [];
  if (before === "") problems.push(`it was not asked: ${output.slice(-300)}`);
  if (status !== 3 || done?.status !== "refused" || done.error?.where !== "stale plan")
    problems.push(`${done?.status}, exit status ${status}: ${done?.error?.where}`);
  if (!told?.includes(names)) problems.push(`it does not name ${names}: ${told}`);
  const after = await observed();
  if (after !== before) problems.push(`changed: ${difference(before, after)}`);
  const residue = await residueOf(host);
  if (residue !== "") problems.push(`left behind: ${residue}`);
  return { name, told, problems };
}

/** Back to where the host was, Redis and all; a reboot has lost nothing but its tmpfs. */
const RESET = `
  rm -rf /etc/redis /etc/ufw /etc/systemd/system/redis-server.service* /etc/ssh/sshd_config.d; tar -xpf /root/etc.tar -C /
  systemctl daemon-reload; systemctl reset-failed redis-server; systemctl restart redis-server
  ${UP}`;

/** \`cli\` for both kinds of host; the administrator's password comes on stdin. */
const CLI = `
  read -r password
  cli() {
    if [ "$1" = CONFIG ]; then shift; set -- "$(sed -n 's/^rename-command CONFIG //p' /etc/redis/redis.conf | tail -n 1 | tr -d '"' | grep . || echo CONFIG)" "$@"; fi
    if [ -n "$password" ]; then REDISCLI_AUTH=$password redis-cli -s /run/redis/redis.sock --user admin "$@"; else redis-cli "$@"; fi
  }`;

function difference(before: string, after: string): string {
  const [old, now] = [before.split("\n"), after.split("\n")];
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `-${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+${line}`),
  ]
    .slice(0, 6)
    .join(" ");
}

/** Cases by name; all without one. */
export async function runStale(
  log: (line: string) => void,
  isWanted: (name: string, index: number) => boolean,
): Promise<Result[]> {
  const wanted = (cases: readonly StaleCase[], from: number) =>
    cases.filter(({ name }, index) => isWanted(name, from + index));
  const both = [
    { cases: wanted(STOCK, 0), isHardened: false },
    { cases: wanted(HARDENED, STOCK.length), isHardened: true },
  ].filter(({ cases }) => cases.length > 0);
  return (await Promise.all(both.map(({ cases, isHardened }) => runOn(cases, isHardened, log)))).flat();
}

export const figure: Figure = {
  name: "stale",
  title: "A host that changes between plan and yes is refused, by the name of what changed, and not touched",
  target: "50 of 50",
  async run({ count = STALE_CASES, log }) {
    // A short run takes them from all over the list.
    const results = await runStale(
      log,
      (_name, index) =>
        Math.floor((index * count) / STALE_CASES) !== Math.floor(((index - 1) * count) / STALE_CASES),
    );
    const bad = results.filter(({ problems }) => problems.length > 0);
    return {
      measured: `${results.length - bad.length} of ${results.length}`,
      ok: bad.length === 0,
      problems: bad.flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`)),
      details: results,
    };
  },
};
