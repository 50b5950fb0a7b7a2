import type { Attributes } from "../facts/files.ts";
import type { FirewallPlan } from "../firewall/plan.ts";
import type { AclUser } from "../redis/acl-user.ts";
import type { StoredUser } from "../redis/found-users.ts";

/** Something that should hold on a host. What differs from the facts becomes a change. */
export type Resource =
  | { kind: "setting"; name: string; args: readonly string[]; secret?: boolean }
  /** The directive must not stand in redis.conf. `after` says what takes its place. */
  | { kind: "no-setting"; name: string; secret?: boolean; after: string }
  /** `to` is "" for a command taken away, GENERATED where apply draws a name. */
  | { kind: "rename"; command: string; to: string }
  | {
      kind: "acl-file";
      path: string;
      /** The default user and those of the playbook, in order. */
      users: readonly AclUser[];
      /** Others, which a file of the host has: they stay as that file has them, behind the playbook's. */
      kept?: readonly StoredUser[];
      /** Who is neither goes, out of memory too. */
      removesUnlisted?: boolean;
      /** The names of those that the playbook has. */
      listed?: readonly string[];
      /** Users whose password is only made at apply. */
      generated: readonly string[];
      /** Users with a password here that this controller never had: it may be newer than the one that it has. */
      unknownPasswords?: readonly string[];
      /** Users whose login the running server refuses: only a restart loads their line, right as it may be. */
      refused?: readonly string[];
      attributes: Attributes;
    }
  | {
      kind: "file";
      path: string;
      content: FileContent;
      attributes: Attributes;
      /** False where the content on the host already does. */
      differs: boolean;
      /** For people; never the content. */
      before: string | null;
      after: string;
      /** How a running server takes it up: by this `CONFIG SET` of unchanged paths, or only by a restart. */
      reload?: readonly string[];
    }
  | { kind: "directory"; path: string; attributes: Attributes }
  /** Owner and mode of something that is there; nothing is created. What is left out stays, or is another task's. */
  | { kind: "attributes"; path: string; attributes: Partial<Attributes> }
  /** Files that the server writes when it stops are closed to others too. */
  | { kind: "closed-data"; directory: string }
  /** `process` is what the running process has where that is not the value: loading the unit does not change it. */
  | { kind: "unit"; property: string; value: string; loaded: string; process?: string | undefined }
  /** A unit that the server's unit wants and starts after. That is for the next boot: nothing is restarted for it. */
  | { kind: "start-after"; unit: string; loaded: boolean }
  | { kind: "persistence"; steps: readonly PersistenceStep[] }
  | { kind: "firewall"; plan: FirewallPlan };

/** Text that is there now, or a part of the certificate that apply issues for this host. */
export type FileContent = { text: string; secret: boolean } | { issued: "certificate" | "key" };

/** A step on the running server that has to end well before redis.conf may say so, or data is lost. */
export type PersistenceStep = "aof-on" | "rdb-on" | "aof-off" | "rdb-off" | "rewrite-aof";

/** A name in a resource that stands for one that apply draws at random. */
export const GENERATED = "\u0000generated";

/** A reason not to touch this host. `guard` names what `--accept` overrides; null where nothing does. */
export interface Refusal {
  guard: string | null;
  found: string;
  remedy: string;
}

export interface Desired {
  resources: readonly Resource[];
  refusals?: readonly Refusal[];
  /** Things that are left alone on purpose, as sentences. */
  notes?: readonly string[];
}
