import { groupBy } from "../../history/alike.ts";
import { hostList, plural } from "../../lib/words.ts";
import { statusInWords } from "../../record/words.ts";
import { isLost } from "../overview.ts";
import type { Evidence } from "./evidence.ts";
import { areaOf, type Cell, type Fleet, type Group, STATES } from "./fleet.ts";
import { type Html, html } from "./html.ts";
import { region } from "./parts.ts";
import { signOf, wordOf } from "./signs.ts";

/** Rows of one table of the picture: a browser lays out only those tables that are looked at. */
const ROWS_OF_TABLE = 50;

export function picture(fleet: Fleet, evidence: Evidence, isCompared: boolean): Html | undefined {
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
