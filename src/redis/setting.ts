import { parseSize } from "./size.ts";

/**
 * The one name of a setting that has several: `SLAVEOF`, `replicaof` and Valkey's `primaryauth` for `masterauth`.
 * Directive names ignore case.
 */
export function settingName(name: string): string {
  const lower = name.toLowerCase();
  return ALIASES.get(lower) ?? lower.replace(/^slave-/, "replica-").replace(/-slave(s?)-/, "-replica$1-");
}

const ALIASES = new Map([
  ["slaveof", "replicaof"],
  ["primaryauth", "masterauth"],
  ["primaryuser", "masteruser"],
  ["lua-time-limit", "busy-reply-threshold"],
  ["repl-ping-slave-period", "repl-ping-replica-period"],
]);

/** Settings whose value is an amount of memory, as Redis 7.0.15 takes `1mb` for them. */
const SIZES = new Set([
  ..."maxmemory maxmemory-clients client-query-buffer-limit proto-max-bulk-len repl-backlog-size".split(" "),
  ..."auto-aof-rewrite-min-size active-defrag-ignore-bytes cluster-link-sendbuf-limit".split(" "),
  ..."stream-node-max-bytes hll-sparse-max-bytes".split(" "),
]);

/** Settings whose value is one word out of a list, which Redis compares without regard to case. */
const ENUMS = new Set([
  ..."maxmemory-policy appendfsync loglevel supervised tls-auth-clients syslog-facility".split(" "),
  ..."repl-diskless-load oom-score-adj acl-pubsub-default sanitize-dump-payload".split(" "),
  ..."enable-debug-command enable-module-command enable-protected-configs".split(" "),
  ..."propagation-error-behavior cluster-preferred-endpoint-type shutdown-on-sigint shutdown-on-sigterm".split(
    " ",
  ),
]);

/** Free text: keep case and leading zeros, even where it looks like a number or a yes. */
const TEXTS = new Set([
  ..."requirepass masterauth masteruser tls-key-file-pass tls-client-key-file-pass dir dbfilename".split(" "),
  ..."appendfilename appenddirname aclfile pidfile logfile unixsocket syslog-ident".split(" "),
]);

/**
 * Whether two values of a setting mean the same to Redis. Each is a list of arguments, as a line of redis.conf has
 * them after quotes are taken away, or the one string of `CONFIG GET`: `["512mb"]` and `["536870912"]` are the same
 * `maxmemory`, `["3600", "1"]` and `["3600 1"]` the same `save`. Text, such as a path, is compared as it stands.
 */
export function sameSetting(name: string, a: readonly string[], b: readonly string[]): boolean {
  const setting = settingName(name);
  const [left, right] = [normalForm(setting, a), normalForm(setting, b)];
  return left.length === right.length && left.every((word, index) => word === right[index]);
}

function normalForm(setting: string, args: readonly string[]): string[] {
  if (TEXTS.has(setting)) return [...args];
  const split = words(args);
  if (setting === "save") return savePoints(split);
  if (setting === "tls-protocols") return [...new Set(split.map((word) => word.toLowerCase()))].sort();
  if (setting === "client-output-buffer-limit") return bufferLimits(split);
  if (split.length !== 1) return split;
  return split.map((word) => normalWord(setting, word));
}

function normalWord(setting: string, word: string): string {
  if (SIZES.has(setting)) return String(parseSize(word) ?? word.toLowerCase());
  if (ENUMS.has(setting) || /^(yes|no)$/i.test(word)) return word.toLowerCase();
  // Octal, so that 0700 is 700. Elsewhere Redis takes no leading zero.
  return setting === "unixsocketperm" ? word.replace(/^0+(?=.)/, "") : word;
}

/** `3600 1 300 100` as pairs without regard to their order: whichever is due first makes the snapshot. */
function savePoints(split: readonly string[]): string[] {
  const pairs = new Set<string>();
  for (let i = 0; i < split.length; i += 2)
    pairs.add(
      split
        .slice(i, i + 2)
        .map(normalNumber)
        .join(" "),
    );
  return [...pairs].sort();
}

const normalNumber = (word: string): string => (/^\d{1,15}$/.test(word) ? String(Number(word)) : word);

/** Classes in any order, the last of each, sizes in bytes: `normal 0 0 0 slave 256mb 64mb 60`. */
function bufferLimits(split: readonly string[]): string[] {
  const classes = new Map<string, string>();
  for (let i = 0; i < split.length; i += 4) {
    const [name = "", ...limits] = split.slice(i, i + 4);
    const client = name.toLowerCase() === "replica" ? "slave" : name.toLowerCase();
    classes.set(client, [client, ...limits.map((limit) => parseSize(limit) ?? limit)].join(" "));
  }
  return [...classes.values()].sort();
}

/** Arguments as single words: `CONFIG GET` gives a list setting as one string. */
const words = (args: readonly string[]): string[] =>
  args.flatMap((arg) => arg.split(/[ \t]+/)).filter((word) => word !== "");
