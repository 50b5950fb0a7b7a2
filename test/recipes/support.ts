import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { load, loadAll } from "js-yaml";
import type { z } from "zod";
import type { RunRecord } from "../../src/record/record.ts";
import { type TestServer, temporaryDirectory, userKey } from "../connection/support/server.ts";
import { startActingHost } from "../support/acting-host.ts";
import { PROGRAM } from "../support/cli.ts";
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
  /** What a repository of the user holds: inventory, playbook and the program. */
  checkout(): Workspace;
  /** What the service's secret store holds. */
  secrets: { key: string; knownHosts: string; generated: string; ca: { cert: string; key: string } };
  hosts: readonly string[];
}

/** Six hosts on loopback, of which one has a control that fails; or such that can be changed. */
export async function startFleet(kind: "recorded" | "acting" = "recorded"): Promise<Fleet> {
  const stack = new AsyncDisposableStack();
  const hosts = Array.from({ length: 6 }, (_, index) => `redis-0${index + 1}`);
  const started: TestServer[] = [];
  for (const _ of hosts)
    started.push(stack.use(await (kind === "acting" ? startActingHost() : startRecordedHost("stock"))));
  const lines = hosts.map(
    (host, index) =>
      `    ${host}: { ansible_host: 127.0.0.1, ansible_port: ${started[index]?.port}, ansible_user: root }\n`,
  );
  return {
    hosts,
    secrets: {
      key: userKey.private,
      knownHosts: started.map(({ port, hostKey }) => `[127.0.0.1]:${port} ${hostKey.public}`).join("\n"),
      generated: "passwords: { app: generated-password-of-app }\n",
      ca: { cert: "certificate of the CA", key: "key of the CA" },
    },
    checkout() {
      const directory = workspaceIn(stack.use(temporaryDirectory()).path);
      directory.write("package.json", '{ "private": true }\n');
      directory.write("inventory/hosts.yml", `all:\n  hosts:\n${lines.join("")}`);
      directory.write(
        "playbooks/harden.yml",
        "- hosts: all\n  tasks:\n    - limits: { maxmemory: 512mb, maxclients: 9000, nofile: 64 }\n",
      );
      directory.write("node_modules/.bin/redkeep", `#!/bin/sh\nexec ${PROGRAM} "$@"\n`, 0o755);
      return directory;
    },
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
