import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { outsideChecks, type View } from "../../src/outside/checks.ts";
import type { HandshakeSight, PortSight, Sight } from "../../src/outside/sight.ts";
import type { Target } from "../../src/outside/target.ts";
import { FACTS, factsOf } from "../support/facts.ts";

const hardened = factsOf("hardened");
const own = hardened.certificates.pem.get("/etc/redis/tls/redkeep-server.crt") ?? "";
const TARGET: Target = {
  host: "redis-01",
  address: "172.17.0.10",
  plainPorts: [6379],
  wantedPlainPorts: [],
  tlsPort: 6380,
  tls: {
    protocols: ["TLSv1.2", "TLSv1.3"],
    ciphers: ["ECDHE-ECDSA-AES128-GCM-SHA256"],
    ciphersuites: ["TLS_AES_256_GCM_SHA384"],
    auth_clients: true,
  },
};

const port = (state: PortSight["state"], reply = ""): PortSight => ({ state, detail: "", reply });
const taken: HandshakeSight = { outcome: "taken", detail: "" };
const refused: HandshakeSight = { outcome: "refused", detail: "protocol version" };

/** What is seen of a hardened host from an allowed place. */
const GOOD: Sight = {
  ports: new Map([
    [6379, port("filtered")],
    [6380, port("open")],
  ]),
  handshakes: new Map([
    ["TLSv1", refused],
    ["TLSv1.1", refused],
    ["TLSv1.2", taken],
    ["TLSv1.3", taken],
    ["other-ciphers", refused],
    ["other-ciphersuites", refused],
  ]),
  chain: own,
  withoutCertificate: { refused: "certificate required" },
};

/** Of a host that lets nobody in. */
const SHUT: Sight = {
  ports: new Map([
    [6379, port("filtered")],
    [6380, port("filtered")],
  ]),
  handshakes: new Map(),
  chain: "",
};

function view(sight: View["sight"], parts: Partial<View> = {}): View {
  return {
    target: TARGET,
    stance: "allowed",
    vantage: "app-01",
    sight,
    isProved: true,
    own,
    ca: readFileSync(join(FACTS, "ca.crt"), "utf8"),
    epoch: hardened.host.epoch,
    ...parts,
  };
}

const denied = (sight: View["sight"], parts: Partial<View> = {}) =>
  view(sight, { stance: "denied", vantage: "bastion-01", ...parts });
const open = (one: View) =>
  outsideChecks(one)
    .filter(({ outcome }) => outcome !== "pass")
    .map(({ control, outcome, observed }) => `${control} ${outcome}: ${observed}`);

