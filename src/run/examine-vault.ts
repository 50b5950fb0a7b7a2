import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Inventory } from "../inventory/inventory.ts";
import { loadInventory } from "../inventory/load-inventory.ts";
import { InputError } from "../lib/errors.ts";
import { plural } from "../lib/words.ts";
import { vaultTexts } from "../lib/yaml-node.ts";
import { type Finding, good, lacking } from "../report/doctor-text.ts";
import type { State } from "../state/state.ts";
import { type Vault, VaultRefusal } from "../vault/vault.ts";

/** What may be encrypted here, and what opens it. */
export interface VaultQuestion {
  /** Empty where nobody names one. */
  inventory: readonly string[];
  extraVars: readonly string[];
  vault: Vault;
  mergesMappings: boolean;
  /** Undefined where it cannot be used at all. */
  state: State | undefined;
  cwd: string;
  env: NodeJS.ProcessEnv;
  interrupted: AbortSignal;
}

/** What was found out, and the inventory where it could be read: a program that makes it need not run again. */
export interface ExaminedVault {
  findings: Finding[];
  inventory: Inventory | undefined;
}

/**
 * Whether the inventory can be read, and whether the vault's password opens all that is encrypted in it and in the state.
 * Reaches no host.
 */
export async function examineVault(question: VaultQuestion): Promise<ExaminedVault> {
  const { vault, state, inventory } = question;
  const problems: InputError[] = [];
  const findings: Finding[] = [];
  let read: Inventory | undefined;
  if (inventory.length > 0) {
    const problem = await problemOf(async () => {
      read = await openAll(question);
      findings.push(good("inventory", `${plural(read.hosts.size, "host")} in ${inventory.join(", ")}`));
    });
    if (problem instanceof VaultRefusal) problems.push(problem);
    else if (problem !== undefined)
      findings.push(lacking("inventory", problem.message, "Mend what it names."));
  }
  for (const { name, id } of state?.secretFiles ?? []) {
    if (id === undefined) continue;
    const problem = await problemOf(async () => await state?.read(name));
    if (problem !== undefined) problems.push(problem);
    // The others have the same password.
    if (problem instanceof VaultRefusal) break;
  }
  return { findings: [...findings, await passwordFinding(vault, problems)], inventory: read };
}

/** The inventory with all that is encrypted in it opened, whichever hosts need it. */
async function openAll(question: VaultQuestion): Promise<Inventory> {
  const { inventory: sources, vault, cwd } = question;
  const isOwn = existsSync(join(cwd, "playbooks", "harden.yml"));
  const playbookDir = isOwn ? { playbookDir: join(cwd, "playbooks") } : {};
  const locked = await loadInventory({ ...question, sources, ...playbookDir });
  const inventory = await locked.unlock(locked.hosts.keys(), vault);
  const variables = [...inventory.hosts.values(), { variables: inventory.extraVars }].flatMap((one) => [
    ...one.variables,
  ]);
  const values = new Map(
    variables.flatMap(([key, { node }]) =>
      node === undefined ? [] : vaultTexts(node).map((value) => [value, key] as const),
    ),
  );
  for (const [{ text, place }, key] of values) await vault.open({ text, place, key });
  return inventory;
}

async function passwordFinding(vault: Vault, problems: readonly InputError[]): Promise<Finding> {
  const what = "vault";
  if (problems.length > 0) {
    const isWrong = problems.every((problem) => problem instanceof VaultRefusal && problem.isWrong);
    return lacking(
      what,
      problems.map(({ message }) => message).join("\n"),
      isWrong ? "Ask your team for the present password." : "",
    );
  }
  if (!vault.hasPassword) return good(what, "nothing is encrypted here, and no password is named");
  if (vault.opened > 0)
    return good(what, `${vault.names} opens what is encrypted here (${plural(vault.opened, "text")})`);
  const problem = await problemOf(async () => await vault.prepare(vault.writer));
  if (problem !== undefined) return lacking(what, problem.message, "Mend what it names.");
  return good(what, `${vault.names} is at hand; nothing is encrypted here`);
}

async function problemOf(work: () => Promise<unknown>): Promise<InputError | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}
