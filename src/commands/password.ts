import { ownPassword } from "../facts/server-login.ts";
import { keptRecords } from "../history/kept-records.ts";
import { loadInventory } from "../inventory/load-inventory.ts";
import { ServerNames } from "../inventory/server-names.ts";
import { didYouMean, InputError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import type { Secret } from "../lib/secret.ts";
import { listOf } from "../lib/words.ts";
import type { Environment } from "../run/options.ts";
import { State } from "../state/state.ts";
import { unlocking } from "../vault/locked.ts";
import type { Vault } from "../vault/vault.ts";

export interface PasswordOptions {
  host: string;
  /** Undefined for the one user whom redkeep logs in as. */
  user: string | undefined;
  inventory: readonly string[];
  extraVars: readonly string[];
  state: string | undefined;
  vault: Vault;
  mergesMappings: boolean;
}

/** Prints the generated password of one user on one host, as the host has it; reaches no host. */
export async function password(
  options: PasswordOptions,
  { cwd, env, stdout, stderr, interrupted }: Environment,
): Promise<number> {
  const { host, vault } = options;
  const locked = await loadInventory({
    sources: options.inventory,
    extraVars: options.extraVars,
    vault,
    mergesMappings: options.mergesMappings,
    cwd,
    interrupted,
    env,
  });
  const inventory = await locked.unlock([host], vault);
  if (!inventory.hosts.has(host))
    throw new InputError({
      message: `the inventory has no host ${JSON.stringify(host)}.${didYouMean(host, inventory.hosts.keys())}`,
    });
  const state = await State.open(options.state, options.inventory[0], cwd, vault);
  for (const warning of state.warnings) stderr.write(`warning: ${warning}\n`);
  const user = options.user ?? onlyUser(state);
  const server = await unlocking(vault, () => new ServerNames(inventory).of(host));
  const found = passwordOn(state, user, server);
  const known = [...new Set([...state.users(), ...state.serverUsers()])].toSorted();
  if (found === undefined)
    throw new InputError({
      place: { file: state.directory },
      key: "--user",
      message: `no password of ${JSON.stringify(user)} was generated here${known.length === 0 ? "" : `, only of ${listOf(known)}`}`,
    });
  if (found.isOld)
    stderr.write(
      `warning: ${printable(host)} has not got a password of its own yet: this is the one of all servers, from an earlier version. The next apply replaces it\n`,
    );
  else if (!(await hasBeenSeen(state, host)))
    stderr.write(
      `warning: no record that is kept here shows that ${printable(host)} has this password: an apply sets it\n`,
    );
  stdout.write(`${found.value.reveal()}\n`);
  return 0;
}

/** Whether a kept run came to its end on the host with the users that apply writes, or was logged in to its Redis. */
async function hasBeenSeen(state: State, name: string): Promise<boolean> {
  const { runRecordSchema } = await import("../record/record.ts");
  for await (const { command, hosts } of keptRecords(
    state,
    runRecordSchema,
    ["apply", "verify"],
    undefined,
  )) {
    const host = hosts.find(({ host }) => host === name);
    if (host === undefined) continue;
    if (host.access !== undefined || (command === "apply" && /^(un)?changed$/.test(host.status))) return true;
  }
  return false;
}

function onlyUser(state: State): string {
  const [user, ...others] = state.serverUsers();
  if (user !== undefined && others.length === 0) return user;
  const found = user === undefined ? "apply has made none yet" : `there are ${[user, ...others].join(", ")}`;
  throw new InputError({
    place: { file: state.directory },
    key: "--user",
    message: `is needed where not exactly one user has passwords of this kind: ${found}`,
  });
}

function passwordOn(
  state: State,
  user: string,
  server: string,
): { value: Secret; isOld: boolean } | undefined {
  const stored = state.serverKey(user);
  const shared = state.password(user);
  const isOld = stored !== undefined && shared !== undefined && !stored.names.has(server);
  if (stored !== undefined && !isOld) return { value: ownPassword(stored.key, user, server), isOld };
  return shared && { value: shared, isOld };
}
