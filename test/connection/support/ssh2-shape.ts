/** Has a method of ssh2 take its arguments in another way, as another version's might; until it is disposed of. */
export function changeShape(
  prototype: Record<string, (...words: unknown[]) => unknown>,
  name: string,
): Disposable {
  const original = prototype[name];
  if (original === undefined) throw new Error(`ssh2 has no ${name}`);
  prototype[name] = function (this: unknown, ...words: unknown[]) {
    return original.apply(this, words);
  };
  return {
    [Symbol.dispose]() {
      prototype[name] = original;
    },
  };
}
