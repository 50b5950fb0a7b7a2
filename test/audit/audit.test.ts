import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../src/facts/probe.ts";
import type { Sentinel } from "../../src/facts/sentinel.ts";
import { CONTROLS, type ControlId } from "../../src/verify/catalogue.ts";
import { sameUsersCheck } from "../../src/verify/same-users.ts";
import { audit, verdicts } from "../support/audit.ts";
import { editedFacts, factsOf, privateNetwork } from "../support/facts.ts";
import { confWith, type Differences, hostWith, NO_LOGIN } from "../support/host-facts.ts";
import { server } from "../support/run-task.ts";

const hardened = (differences: Differences = {}) => hostWith({ like: "hardened", ...differences });

const listener = (address: string, port: number, unit: string) => ({
  protocol: "tcp" as const,
  address,
  port,
  unit,
});
const SENTINEL = "redis-sentinel.service";
const sentinel = (parts: Partial<Sentinel> = {}): Sentinel => ({
  unit: SENTINEL,
  settings: [{ name: "monitor", value: "main 10.0.0.5 6379 1" }],
  reply: "PONG",
  watched: [{ name: "main", flags: "master", quorum: "OK 1 usable Sentinels." }],
  ...parts,
});
/** A hardened host on which a Sentinel listens. */
const besideSentinel = (address: string, parts: Partial<Sentinel> = {}, more: Differences = {}) => {
  const facts = hardened({ ...more, sentinels: [sentinel(parts)] });
  const listeners = [...facts.host.listeners, listener(address, 26379, SENTINEL)];
  return { ...facts, host: { ...facts.host, listeners } };
};
const kernel = {
  overcommit: 1,
  hugePages: "madvise",
  somaxconn: 4096,
  fips: false,
  corePattern: "core",
};
const replica: Differences = {
  info: { role: "slave", master_link_status: "up" },
  running: { masteruser: "repl", masterauth: "(set)", "tls-replication": "yes" },
  redis: {
    aclUsers: ["user default off -@all", `user repl on #${"0".repeat(64)} -@all +psync +replconf +ping`],
  },
};
const NO_TABLES = {
  4: { save: "", legacy: "", isLegacy: false },
  6: { save: "", legacy: "", isLegacy: false },
};
const like = (differences: Differences, running: Record<string, string>): Differences => ({
  ...differences,
  running: { ...differences.running, ...running },
});

