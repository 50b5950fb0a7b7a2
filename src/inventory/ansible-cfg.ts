import { InputError, type Place } from "../lib/errors.ts";
import { behindMark, markRefused } from "../lib/text-file.ts";

/** One value of an ansible.cfg, as Python's configparser gives it to Ansible: nothing is interpolated. */
export interface CfgValue {
  value: string;
  place: Place;
}

/** By section and key; keys are in lower case. */
export type Cfg = ReadonlyMap<string, ReadonlyMap<string, CfgValue>>;

/** The section whose keys hold in every section. */
const DEFAULT_SECTION = "DEFAULT";

/**
 * Reads an ansible.cfg as Ansible does, by the rules of Python's configparser: `#` and `;` begin a comment line, ` ;` a comment
 * behind a value, deeper indented lines go on with a value.
 *
 * @throws InputError with the first line that Ansible refuses.
 */
export function parseCfg(text: string, file: string): Cfg {
  if (behindMark(text) !== undefined)
    throw markRefused(file, "which Ansible takes for a part of its first line");
  const sections = new Map<string, Map<string, { lines: string[]; place: Place }>>();
  const seen = new Set<string>();
  let section: Map<string, { lines: string[]; place: Place }> | undefined;
  let sectionName = "";
  let lines: string[] | undefined;
  let indent = 0;
  for (const [index, line] of text.split(/\r\n|[\n\r]/).entries()) {
    const place = { file, line: index + 1 };
    const fail = (message: string) => new InputError({ place, message });
    const comment = commentStart(line);
    const content = (comment === undefined ? line : line.slice(0, comment)).trim();
    if (content === "") {
      if (comment === undefined) lines?.push("");
      continue;
    }
    const depth = line.search(/\S/);
    if (lines !== undefined && depth > indent) {
      lines.push(content);
      continue;
    }
    indent = depth;
    const [, header] = /^\[(.+)\]/.exec(content) ?? [];
    if (header !== undefined) {
      if (header !== DEFAULT_SECTION && sections.has(header)) throw fail(`a second section [${header}]`);
      section = sections.get(header) ?? new Map();
      sections.set(header, section);
      sectionName = header;
      lines = undefined;
      continue;
    }
    if (section === undefined) throw fail(`expected a section such as [defaults], found ${shown(content)}`);
    const sign = content.search(/[=:]/);
    const name = content.slice(0, Math.max(sign, 0)).trimEnd().toLowerCase();
    if (name === "") throw fail(`expected key = value, found ${shown(content)}`);
    if (seen.has(`${sectionName}]${name}`)) throw fail(`a second ${name} in [${sectionName}]`);
    seen.add(`${sectionName}]${name}`);
    lines = [content.slice(sign + 1).trim()];
    section.set(name, { lines, place });
  }
  const common = sections.get(DEFAULT_SECTION) ?? new Map();
  sections.delete(DEFAULT_SECTION);
  return new Map(
    [...sections].map(([name, entries]) => [
      name,
      new Map(
        [...common, ...entries].map(([key, { lines, place }]) => [
          key,
          { value: lines.join("\n").trimEnd(), place },
        ]),
      ),
    ]),
  );
}

/** Where a comment begins; undefined where there is none. */
function commentStart(line: string): number | undefined {
  if (/^\s*[#;]/.test(line)) return 0;
  const at = line.search(/(?<=^|\s);/);
  return at < 0 ? undefined : at;
}

function shown(text: string): string {
  // A broken line may hold a password.
  return JSON.stringify(text.replace(/(?<=\S)[\s=:][\s\S]*$/, "…").slice(0, 40));
}
