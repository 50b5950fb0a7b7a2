/**
 * What can go wrong with a change on a production host, 118 ways, each with the tests and figures that hold it in check.
 * `npm run catalogue` writes it down as README.md beside this file.
 */
export interface FaultRow {
  /** A letter for the place where it breaks, and a number. */
  id: string;
  breaks: string;
  /** Part of the first gate: proved, or said why not, before a release. */
  gate: boolean;
  proof: readonly Proof[];
  /** What is not proved, and why; undefined where nothing is left. */
  open?: string;
}

export interface Proof {
  /** From the repository's root. */
  file: string;
  /** Of a test, a figure or a case, as it stands in the file. */
  title: string;
}

export const GROUPS: Readonly<Record<string, string>> = {
  A: "The laptop and the connection",
  B: "The host around Redis",
  C: "Settings of Redis",
  D: "Replicas, Sentinel, cluster and clients",
  E: "Firewall and SSH",
  F: "Two runs, old plans, runs again",
  G: "Hostile inventories and playbooks",
  H: "Hostile hosts",
  I: "Secrets",
  J: "Fleets",
};

const GATE = new Set([
  ...ids("A", 1, 6),
  ...ids("B", 1, 3),
  "B7",
  ...ids("C", 1, 18),
  ...ids("C", 21, 22),
  ...ids("D", 1, 4),
  ...ids("E", 1, 4),
  ...ids("F", 1, 9),
  ...ids("G", 1, 6),
  ...ids("H", 1, 5),
  "H8",
  ...ids("H", 11, 12),
  ...ids("I", 1, 5),
  ...ids("J", 1, 4),
]);

function ids(letter: string, from: number, to: number): string[] {
  return Array.from({ length: to - from + 1 }, (_, index) => `${letter}${from + index}`);
}

/** Titles by file. */
type Titles = Record<string, readonly string[]>;

function row(id: string, breaks: string, titles: Titles, open?: string): FaultRow {
  const proof = Object.entries(titles).flatMap(([file, list]) => list.map((title) => ({ file, title })));
  return { id, breaks, gate: GATE.has(id), proof, ...(open === undefined ? {} : { open }) };
}

const SWEEP = "measure/faults/report.ts";
const ENVIRONMENT = "test/integration/environment.test.ts";
const AROUND: Titles = {
  "measure/faults/figures/environment.ts": [
    "Disks that fill up, clocks that jump, a dead jump host, a killed Redis: a host is as before or as planned",
  ],
};
const TRAPS = "test/integration/traps.test.ts";
const TRANSACTION = "test/integration/transaction.test.ts";
const FAILURE = "test/integration/failure.test.ts";
const UNUSUAL = "test/integration/unusual.test.ts";
const PERSISTENCE = "test/integration/persistence.test.ts";
const LIVE = "test/integration/live.test.ts";
const TOPOLOGY = "test/integration/topology.test.ts";
const LOCKOUTS = "test/integration/lockouts.test.ts";
const HOSTILE_HOSTS = "test/run/hostile-hosts.test.ts";
const HOSTILE = "test/measure/faults/hostile/hostile.test.ts";
const HOSTILE_INPUT = "hostile input is refused with its place or taken literally, and never executed";
const SECRETS = "test/integration/secrets.test.ts";
const FLEET = "test/fleet/fleet.test.ts";
const SSH = "test/connection/ssh.test.ts";

