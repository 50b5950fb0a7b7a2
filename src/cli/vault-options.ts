import type { Command, Option } from "commander";
import type { Environment } from "../run/options.ts";
import { type VaultConfig, vaultSettings } from "../vault/identities.ts";
import { Vault } from "../vault/vault.ts";
import { askSecret, showTyping } from "./ask-secret.ts";
import { addGroup, collect, option, type Raw } from "./options.ts";

/** The options of every command that reads an inventory or the state: Ansible's names. */
export function addVaultOptions(command: Command): void {
  const options: Option[] = [
    option(
      "--vault-password-file <file>",
      "the vault's password, or a program that prints it; ID@FILE; may be repeated",
    ).argParser(collect),
    option("--vault-id <id>", "ID@FILE or ID@prompt; may be repeated").argParser(collect),
    option("-J, --ask-vault-pass", "ask for the vault's password"),
  ];
  addGroup(command, "Ansible Vault:", options);
}

/** These options as they were given. */
export function vaultArguments(raw: Raw): string[] {
  const pairs = (flag: string, values: unknown) =>
    ((values as string[] | undefined) ?? []).flatMap((value) => [flag, value]);
  return [
    ...pairs("--vault-id", raw.vaultId),
    ...pairs("--vault-password-file", raw.vaultPasswordFile),
    ...(raw.askVaultPass === true ? ["--ask-vault-pass"] : []),
  ];
}

/** The options of `state rekey`: Ansible's names, too. */
export function addNewVaultOptions(command: Command): void {
  addGroup(command, "Ansible Vault:", [
    option(
      "--new-vault-password-file <file>",
      "rekey: the new password, or a program that prints it",
    ).argParser(collect),
    option("--new-vault-id <id>", "rekey: the same with an id, ID@FILE or ID@prompt").argParser(collect),
  ]);
}

/** The passwords of those options. */
export function newVaultOf(raw: Raw, environment: Environment): Vault {
  const { newVaultId, newVaultPasswordFile } = raw;
  // Nothing of Ansible's settings: they have the old password.
  return vaultOf({ vaultId: newVaultId, vaultPasswordFile: newVaultPasswordFile }, environment);
}

/**
 * The passwords for vaults that the command line and `config`, Ansible's settings, name. They are fetched when a vault needs them.
 * @throws InputError where a file is not there
 */
export function vaultOf(raw: Raw, environment: Environment, config?: VaultConfig): Vault {
  const { env, cwd, interrupted } = environment;
  const list = (name: string) => (raw[name] as string[] | undefined) ?? [];
  const given = {
    ids: list("vaultId"),
    passwordFiles: list("vaultPasswordFile"),
    ask: raw.askVaultPass === true,
  };
  return new Vault(vaultSettings(given, { cwd, env }, config), {
    env,
    interrupted,
    ask: async (question, flag) => {
      const answer = await askSecret(question, flag, environment);
      showTyping(environment);
      return answer;
    },
  });
}
