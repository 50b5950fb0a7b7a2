/** What `make` gives; undefined where it throws: for readers that have no other way to say that they cannot read a text. */
export function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
