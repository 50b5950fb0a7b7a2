import { InputError } from "../lib/errors.ts";
import { printable } from "../lib/printable.ts";
import { dayOf, endOf } from "../pki/certificate.ts";
import type { Environment } from "../run/options.ts";
import { State } from "../state/state.ts";
import type { Vault } from "../vault/vault.ts";

export interface StateCommandOptions {
  action: "show" | "encrypt" | "decrypt" | "rekey";
  /** Undefined where the state lies in the current folder, or where `state` says. */
  inventory: string | undefined;
  state: string | undefined;
  vault: Vault;
  /** The passwords that `rekey` encrypts with. */
  newVault: Vault;
}

/** Tells what the controller's state holds, or moves it between plain and encrypted; reaches no host. */
export async function state(options: StateCommandOptions, { cwd, stdout }: Environment): Promise<number> {
  const { action, vault, newVault } = options;
  const found = await State.find(options.state, options.inventory, cwd, vault);
  if (found.secretFiles.length === 0)
    throw new InputError({
      place: { file: found.directory },
      message: "has no secrets: the first apply makes them. Name another by -i or --state",
    });
  if (action !== "rekey" && newVault.hasPassword)
    throw new InputError({ key: "--new-vault-password-file", message: "is for redkeep state rekey" });
  switch (action) {
    case "show":
      stdout.write(await described(found, vault));
      return 0;
    case "encrypt":
      stdout.write(await encrypt(found, vault));
      return 0;
    case "decrypt":
      stdout.write(await decrypt(found));
      return 0;
    case "rekey":
      stdout.write(await rekey(found, newVault));
      return 0;
  }
}

async function encrypt(found: State, vault: Vault): Promise<string> {
  const plain = found.secretFiles.filter(({ id }) => id === undefined);
  if (plain.length === 0)
    return `${printable(found.name)} is encrypted already: rekey gives it another password.\n`;
  // Where some are encrypted, all get the password of those.
  const identity = (await found.sealedBy()) ?? vault.writer;
  await found.convert({ vault, identity });
  return `Encrypted ${count(found)} of ${printable(found.name)} with the password of vault id ${identity.id}.
Commit them: git add ${printable(found.name)}. What must stay out (records, the lock) is in its .gitignore.
Whoever works with this state needs the password from now on, such as in ANSIBLE_VAULT_PASSWORD_FILE.
`;
}

async function decrypt(found: State): Promise<string> {
  if (found.isEncrypted !== true) return `${printable(found.name)} is plain already.\n`;
  await found.convert("plain");
  return `Decrypted ${count(found)} of ${printable(found.name)}: they are plain, for you alone, and its .gitignore leaves them out.
Files that git has already stay in it until you say: git rm -r --cached ${printable(found.name)}
`;
}

async function rekey(found: State, newVault: Vault): Promise<string> {
  if (found.isEncrypted !== true)
    throw new InputError({
      place: { file: found.directory },
      message: "is plain: redkeep state encrypt gives it a password",
    });
  if (!newVault.hasPassword)
    throw new InputError({
      key: "--new-vault-password-file",
      message:
        "is needed: the new password, or a program that prints it. --new-vault-id ID@prompt asks for it",
    });
  const identity = newVault.writer;
  await found.convert({ vault: newVault, identity });
  return `Encrypted ${count(found)} of ${printable(found.name)} anew, with the password of vault id ${identity.id}.
Commit them, and give the new password to the others and to the CI job: the old one opens nothing of this state any more.
Files that ansible-vault encrypted, such as group_vars, still have the password that they had: ansible-vault rekey FILE.
Older commits still open with the old password. If that has leaked, replace the secrets too: redkeep apply --rotate NAME.
`;
}

function count({ secretFiles }: State): string {
  return secretFiles.length === 1 ? "1 file" : `${secretFiles.length} files`;
}

/** What is there, encrypted or plain, and who has what; no secret. */
async function described(found: State, vault: Vault): Promise<string> {
  const lines: [string, string][] = [["State", printable(found.directory)]];
  const ids = [...new Set(found.secretFiles.map(({ id }) => id))];
  const kind = (id: string | undefined) => (id === undefined ? "plain" : `encrypted, vault id ${id}`);
  lines.push(["Secrets", ids.map(kind).join("; ")]);
  for (const { name, id } of found.secretFiles) lines.push(["", `${printable(name)}: ${kind(id)}`]);
  if (found.isEncrypted === true && !vault.hasPassword)
    lines.push(["Inside", "give the vault's password to see who has what"]);
  else lines.push(...(await insides(found)));
  const width = Math.max(...lines.map(([title]) => title.length));
  return lines.map(([title, text]) => `${title.padEnd(width)}  ${text}\n`).join("");
}

async function insides(found: State): Promise<[string, string][]> {
  await found.readSecrets();
  const users = found.users().toSorted();
  const lines: [string, string][] = [
    [
      "Generation",
      found.generation === undefined
        ? "none yet: the next secret begins to count"
        : `${found.generation.number}`,
    ],
  ];
  if (users.length > 0)
    lines.push([
      "Passwords",
      `${users.map((name) => printable(name)).join(", ")}: ${users.length > 1 ? "each " : ""}the same on all servers`,
    ]);
  for (const user of found.serverUsers().toSorted()) {
    const { names, previous } = found.serverKey(user) ?? { names: new Set(), previous: [] };
    const earlier = previous.length === 0 ? "" : `, ${previous.length} earlier`;
    lines.push(["", `${printable(user)}: one for each server, in use on ${names.size}${earlier}`]);
  }
  const ca = await found.read("pki/ca.crt");
  if (ca !== undefined) lines.push(["CA", endText(ca)]);
  const clients = (await found.list("pki/clients")).filter((name) => name.endsWith(".crt")).toSorted();
  for (const [index, name] of clients.entries())
    lines.push([
      index === 0 ? "Clients" : "",
      `${printable(name.slice(0, -4))}: ${endText((await found.read(`pki/clients/${name}`)) ?? "")}`,
    ]);
  return lines;
}

function endText(pem: string): string {
  const end = endOf(pem);
  return end === undefined ? "no certificate that can be read" : `certificate until ${dayOf(end)}`;
}
