import { describe, expect, it } from "vitest";
import { type LabHost, redkeep, startHost } from "./support/lab.ts";
import { asSoonAs, onHost } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

/** Two names of a folder change places in one step, as often as the machine can: `exchange("a", "b")`. */
const EXCHANGE = `import ctypes, glob, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def exchange(a, b): libc.renameat2(-100, a.encode(), -100, b.encode(), 2)
def attempt(action, *words):
    try: action(*words)
    except OSError: pass
def await_name(pattern):
    while not glob.glob(pattern): time.sleep(0.001)
# A transaction of redkeep's shows in /run.
await_name("/run/redkeep-*")
`;

/** A program of the service user's own, outside of its unit, until it is stopped. */
async function attack(host: LabHost, python: string): Promise<AsyncDisposable> {
  await host.writeFile("/tmp/attack.py", EXCHANGE + python, "0644");
  await onHost(
    host,
    "systemd-run -q --unit=attack --uid=redis --gid=redis --setenv=PYTHONDONTWRITEBYTECODE=1 python3 /tmp/attack.py",
  );
  return {
    [Symbol.asyncDispose]: async () => {
      await onHost(host, "systemctl stop attack 2>/dev/null; true");
    },
  };
}

/**
 * What is not Redis' and not of the plan: kind, owner, mode and links of all of it, and the content of what counts most. A
 * link in Redis' own folders does not count: what the service user puts under a name there goes when redkeep replaces the name.
 */
const others = (host: LabHost) =>
  onHost(
    host,
    `find /etc/redis /var/lib/redis -links +1 -type f -printf '%i\\n' >/tmp/in-redis-own
     find /etc /root /usr/local /var/log /var/lib /home -xdev \\( -path /etc/redis -o -path /etc/ufw -o -path /etc/systemd/system \\
       -o -path /var/lib/redis -o -path /var/log/redis -o -path /var/lib/redkeep -o -path /var/log/journal -o -path /var/lib/systemd \\) -prune \\
       -o ! -path /etc/default/ufw ! -path /etc/default ! -path /etc -printf '%i %n %p %y %u:%g %m\\n' |
       awk 'FILENAME != "-" { within[$1]++; next } { $2 -= within[$1]; $1 = ""; print }' /tmp/in-redis-own - | sort
     stat -c '%n %U:%G %a' /etc /etc/default; sha256sum /etc/shadow /etc/passwd`,
  );

const AOF = `redis-cli CONFIG SET appendonly yes >/dev/null; redis-cli SET app:1 kept >/dev/null
  until redis-cli INFO persistence | grep -q aof_rewrite_in_progress:0; do :; done; redis-cli CONFIG REWRITE >/dev/null`;

const asRedis = (script: string) => `setpriv --reuid=redis --regid=redis --clear-groups sh -c '${script}'`;

interface Race {
  what: string;
  /** Stands there before. Shell, as root. */
  plant: string;
  /** What the service user does meanwhile. Python. */
  race: string;
  /** What happens beside a first apply: it is killed in the restart, or taken back when it is done. */
  also?: "kill" | "rollback";
}

const LINKED_AOF = {
  plant: `${AOF}; ${asRedis(`cd /var/lib/redis; ln -s /etc evil; cd appendonlydir
    for name in shadow passwd gshadow; do echo x >$name; chmod 666 $name; done`)}`,
  race: `os.chdir("/var/lib/redis")
while True: exchange("appendonlydir", "evil")`,
};
const LINKED_TLS = {
  plant: asRedis("cd /etc/redis; mkdir tls; ln -s /etc evil"),
  // What was planned is looked at once more before this name comes: from then on folders are changed.
  race: `os.chdir("/etc/redis"); await_name(".redkeep.*")
while True: attempt(exchange, "tls", "evil")`,
};

