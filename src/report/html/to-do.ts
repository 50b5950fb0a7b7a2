import { mergeTexts } from "../../history/alike.ts";
import { hostList, plural } from "../../lib/words.ts";
import type { RunRecord } from "../../record/record.ts";
import { statusInWords } from "../../record/words.ts";
import { controlOf } from "../../verify/controls.ts";
import { seenAlike } from "../checks-text.ts";
import { isLost, openControls } from "../overview.ts";
import type { Evidence } from "./evidence.ts";
import type { Fleet } from "./fleet.ts";
import { type Html, html } from "./html.ts";
import { signOf } from "./signs.ts";

export function toDo({ hosts, waivers = [] }: RunRecord, fleet: Fleet, evidence: Evidence): Html | undefined {
  const groupOf = new Map(
    fleet.groups.flatMap((group) => group.hosts.map(({ host }) => [host, group] as const)),
  );
  const expired = waivers.filter(({ state }) => state === "expired");
  const troubled = fleet.groups.filter(
    ({ hosts: [host] }) => host !== undefined && (host.error !== null || isLost(host)),
  );
  const failing = openControls(hosts, "fail");
  if (expired.length + troubled.length + failing.length === 0) return undefined;
  return html`<ol class="todo">
${troubled.map(({ id, hosts: same }) => {
  const [first] = same;
  return html`<li><span class="sign s-critical" aria-hidden="true">!</span><div><h3><a href="#${id}">${hostList(same.map(({ host }) => host))}: ${statusInWords(first?.status ?? "unknown")}</a></h3>
<p>${mergeTexts(same.map(({ error }) => error?.found ?? "").filter(Boolean))}</p><p class="note">${mergeTexts(same.map(({ error }) => error?.remedy ?? "").filter(Boolean))}</p></div></li>
`;
})}${expired.map(
  (waiver) =>
    html`<li><span class="sign s-waived" aria-hidden="true">W</span><div><h3><a href="#waivers">The waiver of ${waiver.control} for ${waiver.hosts} has expired</a></h3><p>It held until ${waiver.expires}. Owner: ${waiver.owner}.</p></div></li>
`,
)}${failing.map(({ control, title, severity, checks, hosts: where }) => {
  const known = controlOf(control);
  const group = groupOf.get(where[0] ?? "");
  const target = group === undefined ? "#hosts" : evidence.linkOf(group, control);
  return html`<li><span class="sign s-${severity}" aria-hidden="true">${signOf(severity)}</span><div><h3><a href="${target}">${control} ${title}</a></h3>
<p class="note">${severity}, on ${plural(where.length, "host")}${known?.fixedBy ? html`; the task <code>${known.fixedBy}</code> sets it` : undefined}</p>
<ul>${seenAlike(checks)
    .slice(0, 3)
    .map(
      (same) =>
        html`<li><b>${hostList(same.map(({ host }) => host))}</b>: ${mergeTexts(same.map(({ observed }) => observed))}; wanted ${mergeTexts(same.map(({ expected }) => expected))}</li>`,
    )}</ul></div></li>
`;
})}</ol>`;
}