/** For each control: what it is about, a host that passes, and one that fails, with what is said of it. */
const CASES: [
  control: ControlId,
  good: () => ReturnType<typeof hardened>,
  bad: () => ReturnType<typeof hardened>,
  found: RegExp,
][] = [
  [
    "RK-NET-05",
    () => besideSentinel("10.0.0.5"),
    () => besideSentinel("0.0.0.0", {}, { firewall: { tables: NO_TABLES } }),
    /everybody gets through to 26379/,
  ],
  [
    "RK-NET-07",
    () => withDocker("cache 127.0.0.1:6379->6379/tcp\nweb 0.0.0.0:80->80/tcp"),
    () => withDocker("cache 0.0.0.0:7000->6379/tcp, [::]:7000->6379/tcp"),
    /cache: 0\.0\.0\.0:7000 to its 6379/,
  ],
  ["RK-NET-09", hardened, () => hardened({ running: { "tcp-keepalive": "0" } }), /tcp-keepalive 0/],
  [
    "RK-NET-10",
    () => besideSentinel("10.0.0.5", { reply: "NOAUTH Authentication required." }),
    () => besideSentinel("10.0.0.5"),
    /answers everybody on 10\.0\.0\.5 port 26379/,
  ],
  [
    "RK-ACL-07",
    hardened,
    () =>
      hardened({
        redis: {
          aclUsers: ["user default off -@all", `user app on #${"0".repeat(64)} ~app:* -@all +@read +eval`],
        },
      }),
    /^fail: app may$/,
  ],
  [
    "RK-ACL-11",
    () => hardened(replica),
    () => hardened(like(replica, { masteruser: "" })),
    /no masteruser: the replica logs in as the default user/,
  ],
  [
    "RK-ACL-12",
    () => hardened({ redis: { clients: [sentinelClient("app-sentinel")] } }),
    () => factsOf("watched-by-sentinel"),
    /as default/,
  ],
  [
    "RK-ACL-14",
    hardened,
    () => hardened({ running: { "acl-pubsub-default": "allchannels" } }),
    /allchannels/,
  ],
  [
    "RK-ACL-15",
    hardened,
    () => hardened({ conf: confWith({ "acllog-max-len": "acllog-max-len 0" }) }),
    /acllog-max-len 128, and 0 in the file/,
  ],
  [
    "RK-CMD-02",
    () => withModule("file 0644 root:root"),
    () => withModule("file 0644 redis:redis"),
    /bloom\.so can be written by others than root/,
  ],
  [
    "RK-CMD-04",
    hardened,
    () => hardened({ running: { "busy-reply-threshold": "0" } }),
    /busy-reply-threshold 0/,
  ],
  [
    "RK-CMD-05",
    () =>
      hardened({
        system: { mended: new Set(["CVE-2025-49844", "CVE-2026-23479", "CVE-2026-25243"]) },
      }),
    () => hardened({ system: { isReplaced: true } }),
    /replaced on disk: restart it/,
  ],
  [
    "RK-TLS-02",
    () => hardened(replica),
    () => hardened(like(replica, { "tls-replication": "no" })),
    /tls-replication no/,
  ],
  ["RK-SYS-05", hardened, () => hardened({ running: { loglevel: "warning" } }), /loglevel warning/],
  [
    "RK-SYS-08",
    () => hardened({ system: { kernel } }),
    () => hardened({ system: { kernel: { ...kernel, somaxconn: 128 } } }),
    /^fail: 128$/,
  ],
  [
    "RK-SYS-09",
    () => hardened({ system: { package: { name: "redis-server", version: "5:7.0.15-1", isHeld: false } } }),
    () => hardened({ system: { package: null } }),
    /no package owns \/usr\/bin\/redis-server/,
  ],
  [
    "RK-SYS-10",
    hardened,
    () => hardened({ process: { coreBytes: Number.POSITIVE_INFINITY }, system: { kernel } }),
    /up to any size, to core/,
  ],
  [
    "RK-SYS-11",
    () => hardened({ system: { openSecrets: [] } }),
    () => hardened({ system: { openSecrets: ["/root/.bash_history", "/proc/77/cmdline"] } }),
    /\/root\/\.bash_history, arguments of process 77/,
  ],
  [
    "RK-LIM-03",
    () =>
      hardened({
        running: { "client-output-buffer-limit": "normal 1gb 0 0 slave 0 0 0 pubsub 32mb 8mb 60" },
      }),
    () => hardened({ running: { "client-output-buffer-limit": "normal 0 0 0 slave 0 0 0 pubsub 0 0 0" } }),
    /subscribers have none/,
  ],
  ["RK-PER-03", hardened, () => hardened({ running: { rdbchecksum: "no" } }), /rdbchecksum no/],
  [
    "RK-PER-04",
    () => hardened({ files: { dataFree: 10 * 1024 ** 3 } }),
    () => hardened({ files: { dataFree: 1024 } }),
    /1kb free for 1\.1mb in memory/,
  ],
  [
    "RK-REP-01",
    () => factsOf("replica"),
    () => hardened({ ...replica, info: { role: "slave", master_link_status: "down" } }),
    /replica-read-only yes, link down/,
  ],
  [
    "RK-REP-03",
    () => hardened({ info: { cluster_enabled: "1" }, running: { masteruser: "repl", masterauth: "(set)" } }),
    () => hardened({ info: { cluster_enabled: "1" } }),
    /without masteruser and masterauth/,
  ],
  [
    "RK-SEN-01",
    () => besideSentinel("10.0.0.5", { reply: "NOAUTH Authentication required." }),
    () => besideSentinel("10.0.0.5"),
    /answers without a login/,
  ],
  [
    "RK-SEN-02",
    () => besideSentinel("10.0.0.5"),
    () =>
      besideSentinel("10.0.0.5", {
        watched: [{ name: "main", flags: "s_down,master,disconnected", quorum: "NOQUORUM 1 usable" }],
      }),
    /main s_down,master,disconnected, no quorum/,
  ],
];

