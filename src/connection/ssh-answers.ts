import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import pLimit from "p-limit";
import { HostError } from "./connection.ts";
import { oneLine } from "./one-line.ts";

/** The keywords of OpenSSH's configuration that we read, in the spelling of `ssh -G`. */
const KEYWORDS = [
  "addressfamily",
  "bindaddress",
  "bindinterface",
  "certificatefile",
  "controlpath",
  "globalknownhostsfile",
  "hostbasedauthentication",
  "hostkeyalias",
  "hostname",
  "identitiesonly",
  "identityagent",
  "identityfile",
  "knownhostscommand",
  "pkcs11provider",
  "port",
  "proxycommand",
  "proxyjump",
  "revokedhostkeys",
  "securitykeyprovider",
  "stricthostkeychecking",
  "user",
  "userknownhostsfile",
] as const;

/** Keyword to its values, as `ssh -G` prints them; empty where OpenSSH's defaults hold. */
export type SshAnswer = ReadonlyMap<(typeof KEYWORDS)[number], string[]>;

/** Processes at once. Each takes 10 ms of CPU, as much as a login and a probe. */
const atOnce = pLimit(8);

const answers = new Map<string, Promise<SshAnswer>>();
/**
 * What holds for every host where no file that ssh reads sets any of these keywords; undefined where one may. Kept by PATH and
 * -F: another ssh reads other files.
 */
const sameForAll = new Map<string, Promise<SshAnswer | undefined>>();

/**
 * What OpenSSH itself would do with `address`: its defaults where ssh is not installed, or where no file that it reads sets
 * any of these keywords.
 * @throws HostError "unreachable" where ssh rejects the address or its own configuration
 */
export function askSsh(
  address: string,
  port: number | undefined,
  user: string | undefined,
  /** Read instead of ssh's own files. */
  configFile?: string,
): Promise<SshAnswer> {
  if (address === "" || address.startsWith("-")) {
    throw new HostError("unreachable", `${JSON.stringify(address)} is not a host name or address`);
  }
  // What ssh itself refuses since 9.6: a command of its configuration may hold the user's name (%r), and a shell reads it.
  if (user !== undefined && /['"`;&<>|(){}]|\\$/.test(user)) {
    throw new HostError("unreachable", `${JSON.stringify(user)} is not a user name: a shell could act on it`);
  }
  const key = JSON.stringify([process.env.PATH, address, port, user, configFile]);
  let answer = answers.get(key);
  if (answer === undefined) {
    answer = answerFor({ address, port, user, configFile });
    answers.set(key, answer);
  }
  return answer;
}

/** Whether ssh may log in to this host by Kerberos. Debian's configuration allows it everywhere, so it is no keyword to look for. */
export async function allowsGssapi(question: Question): Promise<boolean> {
  const { text } = await atOnce(() => ask(question));
  return /^gssapiauthentication yes$/m.test(text);
}

interface Question {
  address: string;
  port: number | undefined;
  user: string | undefined;
  configFile: string | undefined;
}

async function answerFor(question: Question): Promise<SshAnswer> {
  const path = JSON.stringify([process.env.PATH, question.configFile]);
  const known = sameForAll.get(path);
  if (known === undefined) {
    // With -v OpenSSH names itself and the files that it reads, included ones too, wherever it was installed.
    const first = ask(question, ["-v"]);
    sameForAll.set(
      path,
      first.then(
        ({ log, answer }) =>
          !log.startsWith("OpenSSH_") || filesIn(log).some(mayMatter) ? undefined : defaultsIn(answer),
        () => undefined,
      ),
    );
    return (await first).answer;
  }
  return (await known) ?? (await atOnce(() => ask(question))).answer;
}

/** Of one host's answer, what ssh takes from the machine alone: it looks into the account's home, whatever HOME says. */
function defaultsIn(answer: SshAnswer): SshAnswer {
  return new Map([...answer].filter(([keyword]) => keyword === "userknownhostsfile"));
}

function filesIn(log: string): string[] {
  return [...log.matchAll(/^debug1: Reading configuration data (.*?)\r?$/gm)].map(([, path = ""]) => path);
}

/** Whether a line of the file sets one of these keywords, or may include another file for another host. */
function mayMatter(file: string): boolean {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch {
    // Nobody knows what it holds.
    return true;
  }
  let isForSome = false;
  for (const line of text.split("\n")) {
    if (/^\s*(?:#|$)/.test(line)) continue;
    const [, word = "", values = ""] = /^\s*"?([A-Za-z]+)\d?"?(?:\s*=\s*|\s+)(.*)$/.exec(line) ?? [];
    const keyword = word.toLowerCase();
    if (keyword === "host" || keyword === "match") isForSome = true;
    else if (keyword === "include") {
      // OpenSSH 9.9 and newer expand the tokens that stand for the host.
      if (isForSome || /[%$]/.test(values)) return true;
    } else if (keyword === "" || keyword === "canonicalizehostname" || isKeyword(keyword)) return true;
  }
  return false;
}

function isKeyword(word: string): word is (typeof KEYWORDS)[number] {
  return (KEYWORDS as readonly string[]).includes(word);
}

async function ask(
  { address, port, user, configFile }: Question,
  options: readonly string[] = [],
): Promise<{ answer: SshAnswer; text: string; log: string }> {
  const args = [
    "-G",
    ...options,
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(configFile === undefined ? [] : ["-F", configFile]),
    "--",
    address,
  ];
  return await new Promise((resolve, reject) => {
    execFile("ssh", args, { timeout: 10_000 }, (error, stdout, stderr) => {
      if (error === null) resolve({ answer: parseAnswer(stdout), text: stdout, log: stderr });
      else if (error.code === "ENOENT") resolve({ answer: new Map(), text: "", log: "" });
      else {
        const said = stderr.replace(/^(?:debug\d:|OpenSSH_).*\n?/gm, "");
        reject(
          new HostError(
            "unreachable",
            `ssh -G ${address} failed: ${oneLine(said) || error.message}`,
            `Correct ${configFile ?? "~/.ssh/config"}.`,
          ),
        );
      }
    });
  });
}

function parseAnswer(text: string): SshAnswer {
  const answer = new Map<(typeof KEYWORDS)[number], string[]>();
  for (const line of text.split("\n")) {
    const space = line.indexOf(" ");
    const keyword = line.slice(0, Math.max(0, space)).toLowerCase();
    if (isKeyword(keyword)) answer.set(keyword, [...(answer.get(keyword) ?? []), line.slice(space + 1)]);
  }
  return answer;
}
