import { createPrivateKey, X509Certificate } from "node:crypto";
import { InputError } from "../errors.ts";
import { Secret } from "../secret.ts";
import type { State } from "../state.ts";
import { type KeyPair, makeAuthority } from "./openssl.ts";

/** The CA that redkeep made and keeps; undefined where there is none yet. */
export async function readAuthority(state: State): Promise<KeyPair | undefined> {
  const [certificate, key] = [await state.read("pki/ca.crt"), await state.read("pki/ca.key")];
  if (certificate === undefined || key === undefined) return undefined;
  if (!belongTogether(certificate, key)) {
    throw new InputError({
      place: { file: `${state.directory}/pki/ca.key` },
      message: "is not the key of ca.crt beside it: bring back the pair, or replace it with --rotate ca",
    });
  }
  return { certificate, key: new Secret(key) };
}

/** Makes and stores a CA. Where another run was quicker, that one's is kept, unless it is to be `replaced`. */
export function createAuthority(state: State, replaced: boolean): Promise<void> {
  return state.exclusively(async () => {
    if (!replaced && (await readAuthority(state)) !== undefined) return;
    const { certificate, key } = await makeAuthority();
    await state.write("pki/ca.key", key.reveal());
    await state.write("pki/ca.crt", certificate);
  });
}

function belongTogether(certificate: string, key: string): boolean {
  try {
    return new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}
