import type { VaultText } from "../lib/yaml-node.ts";
import type { Vault } from "./vault.ts";

/** Something is about to use a `!vault` value that is still closed: `unlocking` opens it, and does the work again. */
export class Locked extends Error {
  override readonly name = "Locked";
  readonly value: VaultText;
  /** The variable, for messages. */
  readonly key: string;

  constructor(value: VaultText, key: string) {
    super(`the !vault value of ${key} was used outside of unlocking()`);
    this.value = value;
    this.key = key;
  }
}

/** @throws Locked where the value was not opened yet */
export function needOpened(value: VaultText, key: string): void {
  if (value.opened === undefined) throw new Locked(value, key);
}

/**
 * Does `work` on variables, and opens only the `!vault` values that the work uses: nobody is asked for the password of
 * another one. Where the work meets a closed value, it begins again once that value is open.
 *
 * @throws InputError also for a value that cannot be opened
 */
export async function unlocking<T>(vault: Vault, work: () => T | Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Locked)) throw error;
      const { value, key } = error;
      // Several hosts share a value: another one may have opened it meanwhile.
      if (value.opened === undefined)
        value.open((await vault.open({ text: value.text, place: value.place, key })).text);
    }
  }
}
