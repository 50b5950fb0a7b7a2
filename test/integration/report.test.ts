import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mergeRuns } from "../../src/history/merge.ts";
import { htmlReport } from "../../src/report/html/page.ts";
import { earlierRun, fleetRun, HOSTILE, hostileRun } from "../support/fleet.ts";
import { Browser } from "./support/browser.ts";

let browser: Browser;
beforeAll(() => {
  browser = new Browser();
});
afterAll(() => browser[Symbol.dispose]());

const page = htmlReport(mergeRuns([earlierRun(), fleetRun()]));

/** What a page looks like to somebody who sees it, measured from a page around it: its own policy lets no script run. */
interface Seen {
  /** Columns that stick out of the window. */
  overflow: number;
  /** How far the picture of the fleet reaches beyond what is in sight, to be scrolled to. */
  hidden: number;
  /** The right end of the last cell lies inside of what can be scrolled to. */
  lastCellIsReachable: boolean;
  /** Texts whose contrast to what is behind them is below 4.5 : 1. */
  faint: string[];
  brokenLinks: string[];
  doubleIds: string[];
  unnamed: string[];
  strangers: string[];
  ground: string;
}

/** Opens `markup` in a window of `width` columns. */
async function see(markup: string, width: number, ...flags: string[]): Promise<Seen> {
  const frame = browser.write(
    "frame.html",
    `<!doctype html><meta charset="utf-8"><iframe style="width:${width}px;height:900px;border:0" srcdoc="${markup.replaceAll("&", "&amp;").replaceAll('"', "&quot;")}"></iframe><pre id="seen"></pre>
<script>window.onload = () => {
  const view = document.querySelector("iframe").contentWindow, page = view.document, all = (css) => [...page.querySelectorAll(css)];
  for (const closed of all("details")) closed.open = true;
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = (colour) => { const [r, g, b] = channels(colour).map((c) => { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; }); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const groundOf = (element) => { for (let e = element; e; e = e.parentElement) { const found = channels(view.getComputedStyle(e).backgroundColor); if (found[3] !== 0) return view.getComputedStyle(e).backgroundColor; } return "rgb(255, 255, 255)"; };
  const contrast = (a, b) => { const [x, y] = [luminance(a), luminance(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const withText = all("body *").filter((e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim() !== ""));
  const ids = all("[id]").map((e) => e.id);
  const region = page.querySelector("#fleet .scroll"), cells = all("#fleet td"), last = cells.at(-1).getBoundingClientRect().right - region.getBoundingClientRect().left + region.scrollLeft;
  document.querySelector("#seen").textContent = JSON.stringify({
    overflow: Math.max(0, page.documentElement.scrollWidth - ${width}),
    hidden: region.scrollWidth - region.clientWidth,
    lastCellIsReachable: last <= region.scrollWidth + 1,
    faint: withText.filter((e) => contrast(view.getComputedStyle(e).color, groundOf(e)) < 4.5).map((e) => e.outerHTML.slice(0, 120)).slice(0, 5),
    brokenLinks: all("a").map((a) => a.getAttribute("href")).filter((href) => !href.startsWith("#") || !page.getElementById(href.slice(1))).slice(0, 5),
    doubleIds: ids.filter((id, index) => ids.indexOf(id) < index).slice(0, 5),
    unnamed: [...all("table").filter((t) => !t.caption), ...all("th:not([scope])"), ...all("#fleet td:not(.lost) a:not([aria-label])"), ...all("[role=region]:not([aria-label])"), ...all("main section:not([aria-labelledby])")].map((e) => e.outerHTML.slice(0, 120)).slice(0, 5),
    strangers: all("script, img, iframe, object, link, form").map((e) => e.outerHTML.slice(0, 120)),
    ground: groundOf(page.body),
  });
};</script>`,
  );
  const { dom } = await browser.open(frame, "--window-size=1400,1000", ...flags);
  const [, text = ""] = /<pre id="seen">([^<]*)<\/pre>/.exec(dom) ?? [];
  return JSON.parse(text.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&"));
}

const SOUND = {
  overflow: 0,
  lastCellIsReachable: true,
  faint: [],
  brokenLinks: [],
  doubleIds: [],
  unnamed: [],
  strangers: [],
};

describe("the HTML report in a browser", () => {
  it("opens without a message on the console, and shows its subject", async () => {
    const { dom, console } = await browser.open(browser.write("report.html", page));
    expect(console).toEqual([]);
    expect(dom).toContain("<title>redkeep verify, 2026-11-24</title>");
    expect(dom).toContain(
      "running no, though the file says as wanted: changed on the running server, or the file was never loaded",
    );
  });

  it("lets the browser refuse a style that is not its own, as the console says", async () => {
    const changed = page.replace("</style>", "body { color: red }</style>");
    const { console } = await browser.open(browser.write("changed.html", changed));
    expect(console.join("\n")).toMatch(/Content Security Policy/);
  });

  it("can be read by everybody, on a phone in the light and on a wide screen in the dark", async () => {
    const phone = await see(page, 390);
    expect(phone).toMatchObject(SOUND);
    // The picture is what is scrolled, not the page.
    expect(phone.hidden).toBeGreaterThan(390);
    const wide = await see(page, 1280, "--force-dark-mode");
    expect(wide).toMatchObject({ ...SOUND, hidden: 0 });
    expect(wide.ground).not.toBe(phone.ground);
  });

  it("keeps its structure whatever hosts say", async () => {
    expect(
      await see(htmlReport(mergeRuns([hostileRun(`${HOSTILE}${"long".repeat(300)}`)])), 390),
    ).toMatchObject(SOUND);
  });

  it("opens with a thousand hosts", async () => {
    const { dom, console } = await browser.open(
      browser.write("big.html", htmlReport(mergeRuns([fleetRun(1000)]))),
    );
    expect(console).toEqual([]);
    expect(dom).toContain("redis-1000");
  });

  it("can be rendered as a picture, and printed in landscape", async () => {
    const file = browser.write("report.html", page);
    const png = readFileSync(
      await browser.save(file, "report.png", "--screenshot", "--window-size=1280,900", "--hide-scrollbars"),
    );
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([1280, 900]);
    const pdf = readFileSync(await browser.save(file, "report.pdf", "--print-to-pdf")).toString("latin1");
    const [, width = "", height = ""] = /\/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]/.exec(pdf) ?? [];
    expect(Number(width)).toBeGreaterThan(Number(height));
  });
});