describe("from an allowed place", () => {
  it("a hardened host fails no check, and none is unknown", () => {
    expect(open(view(GOOD))).toEqual([]);
    expect(outsideChecks(view(GOOD)).map(({ source }) => source)).toContain(
      "openssl s_client -tls1, -tls1_1 on app-01",
    );
  });

  it.each<[string, Partial<Sight>, string[]]>([
    [
      "an old version taken",
      { handshakes: new Map([...GOOD.handshakes, ["TLSv1", taken]]) },
      ["RK-TLS-03 fail: TLS 1.0 taken, TLS 1.1 refused (protocol version)"],
    ],
    [
      "a declared version refused",
      { handshakes: new Map([...GOOD.handshakes, ["TLSv1.3", refused]]) },
      ["RK-TLS-03 fail: TLS 1.2 taken, TLS 1.3 refused (protocol version)"],
    ],
    [
      "an old version that this client cannot speak: no pass",
      {
        handshakes: new Map([
          ...GOOD.handshakes,
          ["TLSv1", { outcome: "unknown", detail: "its openssl cannot speak it" }],
        ]),
      },
      [
        "RK-TLS-03 unknown: TLS 1.0 not told (its openssl cannot speak it), TLS 1.1 refused (protocol version)",
      ],
    ],
    [
      "an answer without a certificate",
      { withoutCertificate: { line: "-NOAUTH Authentication required." } },
      ["RK-TLS-04 fail: answered -NOAUTH Authentication required"],
    ],
    [
      "no answer without a certificate: no proof",
      { withoutCertificate: { unknown: "no answer" } },
      ["RK-TLS-04 unknown: no answer"],
    ],
    [
      "a plain port that asks for a login",
      { ports: new Map([...GOOD.ports, [6379, port("open", "-NOAUTH Authentication required.")]]) },
      ["RK-TLS-01 fail: 172.17.0.10: 6379 open"],
    ],
    [
      "a plain port that answers everybody",
      { ports: new Map([...GOOD.ports, [6379, port("open", "+PONG")]]) },
      ["RK-NET-03 fail: 172.17.0.10: 6379 +PONG", "RK-TLS-01 fail: 172.17.0.10: 6379 open"],
    ],
    [
      "a plain port that speaks something else: neither",
      { ports: new Map([...GOOD.ports, [6379, port("open", "HTTP/1.1 400 Bad Request")]]) },
      [
        "RK-NET-03 unknown: 172.17.0.10: 6379 HTTP/1.1 400 Bad Request",
        "RK-TLS-01 fail: 172.17.0.10: 6379 open",
      ],
    ],
    [
      "no certificate",
      { chain: "" },
      ["RK-TLS-05 unknown: no certificate came", "RK-TLS-06 unknown: no certificate came"],
    ],
    [
      "the certificate of another machine",
      { chain: readFileSync(join(FACTS, "ca.crt"), "utf8") },
      [
        "RK-TLS-05 fail: it is a CA's own certificate; it does not cover 172.17.0.10",
        "RK-TLS-06 fail: another one",
      ],
    ],
  ])("%s", (_, seen, expected) => {
    expect(open(view({ ...GOOD, ...seen }))).toEqual(expected);
  });

  it("a name that the certificate does not cover fails, whatever the address", () => {
    const target = { ...TARGET, address: "redis.internal" };
    expect(open(view(GOOD, { target }))).toEqual(["RK-TLS-05 fail: it does not cover redis.internal"]);
  });

  it("a filtered port fails once, and the checks behind it are unknown", () => {
    const seen = open(view(SHUT));
    expect(seen[0]).toBe("RK-NET-04 fail: 172.17.0.10: 6380 filtered");
    expect(seen.slice(1).every((text) => text.endsWith("unknown: port 6380 is filtered from there"))).toBe(
      true,
    );
  });

  it("a closed port is reported as closed, not as filtered", () => {
    const ports = new Map([...SHUT.ports, [6380, port("closed")] as const]);
    expect(open(view({ ...SHUT, ports }))[0]).toBe("RK-NET-04 fail: 172.17.0.10: 6380 closed");
  });
});

describe("from a denied place", () => {
  it("a host passes whose ports are filtered or closed", () => {
    expect(open(denied(SHUT))).toEqual([]);
    const ports = new Map([...SHUT.ports, [6380, port("closed")] as const]);
    expect(open(denied({ ...SHUT, ports }))).toEqual([]);
  });

  it("a host fails that lets a connection in, whatever it answers", () => {
    expect(open(denied(GOOD))).toEqual(["RK-NET-04 fail: 172.17.0.10: 6379 filtered, 6380 open"]);
  });

  it("no answer from an address that may belong to another machine is unknown", () => {
    expect(open(denied(SHUT, { isProved: false }))).toEqual([
      "RK-NET-04 unknown: 172.17.0.10: 6379 filtered, 6380 filtered, but nothing shows that 172.17.0.10 is this host: name an allowed host too",
    ]);
  });

  it("a name that does not resolve there, or a missing route, is unknown", () => {
    const lost: PortSight = { state: "unknown", detail: "it cannot resolve the name", reply: "" };
    const ports = new Map([6379, 6380].map((number) => [number, lost] as const));
    expect(outsideChecks(denied({ ...SHUT, ports })).map(({ outcome }) => outcome)).toEqual([
      "unknown",
      "unknown",
    ]);
  });
});

describe("a place from which nobody could look", () => {
  it.each<[string, View["sight"], RegExp]>([
    ["is not reached", { lost: "connection refused by 10.0.0.9:22" }, /app-01: connection refused/],
    ["has no tools", { ...SHUT, lacksTcp: "it lacks bash: install it" }, /app-01: it lacks bash: install it/],
  ])("%s: no check passes, and the run ends with 3", (_, sight, reason) => {
    const checks = outsideChecks(view(sight));
    expect(checks.length).toBeGreaterThan(8);
    for (const { outcome, blockedBy, observed } of checks) {
      expect({ outcome, blockedBy }).toEqual({ outcome: "unknown", blockedBy: "vantage" });
      expect(observed).toMatch(reason);
    }
  });

  it("has no openssl: the checks that need TCP alone are still made", () => {
    const sight = {
      ...GOOD,
      handshakes: new Map(),
      chain: "",
      lacksTls: "it has no openssl: install openssl",
    };
    const told = new Map(outsideChecks(view(sight)).map(({ control, outcome }) => [control, outcome]));
    expect(told.get("RK-NET-04")).toBe("pass");
    expect(told.get("RK-TLS-03")).toBe("unknown");
    expect(told.get("RK-TLS-05")).toBe("unknown");
  });
});
