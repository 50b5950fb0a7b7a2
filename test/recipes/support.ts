import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { load, loadAll } from "js-yaml";
import type { z } from "zod";
import type { RunRecord } from "../../src/record/record.ts";
import { type TestServer, temporaryDirectory, userKey } from "../connection/support/server.ts";
import { startActingHost } from "../support/acting-host.ts";
import { PROGRAM } from "../support/cli.ts";
import { editedAnswer, type SectionEdits, withRunning } from "../support/facts.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

/*
 * Recipes are tried as far as that goes without the service that they are for: their own shell lines run here as real
 * processes with the variables that the service would set, and what it does between jobs (artifacts, caches, volumes) is
 * done by copying the very folders that the recipe names.
 */

const repository = resolve(import.meta.dirname, "../..");

export function recipeText(file: string): string {
  return readFileSync(join(repository, "recipes", file), "utf8");
}

export function recipe<T>(file: string, schema: z.ZodType<T>): T {
  return schema.parse(load(recipeText(file)));
}

export function recipeDocuments<T>(file: string, schema: z.ZodType<T>): T[] {
  return loadAll(recipeText(file)).map((document) => schema.parse(document));
}

/** Every file of the recipes, from their folder. */
export function recipeFiles(): string[] {
  return readdirSync(join(repository, "recipes"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(repository, "recipes/").length));
}

/** A folder of its own, as a job has one. */
export interface Workspace {
  path: string;
  /** Writes a file, with its folders, and gives its path. */
  write(name: string, content: string, mode?: number): string;
}

export interface Fleet extends AsyncDisposable {
  /** A clone of the user's repository: inventory, playbook, host keys, the encrypted state and the program. */
  checkout(): Workspace;
  /** What the service's secret store holds. */
  secrets: { key: string; vaultPassword: string };
  hosts: readonly string[];
  /** Gives each server the bound on its memory that the playbook asks for, and that all of them lack. */
  mend(): void;
  /** Switches a host off for good. */
  stop(host: string): Promise<void>;
}

/** What the repository's redkeep is: a package that `npm ci` links, whose program is this checkout's. */
const PACKAGE = { version: "0.1.0", bin: { redkeep: "redkeep.sh" } };
const LOCK = {
  name: "fleet",
  lockfileVersion: 3,
  packages: {
    "": { name: "fleet", dependencies: { redkeep: "file:redkeep" } },
    "node_modules/redkeep": { resolved: "redkeep", link: true },
    redkeep: PACKAGE,
  },
};
const LIMITS = {
  recorded: "{ maxmemory: 512mb, lazyfree: false }",
  acting: "{ maxmemory: 512mb, maxclients: 9000, nofile: 64 }",
};
const VAULT_PASSWORD = "vault-password-of-the-team";

/**
 * Six hosts on loopback, each with one control that fails and one that is waived; or such that can be changed.
 *
 * @param more files of the repository beside what every fleet has.
 */
export async function startFleet(
  kind: "recorded" | "acting" = "recorded",
  more: Record<string, string> = {},
): Promise<Fleet> {
  const stack = new AsyncDisposableStack();
  const hosts = Array.from({ length: 6 }, (_, index) => `redis-0${index + 1}`);
  const started: TestServer[] = [];
  let edits: SectionEdits = {};
  for (const _ of hosts)
    started.push(
      stack.use(
        await (kind === "acting"
          ? startActingHost()
          : startRecordedHost("stock", () => editedAnswer("stock", edits))),
      ),
    );
  const lines = hosts.map(
    (host, index) =>
      `    ${host}: { ansible_host: 127.0.0.1, ansible_port: ${started[index]?.port}, ansible_user: root, ansible_timeout: 300 }\n`,
  );
  const repository = workspaceIn(stack.use(temporaryDirectory()).path);
  const files = {
    "package.json": JSON.stringify(LOCK.packages[""]),
    "package-lock.json": JSON.stringify(LOCK),
    "redkeep/package.json": JSON.stringify({ name: "redkeep", ...PACKAGE }),
    ".gitignore": "node_modules/\n",
    "inventory/hosts.yml": `all:\n  hosts:\n${lines.join("")}`,
    "inventory/known_hosts": started
      .map(({ port, hostKey }) => `[127.0.0.1]:${port} ${hostKey.public}\n`)
      .join(""),
    "inventory/.redkeep/secrets.yml": "passwords: { app: generated-password-of-app }\n",
    "playbooks/harden.yml": `- hosts: all\n  tasks:\n    - limits: ${LIMITS[kind]}\n`,
    "inventory/waivers.yml":
      "- { control: RK-ACL-07, hosts: all, reason: scripts go next month, owner: anna, expires: 2099-12-31 }\n",
    ...more,
  };
  for (const [name, text] of Object.entries(files)) repository.write(name, text);
  repository.write("redkeep/redkeep.sh", `#!/bin/sh\nexec ${PROGRAM} "$@"\n`, 0o755);
  const password = workspaceIn(stack.use(temporaryDirectory()).path).write("password", VAULT_PASSWORD);
  const prepared = await runShell(
    [
      "sh",
      "-euc",
      `redkeep/redkeep.sh state encrypt -i inventory/hosts.yml --vault-password-file ${password}
git init --quiet --initial-branch=main
git config user.name operator
git config user.email operator@example.com
git add .
git commit --quiet --message 'Harden the fleet'`,
    ],
    { cwd: repository.path, env: {} },
  );
  if (prepared.status !== 0) throw new Error(prepared.output);
  return {
    hosts,
    secrets: { key: userKey.private, vaultPassword: VAULT_PASSWORD },
    checkout() {
      const directory = workspaceIn(stack.use(temporaryDirectory()).path);
      cpSync(repository.path, directory.path, { recursive: true });
      return directory;
    },
    mend() {
      edits = {
        running: withRunning("maxmemory", "536870912"),
        "config /etc/redis/redis.conf": (text) => `${text}maxmemory 512mb\n`,
      };
    },
    stop: async (host) => await started[hosts.indexOf(host)]?.[Symbol.asyncDispose](),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function workspaceIn(path: string): Workspace {
  return {
    path,
    write(name, content, mode = 0o600) {
      const file = join(path, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, content, { mode });
      return file;
    },
  };
}

export interface StepResult {
  status: number;
  output: string;
}

/** Runs a step's lines as the services do: in a shell that stops at the first failure. */
export function runShell(
  [program, ...args]: readonly [string, ...string[]],
  { cwd, env }: { cwd: string; env: Record<string, string> },
): Promise<StepResult> {
  const path = `${join(cwd, "node_modules/.bin")}:${process.env.PATH}`;
  const all = { PATH: path, HOME: cwd, CI: "true", ...env };
  return new Promise((resolve) => {
    execFile(program, args, { cwd, env: all }, (error, stdout, stderr) =>
      resolve({ status: error === null ? 0 : Number(error.code), output: stdout + stderr }),
    );
  });
}

/** Copies what an artifact, a cache or a volume holds; nothing where it is not there. */
export function carry(from: string, to: string): void {
  if (!existsSync(from)) return;
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, { recursive: true });
}

export function readRecord(file: string): RunRecord {
  return JSON.parse(readFileSync(file, "utf8"));
}
