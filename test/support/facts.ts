import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { AUDIT_FACTS } from "../../src/audit/audit.ts";
import { ANSWER_TITLES, SAID_TITLES, splitOnce } from "../../src/facts/fact.ts";
import { type HostFacts, parseProbe, probeScript, saidWord, takeApart } from "../../src/facts/probe.ts";
import type { ProbeInput } from "../../src/facts/probe-input.ts";
import { ServerLogin } from "../../src/facts/server-login.ts";
import { csvString, csvText, csvWords } from "../../src/facts/session.ts";
import { normalizeSubnet } from "../../src/lib/network.ts";
import { Secret } from "../../src/lib/secret.ts";
import { factNames, probeInput } from "../../src/run/probe-input.ts";
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

/** What a lab host answered to the probe of the default playbook, part by part: test/fixtures/facts/NAME.txt. */
export function recordedParts(name: string): Map<string, string> {
  const parts = readFileSync(join(FACTS, `${name}.txt`), "utf8")
    .split(`\n${NONCE} `)
    .slice(1);
  return new Map(parts.map((part) => splitOnce(part, "\n")));
}

/** The same as it came over SSH. */
export function probeOutput(name: string): string {
  return wireOf(recordedParts(name));
}

const FILES =
  /^(?:config |acl-file |pem |drop-in$|ufw-conf$|ufw-defaults$|ufw-rules[46]$|last-(?:files|modes|directories)$|recover-unit$)/;

/**
 * An answer on the wire. The parts are texts: files as they are, replies of Redis a word a line, as people see them; INFO,
 * CLIENT LIST and ACL LOG as redis-cli prints them in CSV.
 */
export function wireOf(parts: ReadonlyMap<string, string>): string {
  const session: string[] = [];
  const files: [title: string, path: string, text: string][] = [];
  const frames: [title: string, text: string][] = [];
  for (const [title, text] of parts) {
    const [word = "", ...rest] = title.split(" ");
    if (title === "end") continue;
    if (FILES.test(title)) files.push([title, rest.length === 0 ? `/${title}` : rest.join(" "), text]);
    else if ((ANSWER_TITLES as readonly string[]).includes(word))
      session.push(`"${saidWord(NONCE)} ${title}"\n`, replyOf(word, text));
    else if (word === "login") frames.push([title, signed(csvString(text.trim()))]);
    else if ((SAID_TITLES as readonly string[]).includes(word)) frames.push([title, signed(text)]);
    else frames.push([title, text]);
  }
  if (session.length > 0) frames.push(["redis", signed(session.join(""))]);
  frames.push(["shown", files.map(([title, path]) => `${title}\n${path}\n`).join("")]);
  frames.push(["files 1", tarOf(files)], ["end", ""]);
  return frames.map(([title, text]) => `\n${NONCE} ${title}\n${text}`).join("");
}

function signed(text: string): string {
  const lines = text.split("\n");
  if (lines.at(-1) === "") lines.pop();
  return lines.map((line) => `>${line}\n`).join("");
}

function replyOf(word: string, text: string): string {
  if (["info", "clients", "denials"].includes(word)) return text.endsWith("\n") ? text : `${text}\n`;
  if (/^(?:ERR|NOPERM|NOAUTH) /.test(text)) return `ERROR,${csvString(text.trim())}\n`;
  const whole = text.replace(/\n$/, "");
  if (word === "key") return `${csvString(whole)}\n`;
  const words = whole === "" ? [] : whole.split("\n");
  if (word.startsWith("matrix"))
    return words.map((line) => `${line === "" ? "" : csvString(line)}\n`).join("");
  return `${words.map(csvString).join()}\n`;
}

