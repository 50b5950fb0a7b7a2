/**
 * A document that can be run. Its fenced blocks are what an operator does, in order:
 *
 * - `console`: commands after `$ `, and below each what it prints. Each line there has to be in the output, in that order;
 *   `…` stands for anything within a line, `[…]` on a line of its own for any lines. How lines are wrapped does not
 *   count. `exit 6` on a line of its own is how the command ends; else that is 0.
 * - `diff` that begins with `--- FILE`: these lines of that file are replaced.
 * - `yaml` that begins with `# FILE`: the file is written.
 * - any other block is for reading.
 */
export interface Story {
  title: string;
  steps: Step[];
}

export type Step =
  | { kind: "command"; line: number; command: string; shown: string[]; exitCode: number }
  | { kind: "edit"; line: number; file: string; hunks: { before: string; after: string }[] }
  | { kind: "write"; line: number; file: string; text: string };

/** The stories of a document: one for each heading `## `. */
export function readStories(document: string): Story[] {
  const stories: Story[] = [];
  const lines = document.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at] ?? "";
    if (line.startsWith("## ")) stories.push({ title: line.slice(3), steps: [] });
    const [, language] = /^```(\w+)$/.exec(line) ?? [];
    if (language === undefined) continue;
    const end = lines.indexOf("```", at);
    if (end < 0) throw new Error(`line ${at + 1}: a block without an end`);
    stories.at(-1)?.steps.push(...stepsOf(language, lines.slice(at + 1, end), at + 2));
    at = end;
  }
  return stories;
}

function stepsOf(language: string, block: string[], line: number): Step[] {
  const [first = "", ...rest] = block;
  if (language === "console") return commandsOf(block, line);
  const [, edited] = /^--- (\S+)$/.exec(first) ?? [];
  if (language === "diff" && edited !== undefined)
    return [{ kind: "edit", line, file: edited, hunks: hunksOf(rest) }];
  const [, written] = /^# (\S+\.yml)$/.exec(first) ?? [];
  if (language === "yaml" && written !== undefined)
    return [{ kind: "write", line, file: written, text: `${rest.join("\n")}\n` }];
  return [];
}

function commandsOf(block: readonly string[], line: number): Step[] {
  const steps: Extract<Step, { kind: "command" }>[] = [];
  for (const [index, text] of block.entries()) {
    const step = steps.at(-1);
    if (text.startsWith("$ "))
      steps.push({ kind: "command", line: line + index, command: text.slice(2), shown: [], exitCode: 0 });
    else if (step !== undefined && step.shown.length === 0 && step.command.endsWith("\\"))
      step.command += `\n${text}`;
    else if (step === undefined) throw new Error(`line ${line + index}: output before a command`);
    else if (/^exit \d+$/.test(text)) step.exitCode = Number(text.slice(5));
    else if (text !== "[…]" && text.trim() !== "") step.shown.push(text);
  }
  return steps;
}

function hunksOf(lines: readonly string[]): { before: string; after: string }[] {
  const hunks: { before: string[]; after: string[] }[] = [];
  let previous = "";
  for (const line of lines) {
    const sign = line[0] ?? " ";
    const isNew = hunks.length === 0 || (sign !== "+" && previous === "+");
    if (isNew) hunks.push({ before: [], after: [] });
    const hunk = hunks.at(-1);
    if (sign !== "+") hunk?.before.push(line.slice(1));
    if (sign !== "-") hunk?.after.push(line.slice(1));
    previous = sign;
  }
  return hunks.map(({ before, after }) => ({ before: before.join("\n"), after: after.join("\n") }));
}

/** The first line shown that the output lacks, or undefined where all are there. */
export function missingLine(shown: readonly string[], output: string): string | undefined {
  let rest = oneBlank(output);
  for (const line of shown) {
    const pattern = oneBlank(line)
      .trim()
      .split("…")
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
      .join(".*?");
    const found = new RegExp(pattern).exec(rest);
    if (found === null) return line;
    rest = rest.slice(found.index + found[0].length);
  }
  return undefined;
}

const oneBlank = (text: string): string => text.replace(/\s+/g, " ");
