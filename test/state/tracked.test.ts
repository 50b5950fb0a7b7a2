import { execFileSync } from "node:child_process";
import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { trackedByGit } from "../../src/state/tracked.ts";
import { directoryWith } from "../inventory/inventory-on-disk.ts";

const BLOB = "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391";

/** A repository that has these files, of which none lies there. */
async function repositoryWith(names: readonly string[]): Promise<string> {
  const top = await directoryWith({});
  execFileSync("git", ["init", "-q"], { cwd: top });
  const input = names.map((name) => `100644 ${BLOB}\t${name}\n`).join("");
  execFileSync("git", ["update-index", "--index-info"], { cwd: top, input });
  return top;
}

it("tells which files git has, also of more than one command could name", async () => {
  const keys = Array.from({ length: 20_000 }, (_, number) => `pki/clients/${"x".repeat(200)}${number}.key`);
  const top = await repositoryWith([...keys, "secrets.yml"].map((name) => `a/.redkeep/${name}`));
  const state = join(top, "a", ".redkeep");
  await mkdir(state, { recursive: true });
  expect(await trackedByGit(state, ["secrets.yml", "pki/ca.key", ...keys])).toHaveLength(20_001);
  await symlink(state, join(top, "link"));
  expect(await trackedByGit(join(top, "link"), ["pki/ca.key", "secrets.yml"])).toEqual(["secrets.yml"]);
});

it("counts what lies behind a link that git has", async () => {
  const top = await directoryWith({ "strangers/clients/a.key": "" });
  const state = join(top, ".redkeep");
  await mkdir(join(state, "pki"), { recursive: true });
  await symlink("../../strangers/clients", join(state, "pki/clients"));
  execFileSync("git", ["init", "-q"], { cwd: top });
  execFileSync("git", ["add", ".redkeep"], { cwd: top });
  expect(await trackedByGit(state, ["secrets.yml", "pki/ca.key", "pki/clients/a.key"])).toEqual([
    "pki/clients/a.key",
  ]);
});

it("cannot tell outside of a repository", async () => {
  expect(await trackedByGit(await directoryWith({}), ["secrets.yml"])).toBeUndefined();
});
