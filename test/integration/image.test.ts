import { execFileSync, spawn } from "node:child_process";
import { chmodSync, chownSync, copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import { type Directory, temporaryDirectory } from "../connection/support/server.ts";
import { packInto } from "../support/package.ts";
import { repository } from "../support/pages.ts";
import { labImage, labKey, startHost, writeInventory } from "./support/lab.ts";

const IMAGE = `redkeep-test-image:${process.pid}`;
const BASE = `redkeep-test-base:${process.pid}`;

let context: Directory;
let version: string;
beforeAll(() => {
  context = temporaryDirectory();
  // No registry is needed for the test: a lab image with the Node that runs it stands for node:24-slim.
  mkdirSync(join(context.path, "base"));
  copyFileSync(process.execPath, join(context.path, "base/node"));
  chmodSync(join(context.path, "base/node"), 0o755);
  context.write("base/Dockerfile", `FROM ${labImage}\nRUN userdel deploy\nCOPY node /usr/local/bin/node\n`);
  docker("build", "-q", "-t", BASE, join(context.path, "base"));
  version = packInto(context.path).version;
  for (const file of ["Dockerfile", ".dockerignore"])
    copyFileSync(join(repository, file), join(context.path, file));
  const values = ["--build-arg", `BASE=${BASE}`, "--build-arg", `VERSION=${version}`];
  docker("build", "-q", ...values, "-t", IMAGE, context.path);
});
afterAll(() => {
  context?.[Symbol.dispose]();
  docker("rmi", "-f", IMAGE, BASE);
});

function docker(...args: string[]): string {
  return execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
}

it("the image runs redkeep, as a user who is not root and may change nothing of it", () => {
  expect(docker("run", "--rm", IMAGE, "--version")).toBe(`${version}\n`);
  const shell = (script: string) => docker("run", "--rm", "--entrypoint", "sh", IMAGE, "-c", script).trim();
  expect(shell("id -u; pwd; id -un")).toBe("1000\n/fleet\nredkeep");
  expect(shell("find /opt/package -writable; ls /opt/package/dist/cli.js")).toBe("/opt/package/dist/cli.js");
});

it("the image hardens a host, with the inventory mounted and the key in an agent", async () => {
  await using host = await startHost();
  using fleet = temporaryDirectory();
  const own = { ansible_ssh_private_key_file: undefined };
  const { inventory } = writeInventory(fleet.path, { "redis-01": host }, own);
  const agent = join(fleet.path, "agent");
  for (const path of [fleet.path, inventory, join(fleet.path, "known_hosts")]) chownSync(path, 1000, 1000);
  // An agent answers its own user alone.
  const holder = spawn("setpriv", ["--reuid=1000", "--clear-groups", "ssh-agent", "-D", "-a", agent]);
  onTestFinished(() => void holder.kill());
  await expect.poll(() => existsSync(agent)).toBe(true);
  const add = { env: { ...process.env, SSH_AUTH_SOCK: agent }, input: readFileSync(labKey) };
  execFileSync("ssh-add", ["-q", "-"], add);

  const mounts = ["-v", `${fleet.path}:${fleet.path}`, "-w", fleet.path, "--read-only", "--network", "host"];
  const variables = ["-e", `SSH_AUTH_SOCK=${agent}`, "-e", "APP_PASSWORD=k5Tq8vWz2RbN7mXc"];
  const words = ["apply", "-i", inventory, "--tags", "limits,tls", "--yes"];
  const said = docker("run", "--rm", ...mounts, ...variables, IMAGE, ...words);
  expect(said).toContain("1 host: 1 changed");
  for (const made of ["runs", "pki/ca.key", "pki/clients/app.crt"])
    expect(existsSync(join(fleet.path, ".redkeep", made))).toBe(true);
});
