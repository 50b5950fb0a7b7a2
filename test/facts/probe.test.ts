import { execFileSync } from "node:child_process";
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { certificatesFact } from "../../src/facts/certificates.ts";
import { configFilesFact } from "../../src/facts/config-files.ts";
import { type Answer, SaidTexts, SeenTexts } from "../../src/facts/fact.ts";
import { filesFact } from "../../src/facts/files.ts";
import { othersFact } from "../../src/facts/others.ts";
import { ProbeError, parseProbe, probeScript, saidWord, takeApart } from "../../src/facts/probe.ts";
import { NOTHING_ASKED, type ProbeInput } from "../../src/facts/probe-input.ts";
import { proofsFact } from "../../src/facts/proofs.ts";
import { FILE_LIMIT, readingFunctions } from "../../src/facts/reading.ts";
import { redisFact } from "../../src/facts/redis.ts";
import { ServerLogin } from "../../src/facts/server-login.ts";
import { serviceFact } from "../../src/facts/service.ts";
import { csvString, csvText } from "../../src/facts/session.ts";
import { Secret } from "../../src/lib/secret.ts";
import { MATRIX } from "../../src/redis/matrix.ts";
import { isServer, serverOf } from "../../src/redis/server.ts";
import { temporaryDirectory } from "../connection/support/server.ts";
import { editedFacts, factsOf, NONCE, probeOutput, type SectionEdits, sectionsOf } from "../support/facts.ts";
import { findings, planAll, verifyAll } from "../support/run-task.ts";

describe("the probe's answer", () => {
  it("is refused where its end is missing, however much came", () => {
    const whole = probeOutput("stock");
    const cut = whole.slice(0, whole.lastIndexOf(`\n${NONCE} end`));
    expect(() => parseProbe(Buffer.from(cut), NOTHING_ASKED, NONCE)).toThrow(ProbeError);
    expect(() => parseProbe(Buffer.alloc(0), NOTHING_ASKED, NONCE)).toThrow(ProbeError);
  });

  it("is read behind the noise of a login shell", () => {
    const noise = "Welcome!\n*** maintenance tonight ***\n";
    expect(parseProbe(Buffer.from(noise + probeOutput("stock")), NOTHING_ASKED, NONCE).host).toEqual(
      factsOf("stock").host,
    );
  });

  it("cannot be forged by a file that prints section lines without knowing the word of this run", () => {
    const forged = `# harmless\n0123456789abcdef unit\nssh.service\nend\n`;
    const facts = editedFacts("stock", { "config /etc/redis/redis.conf": (text) => text + forged });
    expect(facts.service.unit).toBe("redis-server.service");
    expect(facts.configFiles.main?.text).toContain(forged);
  });

  it("leaves a check unknown where a section is empty, and never passes it for that", async () => {
    const insecure = await verifyAll(factsOf("stock"));
    const kept = new Set(
      insecure.filter(({ outcome }) => outcome === "pass").map(({ control, expected }) => control + expected),
    );
    for (const title of [
      "acl-list",
      "clients",
      "plain-ping 127.0.0.1 6379",
      "running",
      "info",
      "listeners",
    ]) {
      for (const text of [undefined, "", "ERR unknown\n"]) {
        const checks = await verifyAll(editedFacts("stock", { [title]: () => text }));
        const gained = checks.filter(
          ({ control, expected, outcome }) => outcome === "pass" && !kept.has(control + expected),
        );
        expect(gained, `${title}: ${text}`).toEqual([]);
      }
    }
  });

  it("never makes the plan fail, whatever a section holds", async () => {
    const garbage = `\u001b[31m\u0007\u202e\n__proto__\nconstructor\n__proto__:1\ntoString=x\n${"9".repeat(400)}\n=\n:\n|||||||\n`;
    const titles = sectionsOf("hardened").filter(
      (title) => !/^(end|addresses|category |dry-run |command )/.test(title),
    );
    for (const title of titles) {
      for (const text of [undefined, garbage]) {
        const facts = editedFacts("hardened", { [title]: () => text });
        if (!isServer(serverOf(facts))) continue;
        await expect(planAll(facts), `${title}: ${text}`).resolves.toBeDefined();
        await expect(verifyAll(facts), `${title}: ${text}`).resolves.toBeDefined();
      }
    }
    expect({}.constructor).toBe(Object);
  }, 60_000);
});

