import { readTextFile } from "../lib/text-file.ts";
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
  const text = await readTextFile(path, file, maxBytes);
  if (!isVault(text)) return { text, fromVault: false };
  return { text: (await vault.open({ text, place: { file } })).text, fromVault: true };
}