function withDocker(dockerPorts: string) {
  const facts = hardened({ firewall: { dockerPorts } });
  return { ...facts, host: { ...facts.host, tools: new Set([...facts.host.tools, "docker"]) } };
}

function withModule(path: string) {
  return hardened({
    conf: confWith({ loadmodule: "loadmodule /usr/lib/redis/bloom.so" }),
    paths: { "/usr/lib/redis/bloom.so": path },
    redis: { modules: ["bf"] },
  });
}

function sentinelClient(user: string) {
  const [client] = factsOf("watched-by-sentinel").redis.clients.filter(({ name }) =>
    name.startsWith("sentinel-"),
  );
  if (client === undefined) throw new Error("no Sentinel is connected to the recorded host");
  return { ...client, user };
}

it("the audit finds a Redis port within a port range that Docker publishes", () => {
  const range = "web 0.0.0.0:6300-6381->7300-7381/tcp, [::]:6300-6381->7300-7381/tcp";
  expect(verdicts("RK-NET-07", withDocker(range))).toMatchObject([
    expect.stringMatching(/^fail: web: 0\.0\.0\.0:6300-6381/),
  ]);
  expect(verdicts("RK-NET-07", withDocker("web 0.0.0.0:80->6378-6390/tcp"))).toMatchObject([
    expect.stringMatching(/^fail/),
  ]);
  expect(verdicts("RK-NET-07", withDocker("web 0.0.0.0:8000-8010->8000-8010/tcp"))).toMatchObject([
    "pass: none",
  ]);
});

describe("a control that no task owns", () => {
  it.each(CASES)(
    "%s passes on a sound host, and fails on a host with the weakness",
    (control, good, bad, found) => {
      const passing = verdicts(control, good());
      const { fixedBy } = CONTROLS[control];
      const unchecked = `the audit has no check of ${control}, and fixedBy says ${fixedBy}: if a task checks it now, its case belongs to the task's test`;
      expect(passing.length, unchecked).toBeGreaterThan(0);
      // A part of it may not apply.
      expect(passing.filter((verdict) => !/^(pass|skip):/.test(verdict))).toEqual([]);
      expect(passing.join("\n")).toMatch(/^pass:/m);
      const failing = verdicts(control, bad()).filter((verdict) => verdict.startsWith("fail:"));
      expect(failing.join("\n")).toMatch(found);
    },
  );

  it("is unknown for Sentinels where clients made the list of clients too long to be read whole", () => {
    const of = (...clients: ReturnType<typeof sentinelClient>[]) =>
      audit(hardened({ redis: { clients, cut: new Set(["clients"]) } })).find(
        ({ control }) => control === "RK-ACL-12",
      );
    const unknown = {
      outcome: "unknown",
      observed: "CLIENT LIST is too long to be read whole: which Sentinels are connected is unknown",
    };
    expect(of()).toMatchObject(unknown);
    expect(of(sentinelClient("app-sentinel"))).toMatchObject(unknown);
    expect(of(sentinelClient("default"))).toMatchObject({ outcome: "fail" });
  });

  it("is reported and never fails where no task could change what it checks", () => {
    const open = hardened({
      running: { "hide-user-data-from-log": "no", "min-replicas-to-write": "0" },
      system: { swaps: [{ name: "/dev/sda2", isClear: true }] },
    });
    for (const control of ["RK-SYS-06", "RK-SYS-12", "RK-TLS-08", "RK-REP-02"])
      expect(verdicts(control, open)[0]).toMatch(/^skip: /);
    expect(verdicts("RK-SYS-12", open)).toEqual(["skip: /dev/sda2, not encrypted as far as can be told"]);
  });

  it("without a verdict says whether it could not be checked or is for the operator to judge", () => {
    const open = hardened({ system: { swaps: [{ name: "/dev/sda2", isClear: true }] } });
    const skipped = (id: string) =>
      audit(open).flatMap(({ control, skipped }) => (control === id ? [skipped] : []));
    expect(skipped("RK-CMD-05")).toEqual(["untold"]);
    expect(skipped("RK-SYS-12")).toEqual(["reported"]);
    expect(skipped("RK-LIM-03")).toContain("reported");
    expect(skipped("RK-ACL-12")).toEqual([undefined]);
  });

  it("rolls no host back where it fails", () => {
    expect(
      audit(factsOf("watched-by-sentinel")).filter(
        ({ outcome, isAdvisory }) => outcome === "fail" && !isAdvisory,
      ),
    ).toEqual([]);
  });

  it("leaves a hardened host of each version without a finding", () => {
    for (const name of ["hardened", "redis-6-hardened", "redis-8-hardened", "valkey-8-hardened"])
      expect(
        audit(factsOf(name)).filter(({ outcome }) => outcome === "fail"),
        name,
      ).toEqual([]);
  });

  it("is unknown without a login, and never passes where only Redis could tell", () => {
    const told = audit(hardened(NO_LOGIN)).filter(({ outcome }) => outcome === "pass" || outcome === "fail");
    expect(told.map(({ control }) => control)).toEqual(["RK-NET-11", "RK-SYS-13", "RK-SYS-10"]);
  });

  it("is unknown where an older probe's answer lacks the fact, and never passes for that", () => {
    for (const control of ["RK-SYS-08", "RK-SYS-11", "RK-SYS-12", "RK-SYS-14"])
      for (const verdict of verdicts(control, factsOf("stock"))) expect(verdict).toMatch(/^unknown: /);
  });

  it("is checked only where --tags selects it", () => {
    const controls = new Set(audit(hardened(), { tags: ["tls"] }).map(({ control }) => control));
    expect([...controls]).toEqual(["RK-TLS-02", "RK-TLS-08"]);
  });
});

