import { describe, expect, it } from "vitest";
import { isSelected } from "../../src/lib/tags.ts";

/** What Ansible runs of a task with these tags (inventory.md, 6). */
const TASKS = {
  untagged: [],
  a: ["a"],
  b: ["b"],
  ab: ["a", "b"],
  always: ["always"],
  alwaysA: ["always", "a"],
  never: ["never"],
  neverA: ["never", "a"],
  neverAlways: ["never", "always"],
} as const;
type Name = keyof typeof TASKS;

const DEFAULT: Name[] = ["untagged", "a", "b", "ab", "always", "alwaysA", "neverAlways"];

describe("which tasks run", () => {
  it.each<[string[], string[], Name[]]>([
    [[], [], DEFAULT],
    [["all"], [], DEFAULT],
    [["a"], [], ["a", "ab", "always", "alwaysA", "neverA", "neverAlways"]],
    [["A"], [], ["always", "alwaysA", "neverAlways"]],
    [["nosuch"], [], ["always", "alwaysA", "neverAlways"]],
    [["never"], [], ["always", "alwaysA", "never", "neverA", "neverAlways"]],
    [["always"], [], ["always", "alwaysA", "neverAlways"]],
    [["a", "b"], [], ["a", "b", "ab", "always", "alwaysA", "neverA", "neverAlways"]],
    [["tagged"], [], ["a", "b", "ab", "always", "alwaysA", "neverAlways"]],
    [["untagged"], [], ["untagged", "always", "alwaysA", "neverAlways"]],
    [["all", "never"], [], Object.keys(TASKS) as Name[]],
    [[], ["a"], ["untagged", "b", "always", "neverAlways"]],
    [["a"], ["b"], ["a", "always", "alwaysA", "neverA", "neverAlways"]],
    [["a"], ["a"], ["always", "neverAlways"]],
    [[], ["always"], ["untagged", "a", "b", "ab"]],
    [[], ["all"], ["always", "alwaysA", "neverAlways"]],
    [[], ["tagged"], ["untagged"]],
    [[], ["untagged"], ["a", "b", "ab", "always", "alwaysA", "neverAlways"]],
    [["a"], ["never"], ["a", "ab", "always", "alwaysA"]],
    [["a"], ["nosuch"], ["a", "ab", "always", "alwaysA", "neverA", "neverAlways"]],
  ])("with --tags %j --skip-tags %j", (only, skip, expected) => {
    const selected = Object.entries(TASKS).filter(([, tags]) => isSelected(tags, { only, skip }));
    expect(selected.map(([name]) => name)).toEqual(expected);
  });
});
