import type { ChangeRecord } from "../record/record.ts";
import { aclFile } from "./acl-file.ts";
import { attributes } from "./attributes.ts";
import { closedData } from "./closed-data.ts";
import { directory } from "./directory.ts";
import { startAfter, unit } from "./drop-in.ts";
import { file } from "./file.ts";
import { firewall } from "./firewall.ts";
import type { Actions, Draft, Kind, KindName, Kinds, Part, ProgramContext } from "./kind.ts";
import { persistence } from "./persistence.ts";
import { noSetting, rename, setting } from "./setting.ts";

/**
 * Every kind of resource: the one list. They settle in this order, so those whose wishes end up in files stand before `file`,
 * and `attributes`, which are given with the files, behind it.
 */
const KINDS: { readonly [K in KindName]: Kind<K> } = {
  setting,
  "no-setting": noSetting,
  rename,
  "acl-file": aclFile,
  unit,
  "start-after": startAfter,
  persistence,
  firewall,
  file,
  directory,
  attributes,
  "closed-data": closedData,
};

export const KIND_NAMES = Object.keys(KINDS) as KindName[];

/** What of a wish does not hold on the host; the draft gets what is done about it. */
export function differ<K extends KindName>(
  resource: { kind: K } & Kinds[K]["wants"],
  draft: Draft,
): ChangeRecord[] {
  const kind: Kind<K> = KINDS[resource.kind];
  return kind.differ(resource, draft);
}

/** What the wishes of all tasks come to together: changes beside those that each of them is. */
export function settle(draft: Draft, changes: readonly ChangeRecord[]): ChangeRecord[] {
  return Object.values(KINDS).flatMap((kind) => kind.settle?.(draft, changes) ?? []);
}

/** Nothing to do, of every kind. */
export function noActions(): Actions {
  const none = Object.values(KINDS).map((kind) => ("none" in kind ? kind.none() : {}));
  return Object.assign({ restart: false }, ...none);
}

/** What the kinds bring to the program for these actions, one after the other. */
export function partsOf(actions: Actions, context: ProgramContext): Required<Part> {
  const all = Object.values(KINDS).map(
    (kind): Part => ("program" in kind ? kind.program(actions, context) : {}),
  );
  return {
    env: Object.assign({}, ...all.map(({ env }) => env)),
    parts: all.flatMap(({ parts = [] }) => parts),
    live: all.flatMap(({ live = [] }) => live),
    undo: all.flatMap(({ undo = [] }) => undo),
    reliedPaths: all.flatMap(({ reliedPaths = [] }) => reliedPaths),
    reliedFacts: all.flatMap(({ reliedFacts = [] }) => reliedFacts),
  };
}

/** Every path on the host that these actions write to. */
export function writtenPaths(actions: Actions): string[] {
  return Object.values(KINDS).flatMap((kind) => ("writes" in kind ? kind.writes(actions) : []));
}
