import { createHash } from "node:crypto";
import { lastingCopy } from "../lib/copy.ts";
import { FrameError, parseFrames, readTar, unsigned } from "../lib/frame.ts";
import { shellProgram } from "../shell/program.ts";
import { certificatesFact } from "./certificates.ts";
import { configFilesFact } from "./config-files.ts";
import { type Answer, type Fact, SAID_TITLES, SaidTexts, SEEN_TITLES, SeenTexts } from "./fact.ts";
import { filesFact } from "./files.ts";
import { firewallFact } from "./firewall.ts";
import { hostFact } from "./host.ts";
import { keptRunsFact } from "./kept-runs.ts";
import { othersFact } from "./others.ts";
import { NOTHING_ASKED, type ProbeInput } from "./probe-input.ts";
import { proofsFact } from "./proofs.ts";
import { FILE_LIMIT, readingFunctions } from "./reading.ts";
import { type Client, redisFact } from "./redis.ts";
import { sentinelFact } from "./sentinel.ts";
import { serviceFact } from "./service.ts";
import { parseSession, type Session } from "./session.ts";
import { systemFact } from "./system.ts";
import { tracesFact } from "./traces.ts";
import { transactionFact } from "./transaction.ts";

/** Every fact, whose part of the probe has its name: src/shell/probe.sh says in which order they come. */
const FACTS = {
  host: hostFact,
  service: serviceFact,
  configFiles: configFilesFact,
  redis: redisFact,
  files: filesFact,
  certificates: certificatesFact,
  proofs: proofsFact,
  others: othersFact,
  firewall: firewallFact,
  system: systemFact,
  sentinels: sentinelFact,
  transaction: transactionFact,
  traces: tracesFact,
  kept: keptRunsFact,
} as const;

export type FactName = keyof typeof FACTS;

/** Parts that show one file: a configuration may name it as more than one thing. Each is a text of its own. */
const MOST_TITLES = 4;

type Parsed = { readonly [K in FactName]: (typeof FACTS)[K] extends Fact<infer T> ? T : never };

/** What was observed on one host, once. A fact that was not asked for parses as unknown or empty. */
export type HostFacts = Parsed;

/** Facts that every probe needs: nothing can be planned without them. */
const ALWAYS: readonly FactName[] = ["host", "service", "configFiles", "redis", "files", "transaction"];

/**
 * One POSIX sh script that prints every wanted fact, in frames.
 * @param nonce random for each probe. Root's shell alone knows it; what Redis is asked has another word, made from it.
 */
export function probeScript(wanted: Iterable<FactName>, input: ProbeInput, nonce: string): string {
  const names = new Set([...ALWAYS, ...wanted]);
  const parts = new Map<string, string>([["probe/reading.sh", readingFunctions()]]);
  for (const name of factNames()) {
    const file = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    parts.set(`probe/${file}.sh`, names.has(name) ? FACTS[name].script(input) : "");
  }
  return shellProgram("probe.sh", { N: nonce, R: saidWord(nonce) }, (part) => parts.get(part));
}

/** The word for the titles within a session with Redis. Whoever learns it has not learnt the probe's own. */
export function saidWord(nonce: string): string {
  return createHash("sha256").update(`said ${nonce}`).digest("hex").slice(0, 24);
}

/** The probe's answer was cut short or is not one: nothing may be planned on it. */
export class ProbeError extends Error {
  override readonly name = "ProbeError";
}

/**
 * @param output as it came, byte for byte.
 * @throws ProbeError where it was cut short, or has a part twice, from the wrong side or that nobody asked for.
 */
export function parseProbe(output: Buffer, input: ProbeInput, nonce: string): HostFacts {
  try {
    return factsIn(takeApart(output, nonce), input);
  } catch (error) {
    if (error instanceof FrameError) throw new ProbeError(error.message);
    throw error;
  }
}

