import { type Directory, userKey } from "../connection/support/server.ts";

/**
 * Writes an inventory of these ports, known_hosts for those with a key, and a playbook of one task; gives the options of
 * a run on them.
 */
export function writeProject(
  directory: Directory,
  hosts: Record<string, { port: number; hostKey?: { public: string } }>,
  task = "limits: { nofile: 64 }",
): string[] {
  const lines = Object.entries(hosts).map(
    ([name, { port }]) =>
      `    ${name}: { ansible_host: 127.0.0.1, ansible_port: ${port}, ansible_user: root }`,
  );
  const known = Object.values(hosts).flatMap(({ port, hostKey }) =>
    hostKey === undefined ? [] : [`[127.0.0.1]:${port} ${hostKey.public}`],
  );
  directory.write("hosts.yml", `all:\n  hosts:\n${lines.join("\n")}\n`);
  directory.write("site.yml", `- hosts: all\n  tasks:\n    - ${task}\n`);
  return [
    "site.yml",
    "-i",
    "hosts.yml",
    "--known-hosts",
    directory.write("known_hosts", `${known.join("\n")}\n`),
    "--private-key",
    directory.write("id_ed25519", userKey.private),
    // Longer than any test may take: those that wait for it say how long.
    "--timeout",
    "300",
  ];
}
