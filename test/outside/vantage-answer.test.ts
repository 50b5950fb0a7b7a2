import { describe, expect, it } from "vitest";
import type { PortSight, Sight } from "../../src/outside/sight.ts";
import type { Target } from "../../src/outside/target.ts";
import { parseVantageAnswer } from "../../src/outside/vantage-answer.ts";

const NONCE = "0123456789abcdef01234567";
const TARGET: Target = {
  host: "redis-01",
  address: "10.0.0.5",
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

function parse(lines: readonly string[], ...more: readonly string[]): Sight {
  const all = ["- tool bash", "- openssl yes", ...lines, "0 done", "- end", ...more];
  const output = `Welcome to app-01!\n${all.map((line) => `${NONCE} ${line}\n`).join("")}`;
  const [sight] = parseVantageAnswer(output, [{ target: TARGET, isAllowed: true }], NONCE);
  if (sight === undefined) throw new Error("no sight");
  return sight;
}

describe("a port, by what the tools of a vantage host print", () => {
  it.each<[string, string[], Partial<PortSight>]>([
    [
      "bash, refused",
      [
        "bash: connect: Connection refused",
        "bash: line 1: /dev/tcp/10.0.0.5/6379: Connection refused",
        "exit 1",
      ],
      { state: "closed" },
    ],
    ["bash, no answer", ["timed out", "exit 0"], { state: "filtered" }],
    ["bash on a host so busy that it never began", ["exit 124"], { state: "unknown" }],
    [
      "bash, by an icmp of a router",
      ["bash: connect: No route to host", "exit 1"],
      { state: "filtered", detail: "no route to the host" },
    ],
    [
      "bash, without IPv6",
      ["bash: connect: Network is unreachable", "exit 1"],
      { state: "unknown", detail: "it has no route to that network" },
    ],
    [
      "bash, no such name",
      [
        "bash: redis: Name or service not known",
        "bash: line 1: /dev/tcp/redis/6379: Invalid argument",
        "exit 1",
      ],
      { state: "unknown", detail: "it cannot resolve the name" },
    ],
    ["bash, open and silent", ["open", "exit 124"], { state: "open", reply: "" }],
    [
      "bash, open",
      ["open", "-NOAUTH Authentication required.", "+OK", "exit 0"],
      { state: "open", reply: "-NOAUTH Authentication required." },
    ],
    [
      "bash built without /dev/tcp",
      ["bash: line 1: /dev/tcp/10.0.0.5/6379: No such file or directory", "exit 1"],
      { state: "unknown" },
    ],
    ["python3, refused", ["[Errno 111] Connection refused", "exit 1"], { state: "closed" }],
    ["python3, no answer", ["timed out", "exit 1"], { state: "filtered" }],
    ["python3, no such name", ["[Errno -2] Name or service not known", "exit 1"], { state: "unknown" }],
    [
      "nc of OpenBSD, refused",
      ["nc: connect to 10.0.0.5 port 6379 (tcp) failed: Connection refused", "exit 1"],
      { state: "closed" },
    ],
    [
      "nc of OpenBSD, no answer",
      ["nc: connect to 10.0.0.5 port 6379 (tcp) timed out: Operation now in progress", "exit 1"],
      { state: "filtered" },
    ],
    [
      "the traditional nc, refused",
      ["(UNKNOWN) [10.0.0.5] 6379 (redis) : Connection refused", "exit 1"],
      { state: "closed" },
    ],
    [
      "the traditional nc, no such name",
      ["redis: forward host lookup failed: Unknown host", "exit 1"],
      { state: "unknown", detail: "it cannot resolve the name" },
    ],
    ["ncat, refused", ["Ncat: Connection refused.", "exit 1"], { state: "closed" }],
    ["ncat, no answer", ["Ncat: TIMEOUT.", "exit 1"], { state: "filtered" }],
    ["nothing at all", [], { state: "unknown" }],
  ])("%s", (_, said, expected) => {
    const seen = parse(said.map((line) => `0 port 6379 ${line}`)).ports.get(6379);
    expect(seen).toMatchObject(expected);
  });

  it("is unknown where the time was over before its turn", () => {
    const output = ["- tool bash", "- openssl yes", "0 port 6379 timed out", "- end"]
      .map((line) => `${NONCE} ${line}\n`)
      .join("");
    const [seen] = parseVantageAnswer(output, [{ target: TARGET, isAllowed: true }], NONCE);
    expect(seen?.ports.get(6379)).toMatchObject({ state: "unknown" });
  });
});

describe("a handshake, by what openssl s_client prints", () => {
  it.each<[string, string[], string]>([
    [
      "3.0, refused by the server",
      [
        "40E7F4CC7F0000:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:1601:SSL alert number 70",
        "New, (NONE), Cipher is (NONE)",
        "exit 1",
      ],
      "refused protocol version",
    ],
    [
      "1.1.1, refused by the server",
      [
        "139:error:1409442E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:../ssl/record/rec_layer_s3.c:1544:SSL alert number 70",
        "New, (NONE), Cipher is (NONE)",
        "exit 1",
      ],
      "refused protocol version",
    ],
    [
      "closed without an alert",
      ["write:errno=104", "New, (NONE), Cipher is (NONE)", "exit 1"],
      "refused connection closed",
    ],
    [
      "taken",
      ["-----BEGIN CERTIFICATE-----", "New, TLSv1.3, Cipher is TLS_AES_256_GCM_SHA384", "exit 0"],
      "taken TLS_AES_256_GCM_SHA384",
    ],
    [
      "chosen, and then refused for want of a certificate",
      [
        "40:error:0A000410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:../ssl/record/rec_layer_s3.c:1601:SSL alert number 40",
        "-----BEGIN CERTIFICATE-----",
        "New, TLSv1.2, Cipher is ECDHE-ECDSA-AES128-GCM-SHA256",
        "exit 1",
      ],
      "taken ECDHE-ECDSA-AES128-GCM-SHA256",
    ],
    [
      "not tried: the client itself refuses",
      [
        "40:error:0A0000BF:SSL routines:tls_setup_handshake:no protocols available:../ssl/statem/statem_lib.c:104:",
        "New, (NONE), Cipher is (NONE)",
        "exit 1",
      ],
      "unknown its openssl cannot speak it",
    ],
    [
      "not tried: an option that is too new",
      ["s_client: Unknown option: -tls1_3", "exit 1"],
      "unknown its openssl cannot speak it",
    ],
    [
      "clear text",
      [
        "40:error:0A00010B:SSL routines:ssl3_get_record:wrong version number:../ssl/record/ssl3_record.c:354:",
        "New, (NONE), Cipher is (NONE)",
        "exit 1",
      ],
      "unknown no TLS is spoken there",
    ],
    ["no answer", ["exit 124"], "unknown no answer"],
  ])("%s", (_, said, expected) => {
    const seen = parse(said.map((line) => `0 tls TLSv1.2 ${line}`)).handshakes.get("TLSv1.2");
    expect(`${seen?.outcome} ${seen?.detail}`).toBe(expected);
  });
});

it("a vantage host that answers without end is read only for what it was asked", () => {
  const flood = Array.from({ length: 5000 }, (_, index) => `0 chain line ${index}`);
  const seen = parse([...flood, ...Array(100).fill("0 port 6379 open"), "1 port 6379 open"]);
  expect(seen.chain.split("\n")).toHaveLength(400);
  expect([...seen.ports.keys()]).toEqual([6379, 6380]);
});
