import { type Fact, Sections } from "./fact.ts";
import { redisScript, titleWord } from "./redis-script.ts";

export interface Client {
  /** Address and port, or the path of the Unix socket with `:0`. */
  address: string;
  /** The server's end of the connection; empty where neither it nor, before 6.2, the host's list of sockets says. */
  local: string;
  user: string;
  name: string;
  library: string;
  /** `N` for an ordinary client, `S` a replica, `M` a primary, … as CLIENT LIST prints them. */
  flags: string;
  /** The last one: `get`, from 7.0 on also `client|list`; `NULL` where nothing was sent yet. */
  command: string;
  /** Channels and patterns that it listens to. */
  subscriptions: number;
}

/** An entry of ACL LOG: a command, key or channel that was denied, or a login that failed. */
export interface Denial {
  /** How often, within a minute of each other. */
  count: number;
  reason: string;
  /** `toplevel`, `multi`, `lua`, … */
  context: string;
  /** The command, key or channel: text of a client. */
  object: string;
  user: string;
  /** Since the last one. */
  ageSeconds: number;
  client: Client | undefined;
}

/** What the running server says of itself. Every part is undefined where it could not be asked. */
export interface RedisFact {
  /** The user that redkeep is logged in as; undefined where no login worked. */
  user: string | undefined;
  /** Why no login worked, in the server's or redis-cli's own words. */
  loginError: string | undefined;
  /** How the server is reached: words for redis-cli, such as `-s /run/redis/redis.sock`; also where it refused the login. */
  endpoint: readonly string[];
  info: ReadonlyMap<string, string>;
  /** Names of the modules that are loaded. */
  modules: readonly string[];
  /** `CONFIG GET *`; passwords read `(set)`. Undefined where CONFIG is taken away. */
  config: ReadonlyMap<string, string> | undefined;
  /** Lines of ACL LIST. */
  aclUsers: readonly string[] | undefined;
  /** Commands of each category, from ACL CAT. */
  categories: ReadonlyMap<string, readonly string[]>;
  /** For each command asked: whether the running server knows it by its original name. */
  commands: ReadonlyMap<string, boolean>;
  clients: readonly Client[];
  /** Calls since the start, by command, from INFO commandstats. */
  commandCalls: ReadonlyMap<string, number>;
  /** Answers of ACL DRYRUN, by `user command …`. */
  dryRuns: ReadonlyMap<string, string>;
  /**
   * Answers to the commands of `matrix`, in their order, by user: of ACL DRYRUN, or before 7.0 of a scratch server, where a
   * command that is allowed is `QUEUED`. Empty where neither could be asked.
   */
  access: ReadonlyMap<string, readonly string[]>;
  /** The newest entries of ACL LOG. */
  denials: readonly Denial[];
  /** A few keys of database 0, at random: they may hold anything, and no report shows one. */
  keys: readonly string[];
}

/** Running configuration, users, clients and figures, over whatever way in works. */
export const redisFact: Fact<RedisFact> = {
  script: redisScript,
  parse: (sections, input) => {
    // Half an answer would pass for a server with fewer settings and users.
    if (sections.text("session") !== undefined && sections.text("session-end") === undefined)
      return redisFact.parse(new Sections(new Map([["login-error", "its answer broke off"]])), input);
    const [loginError, refusedAt = ""] = sections.text("login-error")?.split("\n") ?? [];
    const [user = "", endpoint = refusedAt] = sections.text("login")?.split("\n") ?? [];
    const pairs = sections.text("running")?.replace(/\n$/, "").split("\n");
    const config = new Map<string, string>();
    if (pairs !== undefined) {
      for (let i = 0; i + 1 < pairs.length; i += 2) config.set(pairs[i] ?? "", pairs[i + 1] ?? "");
    }
    const info = infoOf(sections);
    const users = sections.lines("acl-list").filter((line) => line.startsWith("user "));
    return {
      user: user === "" ? undefined : user,
      loginError,
      endpoint: endpoint.split(" ").filter(Boolean),
      info,
      modules: sections.lines("info").flatMap((line) => /^module:name=([^,]+)/.exec(line)?.[1] ?? []),
      // With CONFIG gone the answer is one error line.
      config: config.size > 10 ? config : undefined,
      // Every server has a default user: without a line the answer was an error.
      aclUsers: users.length === 0 ? undefined : users,
      categories: categoriesOf([...sections.startingWith("category")]),
      commands: new Map(
        input.commands.flatMap((command): [string, boolean][] => {
          const answer = sections.text(`command ${command}`)?.trim().toLowerCase();
          if (answer === "") return [[command, false]];
          // An error tells nothing of the command that was asked for.
          return answer?.split("\n")[0] === command.toLowerCase() ? [[command, true]] : [];
        }),
      ),
      clients: withLocalEnds(sections.lines("clients").flatMap(parseClient), sections.lines("sockets")),
      commandCalls: new Map(
        [...info].flatMap(([key, value]) => {
          const calls = /^calls=(\d+)/.exec(value)?.[1];
          return key.startsWith("cmdstat_") && calls ? [[key.slice("cmdstat_".length), Number(calls)]] : [];
        }),
      ),
      dryRuns: new Map(
        input.dryRuns.flatMap(({ user: asked, command }) => {
          const answer = sections.text(`dry-run ${[titleWord(asked), ...command].join(" ")}`);
          return answer === undefined ? [] : [[[asked, ...command].join(" "), answer.trim()]];
        }),
      ),
      access: new Map(
        sections.lines("matrix-users").flatMap((name, index) => {
          const answers = sections.lines(`matrix ${index + 1}`);
          return answers.length === input.matrix.length ? [[name, answers]] : [];
        }),
      ),
      denials: parseDenials(sections.text("denials") ?? ""),
      keys: [...sections.startingWith("key")].map(([, text]) => text.replace(/\n$/, "")).filter(Boolean),
    };
  },
};

