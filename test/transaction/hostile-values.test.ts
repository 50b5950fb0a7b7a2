import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, vi } from "vitest";
import { ZodError } from "zod";
import {
  ACCEPTED,
  assertData,
  compile,
  compileParameter,
  namesOf,
  nobody,
  PARAMETERS,
  stock,
  users,
} from "../../measure/faults/hostile/compiled.ts";
import { hostileTexts } from "../../measure/faults/hostile/draw.ts";
import type { HostFacts } from "../../src/facts/probe.ts";
import { InputError } from "../../src/lib/errors.ts";
import { Secret } from "../../src/lib/secret.ts";
import { splitWords } from "../../src/redis/words.ts";
import type { Login } from "../../src/transaction/login-file.ts";
import { hostWith } from "../support/host-facts.ts";
import { planTask } from "../support/run-task.ts";

// Thousands of values that would be code if they were ever read as such. Each is refused, or arrives as data: what is
// compiled has the lines that a harmless value gives, and no other.

vi.setConfig({ testTimeout: 120_000 });

const folder = mkdtempSync(join(tmpdir(), "redkeep-hostile-"));
const canary = join(folder, "canary");
afterAll(() => rmSync(folder, { recursive: true }));

const values = (count: number, seed: number) => hostileTexts(canary, count, seed);

describe("a playbook's parameter as", () => {
  it.each(PARAMETERS)("%s of %s is refused or arrives as data", (...parameter) => {
    const [place, task] = parameter;
    for (const value of values(150, place.length * 7919 + task.length)) {
      try {
        compileParameter(parameter, value);
      } catch (error) {
        if (error instanceof ZodError || error instanceof InputError) continue;
        throw new Error(`${JSON.stringify(value)}: ${error instanceof Error ? error.message : error}`);
      }
    }
  });
});

describe("a password", () => {
  it("is refused or arrives as data, and in the ACL file only as a hash", () => {
    const allowed = namesOf(stock, planTask("acl", users({}), stock));
    for (const value of values(150, 4)) {
      const secret = new Secret(value);
      try {
        const passwords = new Map([
          ["app", secret],
          ["admin", secret],
        ] as const);
        const plan = planTask("acl", users({}), stock, { passwords, accepted: ACCEPTED });
        if (plan.refusals.length > 0) continue;
        const login: Login = {
          endpoint: nobody.endpoint,
          auth: { user: "admin", password: secret },
          isKnown: true,
        };
        assertData(stock, plan, allowed, login);
        const auth = compile(stock, plan, login).parts.get("login.new")?.split("\n")[1] ?? "";
        if (value.isWellFormed()) expect(splitWords(auth)).toEqual(["AUTH", "admin", value]);
      } catch (error) {
        if (!(error instanceof InputError)) throw new Error(`${JSON.stringify(value)}: ${String(error)}`);
      }
    }
  });
});

const FACTS: readonly [place: string, facts: (value: string) => HostFacts][] = [
  ["the unit's invocation", (value) => hostWith({ properties: { InvocationID: value } })],
  ["the server's program", (value) => hostWith({ service: { binary: value || "x" } })],
  [
    "the log file",
    (value) => hostWith({ files: { logFile: `/${value}` }, paths: { [`/${value}`]: "file 0660 redis:adm" } }),
  ],
  ["a save point", (value) => hostWith({ running: { save: value } })],
  ["the AOF switch", (value) => hostWith({ running: { appendonly: value } })],
  ["the client's program", (value) => hostWith({ service: { client: value || "x" } })],
];

describe("a fact as", () => {
  it.each(FACTS)("%s arrives as data in the shell's assignments", (_, factsWith) => {
    const harmless = planTask("limits", { nofile: 70_000 }, stock);
    const allowed = namesOf(stock, harmless);
    let compiled = 0;
    for (const [index, value] of values(80, 11).entries()) {
      const facts = factsWith(value);
      try {
        const accepted = ["persistence-differs", "last-save-failed", "stop-timeout"];
        const plan = planTask("limits", { nofile: 70_000 }, facts, { accepted });
        if (plan.refusals.length > 0) continue;
        assertData(facts, plan, allowed);
        compiled++;
        if (index % 20 === 0) {
          const env = join(folder, "env");
          writeFileSync(env, compile(facts, plan).parts.get("env") ?? "");
          execFileSync("sh", ["-uc", `. "${env}"`], { cwd: folder, stdio: "ignore" });
        }
      } catch (error) {
        // No shell can keep a NUL, and no host can send one in a variable.
        if (value.includes("\0") && error instanceof TypeError) continue;
        throw new Error(`${JSON.stringify(value)}: ${error instanceof Error ? error.message : error}`);
      }
    }
    expect(compiled).toBeGreaterThan(0);
    expect(existsSync(canary)).toBe(false);
  });
});