describe("facts of a stock host", () => {
  const { host, service, redis, files, firewall, transaction } = factsOf("stock");

  it("name the operating system, the machine and the address that was reached", () => {
    expect(host.os).toEqual({
      name: "Debian GNU/Linux",
      version: "12",
      prettyName: "Debian GNU/Linux 12 (bookworm)",
    });
    expect(host.uid).toBe(0);
    expect(host.machineId).toMatch(/^[0-9a-f]{32}$/);
    expect(host.bootId).toMatch(/^[0-9a-f-]{36}$/);
    expect(host.epoch).toBeGreaterThan(1_700_000_000);
    expect(host.sshPorts).toEqual([22]);
    expect(host.sshPeer?.localPort).toBe(22);
    expect([...host.tools]).toEqual(expect.arrayContaining(["ufw", "openssl", "ss", "flock"]));
  });

  it("name the unit of each listening socket", () => {
    const redisSockets = host.listeners.filter(({ unit }) => unit === "redis-server.service");
    expect(redisSockets).toEqual([
      {
        protocol: "tcp",
        address: "127.0.0.1",
        port: 6379,
        unit: "redis-server.service",
        group: "redis-server.service",
      },
    ]);
    expect(host.listeners.filter(({ port }) => port === 22).map(({ address }) => address)).toEqual(
      expect.arrayContaining(["0.0.0.0", "::"]),
    );
  });

  it("name the service, its program and its account", () => {
    expect(service).toMatchObject({
      unit: "redis-server.service",
      binary: "/usr/bin/redis-server",
      configPath: "/etc/redis/redis.conf",
      client: "redis-cli",
      arguments: ["--supervised", "systemd", "--daemonize", "no"],
      account: { name: "redis", home: "/var/lib/redis", shell: "/usr/sbin/nologin", groups: ["redis"] },
    });
    expect(service.process?.noNewPrivileges).toBe(true);
    expect(service.process?.umask).toBe(0o007);
    expect(service.properties.get("User")).toBe("redis");
  });

  it("hold what the running server says", () => {
    expect(redis.user).toBe("default");
    expect(redis.config?.get("maxmemory-policy")).toBe("noeviction");
    expect(redis.info.get("redis_version")).toBe("7.0.15");
    expect(redis.aclUsers).toHaveLength(1);
    expect(redis.categories.get("dangerous")).toContain("flushall");
    expect(redis.commands.get("FLUSHALL")).toBe(true);
  });

  it("hold each file's owner and mode, and that ufw is off", () => {
    expect(files.paths.get("/etc/redis")).toMatchObject({ kind: "directory", owner: "redis", mode: 0o2770 });
    expect(files.paths.get("/etc/redis/redis.conf")).toMatchObject({ kind: "file", mode: 0o640, links: 1 });
    expect(files.digests.get("/etc/redis/redis.conf")).toMatch(/^[0-9a-f]{64}$/);
    expect(files.dataDirectory).toBe("/var/lib/redis");
    expect(firewall.installed).toBe(true);
    expect(firewall.ufwConf).toContain("ENABLED=no");
    expect(transaction.pending).toBeUndefined();
  });
});

describe("facts of unusual hosts", () => {
  it("hold the configuration byte for byte, and the login where requirepass is set", () => {
    const { configFiles, redis } = factsOf("strange");
    expect(configFiles.main?.text).toContain("BIND 0.0.0.0\r\nProtected-Mode\tno\r\n");
    expect(configFiles.includes.map(({ path }) => path)).toEqual(["/etc/redis/company.conf"]);
    expect(redis.user).toBe("default");
    expect(redis.endpoint).toEqual(["-h", "127.0.0.1", "-p", "7379"]);
  });

  it("never carry a running server's passwords", () => {
    expect(factsOf("strange").redis.config?.get("requirepass")).toBe("(set)");
    expect(factsOf("stock").redis.config?.get("requirepass")).toBe("");
  });

  it("come from CONFIG under its new name where it was renamed", () => {
    const { redis } = factsOf("config-renamed");
    expect(redis.commands.get("CONFIG")).toBe(false);
    expect(redis.config?.get("maxmemory")).toBe("0");
  });

  it("show a replica's role and the connections of a Sentinel", () => {
    expect(factsOf("replica").redis.info.get("role")).toBe("slave");
    const { service, redis } = factsOf("watched-by-sentinel");
    expect(service.sentinels).toEqual(["redis-sentinel.service"]);
    expect(redis.clients.some(({ name }) => name.startsWith("sentinel-"))).toBe(true);
  });

  it("are unknown where the login fails, with the reason", () => {
    const { redis } = editedFacts("stock", {
      login: () => undefined,
      "login-error": () => "NOAUTH Authentication required.\n",
      endpoint: () => "-s /run/redis/redis.sock\n",
      info: () => undefined,
      running: () => undefined,
      "acl-list": () => undefined,
    });
    expect(redis.user).toBeUndefined();
    expect(redis.loginError).toBe("NOAUTH Authentication required.");
    // That it answers there is enough for a transaction that gives root a way in again.
    expect(redis.endpoint).toEqual(["-s", "/run/redis/redis.sock"]);
    expect(redis.config).toBeUndefined();
    expect(redis.aclUsers).toBeUndefined();
  });

  it("hold why the administrator's login is refused, and at which endpoint", () => {
    const { redis } = factsOf("login-lost");
    expect(redis.user).toBeUndefined();
    expect(redis.loginError).toBe("NOAUTH Authentication required.");
    expect(redis.endpoint).toEqual(["-s", "/run/redis/redis.sock"]);
  });

  it("hold whether the last run was a rollback, restarted Redis or switched the firewall on", () => {
    const last = (kinds: string) =>
      editedFacts("stock", { last: () => `20261124T090000Z-1\nme@here\n${kinds}` }).transaction.last;
    expect(last("")).toMatchObject({ holder: "me@here", isRollback: false, restarted: false });
    expect(last("restarted\n")).toMatchObject({ isRollback: false, restarted: true });
    expect(last("rollback\nrestarted\n")).toMatchObject({ isRollback: true, restarted: true });
    expect(last("restarted\n")).toMatchObject({ firewall: false });
    expect(last("restarted\nfirewall\n")).toMatchObject({ firewall: true });
  });

  it("are unknown where a server's answer was cut off: half of it would pass for fewer settings and users", () => {
    const { redis } = editedFacts("hardened", {
      "core-end": () => undefined,
      "session-end": () => undefined,
    });
    expect(redis.loginError).toBe("its answer broke off");
    expect([redis.user, redis.config, redis.aclUsers]).toEqual([undefined, undefined, undefined]);
  });

  it("name the lists that are missing where the answer was cut off within what clients made", () => {
    const cut = (edits: SectionEdits) => [...editedFacts("hardened", edits).redis.cut];
    expect(cut({ "session-end": () => undefined })).toContain("denials");
    expect(cut({ "session-end": () => undefined, clients: () => undefined })).toContain("clients");
    expect(factsOf("hardened").redis.cut).toEqual(new Set());
  });

  it("leave the users unknown where ACL LIST is refused, and do not show a server without users", async () => {
    const facts = editedFacts("hardened", { "acl-list": () => "NOPERM no permissions to run 'acl|list'\n" });
    expect(facts.redis.aclUsers).toBeUndefined();
    expect(findings(await verifyAll(facts))).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^RK-ACL-01 unknown/),
        expect.stringMatching(/^RK-ACL-08 unknown/),
      ]),
    );
  });
});