/** Parsed answers to ACL CAT, by their text: servers of one version give the same thousand names. */
const parsedCategories = new Map<string, RedisFact["categories"]>();
const MAX_PARSED = 50;

function categoriesOf(texts: readonly [name: string, text: string][]): RedisFact["categories"] {
  const key = texts.flat().join("\n");
  let categories = parsedCategories.get(key);
  if (categories === undefined) {
    categories = new Map(texts.map(([name, text]) => [name, text.split("\n").filter(Boolean)]));
    if (parsedCategories.size < MAX_PARSED) parsedCategories.set(key, categories);
  }
  return categories;
}

function infoOf(sections: Sections): Map<string, string> {
  return new Map(
    sections
      .lines("info")
      .filter((line) => line.includes(":"))
      .map(infoLine),
  );
}

/**
 * What `redis-server --version` prints where the running server is that very program: its INFO holds all of it.
 * `Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=3dbf2ac6de11f2d9`
 */
export function runningVersion(sections: Sections): string {
  const info = infoOf(sections);
  const valkey = info.get("valkey_version");
  const parts = [
    `${valkey === undefined ? "Redis" : "Valkey"} server v=${valkey ?? info.get("redis_version")}`,
    `sha=${info.get("redis_git_sha1")}:${info.get("redis_git_dirty")}`,
    `malloc=${info.get("mem_allocator")}`,
    `bits=${info.get("arch_bits")}`,
    `build=${info.get("redis_build_id")}`,
  ];
  return info.has("redis_build_id") ? parts.join(" ") : "";
}

function infoLine(line: string): [string, string] {
  const at = line.indexOf(":");
  return [line.slice(0, at), line.slice(at + 1).trim()];
}

/** `id=3 addr=127.0.0.1:5 laddr=… name= … flags=N … user=default lib-name=…` */
function parseClient(line: string): Client[] {
  if (!line.startsWith("id=")) return [];
  const fields = new Map(line.split(" ").map(infoField));
  const number = (name: string) => Number(fields.get(name) ?? 0) || 0;
  return [
    {
      address: fields.get("addr") ?? "",
      local: fields.get("laddr") ?? "",
      user: fields.get("user") ?? "",
      name: fields.get("name") ?? "",
      library: [fields.get("lib-name"), fields.get("lib-ver")].filter(Boolean).join(" "),
      flags: fields.get("flags") ?? "",
      command: fields.get("cmd") ?? "",
      subscriptions: number("sub") + number("psub") + number("ssub"),
    },
  ];
}

/** Lines of `ss -Htn state established`: the queues, then the host's own end and the peer's. */
function withLocalEnds(clients: readonly Client[], sockets: readonly string[]): Client[] {
  const ends = new Map(
    sockets.map((line) => {
      const [, , local = "", peer = ""] = line.trim().split(/ +/);
      return [peer.replace("::ffff:", "").replace(/^\[([\d.]+)\]/, "$1"), local] as const;
    }),
  );
  return clients.map((client) => ({ ...client, local: client.local || (ends.get(client.address) ?? "") }));
}

/** Field and value a line each, as redis-cli prints them. The object is a client's text, and may hold line breaks. */
function parseDenials(text: string): Denial[] {
  return text.split(/^count\n(?=\d+\nreason\n)/m).flatMap((entry): Denial[] => {
    const [, count, reason, context, rest = ""] =
      /^(\d+)\nreason\n(.*)\ncontext\n(.*)\nobject\n([\s\S]*)$/.exec(entry) ?? [];
    if (count === undefined || reason === undefined || context === undefined) return [];
    const at = rest.lastIndexOf("\nusername\n");
    const [, user = "", age = "", client = ""] =
      /^\nusername\n(.*)\nage-seconds\n([\d.]+)\nclient-info\n(.*)/.exec(at < 0 ? "" : rest.slice(at)) ?? [];
    if (age === "") return [];
    return [
      {
        count: Number(count),
        reason,
        context,
        object: rest.slice(0, at),
        user,
        ageSeconds: Number(age),
        client: parseClient(client)[0],
      },
    ];
  });
}

function infoField(field: string): [string, string] {
  const at = field.indexOf("=");
  return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
}
