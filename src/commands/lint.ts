import { existsSync, globSync, statSync } from "node:fs";
import { dirname, isAbsolute, relative, resolve } from "node:path";
import { didYouMean, InputError } from "../lib/errors.ts";
import { packageVersion } from "../lib/package.ts";
import { readTextFile } from "../lib/text-file.ts";
import { LINT_CONTROLS } from "../lint/finding.ts";
import {
  assertConfig,
  configSubject,
  isAclFile,
  type LintFile,
  type LintSubject,
  lint as lintSubject,
} from "../lint/lint.ts";
import { type ServerName, versionOf } from "../lint/server-version.ts";
import { printText, writeText } from "../record/json.ts";
import type { Severity } from "../record/statuses.ts";
import { isAtLeast } from "../record/summary.ts";
import { terminalOf } from "../report/colours.ts";
import { lintSarif } from "../report/lint-sarif.ts";
import { lintJson, lintText } from "../report/lint-text.ts";
import type { Environment } from "../run/options.ts";

export interface LintOptions {
  files: readonly string[];
  json: boolean;
  /** The file that gets the findings as SARIF, too. */
  sarif: string | undefined;
  failOn: Severity;
  /** Controls that are not looked for. */
  ignore: readonly string[];
  server: ServerName | undefined;
}

/** Looks for traps in files of configuration; reaches no host. */
export async function lint(options: LintOptions, { cwd, env, stdout }: Environment): Promise<number> {
  const strange = options.ignore.find((control) => !Object.hasOwn(LINT_CONTROLS, control));
  if (strange !== undefined) {
    const hint = didYouMean(strange, Object.keys(LINT_CONTROLS));
    throw new InputError({ key: "--ignore", message: `there is no control "${strange}".${hint}` });
  }
  const version = options.server === undefined ? undefined : versionOf(options.server);
  const subjects = await readSubjects(options.files, cwd);
  const findings = subjects
    .flatMap((subject) => lintSubject(subject, version))
    .filter(({ control }) => !options.ignore.includes(control));
  const fails = findings.some(({ severity }) => isAtLeast(severity, options.failOn));
  const result = { version: packageVersion(), files: namesOf(subjects), findings, exitCode: fails ? 6 : 0 };
  await printText(options.json ? lintJson(result) : lintText(result, terminalOf(stdout, env)), stdout);
  if (options.sarif !== undefined)
    await writeText(lintSarif(result, cwd), resolve(cwd, options.sarif), 0o666);
  return result.exitCode;
}

function namesOf(subjects: readonly LintSubject[]): string[] {
  const files = subjects.flatMap((subject) =>
    subject.kind === "acl" ? [subject.file] : [subject.main, ...subject.includes],
  );
  return [...new Set(files.map(({ shown }) => shown))];
}

/**
 * The given files, with the files that they include and the ACL file that they name, where those are on this machine. A given
 * file that another one includes is read as a part of that one.
 */
async function readSubjects(names: readonly string[], cwd: string): Promise<LintSubject[]> {
  const given = new Map<string, LintFile>();
  for (const name of names) {
    const file = await readFile(resolve(cwd, name), name);
    given.set(file.path, file);
  }
  const subjects: LintSubject[] = [];
  const included = new Set<string>();
  for (const file of given.values()) {
    if (isAclFile(file)) {
      subjects.push({ kind: "acl", file });
      continue;
    }
    assertConfig(file);
    const includes = await readIncludes(file, given, cwd);
    for (const { path } of includes) included.add(path);
    subjects.push(configSubject(file, includes));
  }
  const whole = subjects.filter((subject) => subject.kind === "acl" || !included.has(subject.main.path));
  return [...whole, ...(await aclFilesOf(whole, given, cwd))];
}

async function aclFilesOf(
  subjects: readonly LintSubject[],
  given: ReadonlyMap<string, LintFile>,
  cwd: string,
): Promise<LintSubject[]> {
  const paths = subjects.flatMap((subject) => {
    const name = subject.kind === "config" ? subject.document.get("aclfile")?.[0] : undefined;
    return subject.kind === "acl" || !name ? [] : [resolve(dirname(subject.main.path), name)];
  });
  const here = [...new Set(paths)].filter((path) => !given.has(path) && isFile(path));
  return await Promise.all(
    here.map(async (path) => ({ kind: "acl" as const, file: await readFile(path, shownAs(path, cwd)) })),
  );
}

async function readIncludes(
  main: LintFile,
  given: ReadonlyMap<string, LintFile>,
  cwd: string,
): Promise<LintFile[]> {
  const directory = dirname(main.path);
  const found = new Map<string, LintFile>();
  const waiting = [main];
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    for (const { args } of configSubject(file, []).document.all("include")) {
      const path = resolve(directory, args[0] ?? "");
      for (const match of /[*?[]/.test(path) ? globSync(path) : [path]) {
        if (match === main.path || found.has(match) || !isFile(match)) continue;
        const next = given.get(match) ?? (await readFile(match, shownAs(match, cwd)));
        found.set(match, next);
        waiting.push(next);
      }
    }
  }
  return [...found.values()];
}

async function readFile(path: string, shown: string): Promise<LintFile> {
  const text = await readTextFile(path, shown);
  if (text.includes("\0")) throw new InputError({ place: { file: shown }, message: "is no text file" });
  return { path, text, shown };
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

/** As a user below `cwd` would name it. */
function shownAs(path: string, cwd: string): string {
  const below = relative(cwd, path);
  return below.startsWith("..") || isAbsolute(below) ? path : below;
}
