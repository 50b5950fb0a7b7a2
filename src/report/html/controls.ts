import { plural } from "../../lib/words.ts";
import type { HostRecord } from "../../record/record.ts";
import { controlOf } from "../../verify/controls.ts";
import type { Fleet } from "./fleet.ts";
import { type Html, html } from "./html.ts";
import { region } from "./parts.ts";

/** Every control of the run, why it matters, and on how many hosts it holds. */
export function controlsOf({ controls, groups }: Fleet, hosts: readonly HostRecord[]): Html | undefined {
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
      const known = controlOf(control);
      return html`<tr id="${id}"><th scope="row">${control} <span class="title">${title}</span>${known === undefined ? undefined : html`<span class="why">${known.why}</span>`}</th><td data-label="Severity">${severity}</td><td data-label="Holds">${count("pass")}</td><td data-label="Fails"${count("fail") > 0 ? html` class="bad"` : undefined}>${count("fail")}</td><td data-label="Waived">${count("waived")}</td><td data-label="Allowed">${count("allowed")}</td><td data-label="Not checked">${count("unknown")}</td></tr>
`;
    })}</tbody></table>`,
  )}`;
}
