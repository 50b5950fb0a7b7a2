import { isIP } from "node:net";
import { resolve } from "node:path";
import type { HostKeys, SshOptions } from "../connection/settings.ts";
import { didYouMean, type InputError } from "../lib/errors.ts";
import { jumpOfProxyCommand } from "./proxy-command.ts";
import { splitShellWords } from "./shell-words.ts";
import { IGNORED_KEYWORDS, KEYWORDS, OTHER_KEYWORDS, REFUSED, spellingOf } from "./ssh-keywords.ts";

type Fail = (message: string) => InputError;

interface SshReader {
  fail: Fail;
  hostKeys: HostKeys | undefined;
}

/** The most characters of one text of options. */
const MOST_CHARACTERS = 8_192;

/** Flags without a value that change neither whom redkeep trusts nor how it logs in. */
const IGNORED_FLAGS = /^-[46AaCKkNnqTtvXxYy]+$/;
/** Flags with a value, and the keyword that each stands for. */
const FLAGS: Readonly<Record<string, string>> = {
  "-b": "BindAddress",
  "-c": "Ciphers",
  "-i": "IdentityFile",
  "-I": "PKCS11Provider",
  "-J": "ProxyJump",
  "-l": "User",
  "-m": "MACs",
  "-p": "Port",
  "-S": "ControlPath",
};

/**
 * Reads the options of ansible_ssh_args, ansible_ssh_common_args or ansible_ssh_extra_args. Where an option comes more than
 * once, the first counts, as with ssh.
 *
 * @throws what `fail` makes of the message, for an unknown option, and for every way to switch host keys off unless
 * `--host-keys accept-new` overrides it.
 */
export function parseSshArguments(text: string, fail: Fail, hostKeys?: HostKeys): SshOptions {
  const reader: SshReader = { fail, hostKeys };
  if (text.length > MOST_CHARACTERS) throw fail(`expected at most ${MOST_CHARACTERS} characters`);
  const words = splitShellWords(text);
  if (words === undefined) throw fail("a quote is not closed");
  const options: SshOptions = {};
  const rest = [...words];
  for (let word = rest.shift(); word !== undefined; word = rest.shift()) {
    if (IGNORED_FLAGS.test(word)) continue;
    const flag = word.slice(0, 2);
    const keyword = FLAGS[flag];
    if (keyword === undefined && flag !== "-o" && flag !== "-F") throw fail(unknownWord(word));
    const value = word.length > 2 ? word.slice(2) : rest.shift();
    if (value === undefined || value === "") throw fail(`the option ${flag} has no value`);
    if (flag === "-F") options.configFile = value;
    else if (keyword === undefined) setKeyword(value, options, reader);
    else setOption(keyword, value, options, reader);
  }
  return options;
}

/** Both options as ssh would take them, `first` ahead. Port, user and time limit are left out. */
export function mergeSshOptions(first: SshOptions, second: SshOptions): SshOptions {
  const identityFiles = [...(first.identityFiles ?? []), ...(second.identityFiles ?? [])];
  // A proxy of the first, by jump host or by command, replaces that of the other.
  const proxy = hasProxy(first) ? first : second;
  const all: SshOptions = {};
  for (const options of [first, second])
    for (const [keyword, value] of options.others ?? [])
      if (keyword !== "ProxyCommand" || options === proxy) addOther(keyword, value, all);
  const { others = [] } = all;
  const needed = [first, second].flatMap(({ needsOpenssh }) => needsOpenssh ?? []);
  const needsOpenssh = needed.find((keyword) => others.some(([other]) => other === keyword));
  const merged: { [K in keyof SshOptions]: SshOptions[K] | undefined } = {
    userKnownHostsFiles: first.userKnownHostsFiles ?? second.userKnownHostsFiles,
    strictHostKeyChecking: first.strictHostKeyChecking ?? second.strictHostKeyChecking,
    proxyJump: proxy.proxyJump,
    jumpIdentityFiles: proxy.jumpIdentityFiles,
    identityFiles: identityFiles.length > 0 ? identityFiles : undefined,
    identitiesOnly: first.identitiesOnly ?? second.identitiesOnly,
    // Of several -F the last counts.
    configFile: second.configFile ?? first.configFile,
    others: others.length > 0 ? others : undefined,
    needsOpenssh,
  };
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== undefined));
}

function hasProxy({ proxyJump, others = [] }: SshOptions): boolean {
  return proxyJump !== undefined || others.some(([keyword]) => keyword === "ProxyCommand");
}

function unknownWord(word: string): string {
  const takes = "takes -o Key=value, -F, -J, -p, -i and -l";
  return word.startsWith("-")
    ? `redkeep does not take the ssh option ${word}: it ${takes}`
    : `expected an ssh option, found "${word}"; redkeep ${takes}`;
}

/** `Key=value`, `Key value`, `Key = value`; ssh compares keywords without case. */
function setKeyword(setting: string, options: SshOptions, reader: SshReader): void {
  const [, keyword = "", value = ""] = /^\s*([A-Za-z0-9]+)(?:\s*=\s*|\s+)(\S[\s\S]*)$/.exec(setting) ?? [];
  if (value === "") throw reader.fail(`expected -o Key=value, found -o ${setting}`);
  setOption(keyword, value.trim(), options, reader);
}