describe("listeners", () => {
  const listeners = (line: string) =>
    editedFacts("stock", { listeners: () => `tcp   ${line}\n` }).host.listeners.filter(
      ({ protocol }) => protocol === "tcp",
    );

  it.each([
    [
      "LISTEN 0 511 [::1]:6379 [::]:* uid:101 ino:1 sk:2 cgroup:/system.slice/redis-server.service v6only:1 <->",
      "::1",
      6379,
    ],
    ["LISTEN 0 511 *:6379 *:* ino:1 sk:2 cgroup:/system.slice/redis-server.service <->", "*", 6379],
    ["LISTEN 0 128 127.0.0.53%lo:53 0.0.0.0:* uid:102 ino:3 sk:1 <->", "127.0.0.53", 53],
    ["LISTEN 0 128 [fe80::1]%eth0:22 [::]:* ino:3 sk:1 <->", "fe80::1", 22],
  ])("are read from %s", (line, address, port) => {
    expect(listeners(line)).toMatchObject([{ address, port }]);
  });

  it.each([
    ["the unit's own group, of its user's making", "uid:101", "/system.slice/redis-server.service", true],
    ["root's socket in the unit's group", "", "/system.slice/redis-server.service", false],
    [
      "a group of that name in one that is another user's own",
      "uid:101",
      "/user.slice/user-1000.slice/user@1000.service/redis-server.service",
      false,
    ],
    [
      "a group whose name holds the unit's",
      "uid:101",
      "/user.slice/x cgroup:/system.slice/redis-server.service",
      false,
    ],
    [
      "the group of a container that has such a unit",
      "",
      "/lxc.payload.x/system.slice/redis-server.service",
      false,
    ],
  ])("are attributed to a unit by owner and cgroup: %s", (_, uid, group, isOurs) => {
    const [found] = listeners(`LISTEN 0 511 0.0.0.0:6379 0.0.0.0:* ${uid} ino:1 sk:2 cgroup:${group} <->`);
    expect(found?.unit).toBe(isOurs ? "redis-server.service" : undefined);
  });

  it.each(["", "LISTEN", "LISTEN 0 128 nonsense", "LISTEN 0 1 a:b c:d", "\u0000"])(
    "are none in the unreadable line %j",
    (line) => {
      expect(listeners(line)).toEqual([]);
    },
  );
});

describe("the probe's script", () => {
  const script = (input: Partial<ProbeInput>) => redisFact.script({ ...NOTHING_ASKED, ...input });

  it("refuses a unit whose name is no unit name", () => {
    expect(() => probeScript([], { ...NOTHING_ASKED, unit: "x';reboot;'" }, NONCE)).toThrow(
      /not a unit name/,
    );
  });

  it("runs nothing that stands in a user's name, and asks for exactly that name", () => {
    const user = `it's-$(echo pwned)-\`id\`-"\\`;
    const text = script({ dryRuns: [{ user, command: ["FLUSHALL"] }] });
    const [asked] = /^DRY_RUNS='.*'$/m.exec(text) ?? [];
    const [loop] = /^for asked in [\s\S]*?^done$/m.exec(text) ?? [];
    const helpers = 'current() { NOW=$1; }; add() { printf "%s\\n" "$1" "$2"; }';
    const [title = "", question = ""] = execFileSync(
      "sh",
      ["-c", `${helpers}\nNL='\n'\n${asked}\nset -f; IFS=$NL\n${loop}`],
      { encoding: "utf8" },
    ).split("\n");
    expect(title).toMatch(/^dry-run x[0-9a-f]+ FLUSHALL$/);
    const hex = [...Buffer.from(user)].map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("");
    expect(question).toBe(`ACL DRYRUN "${hex}" FLUSHALL`);
    expect(
      redisFact
        .parse(
          { seen: new SeenTexts(), said: new SaidTexts(new Map([[title, '"OK"\n']])) },
          { ...NOTHING_ASKED, dryRuns: [{ user, command: ["FLUSHALL"] }] },
        )
        .dryRuns.get(`${user} FLUSHALL`),
    ).toBe("OK");
  });

  it("holds the administrator's password only in hex, and its name as one word of the shell", () => {
    const text = script({ login: ServerLogin.operator("o'admin", new Secret("p'w $(id)")) });
    expect(text).not.toContain("p'w $(id)");
    const assignments = text.split("\n").filter((line) => /^ADMIN(_USER)?=/.test(line));
    const shown = execFileSync("sh", ["-c", `${assignments.join("\n")}\nprintf '%s' "$ADMIN_USER"`]);
    expect(shown.toString()).toBe(`"o'admin"`);
  });
});

/** For what hangs alone: a busy machine takes ten times as long as a quiet one. */
const HANGS_MS = 45_000;

/** Facts whose scripts bound programs that another user may stop. */
const FACTS_WITH_LIMITS = ["proofs", "others", "firewall", "system", "sentinels"] as const;

