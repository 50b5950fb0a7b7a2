import { didYouMean, InputError, type Place, type Problem } from "../lib/errors.ts";
import type { YamlNode } from "../lib/yaml-node.ts";
import type { DraftGroup, InventoryBuilder } from "./inventory-builder.ts";
import { pythonLiteral } from "./python-literal.ts";
import { splitShellWords } from "./shell-words.ts";
import type { Variable } from "./variable.ts";
import { variableOf } from "./variable.ts";

// Python's idea of a blank and of a line's end, which is wider than JavaScript's.
const BLANK = "\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";
const LINE_END = /\r\n|[\n-\r\x1c-\x1e\x85\u2028\u2029]/;
const IS_BLANK = new RegExp(`[${BLANK}]`);
const SECTION = new RegExp(`^\\[([^:\\]${BLANK}]+)(?::([\\p{L}\\p{N}_]+))?\\][${BLANK}]*(?:#.*)?$`, "u");
const GROUP_NAME = new RegExp(`^([^:\\]${BLANK}]+)[${BLANK}]*(?:#.*)?$`, "u");
const KINDS = ["hosts", "children", "vars"];

const PASSWORD = /^ansible_\w*pass(?:word|phrase)?$/;

type IniLine = { place: Place } & (
  | { kind: "section"; group: string; holds: string }
  | { kind: "host"; pattern: string; variables: [name: string, value: YamlNode][] }
  | { kind: "child"; name: string }
  | { kind: "variable"; name: string; value: YamlNode }
);

/** An INI inventory as its lines, not yet part of an inventory. */
export interface IniInventory {
  readonly lines: readonly IniLine[];
  /** Lines that Ansible does not read. */
  readonly problems: readonly Problem[];
}

/** Whether a line of `text` begins a section: files in other forms hardly have such a line. */
export function looksLikeIni(text: string): boolean {
  return text.split(LINE_END).some((line) => SECTION.test(stripped(line)));
}

/** Where so many lines are wrong, the file is no INI, and the first of them say enough. */
const MOST_PROBLEMS = 100;

/** Reads the lines of an INI inventory as Ansible does. @param origin the file, for the places of its values */
export function parseIni(text: string, origin: Place): IniInventory {
  const lines: IniLine[] = [];
  const problems: Problem[] = [];
  let holds = "hosts";
  for (const [index, written] of text.split(LINE_END).entries()) {
    const line = stripped(written);
    if (line === "" || line.startsWith(";") || line.startsWith("#")) continue;
    if (holds === "" && !line.startsWith("[")) continue;
    const place = { ...origin, line: index + 1 };
    try {
      const parsed = parseLine(line, holds, place);
      if (parsed.kind === "section") holds = parsed.holds;
      lines.push(parsed);
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      problems.push(...error.problems);
      if (problems.length >= MOST_PROBLEMS) break;
      // Nobody knows which kind of lines comes next.
      if (line.startsWith("[")) holds = "";
    }
  }
  return { lines, problems };
}

function parseLine(line: string, holds: string, place: Place): IniLine {
  const section = SECTION.exec(line);
  if (section?.[1] !== undefined) {
    const [, group, kind = "hosts"] = section;
    if (KINDS.includes(kind)) return { kind: "section", place, group, holds: kind };
    throw refusal(
      place,
      `expected [GROUP], [GROUP:children] or [GROUP:vars], found ${found(line)}.${didYouMean(kind, KINDS)}`,
    );
  }
  if (line.startsWith("[") && line.endsWith("]")) {
    throw refusal(
      place,
      `expected [GROUP], [GROUP:children] or [GROUP:vars] without spaces in it, found ${found(line)}`,
    );
  }
  if (holds === "vars") return variableLine(line, place);
  if (holds === "hosts") return hostLine(line, place);
  const child = GROUP_NAME.exec(line)?.[1];
  if (child !== undefined) return { kind: "child", place, name: child };
  throw refusal(place, `expected the name of a group in this section, found ${found(line)}`);
}

function variableLine(line: string, place: Place): IniLine {
  const equals = line.indexOf("=");
  if (equals < 0) throw refusal(place, `expected key=value in this section, found ${found(line)}`);
  const name = stripped(line.slice(0, equals));
  return {
    kind: "variable",
    place,
    name,
    value: iniValue(name, stripped(line.slice(equals + 1)), place),
  };
}

