import { groupBy, mergeTexts } from "../../history/alike.ts";
import { hostList } from "../../lib/words.ts";
import type { HostRecord, RunRecord } from "../../record/record.ts";
import { changeCount } from "../../record/summary.ts";
import { groupTitle, planShape } from "../changes-text.ts";
import { impactsAlike } from "../plan-text.ts";
import { type Html, html } from "./html.ts";
import { minute, region } from "./parts.ts";

/** What this run changed or would change; where it only looked, what the run before had changed. */
export function changesOf(record: RunRecord, before: RunRecord | undefined): Html | undefined {
  const run = record.hosts.some((host) => changeCount(host) > 0) ? record : before;
  const hosts = (run?.hosts ?? []).filter((host) => changeCount(host) > 0);
  if (run === undefined || hosts.length === 0) return undefined;
  const groups = groupBy(hosts, planShape).sort((a, b) => b.length - a.length);
  return html`<p class="note">By the ${run.command} of ${minute(run.startedAt)}.</p>${groups.map((group) => {
    const [first] = group;
    return html`<details><summary>${groupTitle(group, { verbose: false })}</summary>
${region(
  "Changes",
  html`<table class="evidence"><caption>Changes</caption><thead><tr><th scope="col">Address</th><th scope="col">Before</th><th scope="col">After</th><th scope="col">Restart</th></tr></thead>
${(first?.tasks ?? []).map((task, taskIndex) =>
  task.changes.length === 0
    ? undefined
    : html`<tbody><tr><th scope="rowgroup" colspan="4">${task.task}: ${task.name} <small>${task.status}${task.reason === null ? "" : `, ${task.reason}`}</small></th></tr>
${task.changes.map((change, changeIndex) => {
  const all = group.flatMap(({ tasks }) => tasks[taskIndex]?.changes[changeIndex] ?? []);
  const value = (of: "before" | "after") =>
    all.some((one) => one[of] !== null)
      ? html`<pre>${mergeTexts(all.map((one) => one[of] ?? ""))}</pre>`
      : html`<i>not there</i>`;
  return html`<tr><th scope="row"><code>${mergeTexts(all.map(({ address }) => address))}</code></th><td data-label="Before">${value("before")}</td><td data-label="After">${value("after")}</td><td data-label="Restart">${change.restart ? "needed" : ""}</td></tr>
`;
})}</tbody>`,
)}</table>`,
)}</details>`;
  })}`;
}

export function impactOf(hosts: readonly Pick<HostRecord, "host" | "impact">[]): Html | undefined {
  const kinds = impactsAlike(hosts);
  if (kinds.length === 0) return undefined;
  return html`<ul>${kinds.map(
    (kind) =>
      html`<li><b>${hostList(kind.map(({ host }) => host))}</b>: ${mergeTexts(kind.map(({ detail }) => detail))}</li>`,
  )}</ul>`;
}