describe("a guess about memory for forks", () => {
  const overcommit = (value: number, maxmemory: string) =>
    verdicts(
      "RK-SYS-08",
      hardened({ system: { kernel: { ...kernel, overcommit: value } }, running: { maxmemory } }),
    )[0];

  it("passes where Redis may use at most half of the host's memory", () => {
    expect(overcommit(0, "536870912")).toMatch(/^pass: 0, and Redis takes 512mb of 23\.5gb at most/);
    expect(overcommit(0, "0")).toMatch(/^fail: /);
    expect(overcommit(1, "0")).toMatch(/^pass: /);
    expect(overcommit(2, "536870912")).toMatch(/^fail: /);
  });
});

describe("facts of the host around Redis", () => {
  it("are read as the host prints them", () => {
    const { system, service } = editedFacts("stock", {
      lines: (text) =>
        `${text}/proc/sys/vm/overcommit_memory:0\n/sys/kernel/mm/transparent_hugepage/enabled:always [madvise] never\n/proc/sys/net/core/somaxconn:4096\n/proc/sys/kernel/core_pattern:|/usr/lib/systemd/systemd-coredump %P\n`,
      swaps: () => "yes /dev/sda2\nno /dev/zram0\n",
      package: () => "hi  5:7.0.15-1~deb12u7 redis-server\n",
      mended: () => "CVE-2025-49844\n",
      program: () => "/usr/bin/redis-check-rdb (deleted)\n",
      "open-secrets": () => "/root/.bash_history\n/root/.bash_history\n",
      "open-secrets-end": () => "\n",
    });
    expect(system).toEqual({
      kernel: {
        overcommit: 0,
        hugePages: "madvise",
        somaxconn: 4096,
        fips: false,
        corePattern: "|/usr/lib/systemd/systemd-coredump %P",
      },
      swaps: [
        { name: "/dev/sda2", isClear: true },
        { name: "/dev/zram0", isClear: false },
      ],
      package: { name: "redis-server", version: "5:7.0.15-1~deb12u7", isHeld: true },
      mended: new Set(["CVE-2025-49844"]),
      isReplaced: true,
      openSecrets: ["/root/.bash_history"],
    });
    expect(service.process).toMatchObject({ coreBytes: 0, hugePages: true });
  });

  it("name a Sentinel with what it watches, and no password of it", () => {
    const { sentinels } = editedFacts("stock", {
      "sentinel-conf s.service": () => "port 26379\nmonitor main 10.0.0.5 6379 2\nrequirepass (set)\n",
      "sentinel-reply s.service": () => "NOAUTH Authentication required.\n",
      "sentinel-watched s.service": () => "main\nmaster\nOK 3 usable Sentinels.\n",
    });
    expect(sentinels).toEqual([
      {
        group: undefined,
        unit: "s.service",
        settings: [
          { name: "port", value: "26379" },
          { name: "monitor", value: "main 10.0.0.5 6379 2" },
          { name: "requirepass", value: "(set)" },
        ],
        reply: "NOAUTH Authentication required.",
        watched: [{ name: "main", flags: "master", quorum: "OK 3 usable Sentinels." }],
      },
    ]);
  });
});

