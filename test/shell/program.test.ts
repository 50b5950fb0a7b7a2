import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { forTheHost, shellProgram } from "../../src/shell/program.ts";
import { shellAssignments, shellQuote } from "../../src/shell/quote.ts";

const folder = join(import.meta.dirname, "../../src/shell");
const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
  name.endsWith(".sh"),
);
const textOf = (name: string) => readFileSync(join(folder, name), "utf8");
const programs = files.filter((name) => textOf(name).startsWith("#!"));

const source = join(folder, "..");

/** The TypeScript files of src that hold something, by their paths in there. */
function sourcesWith(part: RegExp): string[] {
  return readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && part.test(readFileSync(join(source, name), "utf8")))
    .toSorted();
}

/** As bash prints the commands of a program back: without comments, and with its own room. */
function commandsOf(text: string): string {
  const script = `whole() {\n${text}\n}; declare -f whole`;
  const printed = execFileSync("bash", ["--posix", "-s"], { input: script, encoding: "utf8" });
  return printed.replaceAll(/^ +/gm, "");
}

describe("a file of shell for hosts", () => {
  it.each(files)("%s loses nothing but comments and blanks on its way to the host", (name) => {
    expect(commandsOf(forTheHost(textOf(name)))).toBe(commandsOf(textOf(name)));
  });

  it("is a program or part of a program", () => {
    const named = programs.flatMap(partsOf);
    for (const name of files) expect([...programs, ...named], name).toContain(name);
  });
});

/** The files that a program names, and those that they name. */
function partsOf(name: string): string[] {
  const parts = [...textOf(name).matchAll(/^ *\. \.\/(\S+\.sh)$/gm)].map(([, part = ""]) => part);
  return parts.flatMap((part) => [part, ...partsOf(part)]);
}

describe("a program for hosts", () => {
  it.each(programs)("%s is whole: it reads no other file on the host", (name) => {
    const text = shellProgram(name);
    execFileSync("sh", ["-n"], { input: text });
    expect(text).not.toMatch(/^ *\. \.\//m);
  });

  it("gets lists with one entry a line, and refuses an entry with a line break", () => {
    const assignment = shellAssignments({ LIST: ["a b", "it's", ""], COUNT: 3 });
    const shown = execFileSync("sh", ["-c", `${assignment}printf '%s|%s' "$LIST" "$COUNT"`], {
      encoding: "utf8",
    });
    expect(shown).toBe("a b\nit's\n|3");
    expect(() => shellAssignments({ LIST: ["a\nb"] })).toThrow("line break");
  });

  it("tells no program that it runs what it was told, whatever the login's environment has", () => {
    const part = "env | grep -c '^\\(N\\|PASSWORD\\)='\n";
    for (const name of ["probe.sh", "probe/system.sh"]) {
      const told = shellProgram(name, { N: "nonce", PASSWORD: "secret" });
      const ahead = told.slice(0, told.length - shellProgram(name).length);
      const count = execFileSync("sh", ["-c", `${ahead}${part}true`], {
        encoding: "utf8",
        env: { PATH: process.env.PATH, N: "x", PASSWORD: "x" },
      });
      expect(count.trim()).toBe("0");
    }
  });

  it("gets values through one quoter alone", () => {
    // What stands for a quote within quotes: secrets are looked for in that form, too.
    expect(sourcesWith(/'\\\\''/)).toEqual(["lib/secret.ts", "shell/quote.ts"]);
    expect(shellQuote("it's")).toBe(`'it'\\''s'`);
  });

  it("stands in no string of TypeScript, where ShellCheck would not read it", () => {
    // What a shell completes is a text that redkeep prints.
    const shell = /\besac\b|>&[12]|[<>] ?\/dev\/null|\bexec [\d"$]/;
    expect(sourcesWith(shell).filter((name) => !name.startsWith("cli/completion/"))).toEqual([]);
  });
});
