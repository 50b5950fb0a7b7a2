import { join, relative } from "node:path";
import type { AdoptedHost } from "../adopt/files.ts";
import { printable, printableText } from "../lib/printable.ts";
import { plural } from "../lib/words.ts";
import type { HostErrorRecord } from "../record/record.ts";
import { shellWord } from "../shell/quote.ts";

/** What came of an adoption. */
export interface Adoption {
  readonly adopted: readonly AdoptedHost[];
  readonly hosts: readonly { readonly host: string; readonly error: HostErrorRecord | null }[];
  readonly exitCode: number;
}

/** @param written the files by path within `directory`; none where no host was adopted */
export function adoptText(
  { adopted, hosts, exitCode }: Adoption,
  {
    cwd,
    directory,
    written,
    program,
    options,
  }: {
    cwd: string;
    directory: string;
    written: readonly string[];
    program: readonly string[];
    /** By which the next command takes the same hosts and reaches them in the same way. */
    options: readonly string[];
  },
): string {
  const reports = [
    ...adopted.flatMap(({ host, leftOut }) =>
      leftOut.map(({ task, reason }) => `  ${host}: ${task} is left out: ${reason}`),
    ),
    ...hosts.flatMap(({ host, error }) =>
      error === null ? [] : [`  ${host}: not adopted: ${printable(error.found.split("\n")[0] ?? "", 400)}`],
    ),
  ];
  if (adopted.length === 0)
    return `${reports.join("\n")}\nNo host was adopted, and nothing was written.        exit ${exitCode}\n`;
  const at = relative(cwd, directory) || ".";
  const files = written.map((path) => printable(join(at, path)));
  const failures = adopted.reduce((count, { failures }) => count + failures.length, 0);
  const start = program.map(shellWord).join(" ");
  const again = [join(at, "playbook.yml"), ...options, "--waivers", join(at, "waivers.yml")]
    .map((word) => shellWord(printable(word)))
    .join(" ");
  return printableText(
    [
      `${plural(adopted.length, "host")} adopted; ${plural(failures, "failing check")} waived for 90 days.`,
      ...reports,
      `Wrote ${files.length > 5 ? `${files.length} files into ${at}` : files.join(", ")}.`,
      `Next: ${start} plan ${again}`,
      `      ${start} verify ${again}        exit ${exitCode}`,
      "",
    ]
      .join("\n")
      .replaceAll("\u00a0", " "),
  );
}
