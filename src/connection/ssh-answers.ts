import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { HostError } from "./connection.ts";
import { matchesPatterns } from "./known-hosts.ts";
import { oneLine } from "./one-line.ts";

/** Keyword, in lower case, to its values, as `ssh -G` prints them. */
export type SshAnswer = ReadonlyMap<string, string[]>;

/** So many hosts of a kind are asked about one by one. Where ssh says the same of them, it says so of the next. */
const SAMPLES = 2;

/** Hosts that the configuration does not tell apart, as far as its text shows. */
interface Kind {
  samples: Sample[];
}

interface Sample {
  question: Question;
  answer: Promise<SshAnswer>;
}

const answers = new Map<string, Promise<SshAnswer>>();
const kinds = new Map<string, Kind>();
/** What the files that ssh reads tell hosts apart by; undefined before the first answer. */
let distinctions: Promise<Distinctions> | undefined;

/**
 * What OpenSSH itself would do with `address`; nothing where there is no ssh. A process costs more than a login, so hosts
 * that no `Host` or `Match` line tells apart share an answer.
 * @throws HostError "unreachable" where ssh rejects the address or its own configuration
 */
export function askSsh(
  address: string,
  port: number | undefined,
  user: string | undefined,
): Promise<SshAnswer> {
  if (address === "" || address.startsWith("-")) {
    throw new HostError("unreachable", `${JSON.stringify(address)} is no host name or address`);
  }
  const key = JSON.stringify([address, port, user]);
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = answerFor({ address, port, user });
    answers.set(key, answer);
  }
  return answer;
}

interface Question {
  address: string;
  port: number | undefined;
  user: string | undefined;
}

async function answerFor(question: Question): Promise<SshAnswer> {
  if (distinctions === undefined) {
    const first = ask(question, ["-v"]);
    const answer = first.then((asked) => asked.answer);
    distinctions = first.then(
      ({ log }) => {
        const told = distinctionsOf(filesIn(log));
        if (told !== "any") kindOf(question, told).samples.push({ question, answer });
        return told;
      },
      () => "any",
    );
    return await answer;
  }
  const told = await distinctions;
  if (told === "any") return (await ask(question)).answer;
  const kind = kindOf(question, told);
  const addresses = new Set(kind.samples.map((sample) => sample.question.address));
  // Asked about ports of one address alone, ssh has not said that it tells no addresses apart.
  const isKnown = addresses.size >= SAMPLES || addresses.has(question.address);
  if (kind.samples.length < SAMPLES || !isKnown) {
    const answer = ask(question).then((asked) => asked.answer);
    kind.samples.push({ question, answer });
    return await answer;
  }
  const shared = await sharedBy(kind);
  if (shared === undefined) return (await ask(question)).answer;
  const answer = new Map([...shared, ["hostname", [question.address]]]);
  if (question.port !== undefined) answer.set("port", [String(question.port)]);
  return answer;
}

function kindOf({ address, port, user }: Question, told: Exclude<Distinctions, "any">): Kind {
  const matches = told.map((patterns) => matchesPatterns(patterns, address));
  const key = JSON.stringify([user, port === undefined, matches]);
  const kind = kinds.get(key) ?? { samples: [] };
  kinds.set(key, kind);
  return kind;
}

/** What ssh says of all hosts of a kind; undefined where it does not say the same of those that it was asked about. */
async function sharedBy({ samples }: Kind): Promise<SshAnswer | undefined> {
  const all = await Promise.allSettled(samples.map(({ answer }) => answer));
  const forms = all.map((result, index) => {
    const { address, port } = (samples[index] as Sample).question;
    if (result.status === "rejected" || result.value.get("hostname")?.[0] !== address) return undefined;
    // The first of all was asked with -v, which shows as its log level.
    const { host: _host, hostname: _name, loglevel: _level, ...rest } = Object.fromEntries(result.value);
    if (port !== undefined) delete rest.port;
    return JSON.stringify(rest);
  });
  const [first] = all;
  const agree = forms[0] !== undefined && forms.every((form) => form === forms[0]);
  return agree && first?.status === "fulfilled" ? first.value : undefined;
}

/** The patterns of each `Host` line; "any" where something may tell hosts apart that only ssh can judge. */
type Distinctions = (readonly string[])[] | "any";

/** The files that ssh read, from what it says of itself with -v: included ones too, wherever ssh was installed. */
function filesIn(log: string): string[] {
  return [...log.matchAll(/^debug1: Reading configuration data (.*?)\r?$/gm)].map(([, path = ""]) => path);
}

function distinctionsOf(files: readonly string[]): Distinctions {
  const hosts: string[][] = [];
  for (const file of files) {
    let text: string;
    try {
      text = readFileSync(file, "utf8");
    } catch {
      return "any";
    }
    for (const line of text.split("\n")) {
      const [, keyword = "", values = ""] = /^\s*"?([A-Za-z]+)"?(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
      switch (keyword.toLowerCase()) {
        case "match":
        case "canonicalizehostname":
          return "any";
        case "include":
          // OpenSSH 9.9 and newer fill in what stands for the host.
          if (/[%$]/.test(values)) return "any";
          break;
        case "host":
          // Quotes and escapes are ssh's to read.
          if (/["\\']/.test(values)) return "any";
          hosts.push(values.trim().split(/\s+/));
      }
    }
  }
  return hosts;
}

async function ask(
  { address, port, user }: Question,
  options: readonly string[] = [],
): Promise<{ answer: SshAnswer; log: string }> {
  const args = [
    "-G",
    ...options,
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(user === undefined ? [] : ["-l", user]),
    "--",
    address,
  ];
  return await new Promise((resolve, reject) => {
    execFile("ssh", args, { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error === null) resolve({ answer: parseAnswer(stdout), log: stderr });
      else if (error.code === "ENOENT") resolve({ answer: new Map(), log: "" });
      else {
        const said = stderr.replace(/^(?:debug\d:|OpenSSH_).*\n?/gm, "");
        reject(
          new HostError(
            "unreachable",
            `ssh -G ${address} failed: ${oneLine(said) || error.message}`,
            "Correct ~/.ssh/config.",
          ),
        );
      }
    });
  });
}

function parseAnswer(text: string): SshAnswer {
  const answer = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    if (space < 0) continue;
    const keyword = line.slice(0, space).toLowerCase();
    answer.set(keyword, [...(answer.get(keyword) ?? []), line.slice(space + 1)]);
  }
  return answer;
}
