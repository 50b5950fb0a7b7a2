import { basename, dirname, resolve } from "node:path";
import { InputError } from "../lib/errors.ts";
import { type ConfigDocument, parseConfig } from "../redis/config-document.ts";
import type { ConfigFile } from "../redis/config-reader.ts";
import { KNOWN_SETTINGS } from "../redis/known-names.ts";
import { parseAclFile } from "../redis/parse-acl.ts";
import type { ServerVersion } from "../redis/versions.ts";
import { splitWords } from "../redis/words.ts";
import { lintUsers, type UserLine } from "./acl-rules.ts";
import { lintConfig } from "./config-rules.ts";
import { type Finding, LINT_CONTROLS, type Report } from "./finding.ts";

export interface LintFile extends ConfigFile {
  /** As the user named it. */
  shown: string;
}

interface ConfigSubject {
  kind: "config";
  main: LintFile;
  includes: readonly LintFile[];
  document: ConfigDocument;
}

/** A redis.conf with the files that it includes, or an ACL file. */
export type LintSubject = ConfigSubject | { kind: "acl"; file: LintFile };

/** Finds the traps of a file, in the order of its lines. */
export function lint(subject: LintSubject, version: ServerVersion | undefined): Finding[] {
  const findings: Finding[] = [];
  const files = subject.kind === "acl" ? [subject.file] : [subject.main, ...subject.includes];
  const shown = new Map(files.map(({ path, shown }) => [path, shown]));
  const report: Report = ({ file, line, column = 1 }, control, message, remedy, severity) => {
    const { title, severity: own } = LINT_CONTROLS[control];
    findings.push({
      file: shown.get(file) ?? file,
      line,
      column,
      severity: severity ?? own,
      control,
      title,
      message,
      remedy,
    });
  };
  if (subject.kind === "acl") lintAclFile(subject.file, version, report);
  else lintConfigFiles(subject, version, report);
  const order = [...shown.values()];
  return findings.sort(
    (a, b) => order.indexOf(a.file) - order.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

function lintConfigFiles(
  { main, includes, document }: ConfigSubject,
  version: ServerVersion | undefined,
  report: Report,
): void {
  const lines = new Map([main, ...includes].map(({ path, text }) => [path, text.split(/\r?\n/)]));
  const textOf = ({ file, line }: { file: string; line: number }) => lines.get(file)?.[line - 1] ?? "";
  for (const { place, key, message } of document.problems) {
    // A file that lies elsewhere on the host says nothing about this one.
    if (place === undefined || (key === "include" && message.endsWith("is missing"))) continue;
    const what = key === undefined ? message : `${key}: ${message}`;
    report(
      { file: place.file, line: place.line ?? 1 },
      "RK-FILE-01",
      `${what}: Redis does not start`,
      "correct the line",
    );
  }
  lintConfig({ document, start: { file: main.path, line: 1 }, textOf, version }, report);
  const users = document
    .all("user")
    .map((directive): UserLine => ({ ...directive, text: textOf(directive), words: directive.args }));
  lintUsers(users, version, report);
}

function lintAclFile({ path, text }: LintFile, version: ServerVersion | undefined, report: Report): void {
  const { users, problems } = parseAclFile(text, path);
  for (const { place, message } of problems)
    report(
      { file: path, line: place?.line ?? 1 },
      "RK-ACL-04",
      `${message}: Redis does not start`,
      message.includes("comment")
        ? "remove it: an ACL file may contain only users and blank lines"
        : "correct the line",
    );
  const lines = text.split(/\r?\n/);
  const found = users.map(({ line }): UserLine => {
    const content = lines[line - 1] ?? "";
    return {
      file: path,
      line,
      text: content,
      words: content
        .trim()
        .split(/[ \t]+/)
        .slice(1),
    };
  });
  if (!users.some(({ user }) => user.name === "default"))
    report(
      { file: path, line: 1 },
      "RK-ACL-01",
      "no default line: the default user is on, needs no password and may do everything",
      "add: user default off resetpass -@all",
    );
  lintUsers(found, version, report);
}

/** Whether a file is an ACL file: by its name, or because nothing but users stands in it. */
export function isAclFile({ path, text }: ConfigFile): boolean {
  if (basename(path).endsWith(".acl")) return true;
  const words = firstWords(text);
  return words.length > 0 && words.every((word) => word === "user");
}

/** @throws InputError where no line is one of a redis.conf. */
export function assertConfig({ text, shown }: LintFile): void {
  const words = firstWords(text);
  if (words.length === 0 || words.some((word) => KNOWN_SETTINGS.has(word) || word === "sentinel")) return;
  throw new InputError({
    place: { file: shown },
    message: "is neither a redis.conf nor an ACL file: no line of it begins with a setting of Redis",
  });
}

function firstWords(text: string): string[] {
  return text
    .split("\n")
    .filter((line) => !/^\s*(#|$)/.test(line))
    .map((line) => (splitWords(line)?.[0] ?? line.trim().split(/\s/)[0] ?? "").toLowerCase());
}

/** A configuration as Redis would read it. Relative includes count from the main file's directory. */
export function configSubject(main: LintFile, includes: readonly LintFile[]): ConfigSubject {
  const document = parseConfig(main, includes, dirname(resolve(main.path)));
  return { kind: "config", main, includes, document };
}