/** What a part of the probe prints here, with other programs in the place of the host's own. */
function printed(script: string, programs: Record<string, string> = {}): Answer {
  using directory = temporaryDirectory();
  for (const [name, text] of Object.entries(programs)) {
    writeFileSync(join(directory.path, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  }
  const env = { PATH: `${directory.path}:${process.env.PATH}`, LC_ALL: "C" };
  const whole = `set -u; N=${NONCE}; R=${saidWord(NONCE)}\n${readingFunctions()}\n${script}\nprint_files; section end`;
  return takeApart(execFileSync("sh", ["-c", whole], { env, stdio: "pipe", timeout: HANGS_MS }), NONCE);
}

describe("the private keys on a host", () => {
  it("stay on the host, and are identified by their public halves, even one whose line begins like a path", () => {
    using directory = temporaryDirectory();
    let pair: { publicKey: string; privateKey: string };
    do {
      pair = generateKeyPairSync("ec", {
        namedCurve: "P-256",
        publicKeyEncoding: { type: "spki", format: "pem" },
        privateKeyEncoding: { type: "pkcs8", format: "pem" },
      });
    } while (!/^\//m.test(pair.publicKey));
    const [both, broken] = [join(directory.path, "both.pem"), join(directory.path, "broken.key")];
    writeFileSync(both, `${pair.privateKey}the certificate\n`);
    writeFileSync(broken, "no key\n");
    const sections = printed(
      `TLS_CERT='${both}' TLS_KEY='${both}' TLS_CA= CONF_FOLDER='${directory.path}'\n${certificatesFact.script(NOTHING_ASKED)}`,
    );
    const spki = createPublicKey(pair.publicKey).export({ type: "spki", format: "der" });
    expect([...(certificatesFact.parse(sections, NOTHING_ASKED).keyDigests ?? [])]).toEqual([
      [both, createHash("sha256").update(spki).digest("hex")],
      [broken, ""],
    ]);
    expect(certificatesFact.parse(sections, NOTHING_ASKED).pem.get(both)).toBe("the certificate\n");
  });
});

describe("a private key that is read with another's rights", () => {
  const block = (text: string) => `-----BEGIN PUBLIC KEY-----\n${text}\n-----END PUBLIC KEY-----`;

  it.each([
    ["names another path behind it", `${block("MFkw")}\n/etc/redis/tls/other.key\nP-256 AAAA`],
    ["names another path before it", `/etc/redis/tls/other.key\n${block("MFkw")}`],
    ["holds two", `${block("MFkw")}\n${block("MFkw")}`],
    ["holds none", "/etc/redis/tls/other.key"],
  ])("gives the probe its public half alone: an answer that %s is left out", (_, said) => {
    using directory = temporaryDirectory();
    const [key, text] = [join(directory.path, "one.key"), join(directory.path, "said")];
    writeFileSync(key, "");
    writeFileSync(text, said);
    const script = `TLS_CERT= TLS_KEY='${key}' TLS_CA= CONF_FOLDER=/nowhere\n${certificatesFact.script(NOTHING_ASKED)}`;
    expect(printed(script, { openssl: `cat '${text}'` }).seen.lines("keys")).toEqual([key]);
  });
});

describe("every limit of time in the probe", () => {
  it("ends with SIGKILL, which no program can ignore", () => {
    const asked = { ...NOTHING_ASKED, prove: true, matrix: [["GET", "k"]], tlsPorts: [6379] };
    const limits = probeScript(FACTS_WITH_LIMITS, asked, NONCE).match(/\btimeout (?=-|\d|\$)\S+ \S+/g) ?? [];
    expect(limits.length).toBeGreaterThan(15);
    expect(limits.filter((words) => !/^timeout (-k 1|-s KILL)$/.test(words))).toEqual([]);
  });
});

describe("a certificate with a line break in its name", () => {
  it("makes root read no other file", () => {
    using directory = temporaryDirectory();
    const secret = join(directory.path, "secret");
    writeFileSync(secret, "what only root may read\n");
    mkdirSync(join(directory.path, "tls"));
    for (const name of ["redkeep-a\nsecret\nz.crt", "redkeep-server.crt"])
      writeFileSync(join(directory.path, "tls", name), "a certificate\n");
    const script = certificatesFact.script(NOTHING_ASKED);
    const sections = printed(
      `cd '${directory.path}'; TLS_CERT= TLS_KEY= TLS_CA= CONF_FOLDER='${directory.path}'\n${script}`,
    );
    const files = [...sections.seen.startingWith("pem")];
    expect(files).toContainEqual([join(directory.path, "tls/redkeep-server.crt"), "a certificate\n"]);
    expect(files.map(([, text]) => text).join()).not.toContain("root may read");
  });
});

describe("the public half of a private key", () => {
  const digestOf = (key: KeyObject) =>
    createHash("sha256")
      .update(createPublicKey(key).export({ type: "spki", format: "der" }))
      .digest("hex");
  const p256 = () => generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey;
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey;
  const p384 = generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey;

  it.each<[string, KeyObject, "pkcs8" | "sec1" | "pkcs1"]>([
    ["P-256", p256(), "pkcs8"],
    ["P-256 in the older form", p256(), "sec1"],
    ["P-384", p384, "pkcs8"],
    ["RSA", rsa, "pkcs8"],
    ["RSA in the older form", rsa, "pkcs1"],
  ])("is read from a key of %s", (_, key, type) => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "one.key");
    writeFileSync(file, key.export({ type, format: "pem" } as never));
    const script = `TLS_CERT= TLS_KEY='${file}' TLS_CA= CONF_FOLDER=/nowhere\n${certificatesFact.script(NOTHING_ASKED)}`;
    const sections = printed(script);
    expect([...(certificatesFact.parse(sections, NOTHING_ASKED).keyDigests ?? [])]).toEqual([
      [file, digestOf(key)],
    ]);
  });

  it("is all that leaves the host of a key file, whatever else stands in it", () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "one.key");
    const script = `TLS_CERT= TLS_KEY='${file}' TLS_CA= CONF_FOLDER=/nowhere\n${certificatesFact.script(NOTHING_ASKED)}`;
    const told = (text: string) => {
      writeFileSync(file, text);
      // One that tells what it was asked for, and nothing of what it read.
      const openssl = "echo '-----BEGIN PUBLIC KEY-----'; echo asked; echo '-----END PUBLIC KEY-----'";
      const [, ...key] = printed(script, { openssl }).seen.lines("keys");
      return key.length === 3 ? (key[1] ?? "") : key.join("\n");
    };
    for (let number = 0; number < 50; number++) {
      const key = p256();
      const pem = key.export({ type: "pkcs8", format: "pem" }).toString();
      const { d = "", x = "", y = "" } = key.export({ format: "jwk" });
      const [word, public64 = ""] = told(pem).split(" ");
      expect(word).toBe("P-256");
      const bytes = Buffer.from(public64, "base64");
      expect(bytes.subarray(5)).toEqual(Buffer.concat([x, y].map((part) => Buffer.from(part, "base64url"))));
      expect(bytes).toHaveLength(69);
      const secret = Buffer.from(d, "base64url");
      for (let at = 0; at + 4 <= 32; at++) expect(bytes.includes(secret.subarray(at, at + 4))).toBe(false);
      const lines = pem.split("\n");
      expect(told(`\n${pem}`)).toBe("asked");
      expect(told(pem.replaceAll("PRIVATE KEY", "EC PRIVATE KEY"))).toBe("asked");
      expect(told([...lines.slice(0, 3), ...lines.slice(4)].join("\n"))).toBe("asked");
      expect(told(pem.replace("MIGHAgEAM", "MIGHAgEBM"))).toBe("asked");
    }
  });
});

