import { X509Certificate } from "node:crypto";
import { InputError } from "../lib/errors.ts";
import { Secret } from "../lib/secret.ts";
import { bringAuthority } from "../state/bring-state.ts";
import type { State } from "../state/state.ts";
import { isKeyOf } from "./certificate.ts";
import { type KeyPair, makeAuthority } from "./issue.ts";

/** The CA that redkeep made and keeps; undefined where there is none yet. */
export async function readAuthority(state: State): Promise<KeyPair | undefined> {
  const [certificate, key] = [await state.read("pki/ca.crt"), await state.read("pki/ca.key")];
  if (certificate === undefined || key === undefined) return undefined;
  if (!belongTogether(certificate, key)) {
    throw new InputError({
      place: { file: `${state.directory}/pki/ca.key` },
      message: `is not the key of ca.crt beside it: ${bringAuthority(state)}`,
    });
  }
  return { certificate, key: new Secret(key) };
}

/** Makes and stores a CA. If another run has stored one meanwhile, that one stays, unless it is to be `replaced`. */
export function createAuthority(state: State, replaced: boolean): Promise<void> {
  return state.exclusively(async () => {
    if (!replaced) {
      if ((await readAuthority(state)) !== undefined) return;
      await refuseHalf(state);
    }
    const { certificate, key } = await makeAuthority();
    await state.write("pki/ca.key", key.reveal());
    await state.write("pki/ca.crt", certificate);
  });
}

/** Never overwrite a CA of which only one half is here: hosts and clients may trust it. */
async function refuseHalf(state: State): Promise<void> {
  const lacking = state.lacking(["pki/ca.crt", "pki/ca.key"]);
  if (lacking.length !== 1) return;
  throw new InputError({
    place: { file: `${state.directory}/${lacking[0]}` },
    message: `is not here, and its other half is: ${bringAuthority(state)}`,
  });
}

function belongTogether(certificate: string, key: string): boolean {
  try {
    return isKeyOf(new X509Certificate(certificate), key);
  } catch {
    return false;
  }
}
