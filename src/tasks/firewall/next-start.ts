import { isAllowed, reach, strangers } from "../../firewall/evaluate.ts";
import { parseBeforeRules, parseKernelRules } from "../../firewall/kernel-rules.ts";
import { describeEntry, parseDefaults, parseRules, type UfwEntry } from "../../firewall/ufw-rules.ts";
import { family as familyOf, splitZone } from "../../lib/network.ts";
import type { Findings } from "./findings.ts";
import { allowedSubnets, type Context } from "./parameters.ts";
import { redisPorts } from "./state.ts";

/** What ufw's files bring at its next start or reload that the kernel has not now. Nothing where ufw is off: that is the finding. */
export function filesFindings({ facts, params, config }: Context): Findings {
  const { ufwConf, defaults, rules4, rules6, before, kernel4, kernel6 } = facts.firewall;
  const findings: Findings = { wrong: [], unclear: [] };
  if (!parseKernelRules(kernel4, 4).active) return findings;
  const { wrong, unclear } = findings;
  if (!/^ENABLED=yes/im.test(ufwConf))
    wrong.push("/etc/ufw/ufw.conf does not say ENABLED=yes: the next boot loads no rules");
  const { ipv6Enabled, defaultIncoming: stored } = parseDefaults(defaults);
  const policy = stored ?? "allow";
  if (stored !== params.default && stored !== parseKernelRules(kernel4, 4).defaultIncoming) {
    const meaning = { allow: "let in", deny: "dropped", reject: "rejected" };
    wrong.push(
      `/etc/default/ufw: what no rule names is ${stored === undefined ? "not said" : meaning[stored]}`,
    );
  }
  const networks = allowedSubnets(params);
  for (const family of [4, 6] as const) {
    if (family === 6 && ipv6Enabled === false) continue;
    const number = family === 4 ? "" : "6";
    const kernel = family === 4 ? kernel4 : kernel6;
    const loaded = new Set(parseBeforeRules(kernel, family).map(meaningOf));
    const ahead = parseBeforeRules(before, family).filter((entry) => !loaded.has(meaningOf(entry)));
    const { entries } = parseRules(family === 4 ? rules4 : rules6, family);
    const running = parseKernelRules(kernel, family);
    for (const port of redisPorts(config)) {
      // The kernel's own openings are kernelFindings'.
      const isOpen = strangers(running.entries, "deny", port, networks).length > 0;
      const sources: [string, readonly UfwEntry[]][] = [[`before${number}.rules`, ahead]];
      if (!isOpen) sources.push([`user${number}.rules`, entries]);
      for (const [file, own] of sources) {
        for (const { family: of, rule } of strangers(own, "deny", port, networks)) {
          if (of !== family || rule === "default") continue;
          const text = `port ${port} by /etc/ufw/${file}: ${describeEntry(rule)}`;
          if (rule.kind === "rule") wrong.push(`others reach ${text}`);
          else unclear.push(`whether others reach ${text} is not known`);
        }
      }
      for (const subnet of networks.filter((one) => familyOf(one) === family)) {
        if (reach(running.entries, subnet, port).isReached && !reach(entries, subnet, port).isReached)
          wrong.push(`/etc/ufw/user${number}.rules does not let ${subnet} reach port ${port}`);
      }
    }
    const peer = facts.host.sshPeer;
    if (peer === undefined) continue;
    const { address } = splitZone(peer.address);
    const packet = { protocol: "tcp" as const, source: address, destinationPort: peer.localPort };
    const now = running.defaultIncoming ?? "allow";
    if (
      familyOf(address) === family &&
      isAllowed(running.entries, now, packet) &&
      !isAllowed([...ahead, ...entries], policy, packet)
    )
      wrong.push(`/etc/ufw/user${number}.rules does not let SSH from ${peer.address} in`);
  }
  return { wrong: [...new Set(wrong)], unclear: [...new Set(unclear)] };
}

/** The same for a rule of a file and for the kernel's spelling of it. */
function meaningOf(entry: UfwEntry): string {
  return entry.kind === "rule" ? JSON.stringify({ ...entry, raw: "" }) : entry.raw;
}