describe("the units of a host", () => {
  it("are all counted, even where one name ends with another", () => {
    const block = (unit: string) =>
      `echo Type=notify; echo Id=${unit}; echo Names=${unit}; echo LoadState=loaded; echo ActiveState=inactive; echo`;
    const sections = printed(`LINES_OF= ME=1\n${serviceFact.script(NOTHING_ASKED)}`, {
      systemctl: [block("valkey-redis.service"), block("redis.service")].join("\n"),
    });
    const { units, unit } = serviceFact.parse(sections, NOTHING_ASKED);
    expect({ units, unit }).toEqual({ units: ["valkey-redis.service", "redis.service"], unit: "" });
  });
});

/** What the probe has looked up of the unit in these tests. */
const TEST_GROUP = "GROUP=/system.slice/test.service; OWNER=1";

/** A redis-cli that knows what a login is asked for. */
const ANSWERS = `while IFS= read -r line; do case $line in
  ECHO*) printf '%s\\n' "\${line#ECHO }";;
  'ACL USERS') printf '%s\\n' '"default","back\\\\slash\\\\cut","last"';;
  'ACL WHOAMI') echo '"operator"';;
  'ACL CAT') echo '"read","write"';;
  *) echo '"OK"';;
esac; done`;

describe("a session with Redis", () => {
  const session = (
    input: Partial<ProbeInput>,
    client = ANSWERS,
    words = "uid:1 cgroup:/system.slice/test.service",
  ) =>
    printed(
      `UNIT=test.service; ${TEST_GROUP}; CLI=redis-cli; PID=1; CONF=/nowhere; ME=1
${configFilesFact.script(NOTHING_ASKED)}\n${redisFact.script({ ...NOTHING_ASKED, ...input })}`,
      {
        "redis-cli": client,
        ss: `echo 'tcp LISTEN 0 511 127.0.0.1:7380 0.0.0.0:* ${words} <->'`,
      },
    );

  it("asks what each user may do under its exact name, with its backslashes", () => {
    const sections = session({ matrix: MATRIX.map(({ words }) => words) });
    expect(sections.said.lines("matrix-users").map(csvText)).toEqual(["default", "back\\slash\\cut", "last"]);
    expect(sections.said.lines("matrix 3")).toHaveLength(MATRIX.length);
  });

  it("uses one connection for the login and all questions", () => {
    using directory = temporaryDirectory();
    const starts = join(directory.path, "starts");
    session({ matrix: MATRIX.map(({ words }) => words) }, `echo started >>${starts}\n${ANSWERS}`);
    expect(readFileSync(starts, "utf8")).toBe("started\n");
  });

  it("ends where the login may not even run ECHO", () => {
    const denied = ANSWERS.replace(
      "case $line in",
      `case $line in ECHO*) echo 'ERROR,"NOPERM no permission"';;`,
    );
    const sections = session({}, denied);
    expect(sections.said.lines("login")).toEqual(['"operator"']);
    expect(sections.seen.lines("endpoint")).toEqual(["-h 127.0.0.1 -p 7380"]);
    expect(sections.said.text("info")).toBeUndefined();
  });

  it("is tried once, whatever logins are known, where the server does not answer the first", () => {
    using directory = temporaryDirectory();
    const starts = join(directory.path, "starts");
    const login = ServerLogin.operator("admin", new Secret("x"));
    const sections = session({ login }, `echo started >>${starts}; while read -r line; do :; done <&-`);
    expect(readFileSync(starts, "utf8")).toBe("started\n");
    expect(sections.said.text("login")).toBeUndefined();
  });

  it.each([
    [
      "a group of the unit's name in one that is another user's own",
      "uid:1 ino:1 sk:1 cgroup:/user.slice/user@1000.service/test.service",
    ],
    [
      "a group whose name holds the unit's group",
      "uid:1 ino:1 sk:1 cgroup:/user.slice/x cgroup:/system.slice/test.service",
    ],
    ["another user in the unit's group", "uid:12 ino:1 sk:1 cgroup:/system.slice/test.service"],
    ["root in the unit's group", "ino:1 sk:1 cgroup:/system.slice/test.service"],
  ])("is not opened to a listener in %s", (_, words) => {
    using directory = temporaryDirectory();
    const starts = join(directory.path, "starts");
    session({}, `echo started >>${starts}\n${ANSWERS}`, words);
    expect(existsSync(starts)).toBe(false);
  });

  it("does not read the name of its own user as a category of commands", () => {
    const asked = [...session({}).said.startingWith("category")].map(([category]) => category);
    expect(asked).toEqual(["read", "write"]);
  });
});

