import { groupBy, mergeTexts } from "../../history/alike.ts";
import { checkKeys } from "../../history/check-keys.ts";
import { duration, hostList, plural } from "../../lib/words.ts";
import type { CheckRecord, HostErrorRecord, HostRecord } from "../../record/record.ts";
import { changeCount } from "../../record/summary.ts";
import { statusInWords } from "../../record/words.ts";
import { isLost } from "../overview.ts";
import { type Fleet, type Group, STATES, stateOf } from "./fleet.ts";
import { type Html, html } from "./html.ts";
import { signOf, wordOf } from "./signs.ts";

/**
 * How many rows of evidence for passing checks are written out. Beyond them, evidence that is already in the page is linked
 * to: a page of 1 000 hosts that all differ must open, too.
 */
const ROWS_IN_FULL = 6_000;

/** Where in the page the evidence of a group's control stands. */
export interface Evidence {
  sections: Html[];
  /** `#g3c1` for group and control. */
  linkOf(group: Group, control: string): string;
}

/** A section for each group of hosts: what was expected, what was observed, and by what. */
export function evidenceOf(fleet: Fleet, lookedAt: ReadonlyMap<string, string>, when: string): Evidence {
  const idOf = new Map(fleet.controls.map(({ control, id }) => [control, id]));
  const rows = fleet.groups.reduce((count, { hosts }) => count + (hosts[0]?.checks.length ?? 0), 0);
  const writer: Writer = {
    idOf,
    links: new Map(),
    written: rows > ROWS_IN_FULL ? new Map() : undefined,
  };
  const sections = fleet.groups.map((group) => groupSection(group, writer, { lookedAt, when }));
  return {
    sections,
    linkOf: ({ id }, control) => `#${writer.links.get(`${id} ${control}`) ?? id}`,
  };
}

interface Writer {
  idOf: ReadonlyMap<string, string>;
  /** `g3 RK-NET-01` to the anchor of its worst row. */
  links: Map<string, string>;
  /** The evidence that stands in the page, to its anchor; undefined where all of it is written out. */
  written: Map<string, string> | undefined;
}

interface Times {
  lookedAt: ReadonlyMap<string, string>;
  /** The time of the report: only other times are told. */
  when: string;
}

function groupSection(group: Group, writer: Writer, times: Times): Html {
  const { id, hosts } = group;
  const rows = rowsOf(group);
  const open = rows.filter(({ state }) => state !== "pass" && state !== "skip");
  const held = rows.filter(({ state }) => state === "pass");
  const skipped = rows.filter(({ state }) => state === "skip");
  // The table of what is wrong comes first, so that an anchor leads to the worst row of a control.
  return html`<section class="host" id="${id}" aria-labelledby="${id}t">
<h3 id="${id}t">${hostList(hosts.map(({ host }) => host))}${statusTag(hosts[0])}</h3>
${factsOf(hosts, times)}
${troubleOf(hosts)}
${open.length === 0 ? undefined : table(`What does not hold on ${hostList(hosts.map(({ host }) => host))}`, open, group, writer)}
${closed(`${plural(held.length, "check holds", "checks hold")}`, held, group, writer)}
${closed(`${plural(skipped.length, "check does not apply or is", "checks do not apply or are")} for you to judge`, skipped, group, writer)}
</section>
`;
}

function statusTag(host: HostRecord | undefined): Html | undefined {
  if (host === undefined || (host.error === null && !isLost(host))) return undefined;
  return html` <span class="tag bad">${statusInWords(host.status)}</span>`;
}

function factsOf(hosts: readonly HostRecord[], { lookedAt, when }: Times): Html {
  const facts = hosts.map((record) => {
    const { host, place, server, durationMs } = record;
    const at = lookedAt.get(host) ?? when;
    const changes = changeCount(record);
    return [
      ...(server === undefined
        ? []
        : [
            `${server.product} ${server.version}`,
            server.system,
            ...(server.role === null ? [] : [server.role]),
          ]),
      ...(place === undefined ? [] : [`${place.file}:${place.line}`]),
      ...(changes === 0 ? [] : [plural(changes, "change")]),
      ...(at === when ? [] : [`looked at ${at}`]),
      duration(durationMs),
    ].join(" · ");
  });
  const [first = ""] = facts;
  if (hosts.length === 1) return html`<p class="facts">${first}</p>`;
  return html`<details class="facts"><summary>${plural(hosts.length, "host")} with the same outcomes</summary>
<ul>${hosts.map(({ host }, index) => html`<li><b>${host}</b> ${facts[index]}</li>`)}</ul></details>`;
}

function troubleOf(hosts: readonly HostRecord[]): Html | undefined {
  const errors = hosts.flatMap(({ error }) => error ?? []);
  if (errors.length === 0) return undefined;
  const part = (label: string, of: (error: HostErrorRecord) => string) => {
    const text = mergeTexts(errors.map(of), 20);
    return text === "" ? undefined : html`<dt>${label}</dt><dd>${text}</dd>`;
  };
  return html`<dl class="trouble">
${part("Where", ({ where }) => where)}${part("Found", ({ found }) => found)}${part("State", ({ state }) => state)}${part("Do", ({ remedy }) => remedy)}
</dl>`;
}

/** One check of a group, with what each host shows for it. */
interface Row {
  control: string;
  state: ReturnType<typeof stateOf>;
  checks: (CheckRecord & { host: string })[];
}

