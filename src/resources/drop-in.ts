import { excerpt } from "../lib/secret.ts";
import type { ChangeRecord } from "../record/record.ts";
import type { Draft, Kind, NoActions } from "./kind.ts";

declare module "./kind.ts" {
  interface Kinds {
    unit: {
      /** `process` is what the running process has where that is not the value: loading the unit does not change it. */
      wants: { property: string; value: string; loaded: string; process?: string | undefined };
      does: { daemonReload: boolean };
    };
    /** A unit that the server's unit wants and starts after. That is for the next boot: nothing is restarted for it. */
    "start-after": { wants: { unit: string; loaded: boolean }; does: NoActions };
  }
}

const OURS = "redkeep.conf";
/** Properties of a unit's own section, by which it waits for another. */
const START_ORDER = ["Wants", "After"];

/** Where redkeep's own properties of a unit stand. */
export function dropInPath(unit: string): string {
  return `/etc/systemd/system/${unit}.d/${OURS}`;
}

/** The properties that a drop-in sets. */
export function unitProperties(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map(([, property = "", value = ""]) => [property, value]),
  );
}

/**
 * A property of the server's unit, in redkeep's drop-in.
 *
 * The way back puts the old drop-in into its place, or takes it away, and systemd reads its units again.
 */
export const unit: Kind<"unit"> = {
  differ: ({ property, value, loaded, process }, draft) => {
    draft.unit.set(property, value);
    if (loaded === value && process === undefined) return [];
    if (loaded !== value) refuseOverruled(property, value, draft);
    const note = loaded === value ? ` (loaded, but the process still has ${process})` : "";
    return [
      {
        address: `unit:${property}`,
        action: "update",
        before: loaded || "not set",
        after: `${value}${note}`,
        restart: true,
      },
    ];
  },

  settle: writeDropIn,

  none: () => ({ daemonReload: false }),

  program: ({ daemonReload }) => ({ env: { RELOAD: daemonReload ? "1" : "" } }),

  // The drop-in itself is one of `files`.
  writes: () => [],
};

export const startAfter: Kind<"start-after"> = {
  differ: ({ unit, loaded }, draft) => {
    if (loaded) return [];
    for (const property of START_ORDER) draft.unit.set(property, unit);
    return [{ address: "unit:After", action: "update", before: "not set", after: unit, restart: false }];
  },
};

/** A drop-in whose name comes after ours has the last word: what it sets otherwise would stay as it is. */
function refuseOverruled(property: string, value: string, { facts, refuse }: Draft): void {
  if (property === "ReadWritePaths") return; // each drop-in adds to the list
  const last = facts.service.dropIns.findLast((line) => line.property === property);
  if (last === undefined || last.value === value || (last.path.split("/").at(-1) ?? "") <= OURS) return;
  refuse({
    guard: null,
    found: `${last.path} sets ${property}=${excerpt(last.value, 60)}, and systemd reads it after ${OURS}: ${property}=${value} would have no effect`,
    remedy: `take the line out, or give the file a name that comes before ${OURS}`,
  });
}

/** Our drop-in: what it holds already and the tasks of this run did not name stays. */
function writeDropIn(draft: Draft, changes: readonly ChangeRecord[]): ChangeRecord[] {
  const { facts, server, actions } = draft;
  const before = facts.configFiles.dropIn ?? "";
  const settings = new Map([...unitProperties(before), ...draft.unit]);
  if (settings.size === 0) return [];
  const all = [...settings].map(([property, value]) => ({ property, value }));
  const isOrder = ({ property }: { property: string }) => START_ORDER.includes(property);
  const text = draft.render("redkeep.conf.ejs", {
    order: all.filter(isOrder),
    settings: all.filter((setting) => !isOrder(setting)),
  });
  if (text === before) return [];
  const path = dropInPath(server.unit);
  const root = { owner: "root", group: "root" };
  if (!facts.files.paths.has(path))
    actions.directories.push({
      path: path.slice(0, path.lastIndexOf("/")),
      attributes: { ...root, mode: 0o755 },
    });
  actions.files.push({ path, content: { text, secret: false }, attributes: { ...root, mode: 0o644 } });
  actions.daemonReload = true;
  if (changes.some(({ address }) => address.startsWith("unit:"))) return [];
  // Someone edited a drop-in whose properties all hold: still a change, so it has to be shown.
  return [
    {
      address: `file:${path}`,
      action: before === "" ? "create" : "update",
      before: before === "" ? null : "edited",
      after: "as redkeep wrote it",
      restart: false,
    },
  ];
}
