import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { factNames, probeInput } from "../../src/commands/observe.ts";
import { type HostFacts, parseProbe, probeScript } from "../../src/facts/probe.ts";
import type { ProbeInput } from "../../src/facts/probe-input.ts";
import { normalizeSubnet } from "../../src/network.ts";
import { Secret } from "../../src/secret.ts";
import { ServerLogin } from "../../src/server-login.ts";
import { AUDIT_FACTS } from "../../src/verify/audit.ts";
import { defaultTasks } from "./default-playbook.ts";

export const FACTS = resolve(import.meta.dirname, "../fixtures/facts");

/** In the place of the random word that frames a probe's answer. */
export const NONCE = "0123456789abcdef01234567";

/** The passwords of the recorded hosts, which nothing else has. */
export const PASSWORDS: ReadonlyMap<string, Secret> = new Map([
  ["app", new Secret("Recorded-app-password-0001")],
  ["metrics", new Secret("Recorded-metrics-password-2")],
  ["admin", new Secret("Recorded-admin-password-03")],
]);

/** What a lab host answered to the probe of the default playbook: test/fixtures/facts/NAME.txt. */
export function probeOutput(name: string): string {
  return readFileSync(join(FACTS, `${name}.txt`), "utf8");
}

/** A recorded host's facts. Each call parses anew, so a test may change what it gets. */
export function factsOf(name: string): HostFacts {
  return parseAnswer(name, probeOutput(name));
}

/** What an answer says to the question that a recorded host was asked. @throws ProbeError */
export function parseAnswer(name: string, output: string): HostFacts {
  return parseProbe(output, inputFor(name), NONCE);
}

/** What a section says instead; undefined takes the section away. */
export type SectionEdits = Record<string, (text: string) => string | undefined>;

/**
 * Facts of a recorded host that answered otherwise in some sections: for what a real host could say as well. A section
 * that the host did not print is added. Throws for an edit that changes nothing.
 */
export function editedFacts(name: string, edits: SectionEdits): HostFacts {
  return parseAnswer(name, editedAnswer(name, edits));
}

/** The answer itself, edited in the same way. */
export function editedAnswer(name: string, edits: SectionEdits): string {
  const [noise = "", ...parts] = probeOutput(name).split(`\n${NONCE} `);
  const sections = new Map(
    parts.map((part) => {
      const at = part.indexOf("\n");
      return [part.slice(0, at), part.slice(at + 1)];
    }),
  );
  for (const [title, edit] of Object.entries(edits)) {
    const before = sections.get(title);
    const after = edit(before ?? "");
    if (after === before) throw new Error(`${name}: nothing was edited in "${title}"`);
    if (after === undefined) sections.delete(title);
    else sections.set(title, after);
  }
  // The section "end" closes the answer, whatever was added.
  const end = sections.get("end") ?? "";
  sections.delete("end");
  const output = [noise, ...[...sections, ["end", end]].map(([title, text]) => `${title}\n${text}`)];
  return output.join(`\n${NONCE} `);
}

/** An edit of the section `running`: what `CONFIG GET *` says of a setting. */
export function withRunning(setting: string, value: string): (text: string) => string {
  return (text) =>
    text.includes(`\n${setting}\n`) || text.startsWith(`${setting}\n`)
      ? text.replace(new RegExp(`(^|\\n)${setting}\\n.*`), `$1${setting}\n${value}`)
      : `${setting}\n${value}\n${text}`;
}

/** The titles of a recorded answer's sections, in order. */
export function sectionsOf(name: string): string[] {
  return probeOutput(name)
    .split(`\n${NONCE} `)
    .slice(1)
    .map((part) => part.slice(0, part.indexOf("\n")));
}

/** The probe of the default playbook, with everything that verify wants to know. */
export function recordingScript(name: string): string {
  return probeScript(new Set([...factNames(tasks), ...AUDIT_FACTS]), inputFor(name), NONCE);
}

/** On the Debian that has Redis and Valkey the unit has to be named. */
export function unitOf(name: string): string {
  return name.startsWith("valkey") ? "valkey-server.service" : "";
}

const tasks = await defaultTasks([]);

function inputFor(name: string): ProbeInput {
  const login = ServerLogin.operator("admin", PASSWORDS.get("admin") ?? new Secret(""));
  return probeInput(unitOf(name), tasks.tasks, login, true);
}

/** The address of the recorded host in the lab's network, and that network. */
export function privateNetwork({ host }: HostFacts): { private_ip: string; app_subnet: string } {
  const found = host.addresses.find(
    ({ interface: name, address }) => name.startsWith("eth") && !address.includes(":"),
  );
  if (found === undefined) throw new Error("the recorded host has no eth0");
  const { address, prefix } = found;
  return { private_ip: address, app_subnet: normalizeSubnet(`${address}/${prefix}`)?.subnet ?? "" };
}
