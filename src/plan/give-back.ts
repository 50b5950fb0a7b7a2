import type { KeptRun } from "../facts/kept-runs.ts";
import type { HostFacts } from "../facts/probe.ts";
import type { DefaultPolicy } from "../firewall/evaluate.ts";
import { describeAttributes } from "../lib/attributes.ts";
import type { ChangeRecord, Impact } from "../record/record.ts";
import type { AclUser } from "../redis/acl-user.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import {
  attributeChanges,
  fileChanges,
  settingChanges,
  unitChanges,
  userChanges,
} from "./give-back/changes.ts";
import { firewallChanges } from "./give-back/firewall-changes.ts";
import { impact } from "./give-back/impact.ts";
import { hasNewRules, nowAndThen, UFW_DEFAULTS } from "./give-back/now-and-then.ts";
import type { Destination, KeptState } from "./kept-state.ts";
import type { RulesOfOthers } from "./rules-of-others.ts";

/** What a host becomes when it goes back to a state that it keeps. */
export interface GiveBack {
  changes: ChangeRecord[];
  impact: Impact[];
  restart: boolean;
  config: ConfigDocument;
  users: ReadonlyMap<string, AclUser>;
  /** What becomes of ufw. */
  firewall: "disable" | "load" | undefined;
  policy: { before: DefaultPolicy; after: DefaultPolicy } | undefined;
  /** Rules of ufw that others added or took away since, and that this would undo. */
  others: readonly RulesOfOthers[];
  /** What has to be done, by path. */
  files: KeptState["files"];
  modes: KeptState["modes"];
}

/** What a rollback undoes on a host. */
export interface WayBack {
  readonly state: KeptState;
  /** The newest of the runs that are undone. */
  readonly undone: KeptRun;
  readonly giveBack: GiveBack;
}

export interface GiveBackInput {
  facts: HostFacts;
  server: Server;
  state: KeptState;
  /** The last run knows what it changed on the running server; of several together only their files are known. */
  destination: Destination;
  /** A file's signature as it stands now. */
  signatureOf: (path: string) => string;
}

/** Whether the text of a path's backup is read for the plan: what people can read, and no private key. */
export function isShown(path: string, server: Server): boolean {
  return (
    /\.(conf|acl|crt|rules)$/.test(path) ||
    path === UFW_DEFAULTS ||
    path === server.config.get("aclfile")?.[0] ||
    server.config.files().some((file) => file.path === path)
  );
}

/** Facts and a kept state in, plan of the way back out: pure. */
export function planGiveBack(input: GiveBackInput): GiveBack {
  const { facts, state, signatureOf } = input;
  const files = state.files.filter(({ path, state: then }) => signatureOf(path) !== then);
  const modes = state.modes.filter(({ path, attributes }) => {
    const found = facts.files.paths.get(path);
    return found !== undefined && describeAttributes(found) !== describeAttributes(attributes);
  });
  const way = nowAndThen({ ...input, state: { ...state, files, modes } });
  const changes = [
    ...settingChanges(way),
    ...userChanges(way),
    ...unitChanges(way),
    ...fileChanges(way),
    ...attributeChanges(way),
    ...firewallChanges(way),
  ];
  const { goesOff, isActive, policy } = way;
  return {
    changes,
    impact: changes.length === 0 ? [] : impact(way, changes),
    restart: way.restart,
    config: way.config,
    users: way.users.after,
    // One that somebody switched off stays off, with its old files.
    firewall: goesOff ? "disable" : isActive && hasNewRules(way) ? "load" : undefined,
    others: way.others,
    policy: goesOff || policy.before === policy.after ? undefined : policy,
    files,
    modes,
  };
}