function setOption(written: string, value: string, options: SshOptions, reader: SshReader): void {
  const { fail } = reader;
  const keyword = written.toLowerCase();
  switch (keyword) {
    case "stricthostkeychecking":
      options.strictHostKeyChecking ??= hostKeyChecking(value, reader);
      break;
    case "userknownhostsfile": {
      const files = knownHostsFiles(value, reader);
      if (files.length > 0) options.userKnownHostsFiles ??= files;
      break;
    }
    case "globalknownhostsfile":
      // Without its keys a host is new, and `accept-new` takes new hosts.
      if (reader.hostKeys === "accept-new" && knownHostsFiles(value, reader).length === 0) break;
      throw fail(
        `${written}: redkeep reads the system's host keys where ~/.ssh/config says. Set it there, or name a file by UserKnownHostsFile${WAY_OUT}`,
      );
    case "nohostauthenticationforlocalhost":
    case "verifyhostkeydns":
      if (/^(?:no|false)$/i.test(value) || reader.hostKeys === "accept-new") break;
      throw fail(`${written}=${value} skips host keys, which redkeep always checks${WAY_OUT}`);
    case "proxyjump":
      if (hasProxy(options)) break;
      options.proxyJump = /^none$/i.test(value) ? [] : value.split(",").map((jump) => jumpHost(jump, fail));
      break;
    case "proxycommand":
      if (!hasProxy(options)) setProxyCommand(value, options, reader);
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
      setOther(written, keyword, value, options, fail);
  }
}

function setOther(written: string, keyword: string, value: string, options: SshOptions, fail: Fail): void {
  if (IGNORED_KEYWORDS.has(keyword)) return;
  const kind = OTHER_KEYWORDS.get(keyword);
  const refusal = REFUSED.get(keyword);
  if (refusal !== undefined) throw fail(`${written}: ${refusal}`);
  if (kind === undefined) {
    throw fail(
      `unknown ssh option ${written}: redkeep does not support it here; remove it, or set it in ~/.ssh/config.${didYouMean(written, KEYWORDS)}`,
    );
  }
  if (/[\0\r\n]/.test(value)) throw fail(`${written}: expected one line`);
  addOther(spellingOf(keyword), value, options);
  if (kind === "needs openssh") options.needsOpenssh ??= spellingOf(keyword);
}

function addOther(keyword: string, value: string, options: SshOptions): void {
  options.others ??= [];
  if (!options.others.some(([known]) => known === keyword)) options.others.push([keyword, value]);
}

function setProxyCommand(command: string, options: SshOptions, reader: SshReader): void {
  if (/^none$/i.test(command)) {
    options.proxyJump = [];
    return;
  }
  if (/[\0\r\n]/.test(command)) throw reader.fail("ProxyCommand: expected one line");
  const set = (setting: string, into: SshOptions) => setKeyword(setting, into, reader);
  const jump = jumpOfProxyCommand(command, reader.fail, set);
  if (jump === undefined) {
    addOther("ProxyCommand", command, options);
    options.needsOpenssh ??= "ProxyCommand";
    return;
  }
  options.proxyJump = [jumpHost(jump.host, reader.fail)];
  if (jump.identityFiles.length > 0) options.jumpIdentityFiles = jump.identityFiles;
}

/** Nobody should have to edit a fleet's files to try redkeep. */
export const WAY_OUT =
  ". To leave it as it is, give --host-keys accept-new: it stores a host's first key and refuses a changed one";

function hostKeyChecking(value: string, { fail, hostKeys }: SshReader): "yes" | "accept-new" {
  if (/^(?:yes|true)$/i.test(value)) return "yes";
  if (/^accept-new$/i.test(value) || hostKeys === "accept-new") return "accept-new";
  throw fail(
    `StrictHostKeyChecking=${value} would let anybody pose as the host: use yes, or accept-new${WAY_OUT}`,
  );
}

function knownHostsFiles(value: string, { fail, hostKeys }: SshReader): string[] {
  const files = splitShellWords(value) ?? [];
  if (files.length === 0) throw fail("UserKnownHostsFile: expected a file");
  const isKept = (file: string) => !/^none$/i.test(file) && !/^\/dev\//.test(resolve(file));
  const forgetful = files.find((file) => !isKept(file));
  if (forgetful !== undefined && hostKeys !== "accept-new") {
    throw fail(
      `UserKnownHostsFile=${forgetful} would forget every host key: name a file that keeps them${WAY_OUT}`,
    );
  }
  return files.filter(isKept);
}

function numberBetween(low: number, high: number, what: string, value: string, fail: Fail): number {
  const number = /^[0-9]{1,6}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= low && number <= high) return number;
  throw fail(`expected ${what} (${low} to ${high}), found "${value}"`);
}

function unquoted(value: string): string {
  return /^"(.*)"$/.exec(value)?.[1] ?? value;
}

/**
 * `[user@]host[:port]`, also written `ssh://…`, with ssh's tokens (`%r@%h`) where ssh expands them. It reaches ssh, so it
 * must not look like an option.
 */
function jumpHost(text: string, fail: Fail): string {
  const jump = text
    .trim()
    .replace(/^ssh:\/\//, "")
    .replace(/\/$/, "");
  const [, address, port] =
    /^(?:[^\s@-][^\s@]*@)?(\[[^\]]*\]|(?:[\p{L}\p{N}_]|%[hnpr%])(?:[\p{L}\p{N}_.-]|%[hnpr%])*)(?::([0-9]{1,5}|%p))?$/u.exec(
      jump,
    ) ?? [];
  const isAddress = address?.startsWith("[") ? isIP(address.slice(1, -1)) === 6 : address !== undefined;
  const isPort = port === undefined || port === "%p" || (Number(port) >= 1 && Number(port) <= 65535);
  if (!isAddress || !isPort) throw fail(`expected a jump host as [user@]host[:port], found "${text}"`);
  return jump;
}
