import { duration, plural } from "../lib/words.ts";
import { hanging, type Page } from "./layout.ts";

/** From where hosts were looked at beside themselves; -v says at what cost. */
export function vantagesText(page: Page): string[] {
  const vantages = page.record.vantages ?? [];
  const seeing = vantages.filter(({ error }) => error === null);
  const blind = vantages.flatMap(({ host, error }) => (error === null ? [] : [`${host}: ${error}`]));
  const cost = ({ targets, connections, roundTrips, durationMs }: (typeof vantages)[number]) =>
    ` (${plural(targets, "host")}, ${plural(connections, "connection")}, ${plural(roundTrips, "round trip")}, ${duration(durationMs)})`;
  const told = seeing.map((vantage) => `${vantage.host}${page.verbose ? cost(vantage) : ""}`);
  return [
    ...(told.length === 0 ? [] : hanging("  ", `Also looked at from ${told.join(", ")}.`, page.width)),
    ...blind.flatMap((text) =>
      hanging(`${page.paint("yellow", page.signs.open)} `, `nobody could look from ${text}`, page.width),
    ),
  ];
}
