import { type Fact, SaidTexts } from "./fact.ts";
import { redisScript, titleWord } from "./redis-script.ts";
import { csvText, csvWords } from "./session.ts";

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
  /** The last command: `get`, from 7.0 on also `client|list`; `NULL` where nothing was sent yet. */
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
  /** Changes since the last save. */
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
  /** The parts of the answer that clients made too long to be complete: `clients`, `denials`, `key`, … Check here before reading them. */
  cut: ReadonlySet<string>;
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
  parse: ({ seen, said }, input) => {
    // Half an answer would pass for a server with fewer settings and users.
    if (
      said.text("login") !== undefined &&
      said.text("info") !== undefined &&
      said.text("core-end") === undefined
    )
      return redisFact.parse(
        { seen, said: new SaidTexts(new Map([["login-error", "its answer broke off"]])) },
        input,
      );
    const loginError = said.text("login-error");
    const user = csvText(said.text("login") ?? "");
    const words = (title: Parameters<typeof said.text>[0]) => csvWords(said.text(title) ?? "ERROR,");
    const pairs = words("running") ?? [];
    const config = new Map<string, string>();
    for (let i = 0; i + 1 < pairs.length; i += 2) config.set(pairs[i] ?? "", pairs[i + 1] ?? "");
    const info = infoOf(said);
    const users = (words("acl-list") ?? []).filter((line) => line.startsWith("user "));
    return {
      user: user === "" ? undefined : user,
      loginError: loginError === undefined ? undefined : csvText(loginError),
      endpoint: (seen.text("endpoint") ?? "").trim().split(" ").filter(Boolean),
      info,
      modules: said.lines("info").flatMap((line) => /^module:name=([^,]+)/.exec(line)?.[1] ?? []),
      // With CONFIG gone the answer is an error.
      config: config.size > 10 && !said.cut.has("running") ? config : undefined,
      // Every server has a default user: without a line the answer was an error.
      aclUsers: users.length === 0 || said.cut.has("acl-list") ? undefined : users,
      categories: categoriesOf([...said.startingWith("category")]),
      commands: new Map(
        input.commands.flatMap((command): [string, boolean][] => {
          const answer = words(`command ${command}`);
          // An error tells nothing of the command that was asked for.
          if (answer === undefined) return [];
          const [name = ""] = answer;
          if (name === "") return [[command, false]];
          return name.toLowerCase() === command.toLowerCase() ? [[command, true]] : [];
        }),
      ),
      clients: withLocalEnds(said.lines("clients").flatMap(parseClient), seen.lines("sockets")),
      cut: cutIn(said),
      commandCalls: new Map(
        [...info].flatMap(([key, value]) => {
          const calls = /^calls=(\d+)/.exec(value)?.[1];
          return key.startsWith("cmdstat_") && calls ? [[key.slice("cmdstat_".length), Number(calls)]] : [];
        }),
      ),
      dryRuns: new Map(
        input.dryRuns.flatMap(({ user: asked, command }) => {
          const answer = said.text(`dry-run ${[titleWord(asked), ...command].join(" ")}`);
          return answer === undefined ? [] : [[[asked, ...command].join(" "), csvText(answer)]];
        }),
      ),
      access: new Map(
        said.lines("matrix-users").flatMap((name, index) => {
          const answers = said.lines(`matrix ${index + 1}`).map(csvText);
          return answers.length === input.matrix.length ? [[csvText(name), answers]] : [];
        }),
      ),
      denials: parseDenials(words("denials") ?? []),
      keys: [...said.startingWith("key")]
        .filter(([number]) => !said.cut.has(`key ${number}`))
        .map(([, text]) => csvText(text))
        .filter(Boolean),
    };
  },
};

/** What clients can lengthen comes last: if the answer breaks off there, everything after it is missing too. */
function cutIn(said: SaidTexts): Set<string> {
  const isWhole = said.text("core-end") === undefined || said.text("session-end") !== undefined;
  const missing = (["clients", "denials"] as const).filter((title) => said.text(title) === undefined);
  return new Set([...[...said.cut].map((title) => title.split(" ")[0] ?? ""), ...(isWhole ? [] : missing)]);
}

/** Parsed answers to ACL CAT, by their text: servers of one version give the same thousand names. */
const parsedCategories = new Map<string, RedisFact["categories"]>();
const MAX_PARSED = 50;

function categoriesOf(texts: readonly [name: string, text: string][]): RedisFact["categories"] {
  const key = texts.flat().join("\n");
  let categories = parsedCategories.get(key);
  if (categories === undefined) {
    categories = new Map(texts.map(([name, text]) => [name, csvWords(text) ?? []]));
    if (parsedCategories.size < MAX_PARSED) parsedCategories.set(key, categories);
  }
  return categories;
}

function infoOf(said: SaidTexts): Map<string, string> {
  return new Map(
    said
      .lines("info")
      .filter((line) => line.includes(":"))
      .map(infoLine),
  );
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

/** Fields and values in a row; the object is a client's text. Entries follow one another without a sign between them. */
function parseDenials(words: readonly string[]): Denial[] {
  const entries: Map<string, string>[] = [];
  for (let at = 0; at + 1 < words.length; at += 2) {
    const [name = "", value = ""] = [words[at], words[at + 1]];
    if (name === "count") entries.push(new Map());
    entries.at(-1)?.set(name, value);
  }
  return entries.flatMap((entry): Denial[] => {
    const [count = "", reason, context, object, user, age = "", client = ""] = DENIAL_FIELDS.map((name) =>
      entry.get(name),
    );
    if (reason === undefined || context === undefined || object === undefined || user === undefined)
      return [];
    if (!/^\d+$/.test(count) || !/^[\d.]+$/.test(age)) return [];
    return [
      {
        count: Number(count),
        reason,
        context,
        object,
        user,
        ageSeconds: Number(age),
        client: parseClient(client)[0],
      },
    ];
  });
}

const DENIAL_FIELDS = ["count", "reason", "context", "object", "username", "age-seconds", "client-info"];

function infoField(field: string): [string, string] {
  const at = field.indexOf("=");
  return at < 0 ? [field, ""] : [field.slice(0, at), field.slice(at + 1)];
}
