/** The search for stray passwords, where users lay out what keeps grep from the places of others. */
import { execFileSync } from "node:child_process";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SaidTexts, SeenTexts } from "../../src/facts/fact.ts";
import { takeApart } from "../../src/facts/probe.ts";
import { NOTHING_ASKED } from "../../src/facts/probe-input.ts";
import { readingFunctions } from "../../src/facts/reading.ts";
import { ServerLogin } from "../../src/facts/server-login.ts";
import { systemFact } from "../../src/facts/system.ts";
import { Secret } from "../../src/lib/secret.ts";
import { temporaryDirectory } from "../connection/support/server.ts";
import { NONCE } from "../support/facts.ts";

const PASSWORD = "Nobody-else-types-this-4711";
const input = { ...NOTHING_ASKED, login: ServerLogin.operator("admin", new Secret(PASSWORD)) };

/** What is found in the homes of two users: the first lays out what the test says, the second has typed the password or not. */
function search(
  layOut: (home: string) => void,
  typed: string,
): { found: readonly string[] | undefined; of: string } {
  using directory = temporaryDirectory();
  const [first, second] = ["a", "b"].map((name) => join(directory.path, name)) as [string, string];
  mkdirSync(first);
  mkdirSync(second);
  layOut(first);
  writeFileSync(join(second, ".bash_history"), typed);
  const script = systemFact.script(input).replaceAll("/home/", `${directory.path}/`);
  const whole = `set -u; N=${NONCE}\n${readingFunctions()}\nconf_get() { VALUE=; }; BIN= PID=0\n${script}\nsection end`;
  // As an argument of the shell's it would hold the password among the machine's own processes.
  writeFileSync(join(directory.path, "probe"), whole);
  const env = { PATH: process.env.PATH, LC_ALL: "C" };
  const { seen } = takeApart(
    execFileSync("sh", [join(directory.path, "probe")], { env, stdio: "pipe" }),
    NONCE,
  );
  const found = systemFact.parse({ seen, said: new SaidTexts() }, input).openSecrets;
  return { found, of: join(second, ".bash_history") };
}

const TYPED = `redis-cli\nAUTH ${PASSWORD}\n`;

describe("a password that a user typed", () => {
  it.each<[string, (home: string) => void]>([
    ["nothing", () => undefined],
    ["a FIFO", (home) => void execFileSync("mkfifo", [join(home, ".a_history")])],
    [
      "a file of holes",
      (home) => {
        writeFileSync(join(home, ".a_history"), "");
        truncateSync(join(home, ".a_history"), 2 ** 42);
      },
    ],
    [
      "a line that is too long for grep",
      (home) => writeFileSync(join(home, ".a_history"), Buffer.alloc(300 << 20, "a")),
    ],
  ])("is found behind %s of another user's", (_, layOut) => {
    const { found, of } = search(layOut, TYPED);
    expect(found).toEqual([of]);
  });

  it("is unknown where the search did not come to its end: no file is said to be free of it", () => {
    const layOut = (home: string) => writeFileSync(join(home, ".a_history"), Buffer.alloc(300 << 20, "a"));
    expect(search(layOut, "").found).toBeUndefined();
    expect(search(() => undefined, "").found).toEqual([]);
  });

  it("is found in the places that arrived, where the answer was cut off", () => {
    const cut = new SeenTexts(new Map([["open-secrets", "/home/a/.bash_history\n"]]));
    expect(systemFact.parse({ seen: cut, said: new SaidTexts() }, input).openSecrets).toEqual([
      "/home/a/.bash_history",
    ]);
  });
});
