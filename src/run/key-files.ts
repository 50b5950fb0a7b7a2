import { constants } from "node:fs";
import { access, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { resolve } from "node:path";
import type { ConnectionVariables } from "../connection/settings.ts";
import { InputError } from "../lib/errors.ts";
import { unreadable } from "../lib/text-file.ts";
import type { RunOptions } from "./options.ts";

/** Reports named files that cannot be read before any host is reached. */
export async function checkKeyFiles(
  { host, privateKeyFile, knownHostsFile }: ConnectionVariables,
  options: RunOptions,
  cwd: string,
): Promise<void> {
  const named: [key: string, file: string | undefined][] = [
    [privateKeyName(privateKeyFile, host, options), privateKeyFile],
    ["--known-hosts", knownHostsFile],
  ];
  for (const [key, file] of named) {
    if (file === undefined) continue;
    try {
      const path = resolve(cwd, file.replace(/^~(?=\/)/, homedir()));
      await access(path, constants.R_OK);
      const found = await stat(path);
      if (found.isDirectory()) throw Object.assign(new Error(), { code: "EISDIR" });
      if (key === "--known-hosts" && !found.isFile()) {
        const message =
          "is not a regular file, so every host key would be forgotten: name a file that keeps them";
        throw new InputError({ place: { file }, key, message });
      }
    } catch (error) {
      if (error instanceof InputError) throw error;
      const { problems } = unreadable(error, file);
      throw new InputError(problems.map((problem) => ({ ...problem, key })));
    }
  }
}

function privateKeyName(
  file: string | undefined,
  host: string,
  { privateKey, settings }: RunOptions,
): string {
  if (file === privateKey) return "--private-key";
  return file === settings.privateKey ? "private_key_file" : `ansible_ssh_private_key_file of ${host}`;
}
