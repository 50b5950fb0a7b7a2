/**
 * The random word with which a script has the host frame its answer.
 * @throws where it has none: whatever the double answered, redkeep would say something else of it
 */
export function nonceIn(script: string): string {
  const nonce = wordOf(script);
  if (nonce === undefined) throw unknownScript(script);
  return nonce;
}

/** Whether a script asks for facts. Those of a transaction name its id. */
export function isProbe(script: string): boolean {
  return wordOf(script) !== undefined && !/^ID='/m.test(script);
}

export function unknownScript(script: string): Error {
  return new Error(`this double does not know the script. It begins:\n${script.slice(0, 500)}`);
}

function wordOf(script: string): string | undefined {
  return /^N=('?)([0-9a-f]+)\1$/m.exec(script)?.[2];
}
