import { hostList } from "../lib/words.ts";
import { hanging, type Page } from "./layout.ts";

/** What carried the scripts, and why, where -v is given: hosts for which both are the same share a line. */
export function transportText({ hosts, verbose, width }: Page): string[] {
  if (!verbose) return [];
  const kinds = Map.groupBy(
    hosts.filter(({ transport }) => transport !== undefined),
    ({ transport }) =>
      `${transport?.name === "openssh" ? "the system's ssh" : transport?.name}: ${transport?.reason}`,
  );
  return [...kinds].flatMap(([text, alike]) =>
    hanging("  ", `${hostList(alike.map(({ host }) => host))}: by ${text}`, width),
  );
}