/** The worst first; of one state in the order of the run. */
function rowsOf({ hosts }: Group): Row[] {
  const all = hosts.flatMap(({ host, checks }) => {
    const keys = checkKeys(checks);
    return checks.map((check, index) => ({ key: keys[index] ?? "", check: { ...check, host } }));
  });
  const rank = (state: Row["state"]) => STATES.indexOf(state);
  return groupBy(all, ({ key }) => key)
    .map((same) => {
      const checks = same.map(({ check }) => check).sort((a, b) => rank(stateOf(a)) - rank(stateOf(b)));
      const state = checks[0] === undefined ? "pass" : stateOf(checks[0]);
      return { control: checks[0]?.control ?? "", state, checks };
    })
    .sort((a, b) => rank(a.state) - rank(b.state));
}

function closed(title: string, rows: readonly Row[], group: Group, writer: Writer): Html | undefined {
  if (rows.length === 0) return undefined;
  const known = rows.filter((row) => writer.written?.has(evidenceKey(row)));
  for (const row of known) link(row, group, writer, writer.written?.get(evidenceKey(row)) ?? group.id);
  const own = rows.filter((row) => !known.includes(row));
  return html`<details><summary>${title}</summary>
${own.length === 0 ? undefined : table(title, own, group, writer)}
${
  known.length === 0
    ? undefined
    : html`<p>As observed elsewhere, word for word: ${known.map(
        (row) => html`<a href="#${writer.written?.get(evidenceKey(row)) ?? ""}">${row.control}</a> `,
      )}</p>`
}
</details>`;
}

function evidenceKey({ checks }: Row): string {
  const texts = checks.map(({ control, expected, observed, source, setting }) =>
    JSON.stringify([control, expected, observed, source, setting]),
  );
  return [...new Set(texts)].join("\n");
}

/** Keeps the first anchor of a control in a group, which is its worst. */
function link({ control }: Row, { id }: Group, { links }: Writer, anchor: string): void {
  if (!links.has(`${id} ${control}`)) links.set(`${id} ${control}`, anchor);
}

function table(caption: string, rows: readonly Row[], group: Group, writer: Writer): Html {
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table class="evidence checks">
<caption>${caption}</caption>
<thead><tr><th scope="col">Control</th><th scope="col">Expected</th><th scope="col">Observed</th><th scope="col">Source</th></tr></thead>
<tbody>${rows.map((row) => rowHtml(row, group, writer))}</tbody></table></div>`;
}

function rowHtml(row: Row, group: Group, writer: Writer): Html {
  const { control, state, checks } = row;
  const [first] = checks;
  const key = `${group.id} ${control}`;
  const isFirst = !writer.links.has(key);
  const anchor = `${group.id}${writer.idOf.get(control) ?? ""}`;
  if (isFirst) writer.links.set(key, anchor);
  if (!writer.written?.has(evidenceKey(row)))
    writer.written?.set(evidenceKey(row), isFirst ? anchor : group.id);
  const merged = (of: (check: CheckRecord) => string) => mergeTexts(checks.map(of));
  const variants = groupBy(checks, ({ expected, observed, outcome, setting }) =>
    JSON.stringify([expected, observed, outcome, setting]),
  );
  return html`<tr${isFirst ? html` id="${anchor}"` : undefined}>
<th scope="row"><span class="sign s-${state}" aria-hidden="true">${signOf(state)}</span> ${control} <small>${wordOf(state)}</small><span class="title">${first?.title}</span></th>
<td>${merged(({ expected }) => expected)}</td>
<td>${merged(({ observed }) => observed)}${variants.length === 1 ? settingOf(first) : undefined}${waiverOf(first)}${allowedOf(first)}${
    variants.length > 1 ? eachHost(variants) : undefined
  }</td>
<td><code>${merged(({ source }) => source)}</code>${checks.every(({ witness }) => witness === "server") ? " (the server's word alone)" : ""}</td></tr>
`;
}

/** Every host's own values, where they differ. */
function eachHost(variants: readonly (CheckRecord & { host: string })[][]): Html {
  return html`<details><summary>On each host</summary><ul>${variants.map((same) => {
    const [first] = same;
    return html`<li><b>${same.map(({ host }) => host).join(", ")}</b>: ${first?.observed}; expected ${first?.expected}${settingOf(first)}</li>`;
  })}</ul></details>`;
}

/** Wanted, in the file, running: three values that can differ without anybody having noticed. */
function settingOf(check: CheckRecord | undefined): Html | undefined {
  const setting = check?.setting;
  if (setting === undefined) return undefined;
  const value = (text: string | null) =>
    text === null ? html`<i>none</i>` : html`<code>${text === "" ? '""' : text}</code>`;
  return html`<dl class="setting"><dt>wanted</dt><dd>${value(setting.wanted)}</dd><dt>in the file</dt><dd>${value(setting.file)}</dd><dt>running</dt><dd>${value(setting.running)}</dd></dl>${
    setting.pending ? html`<span class="tag">restart pending</span>` : undefined
  }`;
}

function allowedOf(check: CheckRecord | undefined): Html | undefined {
  const allowed = check?.allowed;
  return allowed === undefined
    ? undefined
    : html`<p class="note"><code>${allowed.parameter}</code> ${allowed.reason}</p>`;
}

function waiverOf(check: CheckRecord | undefined): Html | undefined {
  const waiver = check?.waiver;
  return waiver === undefined
    ? undefined
    : html`<p class="note">Waived until ${waiver.expires} by ${waiver.owner}: ${waiver.reason}</p>`;
}
