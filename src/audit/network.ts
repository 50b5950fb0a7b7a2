import type { Listener } from "../facts/host.ts";
import { includesPort } from "../firewall/evaluate.ts";
import { parsePublishedPorts } from "../firewall/foreign.ts";
import { networksPassage } from "../firewall/reachability.ts";
import { verdictOf } from "../firewall/walk/passage.ts";
import { isLoopback, normalizeSubnet } from "../lib/network.ts";
import { excerpt } from "../lib/secret.ts";
import { NO_OTHER_SERVER } from "../record/record.ts";
import { boundAddresses, clientPorts } from "../redis/server.ts";
import type { Check } from "../verify/controls.ts";
import { unmanagedCheck } from "../verify/unmanaged-firewall.ts";
import { type AuditContext, found, notApplicable, soundSetting } from "./context.ts";

const SENTINEL_PORT = 26379;

/** Networks that nobody may use, for the strangers of documents (RFC 5737, RFC 3849). */
const STRANGERS = { 4: "192.0.2.1", 6: "2001:db8::1" } as const;

export function networkChecks(context: AuditContext): Check[] {
  return [
    ...leftOutFirewallCheck(context),
    sidePortCheck(context),
    dockerCheck(context),
    soundSetting(
      context,
      "RK-NET-09",
      "tcp-keepalive",
      "tcp-keepalive of some seconds",
      (value) => Number(value) > 0,
    ),
    ...sentinelChecks(context),
    otherServersCheck(context),
  ];
}

/** What the host's own rules do, where no firewall task applies and the application's networks are known all the same. */
function leftOutFirewallCheck({ facts, server, networks = [] }: AuditContext): Check[] {
  const subnets = networks.flatMap((text) => normalizeSubnet(text)?.subnet ?? []);
  if (subnets.length === 0) return [];
  const [ports, bound] = [clientPorts(server), boundAddresses(server)];
  return [unmanagedCheck({ facts, ports, bound, networks: subnets, because: "no firewall task" })];
}

/** The cluster bus and Sentinel, where they listen beyond the host itself. */
function sidePortCheck(context: AuditContext): Check {
  const { facts } = context;
  const expected = "no stranger gets through to the cluster bus or Sentinel";
  const source = "ss -Hltn, iptables-save, nft";
  const listening = sidePorts(context).filter(({ address }) => !isLoopback(address));
  if (listening.length === 0)
    return notApplicable("RK-NET-05", expected, "neither listens beyond the host itself", source);
  const ways = listening.flatMap((listener) =>
    familiesOf(listener).map((family) => {
      const passage = networksPassage(facts, family, listener.port, [STRANGERS[family]]);
      const by = (passage.openings[0]?.rule ?? passage.doubts[0])?.text;
      return { port: listener.port, family, verdict: verdictOf(passage), by };
    }),
  );
  const ports = (list: typeof ways) => [...new Set(list.map(({ port }) => port))].join(", ");
  const reasons = (list: typeof ways) =>
    [...new Set(list.map(({ family, by }) => `IPv${family}: ${by}`))].join("; ");
  const open = ways.filter(({ verdict }) => verdict === "open");
  const unclear = ways.filter(({ verdict }) => verdict === "unknown");
  const observed =
    open.length > 0
      ? `everybody gets through to ${ports(open)} (${reasons(open)})`
      : unclear.length > 0
        ? `rules for ${ports(unclear)} are unclear (${reasons(unclear)})`
        : `${ports(ways)} filtered`;
  return found(
    "RK-NET-05",
    { expected, observed, source },
    open.length > 0 ? false : unclear.length === 0 || { outcome: "unknown" },
  );
}

function sidePorts({ facts, server }: AuditContext): Listener[] {
  const clientPorts = ["port", "tls-port"].map((name) =>
    Number(server.running?.get(name) ?? server.config.get(name)?.[0] ?? 0),
  );
  return facts.host.listeners.filter(
    ({ protocol, port, unit }) =>
      protocol === "tcp" &&
      (port === SENTINEL_PORT ||
        facts.service.sentinels.includes(unit ?? "") ||
        (server.isCluster && unit === server.unit && !clientPorts.includes(port))),
  );
}

function familiesOf({ address }: Listener): (4 | 6)[] {
  if (address === "*" || address === "::") return [4, 6];
  return [address.includes(":") ? 6 : 4];
}

function dockerCheck({ facts, server }: AuditContext): Check {
  const expected = "no container publishes a Redis port beyond the host itself";
  const source = "docker ps";
  if (!facts.host.tools.has("docker"))
    return notApplicable("RK-NET-07", expected, "no Docker on this host", source);
  if (facts.firewall.isDockerSilent) {
    return found(
      "RK-NET-07",
      { expected, observed: "docker ps does not answer", source },
      { outcome: "unknown", ...(facts.host.uid === 0 ? {} : { blockedBy: "rights" as const }) },
    );
  }
  const own = [server.running?.get("port"), server.running?.get("tls-port")].map(Number);
  const ports = [6379, 6380, 16379, 26379, ...own.filter((port) => port > 0)];
  // Docker shows ports that follow each other as one range.
  const isRedis = (range: string) => ports.some((port) => includesPort(range.replace("-", ":"), port));
  const published = parsePublishedPorts(facts.firewall.dockerPorts).filter(
    ({ address, port, containerPort }) => !isLoopback(address) && (isRedis(containerPort) || isRedis(port)),
  );
  return found(
    "RK-NET-07",
    {
      expected,
      observed:
        published
          .map(
            ({ container, address, port, containerPort }) =>
              `${container}: ${address}:${port} to its ${containerPort}`,
          )
          .join("; ") || "none",
      source,
    },
    published.length === 0,
  );
}

