import { execFile } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { beforeAll, describe, expect, it } from "vitest";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";

const run = promisify(execFile);
const made = perTest();
const TERMINAL = join(import.meta.dirname, "terminal.py");

const scripts: Record<string, string> = {};
beforeAll(async () => {
  for (const shell of ["bash", "zsh", "fish"]) {
    const { exitCode, stdout } = await redkeep(["completion", shell], { cwd: "/" });
    expect(exitCode).toBe(0);
    scripts[shell] = stdout;
  }
});

/** Makes Ctrl-X show the line as it is then, between marks. */
const SHOW = {
  bash: String.raw`bind -x '"\C-x": printf "\n<<%s>>\n" "$READLINE_LINE"'`,
  zsh: `show() { print -r -- "<<$BUFFER>>" }; zle -N show; bindkey '^X' show`,
};
const START = {
  bash: ["bash", "--noprofile", "--norc", "-i"],
  zsh: ["zsh", "-f", "-i"],
};
const SET_UP = {
  bash: `PS1='$ '; bind 'set bell-style none'; bind 'set enable-bracketed-paste off'`,
  zsh: `PS1='$ '; unsetopt beep list_beep; autoload -Uz compinit; compinit -u -D`,
};

/** What a line becomes when somebody types it, and then Tab, in a real shell at a terminal. */
async function completed(shell: "bash" | "zsh", line: string): Promise<string> {
  const { directory } = made;
  directory.write("complete", scripts[shell] ?? "");
  directory.write("redis.conf", "");
  mkdirSync(join(directory.path, "states"), { recursive: true });
  const steps = [
    ["type", `${SET_UP[shell]}; . ./complete; ${SHOW[shell]}; echo REA''DY\r`],
    ["await", "READY"],
    ["await", "$ "],
    ["type", `${line}\t\x18`],
    ["await", "<<"],
    ["await", ">>"],
    // Ctrl-U takes the line away.
    ["type", "\x15exit\r"],
  ];
  const { stdout } = await run("python3", [TERMINAL, JSON.stringify(steps), ...START[shell]], {
    cwd: directory.path,
    env: { PATH: process.env.PATH, HOME: directory.path, TERM: "dumb", PS1: "$ " },
  });
  const { shown }: { shown: string } = JSON.parse(stdout);
  return /<<(.*?)>>/.exec(shown.slice(shown.lastIndexOf("READY")))?.[1] ?? shown;
}

const LINES: [situation: string, typed: string, line: string][] = [
  ["a command", "redkeep verif", "redkeep verify "],
  ["a command that another begins with too", "redkeep pl", "redkeep plan "],
  ["an option", "redkeep plan --inv", "redkeep plan --inventory "],
  ["an option of that command alone", "redkeep lint --ig", "redkeep lint --ignore "],
  ["a value that is one of few", "redkeep rollback --to or", "redkeep rollback --to original "],
  ["a guard", "redkeep plan --accept memory", "redkeep plan --accept memory-only-users "],
  ["a control", "redkeep controls RK-TLS-10", "redkeep controls RK-TLS-10 "],
  ["a file", "redkeep lint redis.c", "redkeep lint redis.conf "],
  ["a file behind an option", "redkeep plan -i redis.c", "redkeep plan -i redis.conf "],
  ["a folder", "redkeep plan --state st", "redkeep plan --state states/"],
  ["a topic of help", "redkeep help req", "redkeep help requirements "],
  ["a shell", "redkeep completion fi", "redkeep completion fish "],
];

describe.each(["bash", "zsh"] as const)("%s", (shell) => {
  it.each(LINES)("completes %s", async (_, typed, line) => {
    expect(await completed(shell, typed)).toBe(line);
  });

  it("offers no file where a value is none", async () => {
    expect(await completed(shell, "redkeep plan --user redis.c")).toBe("redkeep plan --user redis.c");
  });
});

describe("bash", () => {
  it("completes the value of --option=value", async () => {
    expect(await completed("bash", "redkeep rollback --to=or")).toBe("redkeep rollback --to=original ");
  });
});

describe("fish", () => {
  it.each(LINES)("completes %s", async (_, typed, line) => {
    const { directory } = made;
    directory.write("complete", scripts.fish ?? "");
    directory.write("redis.conf", "");
    mkdirSync(join(directory.path, "states"), { recursive: true });
    const { stdout } = await run("fish", ["--no-config", "-c", `source complete; complete -C '${typed}'`], {
      cwd: directory.path,
      env: { PATH: process.env.PATH, HOME: directory.path },
    });
    const words = stdout
      .split("\n")
      .map((row) => row.split("\t")[0])
      .filter(Boolean);
    expect(words).toEqual([line.trim().split(" ").at(-1)]);
  });
});

it("a shell that redkeep has no completion for is refused", async () => {
  const { exitCode, stderr } = await redkeep(["completion", "csh"], { cwd: "/" });
  expect(exitCode).toBe(1);
  expect(stderr).toContain("Allowed choices are bash, zsh, fish");
});
