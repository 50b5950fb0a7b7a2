import { execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { HostFacts } from "../../src/facts/probe.ts";
import { publicKeyDigest } from "../../src/pki/certificate.ts";
import { issueServerCertificate, makeAuthority } from "../../src/pki/issue.ts";
import { EC, Workshop } from "../pki/support.ts";
import { editedFacts, FACTS, factsOf, privateNetwork, withRunning } from "../support/facts.ts";
import { hostWith } from "../support/host-facts.ts";
import {
  addresses,
  changeLines,
  findings,
  guards,
  planTask,
  verifyTask,
  written,
} from "../support/run-task.ts";

const CONF = "/etc/redis/redis.conf";
const CRT = "/etc/redis/tls/redkeep-server.crt";
const KEY = "/etc/redis/tls/redkeep-server.key";
const CA = "/etc/redis/tls/redkeep-ca.crt";
const DAY = 86_400;

const plan = (name: string, params = {}, options = {}) => planTask("tls", params, factsOf(name), options);
const controls = (lines: readonly string[]) => lines.map((line) => line.split(":")[0]);

/** The host's clock says something else: the fifth line of its machine section. */
const inDays = (days: number) => (text: string) =>
  text.replace(/^\d{10}$/m, (epoch) => String(Number(epoch) + days * DAY));

describe("tls", () => {
  it("issues a certificate to a stock host and closes the plain port", () => {
    const made = plan("stock");
    expect(changeLines(made).slice(0, 6)).toEqual([
      "create file:/etc/redis/tls: null → directory, 0750 root:redis",
      `create file:${CA}: null → the CA's certificate, 0640 root:redis`,
      `create file:${CRT}: null → issued for 825 days, as a client's too: redkeep logs in by it where there is no Unix socket, 0640 root:redis`,
      `create file:${KEY}: null → a new private key ••••, 0640 root:redis`,
      "update redis.conf:port: 6379 → 0",
      "update redis.conf:tls-port: 0 → 6380",
    ]);
    expect(written(made, CONF)).toContain('tls-protocols "TLSv1.2 TLSv1.3"\n');
    expect(written(made, CONF)).toMatch(/^tls-auth-clients yes$/m);
    expect(guards(made)).toEqual([]);
  });

  it("writes no key of the CA to a host", () => {
    const made = plan("stock");
    expect(written(made, CA)).toBe(readFileSync(`${FACTS}/ca.crt`, "utf8"));
    const texts = made.actions.files.map(({ content }) =>
      "text" in content ? content.text : content.issued,
    );
    expect(texts.join("\n")).not.toContain("PRIVATE KEY");
  });

  it.each(["hardened", "rewritten", "redis-6-hardened", "redis-8-hardened", "valkey-8-hardened"])(
    "plans nothing and passes every check on %s",
    (name) => {
      expect(changeLines(plan(name))).toEqual([]);
      expect(findings(verifyTask("tls", {}, factsOf(name)))).toEqual([]);
    },
  );

  it("keeps the plain port where the playbook asks for it", () => {
    const made = plan("hardened", { plain_port: 6379 });
    expect(addresses(made)).toEqual(["redis.conf:port"]);
    expect(made.restartFor).toEqual([]);
    expect(findings(verifyTask("tls", { plain_port: 6379 }, factsOf("hardened")))).toEqual([
      "RK-TLS-01 fail: running 0",
    ]);
  });

  describe("a client on a port that Redis has closed", () => {
    const line = (more: string) =>
      `id=9 addr=10.0.0.7:4001 name=orders flags=N sub=0 psub=0 cmd=get user=app ${more}\n`;
    const left = (more: string, name = "hardened") =>
      findings(verifyTask("tls", {}, editedFacts(name, { clients: (text) => `${text}${line(more)}` })));

    it("is named, whatever closed the port", () => {
      expect(left("laddr=172.17.0.10:6379")).toEqual([
        "RK-TLS-01 fail: still connected: 10.0.0.7:4001 user app (orders) on port 6379",
      ]);
      expect(left("laddr=172.17.0.10:6380")).toEqual([]);
    });

    it("fails a check without rolling back, since it stays until it connects anew", () => {
      const facts = editedFacts("hardened", {
        clients: (text) => `${text}${line("laddr=172.17.0.10:6379")}`,
      });
      const check = verifyTask("tls", {}, facts).find(({ outcome }) => outcome === "fail");
      expect(check).toMatchObject({ source: "CLIENT LIST", isAdvisory: true });
    });

    it("is counted where there are many, and unknown where its port is not known", () => {
      const many = Array.from({ length: 7 }, () => line("laddr=172.17.0.10:6379")).join("");
      const facts = editedFacts("hardened", { clients: (text) => text + many });
      expect(findings(verifyTask("tls", {}, facts))).toEqual([expect.stringMatching(/ and 2 more$/)]);
      expect(left("", "redis-6-hardened")).toEqual([
        "RK-TLS-01 unknown: which port each client is on is not told",
      ]);
    });
  });

  it("writes auth_clients as Redis' tls-auth-clients", () => {
    const text = (auth_clients: unknown) => written(plan("stock", { auth_clients }), CONF);
    expect(text(false)).toMatch(/^tls-auth-clients no$/m);
    expect(text("optional")).toMatch(/^tls-auth-clients optional$/m);
  });

  it("issues a certificate anew where the host's private key does not belong to it, and reloads it", () => {
    const made = plan("drifted");
    expect(changeLines(made)).toEqual([
      `update file:${CRT}: the private key on the host does not belong to it → issued for 825 days, for serving alone, 0640 root:redis`,
      `update file:${KEY}: the private key on the host does not belong to it → a new private key ••••, 0640 root:redis`,
    ]);
    expect(made.restartFor).toEqual([]);
    expect(made.actions.liveSettings).toEqual([
      ["tls-cert-file", CRT],
      ["tls-key-file", KEY],
      ["tls-ca-cert-file", CA],
    ]);
    expect(controls(findings(verifyTask("tls", {}, factsOf("drifted"))))).toEqual([
      "RK-TLS-01 unknown",
      "RK-TLS-05 fail",
      "RK-TLS-06 unknown",
    ]);
  });

  it("renews a certificate near its end, and says until when it was good", () => {
    const facts = editedFacts("hardened", { machine: inDays(800) });
    const made = planTask("tls", {}, facts);
    expect(addresses(made)).toEqual([`file:${CRT}`, `file:${KEY}`]);
    expect(findings(verifyTask("tls", {}, facts))).toEqual([
      expect.stringMatching(/^RK-TLS-06 fail: ends in 2\d days$/),
    ]);
    expect(addresses(planTask("tls", { renew_before_days: 10 }, facts))).toEqual([]);
  });

  it("issues anew for a name that the certificate lacks", () => {
    const made = plan("hardened", { names: ["redis.example.com"] });
    expect(changeLines(made)[0]).toContain("redis.example.com");
    expect(
      controls(findings(verifyTask("tls", { names: ["redis.example.com"] }, factsOf("hardened")))),
    ).toEqual(["RK-TLS-05 fail"]);
  });

  it("issues anew for an address that redis.conf binds", () => {
    const facts = editedFacts("hardened", {
      [`config ${CONF}`]: (text) => text.replace(/^bind .*$/m, "bind 127.0.0.1 192.0.2.44"),
    });
    expect(changeLines(planTask("tls", {}, facts))[0]).toContain("192.0.2.44");
  });

  describe("certificates of a CA that this controller does not have", () => {
    it("stop the host: nothing is replaced", () => {
      const made = plan("hardened", {}, { ca: null });
      expect(guards(made)).toEqual(["-"]);
      // The files come first: --rotate cuts clients off.
      expect(made.refusals[0]?.remedy).toMatch(
        /^copy \.redkeep\/pki\/ca\.crt, \.redkeep\/pki\/ca\.key, \.redkeep\/pki\/clients\/ from .*Only where nobody has it: --rotate ca .* every client is refused/,
      );
      expect(guards(plan("hardened", {}, { ca: null, rotate: ["ca"] }))).toEqual([]);
    });

    it("are replaced by those of another CA that the playbook brings", async () => {
      const other = await makeAuthority();
      const made = plan("hardened", {}, { ca: other.certificate });
      expect(addresses(made)).toEqual([`file:${CA}`, `file:${CRT}`, `file:${KEY}`]);
      expect(
        controls(findings(verifyTask("tls", {}, factsOf("hardened"), { ca: other.certificate }))),
      ).toEqual(["RK-TLS-04 fail", "RK-TLS-05 fail"]);
    });
  });

  describe("a foreign CA for client certificates", () => {
    const own = readFileSync(`${FACTS}/ca.crt`, "utf8");
    const trust = (facts: HostFacts) =>
      findings(verifyTask("tls", {}, facts)).filter((line) => line.startsWith("RK-TLS-04"));

    it("is named by its subject and removed where it stands behind redkeep's own in one file", async () => {
      const foreign = await makeAuthority();
      const facts = editedFacts("hardened", { [`pem ${CA}`]: (text) => text + foreign.certificate });
      const { subject: name, fingerprint256 } = new X509Certificate(foreign.certificate);
      const subject = `${name.replaceAll("\n", ", ")} (SHA-256 ${fingerprint256.slice(0, 23)}…)`;
      expect(trust(facts)).toEqual([`RK-TLS-04 fail: also ${subject} in ${CA}`]);
      const made = planTask("tls", {}, facts);
      expect(changeLines(made)).toEqual([
        `update file:${CA}: the CA's certificate, and beside it ${subject} → the CA's certificate, 0640 root:redis`,
      ]);
      expect(written(made, CA)).toBe(own);
      expect(made.actions.liveSettings).toContainEqual(["tls-ca-cert-file", CA]);
    });

    it("is found also ahead of redkeep's own, or under another PEM name of OpenSSL's", async () => {
      const { certificate } = await makeAuthority();
      for (const text of [
        certificate + own,
        own + certificate.replaceAll(" CERTIFICATE-", " TRUSTED CERTIFICATE-"),
      ]) {
        const facts = editedFacts("hardened", { [`pem ${CA}`]: () => text });
        expect(trust(facts)).toHaveLength(1);
        expect(addresses(planTask("tls", {}, facts))).toEqual([`file:${CA}`]);
      }
    });

    it.each(["tls-ca-cert-file", "tls-ca-cert-dir"])(
      "is found by %s, on the running server and in the file",
      (setting) => {
        const live = editedFacts("hardened", { running: withRunning(setting, "/etc/redis/t2/ca") });
        expect(trust(live)).toEqual([expect.stringMatching(/^RK-TLS-04 fail: running \/etc\/redis\/t2\/ca/)]);
        expect(planTask("tls", {}, live).actions.liveSettings).toEqual([
          [setting, setting === "tls-ca-cert-file" ? CA : ""],
        ]);
        const stored = editedFacts("hardened", {
          [`config ${CONF}`]: (text) => `${text}${setting} /etc/redis/t2/ca\n`,
        });
        expect(trust(stored)).toEqual([expect.stringContaining("/etc/redis/t2/ca in the file")]);
        expect(addresses(planTask("tls", {}, stored))).toEqual([`redis.conf:${setting}`]);
      },
    );
  });

  describe("the CA's own end", () => {
    const day = new Date(new X509Certificate(readFileSync(`${FACTS}/ca.crt`)).validTo).getTime();
    const at = (days: number) =>
      editedFacts("hardened", {
        machine: (text) => text.replace(/^\d{10}$/m, () => String(Math.floor(day / 1000) + days * DAY)),
      });
    const authority = (days: number) =>
      verifyTask("tls", {}, at(days)).filter(({ control }) => control === "RK-TLS-10");

    it("is reported by verify, which fails from then on, and rolls no apply back", () => {
      expect(authority(-40)).toMatchObject([
        { outcome: "pass", observed: "ends in 40 days", isAdvisory: true },
      ]);
      expect(authority(2)).toMatchObject([
        { outcome: "fail", observed: "the CA ended 2 days ago", isAdvisory: true },
      ]);
    });

    it("stops an apply that would issue certificates nobody accepts", () => {
      const made = planTask("tls", {}, at(2));
      expect(made.refusals.map(({ found }) => found)).toEqual([
        "the CA in this controller's state has ended: what it signs is refused",
      ]);
      expect(guards(planTask("tls", {}, at(2), { ca: null, rotate: ["ca"] }))).toEqual([]);
    });
  });

  describe("trap 28: without the plain port, links of replicas break", () => {
    it.each(["primary", "replica"])("a %s is refused whose links do not use TLS", (name) => {
      expect(guards(plan(name))).toEqual(["replication-needs-tls"]);
      expect(guards(plan(name, { plain_port: 6379 }))).toEqual([]);
      expect(guards(plan(name, {}, { accepted: ["replication-needs-tls"] }))).toEqual([]);
    });

    it("a host is not refused whose links use TLS already", () => {
      const facts = editedFacts("replica", { [`config ${CONF}`]: (text) => `${text}tls-replication yes\n` });
      expect(guards(planTask("tls", {}, facts))).toEqual([]);
    });
  });

  describe("trap 29: who demands client certificates has to hand them out", () => {
    it("the plan says where nobody gets one", () => {
      expect(plan("stock", { clients: [] }).tasks[0]?.reason).toContain("tls.clients names nobody");
      expect(plan("stock").tasks[0]?.reason).toBeNull();
      expect(plan("stock", { clients: [], auth_clients: "optional" }).tasks[0]?.reason).toBeNull();
    });

    it("the check fails for a server that answers without one", () => {
      const facts = editedFacts("hardened", {
        "without-certificate 6380": () => "NOAUTH Authentication required.\n",
      });
      expect(findings(verifyTask("tls", {}, facts))).toEqual(["RK-TLS-04 fail: answered"]);
      expect(
        findings(verifyTask("tls", { auth_clients: "optional" }, facts)).filter((line) =>
          line.includes("answered"),
        ),
      ).toEqual(["RK-TLS-04 skip: answered"]);
    });

    it("the check does not take no answer for a refusal", () => {
      const facts = editedFacts("hardened", { "without-certificate 6380": () => undefined });
      expect(findings(verifyTask("tls", {}, facts))).toEqual(["RK-TLS-04 fail: nothing listens there"]);
    });
  });

  describe("what a certificate may be used for", () => {
    const renewed = (made: ReturnType<typeof planTask>) =>
      changeLines(made).find((line) => line.includes(CRT));

    it("is a server alone, save on replicas: one that is also a client's is issued anew, and fails until then", async () => {
      const ca = await makeAuthority();
      const { hostname } = factsOf("hardened").host;
      const { private_ip } = privateNetwork(factsOf("hardened"));
      const names = { dns: [hostname, "localhost"], ip: ["127.0.0.1", "::1", private_ip] };
      const withCertificate = async (calls: boolean, config = ""): Promise<HostFacts> => {
        const { certificate } = await issueServerCertificate(ca, hostname, names, 800, calls);
        const pem = new Map([
          [CRT, certificate],
          [CA, ca.certificate],
        ]);
        const facts = hostWith({
          like: "hardened",
          conf: (text) => `${text}\n${config}`,
          host: { epoch: Math.floor(Date.now() / 1000) },
        });
        const keyDigests = new Map([[KEY, publicKeyDigest(certificate) ?? ""]]);
        return { ...facts, certificates: { ...facts.certificates, pem, keyDigests } };
      };
      const given = { ca: ca.certificate };
      const both = await withCertificate(true);
      expect(renewed(planTask("tls", {}, both, given))).toBe(
        `update file:${CRT}: it is a client's too, so that it opens other servers → issued for 825 days, for serving alone, 0640 root:redis`,
      );
      expect(verifyTask("tls", {}, both, given).find(({ control }) => control === "RK-TLS-05")).toMatchObject(
        {
          outcome: "fail",
          observed: "it is a client's too, so that it opens other servers",
        },
      );
      expect(renewed(planTask("tls", {}, await withCertificate(false), given))).toBeUndefined();
      const replica = "tls-replication yes\nreplicaof 10.0.0.1 6380\n";
      expect(renewed(planTask("tls", {}, await withCertificate(true, replica), given))).toBeUndefined();
      expect(renewed(planTask("tls", {}, await withCertificate(false, replica), given))).toBe(
        `update file:${CRT}: it is for serving alone, and its primary asks for it, now or after a failover → issued for 825 days, as a client's too: its primary asks for it, now or after a failover, 0640 root:redis`,
      );
    });
  });

  describe("trap 30: a certificate with a common name alone is no good for clients", () => {
    it("the playbook's own is refused", async () => {
      const workshop = await Workshop.open();
      workshop.authority("ca", EC, [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign",
      ]);
      const { certificate, key } = workshop.issue("redis-01", "ca", EC, ["extendedKeyUsage=serverAuth"]);
      const ca = workshop.pair("ca").certificate;
      const made = plan("stock", {}, { ca, certificate: { certificate, key } });
      expect(new Set(guards(made))).toEqual(new Set(["certificate"]));
      expect(made.refusals.map(({ found }) => found).join("\n")).toContain("localhost");
      const accepted = plan(
        "stock",
        {},
        { ca, certificate: { certificate, key }, accepted: ["certificate"] },
      );
      expect(guards(accepted)).toEqual([]);
      expect(written(accepted, CRT)).toBe(certificate);
      expect(changeLines(accepted).join("\n")).not.toContain("PRIVATE KEY");
    });

    it("a certificate for servers alone does not fail for a PING that nobody on the host can send", async () => {
      const workshop = await Workshop.open();
      workshop.authority("ca", EC, [
        "basicConstraints=critical,CA:TRUE",
        "keyUsage=critical,keyCertSign,cRLSign",
      ]);
      const { certificate } = workshop.issue("redis-01", "ca", EC, ["extendedKeyUsage=serverAuth"]);
      const answers = (served: string) =>
        verifyTask(
          "tls",
          {},
          editedFacts("hardened", {
            [`pem ${CRT}`]: () => certificate,
            "with-certificate 6380": () => "Error: Connection reset by peer\n",
            "served 6380": () => served,
          }),
        ).find(({ expected }) => expected === "an answer over TLS on port 6380");
      expect(answers(certificate)).toMatchObject({
        outcome: "pass",
        observed: expect.stringContaining("not tried"),
      });
      expect(answers("")).toMatchObject({ outcome: "unknown" });
    });

    it("one with every name and address is accepted", async () => {
      const ca = await makeAuthority();
      const { hostname } = factsOf("stock").host;
      const own = await issueServerCertificate(
        ca,
        hostname,
        { dns: [hostname, "localhost"], ip: ["127.0.0.1", "::1"] },
        90,
      );
      // Issued now: the recorded host's clock has to be that of today.
      const now = String(Math.floor(Date.now() / 1000));
      const today = editedFacts("stock", { machine: (text) => text.replace(/^\d{10}$/m, now) });
      expect(guards(planTask("tls", {}, today, { ca: ca.certificate, certificate: own }))).toEqual([]);
    });
  });

  it("refuses a port that another service has", () => {
    const made = plan("strange", { port: 8080 });
    expect(guards(made)).toEqual(["-"]);
    expect(made.refusals[0]?.found).toBe("port 8080 is taken by webapp.service");
  });

  it("refuses a port that only root may open, unless the unit may", () => {
    const made = planTask("tls", { port: 443 }, factsOf("stock"));
    expect(guards(made)).toEqual(["privileged-port"]);
    expect(made.refusals[0]?.found).toBe(
      "port 443 is below 1024, where redis may not listen: Redis would not start",
    );
    expect(guards(planTask("tls", { plain_port: 102 }, factsOf("stock")))).toEqual(["privileged-port"]);
    const may = editedFacts("stock", {
      properties: (text) =>
        text.replace(/^AmbientCapabilities=.*$/m, "AmbientCapabilities=cap_net_bind_service"),
    });
    expect(guards(planTask("tls", { port: 443 }, may))).toEqual([]);
    const open = editedFacts("stock", {
      lines: (text) => `/proc/sys/net/ipv4/ip_unprivileged_port_start:0\n${text}`,
    });
    expect(guards(planTask("tls", { port: 443 }, open))).toEqual([]);
  });

  it("refuses a member of a cluster", () => {
    const facts = editedFacts("stock", {
      info: (text) => text.replace("cluster_enabled:0", "cluster_enabled:1"),
    });
    expect(guards(planTask("tls", {}, facts))).toEqual(["cluster"]);
  });

  it("says what is unknown without a login, and still plans what the file lacks", () => {
    const facts = editedFacts("stock", {
      login: () => undefined,
      "login-error": () => "WRONGPASS\n",
      running: () => undefined,
      info: () => undefined,
    });
    const made = planTask("tls", {}, facts, { accepted: ["unknown-data"] });
    expect(guards(made)).toEqual([]);
    expect(addresses(made)).toContain("redis.conf:tls-port");
    expect(made.restartFor).toContain("redis.conf:tls-port");
    const blocked = verifyTask("tls", {}, facts).filter(({ blockedBy }) => blockedBy === "login");
    expect(blocked.length).toBeGreaterThan(3);
    expect(verifyTask("tls", {}, facts).filter(({ outcome }) => outcome === "pass")).toEqual([]);
  });

  it("plans and checks without openssl on the host, and says what was not tried", () => {
    const facts = editedFacts("hardened", {
      keys: () => undefined,
      "served 6380": () => undefined,
      "old-protocol 6380": () => undefined,
    });
    expect(addresses(planTask("tls", {}, facts))).toEqual([]);
    expect(controls(findings(verifyTask("tls", {}, facts)))).toEqual([
      "RK-TLS-03 unknown",
      "RK-TLS-06 unknown",
    ]);
  });

  it.each([
    [
      "a served certificate that is not the one on disk",
      { "served 6380": () => readFileSync(`${FACTS}/ca.crt`, "utf8") },
      "RK-TLS-06",
    ],
    ["TLS 1.1", { "old-protocol 6380": () => "accepted\n" }, "RK-TLS-03"],
    ["other ciphers at run time", { running: withRunning("tls-ciphers", "ALL") }, "RK-TLS-03"],
    [
      "a key that others may read",
      {
        paths: (text: string) => text.replace(/\|640\|(\d+\|\d+\|\S*redkeep-server\.key)/, "|644|$1"),
      },
      "RK-TLS-07",
    ],
  ])("fails the check for %s", (_, edits, control) => {
    expect(controls(findings(verifyTask("tls", {}, editedFacts("hardened", edits))))).toEqual([
      `${control} fail`,
    ]);
  });

  it("fails the check for the CA's own key on a host, under whatever name", () => {
    const key = execFileSync("openssl", ["x509", "-in", `${FACTS}/ca.crt`, "-noout", "-pubkey"]);
    const facts = editedFacts("hardened", { keys: (text) => `/etc/redis/tls/old.key\n${key}${text}` });
    expect(findings(verifyTask("tls", {}, facts))).toEqual([
      "RK-TLS-07 fail: 0640 root:redis; the CA's key lies in /etc/redis/tls/old.key",
    ]);
  });

  it("trap 31: uses Valkey's directory and group", () => {
    const made = plan("valkey-8-stock");
    expect(addresses(made)[0]).toBe("file:/etc/valkey/tls");
    expect(written(made, "/etc/valkey/valkey.conf")).toContain(
      "tls-key-file /etc/valkey/tls/redkeep-server.key\n",
    );
    for (const { path, attributes } of made.actions.files.filter(({ path }) => path.includes("/tls/")))
      expect([path, attributes.group, attributes.mode]).toEqual([path, "valkey", 0o640]);
  });

  it("restarts Redis 6.0 for a changed port, and no later version", () => {
    const facts = (name: string) => editedFacts(name, { running: withRunning("tls-port", "7777") });
    expect(planTask("tls", {}, facts("redis-6-hardened")).restartFor).toEqual(["redis.conf:tls-port"]);
    expect(planTask("tls", {}, facts("hardened")).restartFor).toEqual([]);
  });

  it("puts the host's address into the certificate, and no empty name where it has none", () => {
    const facts = editedFacts("hardened", { machine: (text) => text.replace(/^.*/, "") });
    const check = verifyTask("tls", {}, facts).find(({ control }) => control === "RK-TLS-05");
    expect(check?.expected).toBe(`valid for localhost, 127.0.0.1, ::1, ${privateNetwork(facts).private_ip}`);
  });

  it.each([
    [{ port: 0 }],
    [{ port: 70_000 }],
    [{ plain_port: 6380 }],
    [{ protocols: ["TLSv1.1"] }],
    [{ ciphers: [] }],
    [{ ciphers: ['ALL"\nport 6379'] }],
    [{ names: ["a b"] }],
    [{ clients: ["../../etc/passwd"] }],
    [{ auth_clients: "yes" }],
    [{ valid_days: 30, renew_before_days: 30 }],
  ])("does not take %j", (params) => {
    expect(() => plan("stock", params)).toThrow();
  });
});
