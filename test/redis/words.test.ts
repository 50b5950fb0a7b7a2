import { describe, expect, it } from "vitest";
import { joinWords, splitWords } from "../../src/redis/words.ts";

describe("splitWords", () => {
  it.each([
    ["maxmemory 512mb", ["maxmemory", "512mb"]],
    ["\tmaxmemory\t\t512mb \r", ["maxmemory", "512mb"]],
    ['requirepass "a b"', ["requirepass", "a b"]],
    ['save ""', ["save", ""]],
    [String.raw`x "a\"b\\c\n\r\t\b\a\x41\q"`, ["x", 'a"b\\c\n\r\t\b\x07Aq']],
    [String.raw`x "\xc3\xa9"`, ["x", "é"]],
    [String.raw`x 'it\'s "so" \n'`, ["x", `it's "so" \\n`]],
    ['x a"b c"', ["x", "ab c"]],
    ["x a\\b", ["x", "a\\b"]],
    ["x ä\u00a0ö 😀", ["x", "ä\u00a0ö", "😀"]],
    ['x "😀"', ["x", "😀"]],
    ["\f\vx a\fb \fc", ["x", "a\fb", "c"]],
    ['x "a"\fb', ["x", "a", "b"]],
    ["", []],
  ])("reads %j as Redis does", (line, words) => {
    expect(splitWords(line)).toEqual(words);
  });

  it.each(['x "a', "x 'a", 'x "a"b', `x 'a'b`, 'x "a\\"', 'x "\\'])("refuses the quotes of %j", (line) => {
    expect(splitWords(line)).toBeUndefined();
  });
});

describe("joinWords", () => {
  it.each([
    ["maxmemory", ["512mb"], "maxmemory 512mb"],
    ["save", [""], 'save ""'],
    ["tls-protocols", ["TLSv1.2 TLSv1.3"], 'tls-protocols "TLSv1.2 TLSv1.3"'],
    ["requirepass", [`a"b\\c'd`], String.raw`requirepass "a\"b\\c'd"`],
    ["dir", ["a\\b"], "dir a\\b"],
    ["x", ["\t\x1b"], String.raw`x "\t\x1b"`],
  ])("%s %j", (name, args, line) => {
    expect(joinWords(name, args)).toBe(line);
    expect(splitWords(line)).toEqual([name, ...args]);
  });

  it.each(["a\nrequirepass evil", "a\rb", "a\0b"])("refuses %j, which holds a line break or NUL", (value) => {
    expect(() => joinWords("dir", [value])).toThrow(/^dir: should be one line/);
  });
});