describe("the proof over TLS", () => {
  /** What the probe tells of a server to which openssl says this. */
  const proved = (said: string) => {
    using directory = temporaryDirectory();
    const conf = join(directory.path, "redis.conf");
    writeFileSync(conf, "tls-port 7380\ntls-ca-cert-file /ca\ntls-cert-file /cert\ntls-key-file /key\n");
    const input = { ...NOTHING_ASKED, prove: true };
    const scripts = [configFilesFact, redisFact, proofsFact].map((fact) => fact.script(input));
    const sections = printed(
      `UNIT=test.service; ${TEST_GROUP}; CLI=redis-cli; PID=1; CONF='${conf}'; ME=1\n${scripts.join("\n")}`,
      {
        "redis-cli": "echo refused by whom it may concern",
        openssl: `cat >/dev/null; printf %b '${said}'`,
        ss: "echo 'tcp LISTEN 0 511 127.0.0.1:7380 0.0.0.0:* uid:1 cgroup:/system.slice/test.service <->'",
      },
    );
    return { sections, proofs: proofsFact.parse(sections, input) };
  };
  const CERTIFICATE = "-----BEGIN CERTIFICATE-----\\nMII\\n-----END CERTIFICATE-----\\n";
  const VERIFIED = `${CERTIFICATE}Verify return code: 0 (ok)\\n---\\n`;

  it.each([
    ["+PONG", "PONG"],
    ["-NOAUTH Authentication required.", "NOAUTH Authentication required."],
    ["-ERR unknown command", "-ERR unknown command"],
  ])("is the server's reply %s, and nothing else that openssl prints leaves the host", (reply, told) => {
    const alone = proved(`${VERIFIED}${reply}\\r\\n+OK\\r\\n`);
    expect(alone.proofs.withCertificate.get("7380")).toBe(told);
    expect(alone.proofs.served.get("7380")).toContain("MII");
    if (reply.startsWith("-ERR")) return;
    const amid = proved(`${VERIFIED}Post-Handsha${reply}\\r\\n+OK\\r\\nke\\nResumption PSK: 003F01\\n`);
    expect(amid.proofs.withCertificate.get("7380")).toBe(told);
    expect(JSON.stringify([...amid.sections.said.startingWith("with-certificate")])).not.toContain("003F01");
  });

  it("is not waited for where a child process keeps its output open", () => {
    using directory = temporaryDirectory();
    const child = join(directory.path, "child");
    proved(`${VERIFIED}+PONG\\r\\n'; case "$*" in *ign_eof*) sleep 600 & echo $! >>'${child}'; esac; echo '`);
    // Whoever had waited for them would find them ended.
    const children = readFileSync(child, "utf8").trim().split("\n").map(Number);
    expect(children).not.toEqual([]);
    for (const pid of children) expect(process.kill(pid, "SIGKILL")).toBe(true);
  });

  it("fails where the certificate is from another CA, or the server refuses redkeep's", () => {
    const other = `${CERTIFICATE}Verify return code: 19 (self-signed certificate)\\n+PONG\\r\\n`;
    expect(proved(other).proofs.withCertificate.get("7380")).toBe(
      "not verified: 19 (self-signed certificate)",
    );
    const refused = `${VERIFIED}40:error:0A000412:SSL routines:ssl3_read_bytes:alert bad certificate:rec.c:1\\n`;
    expect(proved(refused).proofs.withCertificate.get("7380")).toBe("no answer: alert bad certificate");
    expect(proved("").proofs.withCertificate.get("7380")).toBe("no answer");
  });
});

describe("a configuration of the service user's in a folder of root's", () => {
  /** What the probe finds in it as root, and how many bytes all that it ran has read. */
  function look(fill: (conf: string, at: (name: string) => string) => void) {
    const top = mkdtempSync("/run/redkeep-probe-");
    const at = (name: string) => join(top, name);
    try {
      chmodSync(top, 0o755);
      const conf = at("redis.conf");
      writeFileSync(conf, "");
      fill(conf, at);
      chownSync(conf, 65_534, 65_534);
      const scripts = [configFilesFact, filesFact].map((fact) => fact.script(NOTHING_ASKED));
      const read = at("read");
      const { seen } = printed(
        `trap "sed -n 's/^rchar: //p' /proc/$$/io >'${read}'" EXIT
UNIT=test.service; PID=0; CONF='${conf}'; ME=0; SERVICE_UID=65534; DROP='setpriv --reuid=65534 --clear-groups'\n${scripts.join("\n")}`,
      );
      const facts = configFilesFact.parse({ seen, said: new SaidTexts() }, NOTHING_ASKED);
      const names = (paths: Iterable<string>) => [...paths].map((path) => path.replace(`${top}/`, ""));
      return {
        bytesRead: Number(readFileSync(read, "utf8")),
        unreadable: names(facts.unreadable),
        includes: names(facts.includes.map(({ path }) => path)),
      };
    } finally {
      rmSync(top, { recursive: true });
    }
  }

  it("is not read where it is too large, and is reported as unreadable", () => {
    const { unreadable, bytesRead } = look((conf) => truncateSync(conf, 8 * 1024 ** 4));
    expect(unreadable).toEqual(["redis.conf"]);
    expect(bytesRead).toBeGreaterThan(0);
    expect(bytesRead).toBeLessThan(FILE_LIMIT);
  });

  it("includes by a wildcard the files that the service user can list", () => {
    const { unreadable, includes } = look((conf, at) => {
      for (const [folder, mode] of [
        ["open", 0o755],
        ["closed", 0o700],
      ] as const) {
        mkdirSync(at(folder));
        for (const name of ["a.conf", "b.conf"]) writeFileSync(at(`${folder}/${name}`), "");
        chmodSync(at(folder), mode);
      }
      writeFileSync(conf, `include ${at("open")}/*.conf\ninclude ${at("closed")}/*.conf\n`);
    });
    expect(includes).toEqual(["open/a.conf", "open/b.conf"]);
    expect(unreadable).toEqual([]);
  });

  it("includes nothing by a wildcard that matches too much, and is reported as unreadable", () => {
    const { unreadable } = look((conf, at) => {
      mkdirSync(at("data"));
      for (let link = 0; link < 60; link++) symlinkSync(".", at(`data/${link}`));
      writeFileSync(conf, `include ${at("data")}/*/*/*/*/*/*\n`);
    });
    expect(unreadable).toEqual(["data/*/*/*/*/*/*"]);
  });
});

