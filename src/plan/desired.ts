import type { Refusal, Resource } from "../resources/kind.ts";

export type { Refusal, Resource };

/** What a task wants of a host. */
export interface Desired {
  resources: readonly Resource[];
  refusals?: readonly Refusal[];
  /** Things that are left alone on purpose, as sentences. */
  notes?: readonly string[];
}
