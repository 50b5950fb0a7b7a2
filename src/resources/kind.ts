import type { HostFacts } from "../facts/probe.ts";
import type { FirewallPlan } from "../firewall/plan.ts";
import type { TemplateData } from "../lib/template.ts";
import type { ChangeRecord } from "../record/record.ts";
import type { AclUser } from "../redis/acl-user.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";

/**
 * Every kind of resource: what a task says it wants (`wants`), and what the program on the host does about it (`does`, the
 * fields that it adds to a plan's actions). Each kind's own file adds its line, and kinds.ts is the one list: it has a type
 * error until a kind with a line here stands in it.
 */
// biome-ignore lint/suspicious/noEmptyInterface: each kind declares its own line of it
export interface Kinds {}

export type KindName = keyof Kinds;

/** Something that should hold on a host. What differs from the facts becomes a change. */
export type Resource = { [K in KindName]: { kind: K } & Kinds[K]["wants"] }[KindName];

/** What the program on the host has to do. */
export type Actions = Together<Kinds[KindName]["does"]> & { restart: boolean };

type Together<U> = (U extends unknown ? (each: U) => void : never) extends (all: infer I) => void ? I : never;

/** A kind that changes what another kind's actions carry, such as a line of redis.conf, has none of its own. */
export type NoActions = Record<never, never>;

/** Text that is there now, or a part of the certificate that apply issues for this host. */
export type FileContent = { text: string; secret: boolean } | { issued: "certificate" | "key" };

/** A reason not to touch this host. `guard` names what `--accept` overrides; null where nothing does. */
export interface Refusal {
  guard: string | null;
  found: string;
  remedy: string;
}

/** What clients will meet once the plan is carried out. */
export interface Effects {
  /** Undefined where no task names users: they stay as they are. One whose password apply makes has none here. */
  users: ReadonlyMap<string, AclUser> | undefined;
  /** The names of those that the playbook has. */
  listed: readonly string[];
  /** Users whose password on the host this controller never had. */
  unknownPasswords: readonly string[];
  /** Undefined where no task looks at the firewall. */
  firewall: FirewallPlan | undefined;
}

/** A host's plan as far as it is made: what kinds compare with, and what they add to. */
export interface Draft {
  readonly facts: HostFacts;
  readonly server: Server;
  readonly render: (name: string, data: TemplateData) => string;
  /** A new name for a command that is to be renamed and has none yet. */
  readonly drawName: (command: string) => string;
  /** Whose wish is compared now: it stands with refusals, and over lines of redis.conf. */
  task: string;
  /** redis.conf with what was wanted so far. */
  config: ConfigDocument;
  readonly actions: Actions;
  readonly effects: Effects;
  /** Properties of the server's unit. */
  readonly unit: Map<string, string>;
  /** Settings that a step of persistence changes on the running server, before redis.conf says so. */
  readonly throughServer: Set<string>;
  /** Users whom the playbook lacks go, out of memory too. */
  removesUnlisted: boolean;
  refuse: (refusal: Refusal) => void;
}

/** What a kind's part of the program is made of. */
export interface ProgramContext {
  facts: HostFacts;
  server: Server;
  /** redis.conf as it will be. */
  config: ConfigDocument;
  restart: boolean;
  /** What a file of the plan will hold. */
  textOf: (content: FileContent) => string;
}

/** What one kind brings to the program. */
export interface Part {
  /**
   * Variables of transaction.sh. Give every variable even when there is nothing to do: the program stops at one that is not set.
   * A rollback runs the new transaction.sh with the env of an old run, so give a new variable a default there.
   */
  env?: Record<string, string | number>;
  /** Files in the transaction's folder, by name. */
  parts?: [name: string, text: string][];
  /** Commands for a Redis that is not restarted, and those that put back what they change. */
  live?: string[];
  undo?: string[];
  /** Paths, and facts in transaction.sh's words, that the plan relied on: nothing begins where they are otherwise by then. */
  reliedPaths?: string[];
  reliedFacts?: string[];
}

interface Compared<K extends KindName> {
  /** What of the wish does not hold on the host, as people read it. The draft gets what is done about it. */
  differ: (wanted: Kinds[K]["wants"], draft: Draft) => ChangeRecord[];
  /** What the wishes of all tasks come to, after the last: `changes` are those so far, and it may add some. */
  settle?: (draft: Draft, changes: readonly ChangeRecord[]) => ChangeRecord[];
}

interface Done<K extends KindName> {
  /** Its fields of the actions, where nothing is to be done. */
  none: () => Kinds[K]["does"];
  /** How the program does its actions. */
  program: (actions: Kinds[K]["does"], context: ProgramContext) => Part;
  /** Paths on the host that its actions write to: the plan refuses a host where that would fail. */
  writes: (actions: Kinds[K]["does"]) => readonly string[];
}

/** One kind of resource. Who adds a field to the actions has to say how the program does it. */
export type Kind<K extends KindName> = Compared<K> &
  (keyof Kinds[K]["does"] extends never ? unknown : Done<K>);

/** A line for each entry, as the lists in the transaction's folder are read. */
export function lines(rows: readonly string[]): string {
  return rows.map((row) => `${row}\n`).join("");
}

/** What a task wants of a host. */
export interface Desired {
  resources: readonly Resource[];
  refusals?: readonly Refusal[];
  /** Things that are left alone on purpose, as sentences. */
  notes?: readonly string[];
}
