import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { groupBy, mergeTexts } from "../../history/alike.ts";
import type { Direction, RunComparison } from "../../history/compare.ts";
import { comparedWithBefore, type MergedRuns } from "../../history/merge.ts";
import { packageDirectory } from "../../lib/package.ts";
import type { AccessRecord, HostRecord, RunRecord, WaiverRecord } from "../../record/record.ts";
import { changeCount } from "../../record/summary.ts";
import { CONTROLS, type Control } from "../../verify/catalogue.ts";
import { ALLOWED_STATES, allowedOnHosts } from "../allowed-text.ts";
import { certificateRows } from "../certificates-text.ts";
import { groupTitle, planShape } from "../changes-text.ts";
import { seenAlike } from "../checks-text.ts";
import { controllerOf, headline, isLost, keyNumbers, openControls } from "../overview.ts";
import { impactsAlike } from "../plan-text.ts";
import { duration, hostList, plural, statusInWords } from "../words.ts";
import { type Evidence, evidenceOf } from "./evidence.ts";
import { areaOf, type Cell, type Fleet, fleetOf, type Group, STATES } from "./fleet.ts";
import { Html, html } from "./html.ts";
import { signOf, wordOf } from "./signs.ts";

/**
 * One page that needs nothing else: no script, no picture, no font. Its policy lets it load nothing, so that even a
 * text that got past the escaping would do nothing.
 */
export function htmlReport(merged: MergedRuns): string {
  const { record, before, lookedAt } = merged;
  const comparison = comparedWithBefore(merged);
  const fleet = fleetOf(record.hosts, comparison?.differences ?? []);
  const evidence = evidenceOf(fleet, lookedAt, record.startedAt);
  const css = readFileSync(join(packageDirectory, "templates", "report.css"), "utf8");
  const style = `:root { --controls: ${fleet.controls.length}; }\n${css}`;
  const hash = createHash("sha256").update(style).digest("base64");
  const parts = [
    part("fleet", "The fleet", picture(fleet, evidence, comparison !== undefined)),
    part("first", "What to do first", toDo(record, fleet, evidence)),
    part("since", "Before and after", since(comparison)),
    part("access", "What users can do", accessOf(record.hosts)),
    part("changes", "Changes", changesOf(record, before)),
    part("impact", "Who will notice", impactOf([...record.hosts, ...controllerOf(record)])),
    part("allowed", "Allowed by the playbook", allowedOf(record.hosts)),
    part("certificates", "Certificates", certificatesOf(record)),
    part("waivers", "Waivers", waiversOf(record.waivers ?? [])),
    part("hosts", "Hosts", evidence.sections.length === 0 ? undefined : html`${evidence.sections}`),
    part("controls", "Controls", controlsOf(fleet, record.hosts)),
  ].flatMap((section) => section ?? []);
  const title = `redkeep ${record.command}, ${day(record.startedAt)}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header>
<p class="brand">redkeep <span>${record.command}</span></p>
<h1>${headline(record)}</h1>
<dl class="numbers">${keyNumbers(record).map(
    ({ value, label, bad }) =>
      html`<div${bad ? html` class="bad"` : undefined}><dt>${label}</dt><dd>${value}</dd></div>`,
  )}</dl>
${expiredNote(record.waivers ?? [])}
<p class="facts">Run of <time datetime="${record.startedAt}">${minute(record.startedAt)}</time> in ${duration(record.durationMs)} · redkeep ${record.version} · exit code ${record.exitCode}${
    before === undefined
      ? undefined
      : html` · compared with the ${before.command} of ${minute(before.startedAt)}`
  }</p>
</header>
<nav aria-label="Sections"><ul>${parts.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
<main id="main">
${parts.map(
  ({ id, title: name, body }) =>
    html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2>
${body}
</section>
`,
)}</main>
<footer><p>Written by redkeep ${record.version} from ${plural(record.hosts.length, "host")} of run records. Each value was read on the host at the time named above.</p></footer>
</body>
</html>
`;
  return page.markup.replaceAll("\u00a0", "&nbsp;");
}

interface Part {
  id: string;
  title: string;
  body: Html;
}

function part(id: string, title: string, body: Html | undefined): Part | undefined {
  return body === undefined ? undefined : { id, title, body };
}

/** `2026-11-24`. */
function day(time: string): string {
  return time.slice(0, 10);
}

/** `2026-11-24 06:30 UTC`. */
function minute(time: string): string {
  return `${day(time)} ${time.slice(11, 16)} UTC`;
}

function region(label: string, body: Html): Html {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${body}</div>`;
}

/** Rows of one table of the picture: a browser lays out only those tables that are looked at. */
const ROWS_OF_TABLE = 50;

