import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import {
  type Directory,
  startServer,
  type TestServer,
  temporaryDirectory,
} from "../connection/support/server.ts";
import { type Outcome, redkeep } from "../support/cli.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
  vi.stubEnv("HOME", directory.path);
  // ssh itself would look into the home of the passwd file: without it OpenSSH's defaults hold.
  vi.stubEnv("PATH", directory.path);
  directory.write("site.yml", "- hosts: all\n  tasks:\n    - limits: { nofile: 64 }\n");
});
afterEach(() => {
  directory[Symbol.dispose]();
  vi.unstubAllEnvs();
});

/** A plan of one host whose inventory has these variables besides its address. */
function plan({ port }: TestServer, variables: string, ...options: string[]): Promise<Outcome> {
  const all = `ansible_host: 127.0.0.1, ansible_port: ${port}, ansible_user: root, ${variables}`;
  directory.write("hosts.yml", `all: { hosts: { h: { ${all} } } }\n`);
  return redkeep(["plan", "site.yml", "-i", "hosts.yml", ...options], { cwd: directory.path });
}

const ALLOW = "--allow-inventory-commands";
const known = () => readFileSync(join(directory.path, ".ssh/known_hosts"), "utf8");

describe("host keys that an inventory switches off", () => {
  const WAYS = [
    "ansible_host_key_checking: false",
    "ansible_ssh_common_args: '-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'",
    "ansible_ssh_extra_args: '-o NoHostAuthenticationForLocalhost=yes'",
  ];

  it.each(WAYS)("are refused, with the option that overrides them named: %s", async (variables) => {
    await using server = await startServer();
    const { exitCode, stderr } = await plan(server, variables);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      "--host-keys accept-new: it stores a host's first key and refuses a changed one",
    );
    expect(server.connections).toBe(0);
  });

  it.each(WAYS)(
    "are overridden by --host-keys accept-new: the first key is stored and said, a changed one refused: %s",
    async (variables) => {
      await using server = await startServer();
      const first = await plan(server, variables, "--host-keys", "accept-new");
      expect(first.stderr).toMatch(
        /warning: the host key of h \(127\.0\.0\.1:\d+\) is new: ssh-ed25519 SHA256:\S+ was stored in ~\/\.ssh\/known_hosts\n/,
      );
      expect(known()).toBe(`[127.0.0.1]:${server.port} ${server.hostKey.public}\n`);

      const again = await plan(server, variables, "--host-keys", "accept-new");
      expect(again.stderr).not.toContain("is new");

      await using other = await startServer();
      directory.write(".ssh/known_hosts", `[127.0.0.1]:${other.port} ${server.hostKey.public}\n`);
      const changed = await plan(other, variables, "--host-keys", "accept-new");
      expect(changed.exitCode).toBe(4);
      expect(changed.stdout).toContain("has changed");
      expect(other.attempts).toEqual([]);
    },
  );
});

it("--host-keys strict refuses a new key where the inventory would accept it", async () => {
  await using server = await startServer();
  const variables = "ansible_ssh_common_args: '-o StrictHostKeyChecking=accept-new'";
  const { exitCode, stdout } = await plan(server, variables, "--host-keys", "strict");
  expect(exitCode).toBe(4);
  expect(stdout).toContain("is not in ~/.ssh/known_hosts");
  expect(server.attempts).toEqual([]);
});

it("a host that needs an option of the system's ssh is refused before the login where ssh2 is asked for", async () => {
  await using server = await startServer();
  const option = "ansible_ssh_common_args: -o ProxyCommand='nc %h %p'";
  const { exitCode, stdout } = await plan(server, `${option}, redkeep_transport: ssh2`, ALLOW);
  expect(exitCode).toBe(4);
  expect(stdout.replace(/\s+/g, " ")).toContain(
    "the ssh option ProxyCommand is given for h: nc %h %p, which ssh2 cannot do, and redkeep_transport is ssh2",
  );
  const without = await plan(server, option, ALLOW);
  expect(without.exitCode).toBe(4);
  expect(without.stdout).toContain("there is no ssh on this machine");
  expect(server.connections).toBe(0);
});
