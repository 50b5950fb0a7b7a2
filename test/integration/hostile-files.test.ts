import { describe, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { asSoonAs, onHost, residueOf } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

/** Two names of a folder change places in one step, as often as the machine can: `exchange("a", "b")`. */
const EXCHANGE = `import ctypes, glob, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
def exchange(a, b): libc.renameat2(-100, a.encode(), -100, b.encode(), 2)
def attempt(action, *words):
    try: action(*words)
    except OSError: pass
# A transaction of redkeep's shows in /run.
while not glob.glob("/run/redkeep-*"): time.sleep(0.001)
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

/** What is not Redis' and not of the plan: kind, owner, mode and links of all of it, and the content of what counts most. */
const others = (host: LabHost) =>
  onHost(
    host,
    `find /etc /root /usr/local /var/log /var/lib /home -xdev \\( -path /etc/redis -o -path /etc/ufw -o -path /etc/systemd/system \\
       -o -path /var/lib/redis -o -path /var/log/redis -o -path /var/lib/redkeep -o -path /var/log/journal -o -path /var/lib/systemd \\) -prune \\
       -o ! -path /etc/default/ufw ! -path /etc/default ! -path /etc -printf '%p %y %u:%g %m %n\\n' | sort
     stat -c '%n %U:%G %a' /etc /etc/default; sha256sum /etc/shadow /etc/passwd`,
  );

const AOF = `redis-cli CONFIG SET appendonly yes >/dev/null; redis-cli SET app:1 kept >/dev/null
  until redis-cli INFO persistence | grep -q aof_rewrite_in_progress:0; do :; done; redis-cli CONFIG REWRITE >/dev/null`;

/** What the service user does while redkeep is at work, and what stands there before. */
const RACES: readonly { what: string; plant: string; race: string; rollBack?: true }[] = [
  {
    what: "the folder of the AOF becomes a link to /etc and back",
    plant: `${AOF}; setpriv --reuid=redis --regid=redis --clear-groups sh -c 'cd /var/lib/redis; ln -s /etc evil
      touch appendonlydir/shadow appendonlydir/passwd appendonlydir/gshadow; chmod 666 appendonlydir/shadow appendonlydir/passwd appendonlydir/gshadow'`,
    race: `os.chdir("/var/lib/redis")
while True: exchange("appendonlydir", "evil")`,
  },
];

/** An apply after which the service user's races have changed nothing of others. */
async function applyUnderAttack(host: LabHost, project: Project, race: string): Promise<string> {
  await using _ = await attack(host, race);
  const run = await project.run("apply", "--yes");
  return run.host("redis-01").status;
}

const SLOW = 300_000;

describe.concurrent("while the service user races it, an apply changes nothing of others:", () => {
  it.each(RACES)("$what", { timeout: SLOW }, async ({ plant, race }) => {
    const { expect } = await import("vitest");
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    await onHost(host, plant);
    const before = await others(host);
    await applyUnderAttack(host, project, race);
    expect(await others(host)).toBe(before);
  });
});