function picture(fleet: Fleet, evidence: Evidence, isCompared: boolean): Html | undefined {
  const { controls, groups } = fleet;
  if (groups.length === 0) return undefined;
  const areas = groupBy(controls, ({ control }) => areaOf(control));
  const head = html`<caption>Hosts by controls</caption>
<colgroup><col class="name"></colgroup>${areas.map((area) => html`<colgroup>${area.map(() => html`<col>`)}</colgroup>`)}
<thead><tr><th scope="col" rowspan="2">Hosts</th>${areas.map(
    (area) =>
      html`<th scope="colgroup" colspan="${area.length}">${areaOf(area[0]?.control ?? "") || "Other"}</th>`,
  )}</tr>
<tr>${controls.map(
    ({ id, control, number, title }) =>
      html`<th scope="col"><a href="#${id}" aria-label="${control}, ${title}" title="${control}, ${title}">${number}</a></th>`,
  )}</tr></thead>
`;
  const parts = Array.from({ length: Math.ceil(groups.length / ROWS_OF_TABLE) }, (_, index) =>
    groups.slice(index * ROWS_OF_TABLE, (index + 1) * ROWS_OF_TABLE),
  );
  return html`<p class="note">Hosts down, controls across, the worst first. A cell leads to its evidence, a column's number to its control.</p>
${legend(fleet, isCompared)}
${region(
  "The fleet: hosts by controls",
  html`${parts.map(
    (rows) => html`<div class="part"><table class="fleet">${head}<tbody>
${rows.map((group) => pictureRow(group, fleet, evidence))}</tbody></table></div>`,
  )}`,
)}`;
}

function pictureRow(group: Group, { controls }: Fleet, evidence: Evidence): Html {
  const { id, hosts, cells } = group;
  const [first] = hosts;
  const name = hosts.length === 1 ? first?.host : `${plural(hosts.length, "host")} like ${first?.host}`;
  const head = html`<th scope="row"><a href="#${id}" title="${hostList(hosts.map(({ host }) => host))}">${name}</a></th>`;
  const trouble = first === undefined || (first.error === null && !isLost(first)) ? undefined : first;
  if (cells.size === 0) {
    const found = trouble?.error?.found.split("\n")[0] ?? "";
    const words =
      trouble === undefined
        ? "no checks in this run"
        : `${statusInWords(trouble.status)}${found === "" ? "" : `: ${found}`}`;
    return html`<tr>${head}<td class="lost" colspan="${Math.max(1, controls.length)}"><a href="#${id}">${words}</a></td></tr>
`;
  }
  return html`<tr>${head}${controls.map(({ control }) => pictureCell(cells.get(control), () => evidence.linkOf(group, control)))}</tr>
`;
}

/** Short on purpose: there are tens of thousands of them. */
function pictureCell(cell: Cell | undefined, link: () => string): Html {
  if (cell === undefined) return NO_CELL;
  const { state, moved } = cell;
  const word = moved === undefined ? wordOf(state) : `${wordOf(state)}, ${moved} than before`;
  const sign = moved === undefined ? signOf(state) : html`${signOf(state)}<sup>${MOVED[moved]}</sup>`;
  return html`<td class="s-${state}"><a href="${link()}" aria-label="${word}">${sign}</a></td>`;
}

const NO_CELL = html`<td></td>`;
const MOVED = { worse: "▲", better: "▼" } as const;

function legend({ groups }: Fleet, isCompared: boolean): Html {
  const met = new Set(groups.flatMap(({ cells }) => [...cells.values()].map(({ state }) => state)));
  return html`<ul class="legend" aria-label="Signs">${STATES.filter((state) => met.has(state)).map(
    (state) => html`<li><span class="sign s-${state}">${signOf(state)}</span> ${wordOf(state)}</li>`,
  )}${
    isCompared
      ? html`<li><span class="sign">▲</span> worse than before</li><li><span class="sign">▼</span> better than before</li>`
      : undefined
  }</ul>`;
}

