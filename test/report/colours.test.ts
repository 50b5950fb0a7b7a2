import { PassThrough } from "node:stream";
import { WriteStream } from "node:tty";
import { describe, expect, it } from "vitest";
import { terminalOf } from "../../src/report/colours.ts";

/** A stream that answers as a terminal of this process would. */
function terminal(columns = 80): NodeJS.WritableStream {
  const { hasColors, getColorDepth } = WriteStream.prototype;
  return Object.assign(new PassThrough(), { isTTY: true, columns, rows: 24, hasColors, getColorDepth });
}

const env = { TERM: "xterm-256color", LANG: "en_US.UTF-8" };

describe("what a terminal can show", () => {
  it("is colour, Unicode and a moving display on a modern one", () => {
    expect(terminalOf(terminal(132), env)).toEqual({
      interactive: true,
      colour: true,
      unicode: true,
      width: 132,
    });
  });

  it.each([{ NO_COLOR: "1" }, { CI: "true" }, { TERM: "dumb" }])("is no colour under %j", (more) => {
    expect(terminalOf(terminal(), { ...env, ...more }).colour).toBe(false);
  });

  it("is neither colour nor a moving display in a pipe", () => {
    expect(terminalOf(new PassThrough(), env)).toMatchObject({ interactive: false, colour: false });
  });

  it("is 80 columns where it says 0", () => {
    expect(terminalOf(terminal(0), env).width).toBe(80);
  });

  it.each([
    [{}, true],
    [{ LANG: "C.UTF-8" }, true],
    [{ LANG: "C" }, false],
    [{ LANG: "en_US.UTF-8", LC_ALL: "POSIX" }, false],
    [{ LANG: "en_US.UTF-8", TERM: "linux" }, false],
  ])("is Unicode under %j: %s", (locale, unicode) => {
    expect(terminalOf(terminal(), locale).unicode).toBe(unicode);
  });
});
