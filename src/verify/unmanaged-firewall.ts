import type { HostFacts } from "../facts/probe.ts";
import { everybodyIn } from "../firewall/everybody.ts";
import { foreignFirewalls } from "../firewall/foreign.ts";
import { type Judged, judgeRules, keptOutText } from "../firewall/judged.ts";
import { type Manager, managerOf } from "../firewall/manager.ts";
import { isLoopback, isWildcard } from "../lib/network.ts";
import type { Allowance, Allows } from "./allowance.ts";
import { type Check, check, type Verdict } from "./controls.ts";

/** A host whose firewall is not redkeep's to set. */
export interface Unmanaged {
  facts: Pick<HostFacts, "firewall" | "host">;
  /** The ports of Redis. */
  ports: readonly number[];
  /** Where it listens, as `bind` has it. */
  bound: readonly string[];
  /** Subnets that the application comes from. */
  networks: readonly string[];
  /** What of the playbook leaves the firewall to others: "firewall.backend: none". */
  because: string;
  /** The parameter that does; undefined where the playbook has no firewall task. */
  by?: Allowance | undefined;
}

/**
 * RK-NET-04 by what is found. Networks that are to reach Redis and do not are a failure, whoever keeps them out. That others reach
 * it is what the playbook allowed when it left the firewall to somebody else.
 */
export function unmanagedCheck(unmanaged: Unmanaged): Check {
  const { networks, bound } = unmanaged;
  const expected = `${networks.join(", ") || "no network"} reaches Redis, and nobody else`;
  const made = (observed: string, verdict: Verdict, allows?: Allows) =>
    check(
      "RK-NET-04",
      { expected, observed, source: "iptables-save, nft", isAdvisory: true, allows },
      verdict,
    );
  /** What the playbook leaves to others; only a parameter of its can name the day on which that ends. */
  const left = (observed: string) =>
    unmanaged.by === undefined
      ? made(`${allowed(unmanaged)}: ${observed}`, { outcome: "skip" })
      : made(observed, true, { by: unmanaged.by, demand: expected });
  if (networks.length === 0)
    return left("firewall.allow and app_subnet name no network to judge the host's rules by");
  if (bound.every(isLoopback)) return made("Redis listens for the host alone", { outcome: "skip" });
  const judged = judgeOf(unmanaged);
  const [open, unclear] = [judged.open.map(openText), judged.doubts.map(doubtText)];
  const unclearNetworks = judged.doubts.filter(({ who }) => who !== "others");
  if (judged.keptOut.length > 0)
    return made([...keptOut(unmanaged, judged), ...open, ...unclear].join("; "), false);
  if (unclearNetworks.length > 0 || (open.length === 0 && unclear.length > 0))
    return made([...unclear, ...open].join("; "), { outcome: "unknown" });
  if (open.length > 0) return left([...open, ...unclear].join("; "));
  if (everybodyIn(networks).length > 0) return left("firewall.allow names everybody");
  return made(`as wanted: ${whoManages(unmanaged)}`, true);
}

/** What a plan says of it: who manages the rules, and what the operator has to open there. */
export function unmanagedNotes(unmanaged: Unmanaged): string[] {
  const { networks, bound } = unmanaged;
  const isHeard = networks.length > 0 && !bound.every(isLoopback);
  const judged = isHeard ? judgeOf(unmanaged) : undefined;
  return [
    `redkeep leaves the firewall as it is (${unmanaged.because}): ${whoManages(unmanaged)}`,
    ...(judged === undefined || judged.keptOut.length === 0 ? [] : keptOut(unmanaged, judged)),
  ];
}

/** The interface of the first of these addresses that the host has: clients come in by it. */
export function clientsInterface(
  { host }: Pick<HostFacts, "host">,
  bound: readonly string[],
): string | undefined {
  const own = bound.filter((text) => !isLoopback(text) && !isWildcard(text));
  const wanted = [...own, host.sshPeer?.localAddress];
  return wanted
    .map((text) => host.addresses.find(({ address }) => address === text)?.interface)
    .find((name) => name !== undefined);
}

function judgeOf({ facts, ports, networks }: Unmanaged): Judged {
  return judgeRules(facts, { families: [4, 6], ports, networks });
}

const managerAt = ({ facts, bound }: Unmanaged): Manager | undefined =>
  managerOf(facts, clientsInterface(facts, bound));

function whoManages(unmanaged: Unmanaged): string {
  const manager = managerAt(unmanaged)?.text ?? "nothing on the host turns anybody away";
  // What the manager's name says already.
  const others = foreignFirewalls(unmanaged.facts.firewall).filter(
    (text) => !/^(?:firewalld|nftables\.service)\b/.test(text),
  );
  return [manager, ...others].join("; ");
}

function keptOut(unmanaged: Unmanaged, { keptOut }: Judged): string[] {
  const networks = [...new Set(keptOut.map(({ network }) => network))];
  const ports = [...new Set(keptOut.map(({ port }) => port))];
  const manager = managerAt(unmanaged);
  const told = keptOut.map(keptOutText).join(", ");
  if (manager === undefined) return [told];
  return [`${told}: ${manager.text}. To let it in: ${manager.opening(networks, ports)}`];
}

const allowed = ({ because }: Unmanaged): string => `allowed by the playbook (${because})`;

const openText = ({ family, port, rule }: Judged["open"][number]): string =>
  `others reach port ${port} over IPv${family}: ${rule}`;

const doubtText = ({ who, port, rule }: Judged["doubts"][number]): string =>
  `whether ${who === "others" ? "others reach" : `${who} reaches`} port ${port} is not known: ${rule}`;
