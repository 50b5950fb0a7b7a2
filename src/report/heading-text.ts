import { plural } from "../lib/words.ts";
import { controlCount } from "./checks-text.ts";
import { hanging, type Page } from "./layout.ts";

/** What was asked of how many hosts: `Harden Redis: 3 hosts (Redis 7.0.15, Debian 12), 9 tasks`. */
export function headingText(page: Page): string[] {
  const names = page.plays.slice(0, 3).map((play) => play.name);
  if (page.plays.length > 3) names.push(`${page.plays.length - 3} more plays`);
  const kinds = kindsOf(page);
  const hosts = `${plural(page.hosts.length, "host")}${kinds === "" ? "" : ` (${kinds})`}`;
  const asked = [hosts, ...scopeOf(page)].join(", ");
  const heading = names.length === 0 ? asked : `${names.join(", ")}: ${asked}`;
  return hanging("", heading, page.width).map((line) => page.paint("bold", line));
}

function scopeOf(page: Page): string[] {
  if (page.record.command === "verify") return [plural(controlCount(page), "control")];
  const tasks = page.plays.reduce((count, play) => count + play.taskCount, 0);
  return tasks === 0 || ["rollback", "eject"].includes(page.record.command) ? [] : [plural(tasks, "task")];
}

/** The products and systems met, each with its count where there are several, the most frequent first. */
function kindsOf({ hosts, hostFacts }: Page): string {
  const counts = new Map<string, number>();
  for (const { host } of hosts) {
    const facts = hostFacts.get(host);
    if (facts === undefined) continue;
    const kind = `${facts.product}, ${facts.os}`;
    counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const sorted = [...counts].sort((a, b) => b[1] - a[1]);
  if (sorted.length <= 1) return sorted[0]?.[0] ?? "";
  const rest = sorted.slice(3).reduce((count, [, hostsOfKind]) => count + hostsOfKind, 0);
  const shown = sorted.slice(0, 3).map(([kind, count]) => `${count} × ${kind}`);
  return [...shown, ...(rest > 0 ? [`${rest} × other`] : [])].join("; ");
}
