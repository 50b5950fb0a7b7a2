import { hostList, plural } from "../../lib/words.ts";
import type { HostRecord, WaiverRecord } from "../../record/record.ts";
import { ALLOWED_STATES, allowedOnHosts } from "../allowed-text.ts";
import { type Html, html } from "./html.ts";
import { region } from "./parts.ts";

export function expiredNote(waivers: readonly WaiverRecord[]): Html | undefined {
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

export function waiversOf(waivers: readonly WaiverRecord[]): Html | undefined {
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

export function allowedOf(hosts: readonly HostRecord[]): Html | undefined {
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