describe("the look at the programs that run", () => {
  it("runs grep with a bound on its memory for each of them", () => {
    using directory = temporaryDirectory();
    const [bounds, groups] = [join(directory.path, "bounds"), "group_of() { VALUE=; }"];
    printed(
      `ME=0 ADDRESSES= UNIT= GROUP= SOCKETS= sentinels=\n${groups}\n${othersFact.script({ ...NOTHING_ASKED, prove: true })}`,
      { grep: `ulimit -v >>'${bounds}'` },
    );
    expect(new Set(readFileSync(bounds, "utf8").trim().split("\n"))).toEqual(new Set(["262144"]));
  });
});

describe("a file that is a mount of its own", () => {
  it("is recognised, and a mounted folder is not taken for one", () => {
    const mounts = ["/etc/redis/redis.conf", "/etc/redis", "/elsewhere"].map(
      (path, number) => `/proc/self/mountinfo:${number} 35 98:0 / ${path} rw,noatime - ext4 /dev/vda rw\n`,
    );
    const { files } = editedFacts("stock", { lines: (text) => `${text}${mounts.join("")}` });
    expect([...files.mountedFiles]).toEqual(["/etc/redis/redis.conf"]);
  });
});

describe("on a host whose service user wrote redis.conf", () => {
  const CLI = `#!/bin/sh\nprintf '[%s]' "$@" >>"$CALLS"; echo >>"$CALLS"; echo '"default"'\n`;
  const listening = (port: number) =>
    `#!/bin/sh\necho 'tcp LISTEN 0 511 127.0.0.1:${port} 0.0.0.0:* uid:1 ino:1 sk:2 cgroup:/system.slice/test.service <->'\n`;

  /** What the probe prints for this redis.conf, and the words that it gave to redis-cli. */
  async function probe(
    conf: (at: (name: string) => string) => string,
    { socket, port = 0, more = "" }: { socket?: string; port?: number; more?: string } = {},
  ): Promise<{ output: string; words: string }> {
    using directory = temporaryDirectory();
    const at = (name: string) => join(directory.path, name);
    const server = createServer();
    if (socket !== undefined)
      await new Promise<void>((listens) => void server.listen(at(socket), () => listens()));
    writeFileSync(at("redis-cli"), CLI, { mode: 0o755 });
    writeFileSync(at("openssl"), CLI, { mode: 0o755 });
    writeFileSync(at("ss"), port === 0 ? "#!/bin/sh\n" : listening(port), { mode: 0o755 });
    writeFileSync(at("redis.conf"), conf(at));
    mkdirSync(at("data"));
    for (const name of ["back\\cut.rdb", "dump.rdb"]) writeFileSync(at(`data/${name}`), "");
    mkdirSync(at("elsewhere"));
    writeFileSync(at("elsewhere/passwd"), "x");
    symlinkSync(at("elsewhere"), at("data/appendonlydir"));
    const script = `set -u; N=${NONCE}; R=${saidWord(NONCE)}
${readingFunctions()}
UNIT=test.service; ${TEST_GROUP}; CLI=redis-cli; PID=1; CONF='${at("redis.conf")}'; ME=1
${configFilesFact.script(NOTHING_ASKED)}\n${redisFact.script(NOTHING_ASKED)}\n\n${more}\nprint_files; section end`;
    const env = { PATH: `${directory.path}:${process.env.PATH}`, LC_ALL: "C", CALLS: at("calls") };
    const output = execFileSync("sh", ["-c", script], {
      encoding: "utf8",
      env,
      stdio: "pipe",
      timeout: HANGS_MS,
    });
    await new Promise((closed) => server.close(closed));
    return { output, words: existsSync(at("calls")) ? readFileSync(at("calls"), "utf8") : "" };
  }

  it("the probe logs in over the Unix socket", async () => {
    const { output, words } = await probe((at) => `unixsocket "${at("s")}"\n`, { socket: "s" });
    expect(words).toMatch(/^\[--csv\]\[-s\]\[\S+\/s\]$/m);
    expect(output).toMatch(/ login\n>"default"\n\n\w+ endpoint\n-s \S+\/s\n/);
  });

  it("the probe skips a socket whose name holds options for redis-cli, and says so", async () => {
    const socket = "s --rdb x";
    const { output, words } = await probe((at) => `unixsocket "${at(socket)}"\n`, { socket });
    expect(words).toBe("");
    expect(output).toContain(
      "login-error\n>unixsocket in redis.conf holds signs that redkeep hands to no program",
    );
  });

  it.each(["/x --rdb /y", "relative.key", "/x\t--rdb", "/*"])(
    "the probe does not log in with a TLS file named %j, and says so",
    async (file) => {
      const conf = (name: string) =>
        `tls-port 7380\ntls-ca-cert-file /ca\ntls-cert-file /cert\ntls-key-file "${name}"\n`;
      expect((await probe(() => conf("/key"), { port: 7380 })).words).toMatch(/\[--key\]\[\/key\]$/m);
      expect(await probe(() => conf(file), { port: 7380 })).toMatchObject({
        words: "",
        output: expect.stringContaining("login-error\n>a TLS file in redis.conf holds signs"),
      });
    },
  );

  it.each(["/x --rdb /y", "org.openssl.engine:../../tmp/evil:x"])(
    "the probe makes no TLS proof with a TLS file named %j",
    async (file) => {
      const more = proofsFact.script({ ...NOTHING_ASKED, prove: true });
      const conf = (name: string) =>
        `tls-port 7380\ntls-ca-cert-file /ca\ntls-cert-file /cert\ntls-key-file "${name}"\n`;
      const plain = await probe(() => conf("/key"), { port: 7380, more });
      expect(plain.words).toMatch(/\[s_client\].*\[-key\]\[\/key\]$/m);
      expect(plain.output).toContain("with-certificate 7380");
      const { words, output } = await probe(() => conf(file), { port: 7380, more });
      expect(words).toMatch(/\[s_client\]/);
      expect(words).not.toMatch(/--rdb|engine/);
      expect(output).not.toContain("with-certificate");
    },
  );

  it("the probe reads what a quoted include names, patterns too", async () => {
    const { output } = await probe((at) => `include "${at("elsewhere")}/*"\n`);
    expect(output).toMatch(/\/elsewhere\/passwd\0[\s\S]*ustar[\s\S]*\0x\0/);
  });

  it("the probe lists data files under their exact names", async () => {
    const { output } = await probe((at) => `dir ${at("data")}\n`, { more: filesFact.script(NOTHING_ASKED) });
    expect(output).toMatch(/\/data\/back\\cut\.rdb\n\S+\/data\/dump\.rdb\n/);
  });

  it("the probe describes redis.conf although there are more data files than one command line takes", async () => {
    const conf = (at: (name: string) => string) => {
      mkdirSync(at("many"));
      for (let number = 0; number < 1500; number++)
        writeFileSync(at(`many/${"x".repeat(60)}${number}.rdb`), "");
      return `dir ${at("many")}\n`;
    };
    // The kernel lets the words take a quarter of the stack.
    const { output } = await probe(conf, { more: `ulimit -s 512; ${filesFact.script(NOTHING_ASKED)}` });
    expect(output).toMatch(/^regular file\|.*\/redis\.conf$/m);
    expect(output.match(/^regular empty file\|.*\/many\/x+\d+\.rdb$/gm)).toHaveLength(1500);
  });

  it("the probe ends where paths are relative, and where the unit names no redis.conf", async () => {
    const more = filesFact.script(NOTHING_ASKED);
    const relative = await probe(() => "aclfile users.acl\ntls-key-file tls/redis.key\n", { more });
    expect(relative.output).toMatch(/ end\n$/);
    const none = await probe(() => "", { more: `CONF_FOLDER=--port; ${more}` });
    expect(none.output).toMatch(/ end\n$/);
  });

  it("the probe lists nothing behind a link in the place of the AOF's directory", async () => {
    const { output } = await probe((at) => `dir ${at("data")}\n`, { more: filesFact.script(NOTHING_ASKED) });
    expect(output).toMatch(/\|\S+\/data\/appendonlydir$/m);
    expect(output).not.toContain("appendonlydir/passwd");
  });
});

