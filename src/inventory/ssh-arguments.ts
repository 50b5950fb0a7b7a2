import { isIP } from "node:net";
import { basename, resolve } from "node:path";
import type { SshOptions } from "../connection/settings.ts";
import { didYouMean, type InputError } from "../lib/errors.ts";
import { splitShellWords } from "./shell-words.ts";

/**
 * Keywords that redkeep ignores, since it opens one connection to a host for a few seconds and runs no interactive
 * shell: sharing connections, compression, keep-alives, forwarding, logging. None of them changes whom redkeep trusts
 * or how it logs in.
 */
const IGNORED_KEYWORDS = new Set([
  "batchmode",
  "checkhostip",
  "compression",
  "controlmaster",
  "controlpath",
  "controlpersist",
  "forwardagent",
  "forwardx11",
  "loglevel",
  "serveralivecountmax",
  "serveraliveinterval",
  "tcpkeepalive",
  "updatehostkeys",
]);
const IGNORED_FLAGS = new Set(["-A", "-C", "-a", "-q", "-v", "-vv", "-vvv", "-x"]);
const KEYWORDS = [
  "ConnectTimeout",
  "IdentitiesOnly",
  "IdentityFile",
  "Port",
  "ProxyCommand",
  "ProxyJump",
  "StrictHostKeyChecking",
  "User",
  "UserKnownHostsFile",
];

type Fail = (message: string) => InputError;

/**
 * Reads the options of ansible_ssh_args, ansible_ssh_common_args and ansible_ssh_extra_args; of several the first
 * counts, as with ssh.
 *
 * @throws what `fail` makes of the message: for an unknown option, and for every way to switch host keys off.
 */
export function parseSshArguments(text: string, fail: Fail): SshOptions {
  const words = splitShellWords(text);
  if (words === undefined) throw fail("a quote is not closed");
  const options: SshOptions = {};
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (IGNORED_FLAGS.has(word)) continue;
    const flag = word.slice(0, 2);
    if (!["-o", "-J", "-p", "-i", "-l"].includes(flag)) throw fail(unknownWord(word));
    const value = word.length > 2 ? word.slice(2) : rest.shift();
    if (value === undefined || value === "") throw fail(`the option ${flag} has no value`);
    if (flag === "-o") setKeyword(value, options, fail);
    else
      setOption(
        { "-J": "proxyjump", "-p": "port", "-i": "identityfile", "-l": "user" }[flag] ?? "",
        value,
        options,
        fail,
      );
  }
  return options;
}

function unknownWord(word: string): string {
  const what = word.startsWith("-")
    ? `unknown ssh option ${word}`
    : `expected an ssh option, found "${word}"`;
  return `${what}; redkeep takes -o Key=value, -J, -p, -i and -l`;
}

/** `Key=value`, `Key value`, `Key = value`; ssh compares keywords without case. */
function setKeyword(setting: string, options: SshOptions, fail: Fail): void {
  const [, keyword = "", value = ""] = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(\S[\s\S]*)$/.exec(setting) ?? [];
  if (value === "") throw fail(`expected -o Key=value, found -o ${setting}`);
  setOption(keyword.toLowerCase(), value.trim(), options, fail, keyword);
}

function setOption(keyword: string, value: string, options: SshOptions, fail: Fail, written = keyword): void {
  switch (keyword) {
    case "stricthostkeychecking":
      options.strictHostKeyChecking ??= hostKeyChecking(value, fail);
      break;
    case "userknownhostsfile":
      options.userKnownHostsFiles ??= knownHostsFiles(value, fail);
      break;
    case "nohostauthenticationforlocalhost":
    case "verifyhostkeydns":
      if (!/^(?:no|false)$/i.test(value))
        throw fail(`${written}=${value} skips host keys, which redkeep always checks`);
      break;
    case "proxyjump":
      options.proxyJump ??= /^none$/i.test(value) ? [] : value.split(",").map((jump) => jumpHost(jump, fail));
      break;
    case "proxycommand":
      options.proxyJump ??= /^none$/i.test(value) ? [] : [jumpOfProxyCommand(value, fail)];
      break;
    case "identityfile":
      if (!/^none$/i.test(value)) options.identityFiles = [...(options.identityFiles ?? []), unquoted(value)];
      break;
    case "identitiesonly":
      if (!/^(?:yes|no|true|false)$/i.test(value))
        throw fail(`${written}: expected yes or no, found "${value}"`);
      options.identitiesOnly ??= /^(?:yes|true)$/i.test(value);
      break;
    case "port":
      options.port ??= numberBetween(1, 65535, "a port number", value, fail);
      break;
    case "user":
      if (/^-|[\s\0]/.test(value)) throw fail(`expected a user name, found "${value}"`);
      options.user ??= value;
      break;
    case "connecttimeout":
      options.connectTimeoutSeconds ??= numberBetween(1, 86_400, "seconds", value, fail);
      break;
    default:
      if (!IGNORED_KEYWORDS.has(keyword)) {
        throw fail(
          `unknown ssh option ${written}: redkeep does not support it here; remove it, or set it in ~/.ssh/config.${didYouMean(written, KEYWORDS)}`,
        );
      }
  }
}

