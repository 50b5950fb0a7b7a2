import type { RunRecord } from "../../record/record.ts";
import { certificateRows } from "../certificates-text.ts";
import { type Html, html } from "./html.ts";
import { region } from "./parts.ts";

/** When the certificates of servers, clients and the CA end, and which of them the controller issued or has to. */
export function certificatesOf(record: RunRecord): Html | undefined {
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
