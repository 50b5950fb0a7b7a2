import type { z } from "zod";
import type { Problem } from "../lib/errors.ts";
import { placeIn, type TaskEntry } from "./playbook.ts";
import type { Rendered, Renderer } from "./renderer.ts";
import { schemaProblems } from "./schema-problems.ts";

/** The problems that a parameter schema finds, each with its place in the playbook. Values that still wait for the facts are skipped. */
export function parameterProblems(
  issues: readonly z.core.$ZodIssue[],
  entry: TaskEntry,
  { value, waits }: Rendered,
  renderer: Renderer,
): Problem[] {
  return schemaProblems(issues, {
    schema: entry.definition.params,
    value,
    noun: "parameter",
    locate: (path) => placeIn(entry, [entry.task, ...path]),
    isOpen: (found) => waits && hasTemplate(found),
    note: (path) => renderer.origin(path),
  });
}

function hasTemplate(value: unknown): boolean {
  if (typeof value === "string") return value.includes("<%");
  return typeof value === "object" && value !== null && Object.values(value).some(hasTemplate);
}
