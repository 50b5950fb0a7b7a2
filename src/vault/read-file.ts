import { behindMark, markRefused, readTextFile } from "../lib/text-file.ts";
import { isVault } from "./envelope.ts";
import type { Vault } from "./vault.ts";

/** The text of a file, decrypted where the file is encrypted. */
export interface VaultedText {
  text: string;
  fromVault: boolean;
}

/** Reads a text file, and opens it where it is encrypted. @throws InputError also where it cannot be opened */
export async function readVaulted(
  path: string,
  file: string,
  vault: Vault,
  maxBytes?: number,
): Promise<VaultedText> {
  const text = await readMaybeVaulted(path, file, maxBytes);
  if (!isVault(text)) return { text, fromVault: false };
  return { text: (await vault.open({ text, place: { file } })).text, fromVault: true };
}

/** Reads a text file that may be encrypted, as it stands. @throws InputError also where Ansible does not see that it is */
export async function readMaybeVaulted(path: string, file: string, maxBytes?: number): Promise<string> {
  const text = await readTextFile(path, file, {
    keepsMark: true,
    ...(maxBytes === undefined ? {} : { maxBytes }),
  });
  if (isVault(behindMark(text) ?? ""))
    throw markRefused(file, "so that Ansible does not see that it is encrypted");
  return text;
}
