import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { shellQuote } from "../../src/shell/quote.ts";

const HOSTILE = [
  "",
  " ",
  "'",
  "''",
  "a'b",
  '"',
  "\\",
  "\\'",
  "$HOME",
  "$(id)",
  "`id`",
  "a;b|c&d>e<f",
  "!!",
  "#x",
  "~",
  "*",
  "{a,b}",
  "-n",
  "--",
  "a\nb",
  "\n",
  "\r",
  "\t",
  "if",
  "é🦊",
  "\u0001\u007f",
  "%s",
];

/** Words from the characters that shells give a meaning, by a fixed generator: a failure can be run again. */
function randomWords(count: number): string[] {
  const alphabet = [..."'\"\\$`!#~*?[](){}<>|&; \n\t=-a"];
  let seed = 42;
  const random = (below: number) => {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff;
    return seed % below;
  };
  return Array.from({ length: count }, () =>
    Array.from({ length: random(12) }, () => alphabet[random(alphabet.length)]).join(""),
  );
}

it("shellQuote gives a shell every word unchanged", () => {
  const words = [...HOSTILE, ...randomWords(2_000)];
  const output = execFileSync("/bin/sh", ["-s"], {
    input: `printf '%s\\0' ${words.map(shellQuote).join(" ")}`,
    encoding: "utf8",
  });
  expect(output.split("\0").slice(0, -1)).toEqual(words);
});

it("shellQuote refuses NUL, which would cut the word short", () => {
  expect(() => shellQuote("a\0b")).toThrow("NUL");
});
