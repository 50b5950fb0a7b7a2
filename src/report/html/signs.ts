import type { State } from "./fleet.ts";

/** What a cell shows beside its colour: on paper and to whoever sees no colours, it is all there is. */
const SIGNS: Record<State, { sign: string; word: string }> = {
  critical: { sign: "C", word: "critical, fails" },
  high: { sign: "H", word: "high, fails" },
  medium: { sign: "M", word: "medium, fails" },
  low: { sign: "L", word: "low, fails" },
  info: { sign: "I", word: "info, fails" },
  unknown: { sign: "?", word: "not checked" },
  waived: { sign: "W", word: "fails, waived" },
  allowed: { sign: "A", word: "unmet, allowed by the playbook" },
  pass: { sign: "✓", word: "holds" },
  skip: { sign: "–", word: "does not apply, or is for you to judge" },
};

export function signOf(state: State): string {
  return SIGNS[state].sign;
}

export function wordOf(state: State): string {
  return SIGNS[state].word;
}
