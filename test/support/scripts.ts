/** The random word with which a script has the host frame its answer; empty for a script that asks for none. */
export function nonceIn(script: string): string {
  return /^N='?([0-9a-f]+)'?$/m.exec(script)?.[1] ?? "";
}

/** Whether a script asks for facts. Those of a transaction name its id. */
export function isProbe(script: string): boolean {
  return nonceIn(script) !== "" && !/^ID='/m.test(script);
}