function isKnownTitle(title: string): boolean {
  const [word = "", ...rest] = title.split(" ");
  return (
    (SEEN_TITLES as readonly string[]).includes(title) ||
    (word === "files" && /^\d+$/.test(rest.join())) ||
    (SAID_TITLES as readonly string[]).includes(word)
  );
}

/** What root saw and what the server said, each in a space of names of its own. */
export function takeApart(output: Buffer, nonce: string): Answer {
  const seen = new Map<string, string>();
  const said = new Map<string, string>();
  const files = new Map<string, Buffer | undefined>();
  let session: Session = { texts: new Map(), cut: new Set() };
  for (const [title, body] of parseFrames(output, nonce, isKnownTitle)) {
    const [word = ""] = title.split(" ");
    if (word === "files") {
      for (const { path, bytes } of readTar(body)) {
        if (files.has(path)) throw new FrameError(`the answer has two files called ${JSON.stringify(path)}`);
        files.set(path, bytes !== undefined && bytes.length <= FILE_LIMIT ? bytes : undefined);
      }
    } else if (title === "redis") session = parseSession(unsigned(title, body), saidWord(nonce));
    else if ((SAID_TITLES as readonly string[]).includes(word)) said.set(title, unsigned(title, body));
    else seen.set(title, body.toString("utf8"));
  }
  const unread = new Set<string>();
  const shown = (seen.get("shown") ?? "").split("\n");
  const times = new Map<string, number>();
  for (let at = 0; at + 1 < shown.length; at += 2) {
    const [title = "", path = ""] = [shown[at], shown[at + 1]];
    const before = times.get(path) ?? 0;
    if (before === MOST_TITLES)
      throw new FrameError(
        `the answer has more than ${MOST_TITLES} parts of ${JSON.stringify(path.slice(0, 80))}`,
      );
    times.set(path, before + 1);
    const bytes = files.get(path);
    if (bytes === undefined) unread.add(title);
    else if (seen.has(title)) throw new FrameError(`the answer has two files for ${JSON.stringify(title)}`);
    else seen.set(title, bytes.toString("utf8"));
  }
  return {
    seen: new SeenTexts(seen, unread),
    said: new SaidTexts(new Map([...said, ...session.texts]), session.cut),
  };
}

/** The facts that an answer holds. */
export function factsIn(answer: Answer, input: ProbeInput): HostFacts {
  const parse = <K extends FactName>(name: K) => FACTS[name].parse(answer, input);
  return {
    host: parse("host"),
    service: parse("service"),
    configFiles: parse("configFiles"),
    redis: parse("redis"),
    files: parse("files"),
    certificates: parse("certificates"),
    proofs: parse("proofs"),
    others: parse("others"),
    firewall: parse("firewall"),
    system: parse("system"),
    sentinels: parse("sentinels"),
    transaction: parse("transaction"),
    traces: parse("traces"),
    kept: parse("kept"),
  } satisfies Record<FactName, unknown> as HostFacts;
}

/**
 * The facts with the texts masked that reports repeat word for word: errors of the server, and what clients made up. Nothing
 * by which root acts or by which a change is noticed is among them.
 */
export function withMaskedWords(facts: HostFacts, mask: (words: string) => string): HostFacts {
  const { redis } = facts;
  const client = (one: Client): Client => ({ ...one, name: mask(one.name), library: mask(one.library) });
  return {
    ...facts,
    redis: {
      ...redis,
      loginError: redis.loginError === undefined ? undefined : mask(redis.loginError),
      dryRuns: new Map([...redis.dryRuns].map(([asked, answer]) => [asked, mask(answer)])),
      clients: redis.clients.map(client),
      denials: redis.denials.map((denial) => ({
        ...denial,
        object: mask(denial.object),
        client: denial.client && client(denial.client),
      })),
    },
  };
}

/** Facts without the texts of files and firewalls, and without a trace of the answer that they were read from. */
export function essenceOf(facts: HostFacts): HostFacts {
  const nothing: Answer = { seen: new SeenTexts(), said: new SaidTexts() };
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
