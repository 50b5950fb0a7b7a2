import { basename } from "node:path";
import type { SshOptions } from "../connection/settings.ts";
import type { InputError } from "../lib/errors.ts";
import { splitShellWords } from "./shell-words.ts";

/** Takes one `-o` setting of the command into `options`. @throws for one that is not valid */
type Set = (setting: string, options: SshOptions) => void;

const FLAGS: Readonly<Record<string, string>> = { "-i": "IdentityFile", "-l": "User", "-p": "Port" };

/** A jump host and the keys that it is shown. */
export interface Jump {
  /** `[user@]host[:port]` */
  host: string;
  identityFiles: string[];
}

/**
 * The jump host of `ssh [-i KEY] -W %h:%p HOST`, which redkeep replaces without running it; undefined for any other command.
 *
 * @throws what `fail` makes of the message where the command switches host keys off, or shows a password to other users.
 */
export function jumpOfProxyCommand(
  command: string,
  fail: (message: string) => InputError,
  set: Set,
): Jump | undefined {
  const [program = "", ...words] = splitShellWords(command) ?? [];
  if (basename(program) === "sshpass")
    throw fail("ProxyCommand: sshpass shows its password to every user of this machine: use a key");
  if (basename(program) !== "ssh") return undefined;
  const options: SshOptions = {};
  let isSimple = true;
  let forwards = false;
  let host: string | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const flag = word.slice(0, 2);
    if (/^-[46AaCKkqTtvXxYy]+$/.test(word)) continue;
    if (!word.startsWith("-")) {
      isSimple &&= host === undefined;
      host ??= word;
      continue;
    }
    if (!"bceiIJlmopSWFLRDEOQw".includes(flag.slice(1))) {
      isSimple = false;
      continue;
    }
    const value = word.length > 2 ? word.slice(2) : (words.shift() ?? "");
    if (flag === "-W") forwards = /^(?:%h|\[%h\]):%p$/.test(value);
    else if (flag === "-o") isSimple = setForJump(value, options, set) && isSimple;
    else if (FLAGS[flag] !== undefined) set(`${FLAGS[flag]}=${value}`, options);
    else if (flag !== "-S") isSimple = false;
  }
  const { port, user, identityFiles = [], strictHostKeyChecking, connectTimeoutSeconds, ...rest } = options;
  isSimple &&= Object.keys(rest).every((key) => key === "identitiesOnly");
  if (isSimple && forwards && host !== undefined)
    return { host: `${user ? `${user}@` : ""}${host}${port ? `:${port}` : ""}`, identityFiles };
  // The jump host's own keys: --host-keys cannot reach into a command that redkeep does not understand.
  if (
    /(?:StrictHostKeyChecking\s*[= ]\s*(?:no|off|ask)\b)|UserKnownHostsFile\s*[= ]\s*\/dev\//i.test(command)
  )
    throw fail(
      "ProxyCommand: switches the host keys of the jump host off. It is more than ssh -W %h:%p HOST, so --host-keys cannot override that: remove StrictHostKeyChecking and UserKnownHostsFile from it",
    );
  return undefined;
}

/** Sets an option of the jump host. False for one that redkeep cannot follow: then ssh has to run the command. */
function setForJump(setting: string, options: SshOptions, set: Set): boolean {
  const before = JSON.stringify([options.others, options.userKnownHostsFiles]);
  try {
    set(setting, options);
  } catch (error) {
    if (/^\s*(?:StrictHostKeyChecking|UserKnownHostsFile|NoHostAuth\w*|VerifyHostKeyDNS)\b/i.test(setting))
      throw error;
    return false;
  }
  return JSON.stringify([options.others, options.userKnownHostsFiles]) === before;
}