export const CATALOGUE: readonly FaultRow[] = [
  row("A1", "The controller is killed, at each line of the transaction's journal", {
    [SWEEP]: ["SIGKILL of redkeep on the laptop"],
    [TRANSACTION]: ["by a power cut, with the controller dead, is rolled back before Redis starts"],
  }),
  row("A2", "Ctrl-C once and twice, SIGTERM, a closed terminal", {
    [SWEEP]: ["Ctrl-C twice"],
    [FAILURE]: ["an interruption lets hosts in progress come to their end, and the record says so"],
    [ENVIRONMENT]: [
      "a closed terminal ends it as Ctrl-C does: hosts in progress are finished, no other is begun, and the record is written",
    ],
    "test/cli/main.test.ts": ["are 130 soon after Ctrl-C, although a host never answers"],
  }),
  row("A3", "The connection is reset in the middle of a change", {
    [SWEEP]: ["SSH connection reset"],
    [FAILURE]: ["a connection lost during apply does not stop the host, and its true end is reported"],
  }),
  row("A4", "Packets vanish without a word", {
    [SWEEP]: ["SSH connection falls silent", "nothing gets to the host, nor from it"],
    "test/integration/connection.test.ts": [
      "a host that no longer answers is noticed before a script's 45 seconds are over",
    ],
  }),
  row("A5", "The link dies while a change is being confirmed", {
    "measure/faults/figures/labels.ts": ["What redkeep says is what happened: the link cut at the commit"],
    "test/measure/faults/labels.test.ts": ["where the connection is cut during the commit"],
    [TRANSACTION]: ["is asked again where the answer to the confirmation is lost"],
  }),
  row("A6", "An exit status that never comes, a signal, a channel closed too early", {
    "measure/faults/figures/labels.ts": ["channels that end without a word"],
    "test/measure/faults/labels.test.ts": ["where a channel ends by a signal, early, or without a word"],
    [SSH]: ["whose exit status never came is unknown, not a success"],
  }),
  row("A7", "Login files that print, shells that are none or others", {
    "test/integration/connection.test.ts": [
      "the output of a login file does not get into the facts",
      "a user without a login shell gets an error that says so",
    ],
    "test/connection/bootstrap.test.ts": ["means the same to sh, fish and csh"],
    [SSH]: ["does not see what login files print"],
  }),
  row("A8", "The laptop sleeps through the time for the confirmation", {
    [ENVIRONMENT]: [
      "a controller that sleeps through the confirm window reads what the host did, and repeats nothing",
    ],
  }),
  row("A9", "The controller's own disk is full", {
    [ENVIRONMENT]: ["a controller whose disk is full touches no host"],
    "test/cli/main.test.ts": ["apply changes no host where the record of the run cannot be kept"],
  }),
  row("A10", "A shared SSH connection hides that nobody else gets in", {
    "measure/faults/features.ts": ["the new connection before a change is kept"],
    "measure/faults/figures/lockouts.ts": [
      "Nobody is locked out: a new SSH login works from everywhere it should",
    ],
  }),
  row(
    "A11",
    "sshd or fail2ban turns away too many logins at once",
    {
      "measure/faults/figures/lockouts.ts": ["MaxStartups 2:100:4"],
      [SSH]: ["is tried again where the server had no room for it", "is not tried again after a refusal"],
    },
    "fail2ban itself is not in the lab",
  ),
  row("A12", "The jump host dies during a run", {
    ...AROUND,
    [SSH]: ["end the connections of the hosts behind them when they go away"],
  }),

  row("B1", "Power cut or reboot, at each line of the journal", {
    [SWEEP]: ["the host stops at once, and boots", "power cut of the host: nothing more gets to its disk"],
    [TRANSACTION]: ["by a power cut, with the controller dead, is rolled back before Redis starts"],
  }),
  row("B2", "Disks without room: for data, /etc or redkeep's own folder, before and in the middle", {
    ...AROUND,
    [ENVIRONMENT]: [
      "is refused with each file system that lacks room for bytes or files",
      "a file system that fills up at any moment leaves the host as it was, and no file cut short",
      "is refused before a save that would fail, and goes on serving writes",
    ],
    [TRANSACTION]: ["without room for the transaction is refused with that reason, and not touched"],
  }),
  row("B3", "Read-only mounts, immutable files, no inodes left", {
    [ENVIRONMENT]: [
      "is refused with every place that is read-only, immutable or a mount of its own",
      "is refused with each file system that lacks room for bytes or files",
    ],
  }),
  row("B4", "A configuration file that is a bind mount or a symbolic link", {
    [ENVIRONMENT]: [
      "is refused with every place that is read-only, immutable or a mount of its own",
      "makes redkeep neither follow a link nor wait for a pipe in the place of a file",
    ],
    [TRANSACTION]: ["where a file cannot be replaced is reported with the reason"],
  }),
  row("B5", "Nothing may be run from /tmp or /var; no bash; no redis-cli", {
    [ENVIRONMENT]: [
      "with noexec /tmp and /var, without bash, with odd owners and access lists, is hardened and closed",
      "is refused with what to install where redis-cli or systemd-run is missing",
    ],
    "test/transaction/transaction.test.ts": ["parses in this shell"],
  }),
  row("B6", "No systemd, or no systemd-run", {
    [ENVIRONMENT]: [
      "without systemd at work is refused, and not touched",
      "is refused with what to install where redis-cli or systemd-run is missing",
    ],
  }),
  row("B7", "sudo with a wrong password, a lecture, a terminal it wants, another language, no prompt", {
    [ENVIRONMENT]: [
      "whose sudo asks for something else gets an error after one try, whatever the number of hosts",
    ],
    "test/integration/connection.test.ts": [
      "sudo is understood with its lecture, in another language and with a terminal of its own",
      "a wrong become password is one failed attempt, and the script does not run",
    ],
    [SSH]: [
      "shows a wrong one to at most two machines, since a directory may lock all accounts together",
      "does not hang where sudo waits for something else",
    ],
  }),
  row(
    "B8",
    "A host whose clock is wrong, or jumps",
    { ...AROUND, [TRAPS]: ["is judged by the host's clock, and a wrong clock is reported"] },
    "a container has the clock of its machine: only what redkeep's programs read of it was changed. A wrong clock is told where it spoils a certificate, and is no warning of its own",
  ),
  row("B9", "A command that hangs: a pipe in the place of a file, a lock that nobody lets go", {
    [ENVIRONMENT]: [
      "makes redkeep neither follow a link nor wait for a pipe in the place of a file",
      "is left alone at once where somebody holds its lock and does not release it",
    ],
    "measure/faults/features.ts": ["the timer over the whole change"],
  }),
  row(
    "B10",
    "A host with hardly any processor, or far away",
    AROUND,
    "a fifth of one processor, not a twentieth; a line with two seconds there and back is not to be had in the lab",
  ),
  row("B11", "The kernel kills Redis or the transaction for want of memory", {
    ...AROUND,
    [SWEEP]: ["SIGKILL of the transaction on the host"],
    [FAILURE]: ["a new server that dies right after its start is put back too"],
    [TRANSACTION]: ["right after its pending link was set leaves no link behind"],
  }),
  row("B12", "Somebody else restarts Redis meanwhile", {
    [TRANSACTION]: [
      "where someone restarts Redis meanwhile is rolled back, and runs with its old configuration again",
    ],
  }),
  row("B13", "An administrator edits a file before the change is confirmed", {
    "measure/faults/features.ts": ["the look for edits before a rollback"],
    [TRANSACTION]: [
      "where Redis is down and someone edited a file gets all but that file back, and Redis starts",
    ],
    "test/integration/rollback.test.ts": [
      "refuses a host that somebody has changed since, and touches nothing",
    ],
  }),
  row(
    "B14",
    "A sandbox that keeps Redis from its new files",
    {
      ...AROUND,
      [TRAPS]: ["is stopped by the candidate, in the same sandbox as the service"],
      "test/integration/service-user.test.ts": [
        "a socket outside the unit's writable paths works after apply, and an earlier failure rolls nothing back",
      ],
      [LIVE]: ["a data directory of the operator's own stays writable in the tighter sandbox"],
    },
    "the candidate reads copies, so a wall around the very folder of the new files (InaccessiblePaths) shows at the restart only, which is put back; AppArmor and SELinux are not in the lab",
  ),
  row("B15", "Odd owners, and rights that stand beside the mode", {
    [ENVIRONMENT]: [
      "with noexec /tmp and /var, without bash, with odd owners and access lists, is hardened and closed",
    ],
    "test/transaction/transaction.test.ts": [
      "puts content, owner and mode in place in one step, and leaves no temporary file",
    ],
  }),

  row("C1", "A setting that this version does not know", {
    [TRAPS]: [
      "is refused with each reason: an absent address, a taken port, too little memory, wrong users, an unknown setting",
    ],
    [FAILURE]: ["a configuration that Redis refuses is found by the scratch server, before any change"],
    "test/plan/build-plan.test.ts": [
      "trap 13: is refused by name where the server does not know it and would not start with it",
    ],
  }),
  row("C2", "An ACL file that Redis does not load", {
    [TRAPS]: [
      "is refused with each reason: an absent address, a taken port, too little memory, wrong users, an unknown setting",
    ],
    "test/redis/parse-acl.test.ts": ["names each line that stops Redis from starting"],
    "test/redis/acl-user.test.ts": ["leaves out channels for Redis 6.0, where they are a syntax error"],
    "test/tasks/acl.test.ts": ["refuses a rule that this server does not know, and suggests the nearest"],
  }),
  row("C3", "Users both in redis.conf and in an ACL file", {
    [UNUSUAL]: [
      "requirepass and inline users give way to the ACL file, and nobody else can read their passwords",
    ],
  }),
  row("C4", "An ACL file that drops requirepass and opens the server", {
    "test/integration/harden.test.ts": [
      "is refused without a password",
      "refuses a client without a login on the Unix socket",
    ],
    "test/tasks/acl.test.ts": ["fails the check, and so does a file without a default line"],
  }),
  row("C5", "Protected mode that turns the application away", {
    [LIVE]: ["a remote client without TLS is asked for a login, not turned away by protected mode"],
    "test/integration/harden.test.ts": ["works over TLS with its certificate and password"],
  }),
  row("C6", "Included files: missing, read in another order, overruled by what CONFIG REWRITE wrote", {
    [TRAPS]: ["is refused where redis.conf names a file that is not there"],
    [UNUSUAL]: [
      "an include that renames a command and has save points keeps both, and each rename stands once",
      "CRLF, tabs, upper case and duplicates are read as Redis reads them, and the operator's own lines stay",
    ],
    "test/integration/idempotence.test.ts": ["is hardened once, and then left alone"],
  }),
  row("C7", "An address to listen on that is wrong, or not there yet at boot", {
    ...AROUND,
    [TRAPS]: [
      "is refused with each reason: an absent address, a taken port, too little memory, wrong users, an unknown setting",
    ],
    "test/integration/idempotence.test.ts": [
      "is still hardened after %s, with its keys, and needs no change",
    ],
    "test/tasks/bind.test.ts": [
      "waits at boot for an address that may come late, and restarts nothing for it",
    ],
  }),
  row("C8", "A port that is taken, or below 1024", {
    [TRAPS]: [
      "is refused with each reason: an absent address, a taken port, too little memory, wrong users, an unknown setting",
    ],
    "test/tasks/tls.test.ts": [
      "refuses a port that another service has",
      "refuses a port that only root may open, unless the unit may",
    ],
  }),
  row("C9", "Certificates that Redis starts with and clients would not take", {
    [TRAPS]: [
      "that clients would not accept is refused before the change, with the reason",
      "is judged by the host's clock, and a wrong clock is reported",
      "that is unreadable, or has another key, ends the run before any host is touched",
      "that clients accept is served",
    ],
    "test/pki/certificate.test.ts": ["is nothing where the certificate is right"],
  }),
  row("C10", "A Redis that was built without TLS", {
    [TRAPS]: ["is refused with that reason, and goes on as it was"],
  }),
  row("C11", "Commands that are renamed and still needed: by the AOF, Sentinel, replicas, clients", {
    [PERSISTENCE]: [
      "a FLUSHALL in the AOF does not stop a start after FLUSHALL was disabled",
      "a client that sends FLUSHDB again and again does not stop the start",
    ],
    [TOPOLOGY]: [
      "are refused by name where the guide would cut off replica, Sentinel or failover, and nothing is changed",
    ],
    "test/tasks/rename-command.test.ts": [
      "refuses on a host that a Sentinel watches, and names what it needs",
      "is a reason to refuse where its last rewrite failed",
    ],
    "test/plan/impact.test.ts": ["lists a command that is taken away, with its count since Redis started"],
  }),
  row("C12", "A memory limit below what is in use", {
    [TRAPS]: [
      "is refused with each reason: an absent address, a taken port, too little memory, wrong users, an unknown setting",
    ],
    "measure/faults/features.ts": ["the guard maxmemory-below-used"],
    "test/tasks/limits.test.ts": ["is refused for a policy that evicts, on a store that is no cache"],
  }),
  row("C13", "An AOF that is switched on in the file alone", {
    [PERSISTENCE]: ["keeps 10 000 keys on the way to %s", "survive the way back to %s"],
  }),
  row("C14", "Persistence switched off, or its files and folder named anew", {
    [PERSISTENCE]: [
      "survive the change to none in a run that restarts, and no stale dump remains",
      "does not load an old dump at a later start",
    ],
    [TRAPS]: ["is refused where the next start would load something else, and each setting is named"],
    "test/plan/restart.test.ts": ["trap 8: what the next start loads must be what runs now"],
  }),
  row("C15", "A running server that differs from its file before anything begins", {
    [TRAPS]: ["is refused where the next start would load something else, and each setting is named"],
    [PERSISTENCE]: ["are not put at risk where redis.conf and the running server differ"],
    "measure/faults/features.ts": ["the guard persistence-differs"],
  }),
  row("C16", "A restart during a snapshot, a rewrite of the AOF, or loading", {
    [TRAPS]: ["is refused while a save is in progress"],
    [LIVE]: ["C16: a save in progress is waited for, before and after the plan, and no key is lost"],
    [TRANSACTION]: ["that rewrites its AOF meanwhile is hardened all the same"],
  }),
  row("C17", "A server that cannot save, and so would never stop", {
    [ENVIRONMENT]: ["is refused before a save that would fail, and goes on serving writes"],
    [TRANSACTION]: ["is not asked to stop a server that cannot save, whose stop would never end"],
    "test/plan/restart.test.ts": [
      "trap 23: a server that cannot save would hang while it stops",
      "trap 24: a stop timeout that would kill the server in the middle of its save",
    ],
  }),
  row(
    "C18",
    "A snapshot that fails and so stops every write",
    {
      [ENVIRONMENT]: ["is refused before a save that would fail, and goes on serving writes"],
      "test/plan/restart.test.ts": ["Redis must be able to save its keys"],
    },
    "what can be seen before is refused; where the data folder closes between the plan and the snapshot, writes stay refused until Redis can save again",
  ),
  row("C19", "A start that takes longer than systemd waits", {
    [LIVE]: ["C19: a start longer than systemd's timeout gets the time for it, and does not loop"],
    "test/plan/restart.test.ts": ["trap 25: a load that takes longer than systemd waits"],
  }),
  row(
    "C20",
    "A replica of Redis 6.0 that is ready only after its first synchronisation",
    {},
    "no Redis 6.0 is in the lab's default image",
  ),
  row("C21", "ACL LOAD that ends every session", {
    [LIVE]: ["trap 27: serves ten clients without an error through a run that needs no restart"],
    "measure/faults/figures/live.ts": ["A change that needs no restart: what clients at 10 ms notice"],
    "test/plan/build-plan.test.ts": [
      "change in one command, so that no client sees half a user, and without a restart",
    ],
  }),
  row("C22", "CONFIG REWRITE that loosens modes and replaces links", {
    "test/integration/idempotence.test.ts": ["is hardened once, and then left alone"],
    [SECRETS]: [
      "are at no moment in redkeep's output, a record, a process list, a log or a file that others may read",
    ],
  }),
  row("C23", "A drop-in that systemd does not take, or a sandbox that is too tight", {
    [TRAPS]: ["is stopped by the candidate, in the same sandbox as the service"],
    "test/transaction/compile.test.ts": ["runs in the sandbox that the unit will have"],
  }),
  row(
    "C24",
    "Limits that cannot be set here",
    {
      "test/tasks/limits.test.ts": [
        "are raised to nofile, and a higher limit stays",
        "fail the check where the process has too few for its clients",
      ],
    },
    "kernel settings (overcommit, THP, somaxconn) are not among the tasks",
  ),

  row("D1", "A primary that writes nothing to disk is restarted, and empties its replicas", {
    [TOPOLOGY]: ["D1: are not restarted unasked where the primary writes nothing to disk, and lose no key"],
  }),
  row("D2", "Sentinel promotes a replica during the restart", {
    [TOPOLOGY]: [
      "D2, D3, D10: still fail over through their Sentinels, and the next run leaves the roles alone",
    ],
  }),
  row("D3", "A failover after the plan", {
    [TOPOLOGY]: ["D3: make the plan stale by a failover after it, and keep the roles of that failover"],
  }),
  row("D4", "A new password that replicas and Sentinel do not have yet", {
    [TOPOLOGY]: [
      "D4: are hardened once they are prepared, keep every write, and reconnect after a broken link",
    ],
    "test/tasks/acl.test.ts": ["are a reason to refuse a primary whose replicas have no user"],
  }),
  row("D5", "Two members of one group are changed at once", {
    "test/fleet/groups.test.ts": ["of many groups are all changed, never two of one group at once"],
    "test/integration/replication.test.ts": [
      "are restarted one after the other, the replica first, and are in step in between",
    ],
  }),
  row("D6", "Redis Cluster", { [TOPOLOGY]: ["D6: is refused by name, and its cluster goes on"] }),
  row(
    "D7",
    "Clients that still use the old port or password",
    {
      "test/plan/impact.test.ts": [
        "lists the clients that are connected as user default, counted by address and name",
      ],
    },
    "they are named with the plan; their connection is no reason to refuse",
  ),
  row(
    "D8",
    "An application that lacks commands it needs",
    {
      "test/plan/impact.test.ts": ["lists a command that is taken away, with its count since Redis started"],
      "test/integration/harden.test.ts": ["may not %s"],
    },
    "commands that were called are named where they are taken away; a user's own calls cannot be told from others'",
  ),
  row(
    "D9",
    "A replica that lags",
    {
      "test/fleet/groups.test.ts": ["wait until a restarted replica is in step again"],
    },
    "a slow network between them is not to be had in the lab",
  ),
  row("D10", "Sentinel on the same host, and a firewall that closes its port", {
    [TOPOLOGY]: [
      "D2, D3, D10: still fail over through their Sentinels, and the next run leaves the roles alone",
    ],
    "test/tasks/firewall.test.ts": ["include the cluster's bus, on which the server itself listens"],
  }),

  row("E1", "A firewall that goes on without a rule for SSH", {
    "measure/faults/figures/lockouts.ts": [
      "Nobody is locked out: a new SSH login works from everywhere it should",
    ],
    [LOCKOUTS]: ["a new SSH login works from everywhere it should"],
    "test/tasks/firewall.test.ts": [
      "refuses where nobody else would get in, and opens to others what is only closed to the peer",
    ],
  }),
  row("E2", "SSH on another port, behind NAT, over IPv6, from two places", {
    "measure/faults/figures/lockouts.ts": [
      "Nobody is locked out: a new SSH login works from everywhere it should",
    ],
    [UNUSUAL]: ["an sshd on another port stays reachable"],
    "test/tasks/firewall.test.ts": ["refuses where the session's own address is not known"],
  }),
  row("E3", "Rules in an order that undoes them", {
    "measure/faults/figures/reachability.ts": ["Who reaches a port is what the rules were read to say"],
    [LOCKOUTS]: ["firewall rules are read as the kernel applies them to 168 real connections"],
    "test/firewall/properties.test.ts": ["agrees with the lines that the kernel gets"],
  }),
  row("E4", "A session that lives on while nobody else gets in", {
    "measure/faults/features.ts": ["the new connection before a change is kept"],
    "measure/faults/figures/lockouts.ts": [
      "Nobody is locked out: a new SSH login works from everywhere it should",
    ],
  }),
  row("E5", "Other firewalls, and ports that go past ufw", {
    [LOCKOUTS]: [
      "a firewall that is switched on keeps connected clients, and the plan names what lets packets in past it",
    ],
    "test/firewall/foreign.test.ts": [
      "names each port that Docker publishes past ufw once, and none on loopback",
    ],
    "test/tasks/firewall.test.ts": ["refuses to switch ufw on over another firewall"],
    "measure/faults/figures/firewall.ts": [
      "What verify reads of whole rule sets, iptables' and nft's, is what packets meet",
    ],
    "test/integration/firewall.test.ts": ["RK-NET-04 where ufw's own rules are as wanted"],
  }),
  row("E6", "A change of rules that is cut off in the middle", {
    "measure/faults/figures/lockouts.ts": [
      "killed between the families",
      "what loads the rules killed ${delay} s into enable",
    ],
    [SWEEP]: ["SIGKILL of the transaction on the host"],
  }),
  row("E7", "A firewall that cuts clients off as it goes on", {
    [LOCKOUTS]: [
      "a firewall that is switched on keeps connected clients, and the plan names what lets packets in past it",
    ],
  }),
  row("E8", "A way back that is blocked itself", {
    "measure/faults/figures/lockouts.ts": ["xtables' lock held for ${seconds} s, ufw on"],
    [TRANSACTION]: ["is not reported as rolled back where its firewall could not be put back"],
  }),

  row("F1", "Two operators at once", {
    "measure/faults/figures/races.ts": ["Two runs at once on one host: exactly one wins, the other is told"],
    "test/integration/races.test.ts": [
      "is refused with the holder of the lock or as a stale plan, and changes nothing",
    ],
    [FAILURE]: ["of two applies at once one wins, and the other names it"],
    "measure/faults/features.ts": ["the lock"],
  }),
  row("F2", "A lock that a crash left behind", {
    [SWEEP]: ["SIGKILL of the transaction on the host"],
    [TRANSACTION]: ["right after its pending link was set leaves no link behind"],
  }),
  row("F3", "A lock that Redis inherits", {
    [TRANSACTION]: ["is asked again where the answer to the confirmation is lost"],
    "test/integration/rollback.test.ts": [
      "does not undo itself when run twice, and lets the next apply harden again",
    ],
  }),
  row("F4", "A host that has changed since it was looked at", {
    "measure/faults/figures/stale.ts": [
      "A host that changes between plan and yes is refused, by the name of what changed, and not touched",
    ],
    "test/integration/plans.test.ts": ["is refused with the name of what changed, and not touched"],
    [FAILURE]: ["a file that was edited between plan and change makes the plan stale, and keeps the edit"],
    "measure/faults/features.ts": ["the fingerprint of what the plan relied on"],
  }),
  row(
    "F5",
    "A plan from somewhere else",
    {
      "test/transaction/compile.test.ts": [
        "is signed as the host's own program signs it, for every kind of file",
      ],
      "test/transaction/transaction.test.ts": ["is not confirmed without the nonce"],
    },
    "plans are not kept in files: apply makes its own from what it has just seen",
  ),
  row("F6", "A second run", {
    "test/integration/plans.test.ts": ["drops no client, and opens no connection but its own"],
    "test/integration/harden.test.ts": [
      "are unchanged by a second apply, without a restart, in one connection and one round trip each",
    ],
  }),
  row("F7", "A run after one that was put back, or left half done", {
    "test/integration/rollback.test.ts": [
      "does not undo itself when run twice, and lets the next apply harden again",
    ],
    [SWEEP]: ["SIGKILL of the transaction on the host"],
  }),
  row("F8", "A plan that writes", {
    "test/integration/harden.test.ts": [
      "are left alone by plan, which says what would change and writes no state",
    ],
    "test/cli/main.test.ts": ["sends nothing that writes: the probe alone"],
  }),
  row("F9", "A plan that says something else than apply does", {
    "measure/faults/figures/plans.ts": [
      "Start states drawn at random: apply does what plan said, change by change, and nothing else",
    ],
    "test/integration/harden.test.ts": ["are changed by apply as plan said, and keep every key"],
  }),

  row("G1", "Host names that are options, commands, or no names", {
    [HOSTILE]: [HOSTILE_INPUT],
    [SSH]: ["is not taken for an option of ssh, whatever its name"],
  }),
  row("G2", "Shell syntax in any value", {
    [HOSTILE]: [HOSTILE_INPUT, "in inputs that are generated"],
    "test/transaction/hostile-values.test.ts": [
      "is refused or arrives as data, and in the ACL file only as a hash",
    ],
    "measure/faults/figures/hostile.ts": ["Hostile inputs are refused or taken literally"],
  }),
  row("G3", "Line breaks that would make a second directive or user", {
    [HOSTILE]: [HOSTILE_INPUT],
    "test/transaction/compile.test.ts": ["cannot add a second command"],
  }),
  row("G4", "Signs that systemd or ufw read in their own way", {
    [HOSTILE]: [HOSTILE_INPUT],
    "test/transaction/hostile-values.test.ts": ["a playbook's parameter as"],
  }),
  row("G5", "YAML tags", {
    [HOSTILE]: [HOSTILE_INPUT],
    "test/lib/yaml.test.ts": ["a YAML file is refused with the place of"],
  }),
  row("G6", "Keys that are names of JavaScript's own", {
    [HOSTILE]: [HOSTILE_INPUT],
    "test/lib/yaml.test.ts": ["keeps __proto__ an ordinary key"],
    "test/inventory/load-inventory.test.ts": ["may use names that JavaScript objects have of their own"],
  }),
  row("G7", "YAML bombs, huge and deep files", {
    [HOSTILE]: [HOSTILE_INPUT],
    "test/lib/yaml.test.ts": ["refuses more than 1 MiB"],
  }),
  row("G8", "Duplicate keys, and scalars that mean something else", {
    "test/lib/yaml.test.ts": ["every duplicate key at once", "a plain scalar reads as Ansible reads it"],
  }),
  row("G9", "Templates in values", {
    [HOSTILE]: [HOSTILE_INPUT],
    "test/lib/template.test.ts": ["keeps a value with template marks as it stands"],
  }),
  row(
    "G10",
    "Paths that lead out of the project",
    { [HOSTILE]: [HOSTILE_INPUT] },
    "secrets and variables may lie anywhere, as with Ansible: whoever writes the inventory may read what the operator can; files of the state and the reports are confined",
  ),
  row("G11", "Patterns that take for ever", {
    [HOSTILE]: [HOSTILE_INPUT],
    "test/inventory/host-pattern.test.ts": [
      "is matched in a time that its number of stars does not multiply",
    ],
  }),
  row("G12", "Values that are valid and dangerous", {
    "test/tasks/firewall.test.ts": ["refuses to open Redis to everyone"],
    "test/tasks/acl.test.ts": ["that are weak (%s) are refused by name, and fail where accepted"],
    "test/cli/main.test.ts": ["knows every guard that the source raises, and no other"],
  }),

  row("H1", "Output that steers the terminal", {
    [HOSTILE_HOSTS]: ["apply on a host that lies about its transaction"],
    "test/lib/printable.test.ts": ["shows %s instead of obeying it"],
  }),
  row("H2", "Output that a CI system obeys", {
    "test/lib/printable.test.ts": [
      "breaks the markers that CI systems obey anywhere in a line",
      "leaves no line that begins with a CI command",
    ],
    [HOSTILE_HOSTS]: ["apply on a host that lies about its transaction"],
  }),
  row("H3", "Output without end, or drop by drop", {
    [HOSTILE_HOSTS]: ["answers without end", "speaks without end before anything ran"],
    [SSH]: ["is given up when its output has no end"],
  }),
  row("H4", "Forged frames and facts of other kinds", {
    [HOSTILE_HOSTS]: ["may forge frames about itself with the run's word, and does nothing to others"],
    "test/facts/probe.test.ts": [
      "cannot be forged by a file that prints section lines without knowing the word of this run",
    ],
  }),
  row("H5", "File names that lead elsewhere", {
    [HOSTILE_HOSTS]: [
      "names of JavaScript's own",
      "may forge frames about itself with the run's word, and does nothing to others",
    ],
    "test/record/json.test.ts": [
      "names the path and leaves nothing behind where the record cannot be put in place",
    ],
  }),
  row(
    "H6",
    "Facts that are lies",
    {
      [HOSTILE_HOSTS]: ["says that it has confirmed itself", "makes a state up"],
      [FAILURE]: ["a host on which the changes do not hold is rolled back after verify"],
    },
    "a host that lies in all its answers alike is believed: nobody else is asked",
  ),
  row("H7", "One host that changes another's plan", {
    [HOSTILE_HOSTS]: ["may forge frames about itself with the run's word, and does nothing to others"],
  }),
  row("H8", "Host keys that are unknown, changed or revoked", {
    [SSH]: [
      "that is unknown stops the host before any login",
      "that has changed stops the host and names the line",
      "that is revoked stops the host",
    ],
    "test/integration/reach.test.ts": [
      "a host with another key than the known one is unreachable, and is sent nothing",
    ],
  }),
  row("H9", "A prompt that is not sudo's", { [SSH]: ["does not fall for a prompt that is not sudo's"] }),
  row(
    "H10",
    "An agent that is forwarded",
    { [HOSTILE]: [HOSTILE_INPUT] },
    "ssh2 forwards only where it is asked to, and redkeep never asks: nothing to inject",
  ),
  row("H11", "The service's own user plants links, hard links and pipes", {
    "test/transaction/transaction.test.ts": [
      "writes beside a link, never through it",
      "fails on a link that took the place of a file, and leaves its target unchanged",
    ],
    [ENVIRONMENT]: ["makes redkeep neither follow a link nor wait for a pipe in the place of a file"],
    "test/plan/build-plan.test.ts": ["that are %s are never written"],
  }),
  row("H12", "A Redis that was taken over works against redkeep with its user's rights", {
    "measure/faults/figures/hostile-service-user.ts": [
      "An attacker with the rights of user redis races plan, apply, rollback, recovery and verify",
    ],
    "test/integration/hostile-service-user.test.ts": [
      "a Redis that was taken over makes no other user act for it",
    ],
  }),

  row("I1", "Secrets in arguments, logs and unit names", {
    "measure/faults/figures/secrets.ts": [
      "Secret markers found in outputs, records, processes, files and logs",
    ],
    [SECRETS]: [
      "are at no moment in redkeep's output, a record, a process list, a log or a file that others may read",
    ],
  }),
  row("I2", "Secrets in the environment of what lives on", {
    "measure/faults/figures/secrets.ts": [
      "Secret markers found in outputs, records, processes, files and logs",
    ],
    [SECRETS]: [
      "are at no moment in redkeep's output, a record, a process list, a log or a file that others may read",
    ],
  }),
  row("I3", "Secrets in temporary files and backups", {
    [SECRETS]: ["are on the host only where they are used, and for rollback by root"],
    "test/transaction/compile.test.ts": [
      "writes everything into files that only root can read, before anything runs",
    ],
  }),
  row("I4", "Secrets in plans, diffs, records and errors, old values too", {
    [SECRETS]: [
      "are at no moment in redkeep's output, a record, a process list, a log or a file that others may read",
    ],
    "test/cli/main.test.ts": ["is reported as a bug, with its stack and without the secrets in it"],
  }),
  row("I5", "Secrets in other encodings, and in pieces", {
    [SECRETS]: ["are masked where a host prints them, in any encoding and in pieces"],
    "test/lib/secret.test.ts": ["masks the form %s", "shows no part of a secret, wherever it cuts"],
  }),
  row("I6", "Secrets that Redis itself shows: SLOWLOG, MONITOR, its log", {
    "test/tasks/acl.test.ts": ["writes the users of a stock host, hashed, one line for each"],
    [SECRETS]: ["are on the host only where they are used, and for rollback by root"],
  }),
  row("I7", "Secrets on the controller", {
    [SECRETS]: ["are readable on the controller by their owner alone"],
  }),
  row("I8", "Secrets too short to be hidden", {
    "test/tasks/acl.test.ts": ["that are weak (%s) are refused by name, and fail where accepted"],
    "test/lib/secret.test.ts": [
      "is masked in that host's words alone, unless it is a common word of redkeep's own texts",
    ],
  }),

  row("J1", "A bad change", {
    [FLEET]: ["ends with the canary: one host is touched and put back, the others are as they were"],
    "test/fleet/batches.test.ts": [
      "ends at the first failure with any_errors_fatal, and does not begin with a host that is down",
    ],
  }),
  row("J2", "A large fleet of which some are dead, slow, or somebody else", {
    [FLEET]: ["is changed save for that twentieth, and each host of it is named"],
  }),
  row("J3", "A failure in a later batch", {
    [FLEET]: ["lets what is under way come to its end and begins nothing more; every host is counted once"],
  }),
  row("J4", "Going on after a run that was ended", {
    [FLEET]: ["plans the unfinished hosts afresh, and asks nothing of a host that is done"],
  }),
  row(
    "J5",
    "A password that is new on half of the fleet",
    {
      [LIVE]: ["closes the sessions of an old password and lets clients in with the new one"],
    },
    "a rotation replaces a password at once: there is no time in which both are taken",
  ),
  row(
    "J6",
    "Errors that show minutes after a change was kept",
    {},
    "there is no time to wait between batches; the next batch begins when the last one is proved",
  ),
  row("J7", "A change far larger than anybody meant", {
    "test/fleet/blast-radius.test.ts": ["is refused, with what it would have restarted for and how to go on"],
  }),
  row("J8", "One machine under two names", {
    "test/integration/idempotence.test.ts": ["is changed once, and the other name refers to the first"],
  }),
];