function hostKeyChecking(value: string, fail: Fail): "yes" | "accept-new" {
  if (/^(?:yes|true)$/i.test(value)) return "yes";
  if (/^accept-new$/i.test(value)) return "accept-new";
  throw fail(
    `StrictHostKeyChecking=${value} would let anybody pose as the host: use yes, or accept-new, which accepts a host's ` +
      "first key and refuses a changed one",
  );
}

function knownHostsFiles(value: string, fail: Fail): string[] {
  const files = splitShellWords(value) ?? [];
  if (files.length === 0) throw fail("UserKnownHostsFile: expected a file");
  for (const file of files) {
    if (/^none$/i.test(file) || /^\/dev\//.test(resolve(file))) {
      throw fail(`UserKnownHostsFile=${file} would forget every host key: name a file that keeps them`);
    }
  }
  return files;
}

function numberBetween(low: number, high: number, what: string, value: string, fail: Fail): number {
  const number = /^[0-9]{1,6}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= low && number <= high) return number;
  throw fail(`expected ${what} (${low} to ${high}), found "${value}"`);
}

function unquoted(value: string): string {
  return /^"(.*)"$/.exec(value)?.[1] ?? value;
}

/** `[user@]host[:port]`, also written `ssh://…`. It reaches ssh, so it must not look like an option. */
function jumpHost(text: string, fail: Fail): string {
  const jump = text
    .trim()
    .replace(/^ssh:\/\//, "")
    .replace(/\/$/, "");
  const [, address, port] =
    /^(?:[^\s@-][^\s@]*@)?(\[[^\]]*\]|[\p{L}\p{N}_][\p{L}\p{N}_.-]*)(?::([0-9]{1,5}))?$/u.exec(jump) ?? [];
  const isAddress = address?.startsWith("[") ? isIP(address.slice(1, -1)) === 6 : address !== undefined;
  if (!isAddress || (port !== undefined && (Number(port) < 1 || Number(port) > 65535))) {
    throw fail(`expected a jump host as [user@]host[:port], found "${text}"`);
  }
  return jump;
}

/** The jump host of `ssh -W %h:%p HOST`, the only command that redkeep can replace without running it. */
function jumpOfProxyCommand(command: string, fail: Fail): string {
  const refusal = (reason: string) =>
    fail(`ProxyCommand: ${reason}; redkeep takes ssh -W %h:%p HOST, or use ProxyJump`);
  const [program, ...words] = splitShellWords(command) ?? [];
  if (program === undefined || basename(program) !== "ssh") throw refusal(`unknown command "${command}"`);
  const options: SshOptions = {};
  let forwards = false;
  let host: string | undefined;
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (/^-[aCqTvx]+$/.test(word)) continue;
    const flag = word.slice(0, 2);
    if (!word.startsWith("-")) {
      if (host !== undefined) throw refusal(`unexpected "${word}"`);
      host = word;
      continue;
    }
    if (!["-W", "-p", "-l", "-o"].includes(flag)) throw refusal(`unknown option ${word}`);
    const value = word.length > 2 ? word.slice(2) : (words.shift() ?? "");
    if (flag === "-W") forwards = /^(?:%h|\[%h\]):%p$/.test(value);
    else if (flag === "-o") setKeyword(value, options, fail);
    else setOption(flag === "-p" ? "port" : "user", value, options, fail);
  }
  if (host === undefined || !forwards) throw refusal(`unknown command "${command}"`);
  const { port, user, ...others } = options;
  const [other] = Object.keys(others);
  // Ignore the jump host's host key options: it uses the same known_hosts, and its "accept-new" is not meant for the host itself.
  if (other !== undefined) throw refusal(`${other} of the jump host belongs in ~/.ssh/config`);
  return jumpHost(`${user ? `${user}@` : ""}${host}${port ? `:${port}` : ""}`, fail);
}
