import { groupBy } from "../../history/alike.ts";
import { hostList } from "../../lib/words.ts";
import type { AccessRecord, HostRecord } from "../../record/record.ts";
import { type Html, html } from "./html.ts";
import { region } from "./parts.ts";

/** A table for each matrix that some hosts share, most hosts first. */
export function accessOf(hosts: readonly HostRecord[]): Html | undefined {
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
