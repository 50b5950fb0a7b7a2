import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { SshOptions } from "../../src/connection/settings.ts";
import { connect } from "../../src/connection/ssh.ts";
import { parseSshArguments } from "../../src/inventory/ssh-arguments.ts";
import { InputError } from "../../src/lib/errors.ts";
import {
  type Directory,
  startServer,
  type TestServer,
  temporaryDirectory,
  variablesFor,
} from "./support/server.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const parsed = (text: string): SshOptions =>
  parseSshArguments(text, (message) => new InputError({ message }));

/** Logs in with these ssh options of an inventory. @returns what carried the scripts, and why */
async function carriedBy(server: TestServer, options: string): Promise<string> {
  const variables = variablesFor(server, directory, { sshOptions: parsed(options), timeoutSeconds: 60 });
  let said = "";
  const connection = await connect(variables, {
    onTransport: ({ name, reason }) => {
      said = `${name}: ${reason}`;
    },
  });
  connection.close();
  return said;
}

it.each([
  [`-o ProxyCommand="bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3'"`, "ProxyCommand"],
  ["-o HostKeyAlgorithms=ssh-ed25519", "HostKeyAlgorithms"],
  ["-c aes256-ctr", "Ciphers"],
])("the system's ssh is given %s, and the reason says so", async (options, keyword) => {
  await using server = await startServer();
  expect(await carriedBy(server, options)).toEqual(
    expect.stringContaining(`openssh: the ssh option ${keyword} is given for redis-01`),
  );
  expect(server.connections).toBe(1);
});

it("the system's ssh reads the file of -F instead of its own", async () => {
  await using server = await startServer();
  const file = directory.write("ssh.cfg", "Host *\n  CertificateFile /nonexistent-cert.pub\n");
  expect(await carriedBy(server, `-F ${file}`)).toMatch(/^openssh: /);
});

it("the system's ssh stores a first key with accept-new, which is said", async () => {
  await using server = await startServer();
  const knownHostsFile = join(directory.path, "new_known_hosts");
  const said: string[] = [];
  const variables = variablesFor(server, directory, {
    sshOptions: { strictHostKeyChecking: "accept-new" },
    hostKeys: "accept-new",
    transport: "openssh",
    knownHostsFile,
    timeoutSeconds: 60,
    onNewHostKey: (message) => said.push(message),
  });
  (await connect(variables)).close();
  (await connect(variables)).close();
  expect(said).toHaveLength(1);
  expect(said[0]).toMatch(
    /^the host key of redis-01 \(127\.0\.0\.1:\d+\) is new: ssh-ed25519 SHA256:\S+ was stored in /,
  );
  expect(readFileSync(knownHostsFile, "utf8")).toContain(server.hostKey.public);
});