function toDo({ hosts, waivers = [] }: RunRecord, fleet: Fleet, evidence: Evidence): Html | undefined {
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
  const known = (CONTROLS as Record<string, Control>)[control];
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

const TITLES: Record<Direction, string> = {
  worse: "Worse",
  better: "Better",
  new: "New",
  gone: "Gone",
  other: "Otherwise different",
};

function since(comparison: RunComparison | undefined): Html | undefined {
  if (comparison === undefined) return undefined;
  const { before, counts, differences } = comparison;
  const heading = html`<p>Since the ${before.command} of ${minute(before.startedAt)}: ${(
    ["worse", "better", "new", "gone"] as const
  )
    .map((direction) => `${counts[direction]} ${direction}`)
    .join(", ")}.</p>`;
  const blocks = (Object.keys(TITLES) as Direction[]).map((direction) => {
    const ours = differences.filter((difference) => difference.direction === direction);
    if (ours.length === 0) return undefined;
    const alike = groupBy(ours, ({ host, ...rest }) => JSON.stringify(rest));
    return html`<details${direction === "worse" || direction === "better" ? html` open` : undefined}><summary>${TITLES[direction]} (${ours.length})</summary>
${region(
  TITLES[direction],
  html`<table class="evidence"><caption>${TITLES[direction]}</caption><thead><tr><th scope="col">What</th><th scope="col">Where</th><th scope="col">Before</th><th scope="col">After</th></tr></thead>
<tbody>${alike.map((same) => {
    const [first] = same;
    return html`<tr><th scope="row">${first?.what}${first?.severity ? html` <small>${first.severity}</small>` : undefined}</th><td data-label="Where">${hostList(same.map(({ host }) => host))}</td><td data-label="Before">${first?.before ?? "not there"}</td><td data-label="After">${first?.after ?? "not there"}</td></tr>
`;
  })}</tbody></table>`,
)}</details>`;
  });
  return html`${heading}${blocks}`;
}

/** A table for each matrix that some hosts share, most hosts first. */
function accessOf(hosts: readonly HostRecord[]): Html | undefined {
  const asked = hosts.flatMap(({ host, access }) => (access === undefined ? [] : [{ host, access }]));
  if (asked.length === 0) return undefined;
  const alike = groupBy(asked, ({ access }) => JSON.stringify(access)).sort((a, b) => b.length - a.length);
  return html`<p class="note">As the server itself answers. A dangerous command that is allowed stands out.</p>${alike.map(
    (same) => accessTable(hostList(same.map(({ host }) => host)), same[0]?.access),
  )}`;
}

function accessTable(where: string, access: AccessRecord | undefined): Html | undefined {
  if (access === undefined) return undefined;
  const { commands, users, method } = access;
  const dangerous = commands.filter((command) => command.dangerous).length;
  const rest = commands.length - dangerous;
  return html`<h3>${where}</h3>
${region(
  `Users by commands on ${where}`,
  html`<table class="access"><caption>Users by commands, asked by ${method}</caption><thead>
<tr><th scope="col" rowspan="2">User</th>${dangerous > 0 ? html`<th scope="colgroup" colspan="${dangerous}">Dangerous</th>` : undefined}${rest > 0 ? html`<th scope="colgroup" colspan="${rest}">Needed by clients</th>` : undefined}</tr>
<tr>${commands.map(({ command }) => html`<th scope="col"><span>${command}</span></th>`)}</tr></thead>
<tbody>${users.map(
    ({ user, enabled, nopass, allowed }) =>
      html`<tr><th scope="row">${user}${enabled ? undefined : html` <small>off</small>`}${nopass ? html` <span class="tag bad">no password</span>` : undefined}</th>${commands.map(
        (command, index) => accessCell(allowed[index] ?? null, command.dangerous, enabled),
      )}</tr>
`,
  )}</tbody></table>`,
)}`;
}

function accessCell(allowed: boolean | null, dangerous: boolean, enabled: boolean): Html {
  if (allowed === null) return html`<td class="s-unknown"><span aria-label="not told">?</span></td>`;
  if (!allowed) return html`<td class="s-skip"><span aria-label="denied">–</span></td>`;
  return dangerous && enabled
    ? html`<td class="s-high"><span aria-label="allowed, dangerous">✓!</span></td>`
    : html`<td class="s-pass"><span aria-label="allowed">✓</span></td>`;
}

/** What this run changed or would change; where it only looked, what the run before had changed. */
function changesOf(record: RunRecord, before: RunRecord | undefined): Html | undefined {
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

/** When the certificates of servers, clients and the CA end, and which of them the controller issued or has to. */
function certificatesOf(record: RunRecord): Html | undefined {
  const rows = certificateRows(record);
  const changes = record.controller?.changes ?? [];
  if (rows.length + changes.length === 0) return undefined;
  const verb = record.controller?.status === "changed" ? "Issued" : "To issue";
  const note =
    changes.length === 0
      ? undefined
      : html`<p class="note">${verb} on the controller: ${changes.map(({ address }) => address).join(", ")}.</p>`;
  return html`${note}${region(
    "Certificates",
    html`<table class="evidence"><caption>When each certificate ends</caption><thead><tr><th scope="col">Of</th><th scope="col">Ends</th><th scope="col">State</th></tr></thead>
<tbody>${rows.map(
      ({ what, ends, state }) =>
        html`<tr><th scope="row">${what}</th><td data-label="Ends">${ends}</td><td data-label="State">${state}</td></tr>
`,
    )}</tbody></table>`,
  )}`;
}

function impactOf(hosts: readonly Pick<HostRecord, "host" | "impact">[]): Html | undefined {
  const kinds = impactsAlike(hosts);
  if (kinds.length === 0) return undefined;
  return html`<ul>${kinds.map(
    (kind) =>
      html`<li><b>${hostList(kind.map(({ host }) => host))}</b>: ${mergeTexts(kind.map(({ detail }) => detail))}</li>`,
  )}</ul>`;
}

function expiredNote(waivers: readonly WaiverRecord[]): Html | undefined {
  const expired = waivers.filter(({ state }) => state === "expired").length;
  return expired === 0
    ? undefined
    : html`<p class="alert"><a href="#waivers">${plural(expired, "waiver has", "waivers have")} expired</a>: what ${expired === 1 ? "it" : "they"} covered counts as a failure again.</p>`;
}

const WAIVER_STATES = {
  expired: "expired",
  ending: "ends soon",
  active: "holds",
  unused: "not needed",
} as const;

function waiversOf(waivers: readonly WaiverRecord[]): Html | undefined {
  if (waivers.length === 0) return undefined;
  const order = Object.keys(WAIVER_STATES);
  const sorted = waivers.toSorted((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  return region(
    "Waivers",
    html`<table class="evidence"><caption>Failures that somebody has accepted for a time</caption><thead><tr><th scope="col">Control</th><th scope="col">Hosts</th><th scope="col">Until</th><th scope="col">Owner and reason</th></tr></thead>
<tbody>${sorted.map(
      ({ control, hosts, expires, state, owner, reason }) =>
        html`<tr><th scope="row">${control}</th><td data-label="Hosts">${hosts}</td><td data-label="Until">${expires} <span class="tag${state === "expired" ? " bad" : ""}">${WAIVER_STATES[state]}</span></td><td data-label="Owner and reason">${owner}: ${reason}</td></tr>
`,
    )}</tbody></table>`,
  );
}

function allowedOf(hosts: readonly HostRecord[]): Html | undefined {
  const all = allowedOnHosts(hosts);
  if (all.length === 0) return undefined;
  return region(
    "Allowed by the playbook",
    html`<table class="evidence"><caption>Parameters that leave the demand of a control unmet</caption><thead><tr><th scope="col">Parameter</th><th scope="col">Controls</th><th scope="col">Hosts</th><th scope="col">Until</th></tr></thead>
<tbody>${all.map(
      ({ parameter, controls, hosts: where, until, state }) =>
        html`<tr><th scope="row"><code>${parameter}</code></th><td data-label="Controls">${controls.join(", ")}</td><td data-label="Hosts">${hostList(where)}</td><td data-label="Until">${until ?? "no day named"}${state === "open" ? undefined : html` <span class="tag${state === "ended" ? " bad" : ""}">${ALLOWED_STATES[state]}</span>`}</td></tr>
`,
    )}</tbody></table>`,
  );
}

/** Every control of the run, why it matters, and on how many hosts it holds. */
function controlsOf({ controls, groups }: Fleet, hosts: readonly HostRecord[]): Html | undefined {
  if (controls.length === 0) return undefined;
  const counts = new Map<string, Map<string, number>>();
  for (const { hosts: same, cells } of groups) {
    for (const [control, { state }] of cells) {
      const ours = counts.get(control) ?? new Map<string, number>();
      const kind =
        state === "unknown" ||
        state === "waived" ||
        state === "allowed" ||
        state === "pass" ||
        state === "skip"
          ? state
          : "fail";
      ours.set(kind, (ours.get(kind) ?? 0) + same.length);
      counts.set(control, ours);
    }
  }
  return html`<p class="note">Of ${plural(hosts.length, "host")}: on how many each control holds, and on how many not.</p>${region(
    "Controls",
    html`<table class="evidence controls"><caption>The controls of this run</caption><thead><tr><th scope="col">Control</th><th scope="col">Severity</th><th scope="col">Holds</th><th scope="col">Fails</th><th scope="col">Waived</th><th scope="col">Allowed</th><th scope="col">Not checked</th></tr></thead>
<tbody>${controls.map(({ id, control, title, severity }) => {
      const count = (kind: string) => counts.get(control)?.get(kind) ?? 0;
      const known = (CONTROLS as Record<string, Control>)[control];
      return html`<tr id="${id}"><th scope="row">${control} <span class="title">${title}</span>${known === undefined ? undefined : html`<span class="why">${known.why}</span>`}</th><td data-label="Severity">${severity}</td><td data-label="Holds">${count("pass")}</td><td data-label="Fails"${count("fail") > 0 ? html` class="bad"` : undefined}>${count("fail")}</td><td data-label="Waived">${count("waived")}</td><td data-label="Allowed">${count("allowed")}</td><td data-label="Not checked">${count("unknown")}</td></tr>
`;
    })}</tbody></table>`,
  )}`;
}
