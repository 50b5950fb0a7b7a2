/** The largest measured fleet as a picture: seconds on a logarithmic scale, a row for each tool in each phase. */
import { digits, sizesOf } from "./report.ts";
import { median, type Results, valuesIn } from "./results.ts";
import { TOOLS } from "./tools.ts";

const GROUPS = [
  ["first", "First apply"],
  ["nothing", "Apply with nothing to do"],
  ["check", "Check: plan, dry run"],
  ["verify", "Verify"],
] as const;
const ROW = 19;
const LEFT = 210;
const WIDTH = 760;
/** Room for the numbers behind the longest row. */
const RIGHT = 70;

/** Readable on light and on dark: the page's background shows through, and the colours follow the reader's. */
const STYLE = `text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.head { font-weight: 600 } .axis { fill: #59636e } line { stroke: #d1d9e0 } rect { fill: #8c959f } .own { fill: #cf222e }
@media (prefers-color-scheme: dark) { text { fill: #e6edf3 } .axis { fill: #9198a1 } line { stroke: #3d444d } rect { fill: #7d8590 } .own { fill: #ff7b72 } }`;

const escaped = (text: string): string =>
  text.replaceAll("`", "").replaceAll("&", "&amp;").replaceAll("<", "&lt;");

/** SVG. Rows of tools that were not measured are left out. */
export function picture(results: Results): string {
  const hosts = sizesOf(results).at(-1) ?? 0;
  const groups = GROUPS.map(([phase, title]) => ({
    title,
    rows: TOOLS.flatMap(({ name, title }) => {
      const wall = median(valuesIn(results, { hosts }, name, name === "ssh" ? "login" : phase, "wall"));
      return wall === undefined ? [] : [{ name, title, wall }];
    }).toSorted((a, b) => a.wall - b.wall),
  })).filter(({ rows }) => rows.some(({ name }) => name !== "ssh"));
  const walls = groups.flatMap(({ rows }) => rows.map(({ wall }) => wall));
  const [low, high] = [10 ** Math.floor(Math.log10(Math.min(1, ...walls))), Math.max(10, ...walls)];
  const x = (seconds: number): number =>
    LEFT + (Math.log10(seconds / low) / Math.log10(high / low)) * (WIDTH - LEFT - RIGHT);
  const marks: string[] = [];
  let y = 40;
  for (const { title, rows } of groups) {
    marks.push(`<text class="head" x="8" y="${y + 13}">${title}</text>`);
    y += ROW + 3;
    for (const { name, title, wall } of rows) {
      const end = x(wall);
      marks.push(
        `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end">${escaped(title)}</text>`,
        `<rect${name === "redkeep" ? ' class="own"' : ""} x="${LEFT}" y="${y + 3}" width="${Math.max(1, end - LEFT).toFixed(1)}" height="${ROW - 6}" rx="2"/>`,
        `<text x="${(end + 6).toFixed(1)}" y="${y + 13}">${digits(wall)} s</text>`,
      );
      y += ROW;
    }
    y += 12;
  }
  const ticks: string[] = [];
  for (let tick = low; tick <= high; tick *= 10) {
    const at = x(tick).toFixed(1);
    ticks.push(
      `<line x1="${at}" x2="${at}" y1="28" y2="${y}"/><text class="axis" x="${at}" y="22" text-anchor="middle">${tick} s</text>`,
    );
  }
  const label = `Seconds for ${hosts} ${hosts === 1 ? "host" : "hosts"}, logarithmic scale`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 4}" width="${WIDTH}" role="img" aria-label="${label}">
<title>${label}</title>
<style>
${STYLE}
</style>
<text class="axis" x="8" y="22">${hosts} ${hosts === 1 ? "host" : "hosts"}, log scale</text>
${[...ticks, ...marks].join("\n")}
</svg>
`;
}