describe("the users of a replication group", () => {
  const member = (name: string) => ({ facts: factsOf(name), server: server(factsOf(name)) });

  it("are compared between its members, and each difference is named", () => {
    const other = { host: "redis-01", ...member("hardened") };
    expect(sameUsersCheck(member("hardened"), "10.0.0.5", other)).toMatchObject({ outcome: "pass" });
    expect(sameUsersCheck(member("drifted"), "10.0.0.5", other)).toMatchObject({
      outcome: "fail",
      expected: "the users of redis-01",
      observed: "also has intruder",
    });
    expect(sameUsersCheck(member("hardened"), undefined, undefined).outcome).toBe("skip");
    // It does not even say that it is no replica.
    expect(sameUsersCheck(member("login-lost"), undefined, undefined)).toMatchObject({
      outcome: "unknown",
      blockedBy: "login",
    });
    expect(sameUsersCheck(member("login-lost"), "10.0.0.5", other)).toMatchObject({
      outcome: "unknown",
      blockedBy: "login",
    });
  });
});

describe("what redkeep left on a host", () => {
  const clean = { transactions: 2, open: [], secrets: [], leftovers: [] };
  const verdict = (differences: Differences) => verdicts("RK-SYS-14", hardened(differences)).join("\n");

  it("passes where it is closed to others, and the evidence says how much there is", () => {
    expect(verdict({ traces: clean })).toMatch(
      /^pass: 2 transactions kept in \/var\/lib\/redkeep, closed to others/,
    );
    expect(verdict({ traces: { ...clean, transactions: undefined } })).toBe(
      "pass: redkeep has left nothing here",
    );
  });

  it.each<[what: string, differences: Differences, named: string]>([
    [
      "a folder that others may enter",
      { traces: { ...clean, open: ["root:root 755 /var/lib/redkeep"] } },
      "open: root:root 755 /var/lib/redkeep",
    ],
    [
      "a login of a run that is over",
      { traces: { ...clean, secrets: ["/var/lib/redkeep/txn/1/login.old"] } },
      "a secret of a run that is over: /var/lib/redkeep/txn/1/login.old",
    ],
    [
      "a temporary file",
      { traces: { ...clean, leftovers: ["/etc/redis/.redkeep.1"] } },
      "left over: /etc/redis/.redkeep.1",
    ],
    [
      "a drop-in that its group may write",
      {
        traces: clean,
        paths: { "/etc/systemd/system/redis-server.service.d/redkeep.conf": "file 0664 root:redis" },
      },
      "open: root:redis 664 /etc/systemd/system/redis-server.service.d/redkeep.conf",
    ],
    [
      "a recovery unit that is a link",
      { traces: clean, paths: { "/etc/systemd/system/redkeep-recover.service": "link 0777 root:root" } },
      "open: link root:root 777 /etc/systemd/system/redkeep-recover.service",
    ],
    [
      "a key that everybody may read",
      { traces: clean, paths: { "/etc/redis/tls/redkeep-server.key": "file 0644 root:redis" } },
      "open: root:redis 644 /etc/redis/tls/redkeep-server.key",
    ],
    [
      "a certificate of the service user's",
      { traces: clean, paths: { "/etc/redis/tls/redkeep-server.crt": "file 0640 redis:redis" } },
      "open: redis:redis 640 /etc/redis/tls/redkeep-server.crt",
    ],
    [
      "a transaction that nothing puts back",
      {
        traces: clean,
        transaction: {
          pending: { id: "7", state: "needs_human", holder: "ann@laptop since 2026-11-29" },
          last: undefined,
          recoverUnit: undefined,
        },
      },
      "transaction 7 of ann@laptop since 2026-11-29 could not be put back and waits for somebody",
    ],
  ])("fails for %s, and is named by its path", (_, differences, named) => {
    expect(verdict(differences)).toBe(`fail: ${named}`);
  });

  it("is named up to ten paths, and the rest is counted", () => {
    const leftovers = Array.from({ length: 13 }, (_, number) => `/etc/redis/.redkeep.${number}`);
    expect(verdict({ traces: { ...clean, leftovers } })).toMatch(/\.redkeep\.9; and 3 more$/);
  });
});

