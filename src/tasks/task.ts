import type { z } from "zod";
import type { FactName, HostFacts } from "../facts/probe.ts";
import type { ProbeInput } from "../facts/probe-input.ts";
import type { SecretSource } from "../lib/secret-source.ts";
import type { Controller } from "../plan/controller.ts";
import type { Desired } from "../plan/desired.ts";
import type { TemplateData } from "../playbook/template.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import type { Allowance } from "../verify/allowance.ts";
import type { Check } from "../verify/controls.ts";

/** What a task may look at: never the clock, a file or a connection. */
export interface TaskContext<P> {
  params: P;
  facts: HostFacts;
  server: Server;
  /** redis.conf with what the tasks before this one want of it. */
  config: ConfigDocument;
  controller: Controller;
  /** Renders `templates/NAME`. */
  render: (name: string, data: TemplateData) => string;
  /** Parameters of the other selected tasks of this host, by task name. */
  others: ReadonlyMap<string, unknown>;
}

export interface TaskDefinition<P = unknown> {
  /** Its parameters: the schema is the reference, and an unknown key is an error. */
  params: z.ZodType<P>;
  /** Parameters as if the playbook had written them, where it leaves them out: these may be templates. */
  leftOut?: Readonly<Record<string, unknown>>;
  /** The facts it needs beside those that every probe has. */
  facts: readonly FactName[];
  /** Tasks with a later phase see what earlier phases want, whatever their order in the playbook. */
  phase: number;
  /** What the probe must ask for this task's sake. */
  probe?: (
    params: P,
  ) => Partial<Pick<ProbeInput, "paths" | "commands" | "dryRuns" | "keySamples" | "tlsPorts">>;
  /** Passwords it needs, by name. */
  secrets?: (params: P) => ReadonlyMap<string, SecretSource | { generate: true }>;
  /** Why this host is left alone, if it is. */
  skip?: (context: TaskContext<P>) => string | undefined;
  /** What these parameters leave unmet of what controls demand: see `weakenable`. */
  allowances: (params: P) => Allowance[];
  desired: (context: TaskContext<P>) => Desired;
  checks: (context: TaskContext<P>) => Check[];
}

/** Gives a definition its types; a task file exports the result as its default. */
export function defineTask<P>(definition: TaskDefinition<P>): TaskDefinition<P> {
  return definition;
}