describe("what the facts tell of clients, users and keys", () => {
  const info = (name: string) =>
    `id=7 addr=10.0.0.7:4001 laddr=172.17.0.2:6379 name=${name} flags=N sub=1 psub=2 ssub=0 cmd=keys user=app`;
  const entry = (object: string) =>
    `"count",3,"reason","key","context","toplevel","object",${csvString(object)},"username","app","age-seconds","1.5","client-info",${csvString(info("a"))},"entry-id",0`;

  it("holds the denials of ACL LOG, whatever a client wrote into it", () => {
    const forged = `x\ncount\n9\nreason\nauth\nusername\nroot","count",9,"username","root`;
    const { denials } = editedFacts("stock", {
      denials: () => `${entry("cart:1")},${entry(forged)}\n`,
    }).redis;
    expect(denials.map(({ count, reason, user, ageSeconds }) => [count, reason, user, ageSeconds])).toEqual(
      expect.arrayContaining([[3, "key", "app", 1.5]]),
    );
    expect(denials[0]?.client).toMatchObject({ address: "10.0.0.7:4001", name: "a", subscriptions: 3 });
    expect(denials.map(({ user }) => user)).not.toContain("root");
  });

  it("holds each user's answers to the access matrix, and none of a user with one missing", () => {
    const whole = MATRIX.map(() => "OK").join("\n\n");
    const { access } = editedFacts("stock", {
      "matrix-users": () => 'app\nwe"ird$x\nlost\n',
      "matrix 1": () => `${whole}\n`,
      "matrix 2": () => `${whole}\n`,
      "matrix 3": () => "OK\n",
    }).redis;
    expect([...access.keys()]).toEqual(["app", 'we"ird$x']);
    expect(access.get("app")).toHaveLength(MATRIX.length);
  });

  it("holds the sampled keys, whatever their names", () => {
    const { keys } = editedFacts("stock", {
      "key 0": () => "app:1\n",
      "key 1": () => "two\nlines\n",
      "key 2": () => "\n",
    }).redis;
    expect(keys).toEqual(["app:1", "two\nlines"]);
  });

  it("holds the address a client is connected to, which before Redis 6.2 only the host's sockets tell", () => {
    const { clients } = editedFacts("redis-6-stock", {
      clients: (text) => `id=9 addr=10.0.0.7:4001 fd=9 name= flags=N cmd=get user=default\n${text}`,
      sockets: () => "0      0      172.17.0.2:6379      10.0.0.7:4001\n0 0 [::1]:22 [::1]:5\n",
    }).redis;
    expect(clients.map(({ local }) => local)).toEqual(["172.17.0.2:6379", ""]);
  });
});