/** As GNU tar writes it, long names included. */
function tarOf(files: readonly (readonly [title: string, path: string, text: string])[]): string {
  const entry = (path: string, kind: string, text: string): string => {
    const size = Buffer.byteLength(text);
    const field = (value: string, length: number) => value.padEnd(length, "\0");
    const number = (value: number, length: number) => `${value.toString(8).padStart(length - 1, "0")}\0`;
    const before = `${field(path, 100)}${number(0o640, 8)}${number(0, 8)}${number(0, 8)}${number(size, 12)}${number(0, 12)}`;
    const after = field(`${kind}${field("", 100)}ustar  \0root`, 356);
    const sum = [...`${before}        ${after}`].reduce((all, sign) => all + (sign.codePointAt(0) ?? 0), 0);
    const padding = "\0".repeat((512 - (size % 512)) % 512);
    return `${before}${sum.toString(8).padStart(6, "0")}\0 ${after}${text}${padding}`;
  };
  const written = new Map(files.map(([, path, text]) => [path, text]));
  return `${[...written]
    .map(([path, text]) =>
      path.length < 100
        ? entry(path, "0", text)
        : `${entry("././@LongLink", "L", `${path}\0`)}${entry(path.slice(0, 99), "0", text)}`,
    )
    .join("")}${"\0".repeat(1024)}`;
}

/** An answer with the words of another run's question. */
export function answerTo(nonce: string, answer: string): string {
  return answer.replaceAll(NONCE, nonce).replaceAll(saidWord(NONCE), saidWord(nonce));
}

/** The parts of an answer as it came: what `wireOf` takes. */
export function partsOf(output: Buffer): Map<string, string> {
  const { seen, said } = takeApart(output, NONCE);
  const parts = new Map<string, string>();
  for (const [title, text] of seen.all()) if (title !== "shown") parts.set(title, text);
  for (const [title, text] of said.all()) {
    const [word = ""] = title.split(" ");
    const isRaw = ["info", "clients", "denials", "core-end", "session-end"].includes(word);
    const isAnswer = (ANSWER_TITLES as readonly string[]).includes(word) || word === "login";
    const words =
      isAnswer && !isRaw ? text.split("\n").flatMap((line) => csvWords(line) ?? csvText(line)) : undefined;
    parts.set(title, words === undefined ? text : words.map((line) => `${line}\n`).join(""));
  }
  parts.set("end", "");
  return parts;
}

/** A recorded host's facts. Each call parses anew, so a test may change what it gets. */
export function factsOf(name: string): HostFacts {
  return parseAnswer(name, probeOutput(name));
}

/** What an answer says to the question that a recorded host was asked. @throws ProbeError */
export function parseAnswer(name: string, output: string): HostFacts {
  return parseProbe(Buffer.from(output), inputFor(name), NONCE);
}

/** What a part says instead; undefined takes the part away. */
export type SectionEdits = Record<string, (text: string) => string | undefined>;

/**
 * Facts of a recorded host that answered otherwise in some parts: for what a real host could say as well. A part that the
 * host did not print is added. Throws for an edit that changes nothing.
 */
export function editedFacts(name: string, edits: SectionEdits): HostFacts {
  return parseAnswer(name, editedAnswer(name, edits));
}

/** The answer itself, edited in the same way. */
export function editedAnswer(name: string, edits: SectionEdits): string {
  return wireOf(editedParts(name, edits));
}

/** The parts of such an answer, before they are framed for the wire. */
export function editedParts(name: string, edits: SectionEdits): Map<string, string> {
  const parts = recordedParts(name);
  for (const [title, edit] of Object.entries(edits)) {
    const before = parts.get(title);
    const after = edit(before ?? "");
    if (after === before) throw new Error(`${name}: nothing was edited in "${title}"`);
    if (after === undefined) parts.delete(title);
    else parts.set(title, after);
  }
  return parts;
}

/** An edit of the section `running`: what `CONFIG GET *` says of a setting. */
export function withRunning(setting: string, value: string): (text: string) => string {
  return (text) =>
    text.includes(`\n${setting}\n`) || text.startsWith(`${setting}\n`)
      ? text.replace(new RegExp(`(^|\\n)${setting}\\n.*`), `$1${setting}\n${value}`)
      : `${setting}\n${value}\n${text}`;
}

/** The titles of a recorded answer's parts, in order. */
export function sectionsOf(name: string): string[] {
  return [...recordedParts(name).keys()];
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