function hostLine(line: string, place: Place): IniLine {
  const words = splitShellWords(line, { comments: true });
  if (words === undefined) {
    throw refusal(
      place,
      `expected a host and its key=value pairs, found a quote that is not closed in ${found(line)}`,
    );
  }
  const [pattern = "", ...assignments] = words;
  if (pattern === "" || pattern === "---" || pattern.endsWith(":")) {
    throw refusal(place, `expected the name of a host, found ${found(pattern)}`);
  }
  if (pattern.includes("=")) {
    throw refusal(
      place,
      `expected the name of a host, found the variable ${found(pattern)}; variables of a group stand in [GROUP:vars]`,
    );
  }
  if (/^\[(?:[^:\]]*\]|[^\]]*)$/.test(pattern)) {
    throw refusal(
      place,
      `expected [GROUP] alone on its line, or followed by a # comment, found ${found(line)}`,
    );
  }
  const variables = assignments.map((word): [string, YamlNode] => {
    const equals = word.indexOf("=");
    if (equals < 0) {
      throw refusal(
        place,
        `expected key=value after the host ${pattern.slice(0, 80)}, found ${found(word)}; a value with spaces must be quoted`,
      );
    }
    const name = word.slice(0, equals);
    return [name, iniValue(name, word.slice(equals + 1), place)];
  });
  return { kind: "host", place, pattern, variables };
}

/** The value of a Python literal, or else the text as it stands. Lines of hosts and of variables are alike in this. */
function iniValue(name: string, text: string, place: Place): YamlNode {
  try {
    return pythonLiteral(text, place) ?? { kind: "scalar", place, type: "text", value: text };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.problems.map((problem) => ({ key: name, ...problem })));
  }
}

/**
 * Adds an INI inventory to `builder`, in Ansible's order: a group that a `:children` section names ahead of the group's own
 * section becomes a child where its own section stands.
 */
export function addIni({ lines, problems }: IniInventory, builder: InventoryBuilder): void {
  builder.problems.push(...problems);
  new IniReader(builder).read(lines);
}

/** A group that something names, and that has no section of its own yet. */
interface Pending {
  place: Place;
  /** The groups whose `:children` name it; none where it only has `:vars`. */
  parents: { group: DraftGroup; place: Place }[];
}

class IniReader {
  readonly #builder: InventoryBuilder;
  readonly #pending = new Map<string, Pending>();
  #group: DraftGroup;

  constructor(builder: InventoryBuilder) {
    this.#builder = builder;
    this.#group = builder.ungrouped;
  }

  read(lines: readonly IniLine[]): void {
    for (const line of lines) {
      switch (line.kind) {
        case "section":
          this.#section(line.group, line.holds, line.place);
          break;
        case "host":
          for (const host of this.#builder.addHosts(line.pattern, this.#group, line.place)) {
            for (const [name, node] of line.variables)
              this.#builder.setHostVariable(host, name, variable(name, node));
          }
          break;
        case "child":
          this.#child(line.name, line.place);
          break;
        case "variable":
          this.#builder.setGroupVariable(this.#group, line.name, variable(line.name, line.value));
      }
    }
    this.#reportPending();
  }

  #section(name: string, holds: string, place: Place): void {
    const pending = this.#pending.get(name);
    if (holds === "vars" && pending === undefined && !this.#builder.groups.has(name)) {
      this.#pending.set(name, { place, parents: [] });
    }
    this.#group = this.#builder.addGroup(name, place);
    if (holds === "vars" || pending === undefined) return;
    for (const parent of pending.parents) this.#builder.addChild(parent.group, this.#group, parent.place);
    this.#pending.delete(name);
  }

  #child(name: string, place: Place): void {
    const known = this.#builder.groups.get(name);
    const pending = this.#pending.get(name) ?? { place, parents: [] };
    if (known !== undefined) {
      this.#builder.addChild(this.#group, known, place);
      return;
    }
    pending.parents.push({ group: this.#group, place });
    this.#pending.set(name, pending);
  }

  #reportPending(): void {
    for (const [name, { place, parents }] of this.#pending) {
      const others = [...this.#builder.groups.keys()].filter((other) => other !== name);
      const hint = didYouMean(name, others);
      const [first] = parents;
      this.#builder.problems.push(
        first === undefined
          ? {
              place,
              key: `[${name}:vars]`,
              message: `there is no group "${name}": expected a section [${name}].${hint}`,
            }
          : {
              place: first.place,
              key: `[${first.group.name}:children]`,
              message: `names the group "${name}", which has no section: expected [${name}].${hint}`,
            },
      );
    }
  }
}

/** A password of digits counts as text: so Ansible hands it to ssh and sudo. A listing shows it as a number. */
function variable(name: string, node: YamlNode): Variable {
  const read = variableOf({ place: node.place, keyIsText: true, node });
  const isDigits = node.kind === "scalar" && node.type === "int" && Number(node.value) >= 0;
  return isDigits && PASSWORD.test(name) ? { ...read, value: String(node.value) } : read;
}

/** The text without the blanks around it. A regular expression would take each blank inside for the end: hours in a long line. */
function stripped(text: string): string {
  let [start, end] = [0, text.length];
  while (start < end && IS_BLANK.test(text.charAt(start))) start++;
  while (end > start && IS_BLANK.test(text.charAt(end - 1))) end--;
  return text.slice(start, end);
}

function refusal(place: Place, message: string): InputError {
  return new InputError({ place, message });
}

function found(text: string): string {
  return text === "" ? "nothing" : JSON.stringify(text.slice(0, 120));
}