const RACES: readonly Race[] = [
  { what: "an apply, the folder of the AOF becomes a link to /etc and back", ...LINKED_AOF },
  {
    what: "an apply that is killed, the folder of the AOF becomes a link to /etc and back",
    ...LINKED_AOF,
    also: "kill",
  },
  {
    what: "a rollback, the folder of the AOF becomes a link to /etc and back",
    ...LINKED_AOF,
    also: "rollback",
  },
  { what: "an apply, the folder of the certificates becomes a link to /etc and back", ...LINKED_TLS },
  {
    what: "an apply that is killed, the folder of the certificates becomes a link to /etc",
    ...LINKED_TLS,
    also: "kill",
  },
  {
    what: "an apply, redis.conf becomes a FIFO and back",
    plant: asRedis("mkfifo /etc/redis/evil"),
    race: `os.chdir("/etc/redis")
while True: attempt(exchange, "redis.conf", "evil"); time.sleep(0.002)`,
  },
  {
    what: "an apply, redis.conf and the dump become second names of others' files",
    plant:
      "ln /etc/shadow /etc/redis/evil; ln /etc/gshadow /var/lib/redis/evil; redis-cli SET app:1 kept; redis-cli SAVE",
    race: `while True:
  attempt(exchange, "/etc/redis/redis.conf", "/etc/redis/evil"); attempt(exchange, "/var/lib/redis/dump.rdb", "/var/lib/redis/evil")`,
  },
  {
    what: "an apply, each temporary file and folder of redkeep's becomes a link to others'",
    plant: "redis-cli SET app:1 kept",
    race: `while True:
  for folder, target in (("/etc/redis", "/etc/shadow"), ("/var/lib/redis", "/etc")):
    for name in os.listdir(folder):
      if name.startswith(".redkeep"):
        attempt(os.rename, folder + "/" + name, folder + "/gone"); attempt(os.symlink, target, folder + "/" + name)`,
  },
];

/**
 * Kills a transaction. Where its own way back is killed with it, the turn of the timer comes, minutes after it was armed: here it comes
 * once nothing else is under way.
 */
const KILL = `systemctl kill -s KILL 'redkeep-apply-*'
  while systemctl list-units --plain --no-legend 'redkeep-apply-*' | grep -q .; do sleep 0.1; done
  systemctl start --no-block --all 'redkeep-cap-*.service'`;

/** An apply, and what follows it, while the service user races it. */
async function harden(host: LabHost, project: Project, { race, also }: Race): Promise<void> {
  if (also === "rollback") await project.run("apply", "--yes");
  await using _ = await attack(host, race);
  if (also === "rollback") {
    await redkeep(["rollback", "--yes", "-i", "inventory.yml"], {
      cwd: project.dir,
      env: { APP_PASSWORD: project.appPassword },
    });
    return;
  }
  const killed =
    also === "kill"
      ? asSoonAs(host, "grep -qs -e ' restart ' -e ' fail ' /var/lib/redkeep/txn/*/journal", KILL)
      : undefined;
  await project.run("apply", "--yes");
  await killed;
}

const SLOW = 300_000;

describe("no file of others changes where the service user swaps files during a run", () => {
  it.each(RACES)("$what", { timeout: SLOW }, async (race) => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, race.plant);
    const before = await others(host);
    await harden(host, project, race);
    expect(await others(host)).toBe(before);
    // No timer, no unit and no waiting transaction stays, however it ended.
    await expect
      .poll(() => onHost(host, "ls -d /run/redkeep* /var/lib/redkeep/pending 2>/dev/null; true"), {
        timeout: 90_000,
      })
      .toBe("");
  });
});

describe("a name that the service user gives a file", () => {
  it("reaches no list of redkeep's where it holds line breaks", { timeout: SLOW }, async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, AOF);
    await onHost(
      host,
      `setpriv --reuid=redis --regid=redis --clear-groups python3 -c '
import os
for folder in ("/var/lib/redis/", "/var/lib/redis/appendonlydir/"):
    for name in ("x.rdb\\nshadow redis:redis 666\\n.aof", "\\n00666 .rdb", "-rf\\n.aof", "-rf"):
        os.close(os.open(folder + name, os.O_CREAT | os.O_WRONLY, 0o666))'`,
    );
    const before = await others(host);
    await project.run("apply", "--yes");
    expect(await others(host)).toBe(before);
  });

  it("as the name of Redis' log changes no owner of that file", { timeout: SLOW }, async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    // Debian's unit may write to /var/log/redis alone.
    await onHost(
      host,
      `echo x >/var/log/others.log; chmod 666 /var/log/others.log; sed -i 's|^logfile .*|logfile /var/log/others.log|' /etc/redis/redis.conf
       mkdir /etc/systemd/system/redis-server.service.d; cd /etc/systemd/system/redis-server.service.d
       printf '[Service]\\nReadWritePaths=/var/log\\n' >log.conf; systemctl daemon-reload; systemctl restart redis-server`,
    );
    const before = await others(host);
    await project.run("apply", "--yes");
    expect(await onHost(host, "stat -c '%U:%G %a' /var/log/others.log")).toBe("root:root 666");
    expect(await others(host)).toBe(before);
  });
});
