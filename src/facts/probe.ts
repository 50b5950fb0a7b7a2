import { lastingCopy } from "../copy.ts";
import { certificatesFact } from "./certificates.ts";
import { configFilesFact } from "./config-files.ts";
import { type Fact, Sections } from "./fact.ts";
import { filesFact } from "./files.ts";
import { firewallFact } from "./firewall.ts";
import { hostFact } from "./host.ts";
import { NOTHING_ASKED, type ProbeInput } from "./probe-input.ts";
import { proofsFact } from "./proofs.ts";
import { redisFact } from "./redis.ts";
import { sentinelFact } from "./sentinel.ts";
import { serviceFact } from "./service.ts";
import { systemFact } from "./system.ts";
import { tracesFact } from "./traces.ts";
import { transactionFact } from "./transaction.ts";

/** Every fact, in the order in which their scripts run: later ones use the variables of earlier ones. */
const FACTS = {
  host: hostFact,
  service: serviceFact,
  configFiles: configFilesFact,
  redis: redisFact,
  files: filesFact,
  certificates: certificatesFact,
  proofs: proofsFact,
  firewall: firewallFact,
  system: systemFact,
  sentinels: sentinelFact,
  transaction: transactionFact,
  traces: tracesFact,
} as const;

export type FactName = keyof typeof FACTS;

/** Bytes of one file that are read: a configuration beyond that is not one. */
const FILE_LIMIT = 1_048_576;

type Parsed = { readonly [K in FactName]: (typeof FACTS)[K] extends Fact<infer T> ? T : never };

/** What was observed on one host, once. A fact that was not asked for parses as unknown or empty. */
export type HostFacts = Parsed;

/** Of descriptors a shell's script can name 3 to 9. */
const DOCUMENTS = [3, 4, 5, 6, 7, 8, 9] as const;

/** What the pieces of the script share. */
export const HELPERS = `NL='
' FILES=
section() { printf '\\n%s %s\\n' "$N" "$*"; }
has() { command -v "$1" >/dev/null 2>&1; }
# Files to be printed byte for byte, each behind a section line: TITLE FILE TITLE FILE …
# A name with a line break in it would become two.
show_files() { while [ $# -gt 0 ]; do case $1$2 in *"$NL"*) ;; *) FILES=$FILES$1$NL$2$NL;; esac; shift 2; done; }
# Prints them all. A process costs a host more than all the shell's own work on a text, so one prints many: the section lines
# between them are documents of the shell, which head reads as files of their own.
print_files() {
  IFS=$NL; set -f; set -- $FILES; unset IFS; set +f
  while [ $# -gt 0 ]; do
    head -q -c ${FILE_LIMIT} ${DOCUMENTS.map((fd, index) => `\${${2 * index + 2}+/proc/self/fd/${fd} "\${${2 * index + 2}}"}`).join(" ")} ${DOCUMENTS.map((fd) => `${fd}<<END${fd}`).join(" ")}
${DOCUMENTS.map((fd, index) => `\n$N \${${2 * index + 1}-}\nEND${fd}\n`).join("")}
    if [ $# -le ${2 * DOCUMENTS.length} ]; then return; fi
    shift ${2 * DOCUMENTS.length}
  done
}`;

/** Facts that every probe needs: nothing can be planned without them. */
const ALWAYS: readonly FactName[] = ["host", "service", "configFiles", "redis", "files", "transaction"];

/**
 * One POSIX sh script that prints every wanted fact, each section under a line `NONCE title`.
 * @param nonce random for each probe, so that no file or reply on the host can pass for a section line.
 */
export function probeScript(wanted: Iterable<FactName>, input: ProbeInput, nonce: string): string {
  const names = new Set([...ALWAYS, ...wanted]);
  const scripts = factNames()
    .filter((name) => names.has(name))
    .map((name) => FACTS[name].script(input));
  return `set -u; umask 077; PATH=/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL; unset REDISCLI_AUTH
N=${nonce}
${forTheHost(HELPERS)}
{
${forTheHost(scripts.join("\n"))}
print_files
section end
} </dev/null 2>/dev/null
`;
}

/** Comments and the room before lines are for people. No document of the shell has such lines. */
function forTheHost(script: string): string {
  return script.replaceAll(/^ *# .*\n|^ +/gm, "");
}

/** The probe's answer was cut short or is not one: nothing may be planned on it. */
export class ProbeError extends Error {
  override readonly name = "ProbeError";
}

/** @throws ProbeError when the last section is missing. */
export function parseProbe(output: string, input: ProbeInput, nonce: string): HostFacts {
  const texts = new Map<string, string>();
  // Whatever a login shell printed before the first section is noise.
  for (const part of output.split(`\n${nonce} `).slice(1)) {
    const at = part.indexOf("\n");
    texts.set(at < 0 ? part : part.slice(0, at), at < 0 ? "" : part.slice(at + 1));
  }
  if (!texts.has("end")) throw new ProbeError("the host's answer to the probe ends too early");
  const sections = new Sections(texts);
  const parse = <K extends FactName>(name: K) => FACTS[name].parse(sections, input);
  return {
    host: parse("host"),
    service: parse("service"),
    configFiles: parse("configFiles"),
    redis: parse("redis"),
    files: parse("files"),
    certificates: parse("certificates"),
    proofs: parse("proofs"),
    firewall: parse("firewall"),
    system: parse("system"),
    sentinels: parse("sentinels"),
    transaction: parse("transaction"),
    traces: parse("traces"),
  } as HostFacts;
}

/** Facts without the texts of files and firewalls, and without a trace of the answer that they were read from. */
export function essenceOf(facts: HostFacts): HostFacts {
  const nothing = new Sections(new Map());
  return lastingCopy({
    ...facts,
    configFiles: configFilesFact.parse(nothing, NOTHING_ASKED),
    files: filesFact.parse(nothing, NOTHING_ASKED),
    firewall: firewallFact.parse(nothing, NOTHING_ASKED),
    system: systemFact.parse(nothing, NOTHING_ASKED),
    redis: {
      ...facts.redis,
      info: new Map(
        [...facts.redis.info].filter(([key]) => /^(?:role$|master|slave|connected_slaves)/.test(key)),
      ),
      config: undefined,
      categories: new Map(),
      commandCalls: new Map(),
      dryRuns: new Map(),
      access: new Map(),
      clients: [],
      denials: [],
      keys: [],
    },
  });
}

function factNames(): FactName[] {
  return Object.keys(FACTS) as FactName[];
}
