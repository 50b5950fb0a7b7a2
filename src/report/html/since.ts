import { groupBy } from "../../history/alike.ts";
import type { Direction, RunComparison } from "../../history/compare.ts";
import { hostList } from "../../lib/words.ts";
import { TITLES } from "../diff-text.ts";
import { type Html, html } from "./html.ts";
import { minute, region } from "./parts.ts";

export function since(comparison: RunComparison | undefined): Html | undefined {
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