/** The catalogue as a Markdown page. */
export function catalogueText(): string {
  const count = (rows: readonly FaultRow[]) =>
    `${rows.filter(({ proof, open }) => proof.length > 0 && open === undefined).length} of ${rows.length}`;
  const gate = CATALOGUE.filter((each) => each.gate);
  return `# What can go wrong, and what proves that it ends well

Made by \`npm run catalogue\` from \`catalogue.ts\`: do not edit it. A row has proof in tests that \`npm test\` runs and in
figures that \`npm run faults\` measures; what is left is said. Rows of the first gate are **bold**.

Proved whole: ${count(gate)} of the first gate, ${count(CATALOGUE)} in all.
${Object.entries(GROUPS)
  .map(
    ([letter, name]) => `
## ${letter}. ${name}

| | What breaks | Proof | Left |
| --- | --- | --- | --- |
${CATALOGUE.filter(({ id }) => id.startsWith(letter))
  .map(lineOf)
  .join("\n")}
`,
  )
  .join("")}`;
}

function lineOf({ id, breaks, gate, proof, open }: FaultRow): string {
  const proofs = proof.map(({ file, title }) => `${title} (\`${file}\`)`).join("<br>");
  const cells = [gate ? `**${id}**` : id, breaks, proofs, open ?? ""];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