/** Root's own look at what runs, and what it says to strangers. */
function otherServersCheck({ facts, neighbours = [] }: AuditContext): Check {
  const expected = "no other Redis, or none that answers strangers";
  const source = "/proc/PID/exe, ss -Hltn, PING without a login";
  const { servers, isCut } = facts.others;
  if (servers === undefined) {
    return found(
      "RK-NET-11",
      { expected, observed: "the programs that run cannot be looked at", source },
      { outcome: "unknown", blockedBy: "rights" },
    );
  }
  const others = servers.filter(({ group }) => !neighbours.includes(group));
  const told = others.map(({ pid, group, listens }) => {
    const beyond = listens.filter(({ at }) => !isLoopback(addressOf(at)));
    const isOpen = beyond.some(({ reply }) => reply === "PONG");
    const isClosed = beyond.every(({ reply }) => /^(?:NOAUTH|DENIED|-NOAUTH|-DENIED)/.test(reply));
    const isContained = /(?:^|\/)(?:docker|libpod|crio|cri-containerd)-/.test(group);
    const where = beyond.map(({ at }) => at).join(", ");
    return {
      verdict: isOpen ? "open" : isContained || !isClosed ? "unclear" : "closed",
      text: `process ${pid} (${excerpt(group, 60)})${
        isOpen
          ? ` answers everybody on ${where}`
          : isContained
            ? " runs in a container"
            : where === ""
              ? " listens for the host alone"
              : isClosed
                ? ` refuses strangers on ${where}`
                : ` gives no clear answer on ${where}`
      }`,
    };
  });
  const reachable = facts.host.listeners.filter(
    ({ protocol, address }) => protocol === "tcp" && !isLoopback(address),
  );
  const unclear = facts.others.unclear
    .filter(({ group }) => reachable.some((listener) => listener.group === group))
    .map(({ pid, group }) => `process ${pid} (${excerpt(group, 60)}) listens and cannot be looked at`);
  if (isCut) unclear.push("the look at the programs took too long");
  const adrift = reachable
    .filter(({ group }) => group === undefined)
    .map(({ address, port }) => `${address} port ${port} belongs to no control group`);
  const open = told.filter(({ verdict }) => verdict === "open");
  const doubts = [
    ...told.filter(({ verdict }) => verdict === "unclear").map(({ text }) => text),
    ...unclear,
    ...adrift,
  ];
  return found(
    "RK-NET-11",
    {
      expected,
      observed:
        (open.length > 0
          ? open.map(({ text }) => text)
          : [...told.map(({ text }) => text), ...unclear, ...adrift]
        ).join("; ") || NO_OTHER_SERVER,
      source,
    },
    open.length > 0 ? false : doubts.length === 0 || { outcome: "unknown" },
  );
}

/** `0.0.0.0:7000`, `[::]:7000` */
function addressOf(at: string): string {
  return at
    .slice(0, at.lastIndexOf(":"))
    .replace(/^\[|\]$/g, "")
    .replace(/%.*$/, "");
}

function sentinelChecks({ facts }: AuditContext): Check[] {
  const expected = "Sentinel asks strangers for a login, or listens for the host alone";
  const source = "PING to Sentinel without a login";
  const isThere = facts.host.listeners.some(
    ({ protocol, port }) => protocol === "tcp" && port === SENTINEL_PORT,
  );
  if (facts.sentinels.length === 0) {
    return [
      isThere
        ? found(
            "RK-NET-10",
            { expected, observed: `port ${SENTINEL_PORT} belongs to no Sentinel unit`, source },
            { outcome: "unknown" },
          )
        : notApplicable("RK-NET-10", expected, "no Sentinel on this host", source),
    ];
  }
  return facts.sentinels.map(({ unit, reply, settings }) => {
    const beyond = facts.host.listeners.filter(
      (listener) => listener.protocol === "tcp" && listener.unit === unit && !isLoopback(listener.address),
    );
    // Without a password of its own, protected mode turns strangers away and the host itself not.
    const isProtected = settings.some(({ name, value }) => name === "protected-mode" && value === "yes");
    const isRefused = /^(NOAUTH|-?DENIED)/.test(reply);
    const isOpen = reply === "PONG" && beyond.length > 0 && !isProtected;
    const where = beyond.map(({ address, port }) => `${address} port ${port}`).join(", ");
    return found(
      "RK-NET-10",
      {
        expected,
        observed: isOpen
          ? `${unit} answers everybody on ${where}`
          : isRefused
            ? `${unit} refuses`
            : reply === "PONG"
              ? `${unit} answers the host alone`
              : `${unit} gave no clear answer`,
        source,
      },
      (reply !== "PONG" && !isRefused) || settings.length === 0 ? { outcome: "unknown" } : !isOpen,
    );
  });
}