describe("another server of Redis' kind", () => {
  const LOOK = { servers: [], unclear: [], isCut: false };
  const beside = (others: Partial<HostFacts["others"]>) =>
    verdicts("RK-NET-11", { ...factsOf("stock"), others: { ...LOOK, ...others } });
  const server = (reply: string, at = "0.0.0.0:7000", group = "cache.service") => ({
    servers: [{ pid: 7, group, listens: [{ at, reply }] }],
  });

  it("fails where it answers strangers, and is named", () => {
    expect(beside(server("PONG"))).toEqual([
      "fail: process 7 (cache.service) answers everybody on 0.0.0.0:7000",
    ]);
  });

  it("is unknown where it does not answer, runs in a container, or listens without a known process", () => {
    expect(beside(server("what?"))[0]).toMatch(/^unknown: .*gives no clear answer/);
    expect(beside(server("PONG", "127.0.0.1:1", "docker-abc.scope"))[0]).toMatch(
      /^unknown: .*in a container/,
    );
    expect(beside({ unclear: [{ pid: 5, group: "ssh.service" }] })[0]).toMatch(/^unknown: process 5/);
    expect(beside({ isCut: true })[0]).toMatch(/^unknown: /);
    expect(beside({ servers: undefined })[0]).toMatch(/^unknown: /);
  });

  it("passes where it refuses strangers or listens for the host alone", () => {
    expect(beside({})).toEqual(["pass: none"]);
    expect(beside(server("NOAUTH Authentication required."))[0]).toMatch(/^pass: /);
    expect(beside(server("PONG", "127.0.0.1:7000"))[0]).toMatch(/^pass: /);
  });
});

describe("RK-NET-04 where no firewall task applies", () => {
  const left = (edits: Parameters<typeof editedFacts>[1], networks: readonly string[]) =>
    verdicts("RK-NET-04", editedFacts("hardened", edits), { without: ["firewall"], networks });
  const closed = { kernel4: (text: string) => text.replace(/^-A ufw-user-input .*6380.*\n/m, "") };

  it("fails where a network of the application does not get through", () => {
    const own = privateNetwork(factsOf("hardened")).app_subnet;
    expect(left(closed, [own])).toEqual([
      `fail: ${own} does not reach port 6380: ufw is active. To let it in: ufw allow from ${own} to any port 6380 proto tcp`,
    ]);
    expect(left({ foreign: () => "netfilter-persistent\n" }, [own])).toEqual([
      "pass: as wanted: ufw is active",
    ]);
    expect(left({ kernel4: () => "", kernel6: () => "" }, [own])).toEqual([
      expect.stringMatching(/^skip: allowed by the playbook \(no firewall task\): others reach port 6380/),
    ]);
  });

  it("does not apply where nobody says which networks the application has", () => {
    expect(left(closed, [])).toEqual([]);
    expect(left(closed, ["{{ net }}"])).toEqual([]);
  });
});
