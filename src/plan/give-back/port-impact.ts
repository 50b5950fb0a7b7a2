import { openings } from "../../firewall/evaluate.ts";
import { parseBeforeRules } from "../../firewall/kernel-rules.ts";
import { describeEntry, describeRule, isAnywhere } from "../../firewall/ufw-rules.ts";
import { contains, isLoopback, normalizeSubnet } from "../../lib/network.ts";
import type { Impact } from "../../record/record.ts";
import { type NowAndThen, portOf } from "./now-and-then.ts";

/** Who gets to a port, in words; none where nobody from elsewhere does. */
function reach(way: NowAndThen, when: "before" | "after", port: number): string[] {
  const document = when === "before" ? way.server.config : way.config;
  const isHeard = (["port", "tls-port"] as const).some((name) => portOf(document, name) === port);
  const bound = (document.get("bind") ?? ["*"]).map((address) => address.replace(/^-/, ""));
  if (!isHeard || port === 0 || bound.every((address) => isLoopback(address))) return [];
  if (!way.isActive || (when === "after" && way.goesOff)) return ["everybody"];
  return letIn(way, when, port);
}

function letIn(way: NowAndThen, when: "before" | "after", port: number): string[] {
  const { firewall } = way.facts;
  const entries = ([4, 6] as const).flatMap((family) => [
    ...parseBeforeRules(firewall.before, family),
    ...way.rules[family][when],
  ]);
  const found = openings(entries, way.policy[when], port).map(({ rule }) => {
    if (rule === "default") return "everybody (ufw lets in what no rule names)";
    const text = rule.kind === "rule" ? describeRule(rule, { comment: false }) : describeEntry(rule);
    const isOpen = rule.kind === "rule" && isAnywhere(rule.source);
    return isOpen ? `everybody (ufw: ${text})` : rule.kind === "rule" ? rule.source : text;
  });
  return [...new Set(found)].sort();
}

export function* portImpacts(way: NowAndThen): Iterable<Impact> {
  const { facts } = way;
  if (way.goesOff) {
    const others = [
      ...new Set(
        facts.host.listeners
          .filter(({ address, protocol }) => protocol === "tcp" && !isLoopback(address))
          .map(({ port }) => port),
      ),
    ].sort((a, b) => a - b);
    yield {
      kind: "firewall-off",
      detail: `the firewall goes off: whoever reaches this host reaches every port that listens${others.length === 0 ? "" : `, now ${others.join(", ")}`}.`,
    };
  }
  const now = way.server.config;
  const ports = new Set(
    [now, way.config].flatMap((document) =>
      (["port", "tls-port"] as const).map((name) => portOf(document, name)),
    ),
  );
  const tlsGoes = portOf(way.config, "tls-port") === 0;
  for (const port of [...ports].sort((a, b) => a - b)) {
    const [before, after] = [reach(way, "before", port), reach(way, "after", port)];
    const open = `now it is open to ${before.join(", ")}`;
    if (after.length === 0) {
      // That of TLS is told with what goes with it.
      if (before.length > 0 && !(tlsGoes && port === portOf(now, "tls-port")))
        yield { kind: "port-closes", detail: `port ${port} closes; ${open}.` };
      continue;
    }
    if (after.every((who) => isAmong(who, before))) {
      if (!before.every((who) => isAmong(who, after)))
        yield {
          kind: "port-closes",
          detail: `port ${port} is left open to ${after.join(", ")} alone; ${open}.`,
        };
      continue;
    }
    const plain = port === portOf(way.config, "port") ? ", in plain" : ", with TLS";
    yield {
      kind: "port-opens",
      detail: `port ${port} opens to ${after.join(", ")}${plain}; ${before.length === 0 ? "now nobody gets there from elsewhere" : open}.`,
    };
  }
}

/** Whether those who get in, in the words of `#reach`, are among others who do. */
function isAmong(who: string, others: readonly string[]): boolean {
  const subnet = normalizeSubnet(who)?.subnet;
  return others.some((other) => {
    const outer = normalizeSubnet(other)?.subnet;
    const isInside = subnet !== undefined && outer !== undefined && contains(outer, subnet);
    return other.startsWith("everybody") || other === who || isInside;
  });
}
