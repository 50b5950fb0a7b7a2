import { dump } from "js-yaml";
import { InputError, type Problem } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { parseYaml } from "../lib/yaml.ts";
import type { Generation } from "./generation.ts";
import { parseGeneration } from "./generation.ts";

const HEADER = `# Passwords that redkeep generated. Keep this file: without it, hosts that have them are refused.
# Under servers, each server has a password of its own, made of the key and its name: redkeep password HOST prints it.
`;

/** The key from which redkeep derives a user's own password on each server. */
export interface ServerKey {
  key: Secret;
  /** The keys that it replaced, newest first: a server that no run has reached since then still has an old password. */
  previous: readonly Secret[];
  /** The servers that have their own password: the names that these passwords are made for. */
  names: ReadonlySet<string>;
  /** By such a name, the transaction in which the server's own password replaced the shared one. */
  replacedIn: ReadonlyMap<string, string>;
}

/** What secrets.yml holds. */
export interface StoredSecrets {
  passwords: Map<string, Secret>;
  servers: Map<string, ServerKey>;
  generation: Generation | undefined;
}

/** The text of secrets.yml. */
export function secretsText({ passwords, servers, generation }: StoredSecrets): string {
  const stored = {
    ...(generation === undefined
      ? {}
      : { generation: { id: generation.id.reveal(), number: generation.number } }),
    passwords: Object.fromEntries([...passwords].map(([name, secret]) => [name, secret.reveal()])),
    ...(servers.size === 0
      ? {}
      : {
          servers: Object.fromEntries(
            [...servers].map(([user, { key, previous, names, replacedIn }]) => [
              user,
              {
                key: key.reveal(),
                ...(previous.length === 0 ? {} : { previous: previous.map((one) => one.reveal()) }),
                names: [...names].toSorted(),
                ...(replacedIn.size === 0 ? {} : { replacedIn: Object.fromEntries(replacedIn) }),
              },
            ]),
          ),
        }),
  };
  return HEADER + dump(stored, { sortKeys: true });
}

/**
 * Reads secrets.yml.
 * @throws InputError that names every problem with its place, and shows no secret
 */
export function parseSecrets(text: string, file: string): StoredSecrets {
  const [known, keys] = [new Map<string, Secret>(), new Map<string, ServerKey>()];
  const { value, placeOf } = parseYaml(text, file);
  const { passwords, servers = {}, generation, ...others } = isMapping(value) ? value : {};
  const problem = (path: string[], message: string): Problem => ({
    place: placeOf(path),
    key: path.join("."),
    message,
  });
  const problems = Object.keys(others).map((key) =>
    problem([key], "unknown key, expected only passwords and servers"),
  );
  if (!isMapping(passwords)) {
    problems.push(problem(["passwords"], "should be a mapping of names to passwords"));
  }
  for (const [name, password] of Object.entries(isMapping(passwords) ? passwords : {})) {
    if (isLine(password)) known.set(name, new Secret(password));
    else problems.push(problem(["passwords", name], "should be one line of text, in quotes"));
  }
  if (!isMapping(servers)) problems.push(problem(["servers"], "should be a mapping of users to keys"));
  for (const [user, server] of Object.entries(isMapping(servers) ? servers : {})) {
    const { key, previous = [], names, replacedIn = {} } = isMapping(server) ? server : {};
    const transactions = isMapping(replacedIn) ? Object.entries(replacedIn) : [["", undefined] as const];
    if (
      isLine(key) &&
      Array.isArray(previous) &&
      previous.every(isLine) &&
      Array.isArray(names) &&
      names.every(isLine) &&
      transactions.every((entry): entry is [string, string] => isLine(entry[1]))
    )
      keys.set(user, {
        key: new Secret(key),
        previous: previous.map((one) => new Secret(one)),
        names: new Set(names),
        replacedIn: new Map(transactions),
      });
    else problems.push(problem(["servers", user], "should be { key: TEXT, names: [NAME, …] }"));
  }
  const counted = generation === undefined ? undefined : parseGeneration(generation);
  if (generation !== undefined && counted === undefined)
    problems.push(problem(["generation"], "should be { id: TEXT, number: NUMBER }"));
  if (problems.length > 0) throw new InputError(problems);
  return { passwords: known, servers: keys, generation: counted };
}

function isLine(value: unknown): value is string {
  return typeof value === "string" && /^[^\0\r\n]+$/.test(value);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
