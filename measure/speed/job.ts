/**
 * The job that every tool does, in a folder as an operator has it: one inventory for redkeep and Ansible, and beside it what
 * each other tool reads. The values are the same for all, so the hosts end up the same.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dump } from "js-yaml";
import { type LabHost, labKey } from "../../test/integration/support/lab.ts";

const speed = import.meta.dirname;
const peers = join(speed, "../peers");

/** A lab host, and where SSH answers for it: its own address, or a proxy's. */
export interface JobHost {
  name: string;
  host: LabHost;
  hostname: string;
  address: string;
  port: number;
}

export interface Job extends Disposable {
  dir: string;
  hosts: readonly JobHost[];
  /** The environment in which redkeep and pyinfra find the passwords. */
  env: Record<string, string>;
}

const PASSWORDS = {
  app_password: "app-password-of-the-benchmark",
  metrics_password: "metrics-password-of-the-benchmark",
  admin_password: "admin-password-of-the-benchmark",
};
/** The peers' names of renamed commands; redkeep makes its own. */
const CONFIG_NAME = "CONFIG_4b1f0c7d9e2a8f36";

const upper = (values: Record<string, string>): Record<string, string> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name.toUpperCase(), value]));

/** Makes a job of hosts that share a subnet. Its folder goes when it is disposed of. */
export function openJob(hosts: readonly JobHost[]): Job {
  const dir = mkdtempSync(join(tmpdir(), "rk-bench-")); // short: SSH's control sockets lie in it
  const job: Job = {
    dir,
    hosts,
    env: upper(PASSWORDS),
    [Symbol.dispose]: () => rmSync(dir, { recursive: true, force: true }),
  };
  mkdirSync(join(dir, "playbooks"));
  copyFileSync(join(speed, "playbook.yml"), join(dir, "playbooks/harden.yml"));
  for (const folder of ["ansible", "pyinfra"]) cpSync(join(peers, folder), dir, { recursive: true });

  const values = { ...PASSWORDS, app_subnet: hosts[0]?.host.subnet ?? "", config_name: CONFIG_NAME };
  const variables = Object.entries(upper(values)).map(([name, value]) => `${name}='${value}'\n`);
  write(job, "harden.sh", variables.join("") + readFileSync(join(peers, "bash/harden.sh"), "utf8"));
  mkdirSync(join(dir, "group_vars"));
  write(job, "group_vars/redis.yml", dump(values));
  write(job, "values.json", JSON.stringify(values));
  connectJob(job, hosts);
  return job;
}

const write = ({ dir }: Job, name: string, text: string): void =>
  writeFileSync(join(dir, name), text, { mode: 0o600 });

/** Writes where the hosts are reached: at their own addresses, or at proxies'. */
export function connectJob(job: Job, hosts: readonly JobHost[]): void {
  chmodSync(labKey, 0o600);
  const knownHosts = join(job.dir, "known_hosts");
  const lines = hosts.map(
    ({ host, address, port }) => `${port === 22 ? address : `[${address}]:${port}`} ${host.hostKey}\n`,
  );
  write(job, "known_hosts", lines.join(""));
  write(job, "inventory.yml", dump(inventoryOf(hosts, knownHosts)));
  write(job, "ssh_config", sshConfig(knownHosts));
  write(job, "addresses", hosts.map(({ address, port }) => `ssh://root@${address}:${port}\n`).join(""));
  const reached = hosts.map(({ name, host, hostname, address, port }) => [
    name,
    { ssh_hostname: address, ssh_port: port, private_ip: host.ip, private_name: hostname },
  ]);
  write(job, "hosts.json", JSON.stringify({ hosts: reached, key: labKey, known_hosts: knownHosts }));
}

function inventoryOf(hosts: readonly JobHost[], knownHosts: string): unknown {
  const entries = hosts.map(({ name, host, hostname, address, port }) => [
    name,
    {
      ansible_host: address,
      ansible_port: port,
      private_ip: host.ip,
      private_name: hostname,
      app_subnet: host.subnet,
    },
  ]);
  const vars = {
    ansible_user: "root",
    ansible_ssh_private_key_file: labKey,
    ansible_ssh_common_args: `-o UserKnownHostsFile=${knownHosts}`,
    ansible_python_interpreter: "/usr/bin/python3", // without a search for it
  };
  return { all: { children: { redis: { hosts: Object.fromEntries(entries), vars } } } };
}

const sshConfig = (knownHosts: string): string => `Host *
  IdentityFile ${labKey}
  IdentitiesOnly yes
  UserKnownHostsFile ${knownHosts}
  StrictHostKeyChecking yes
  BatchMode yes
`;

const END_STATE = readFileSync(join(speed, "same-end.sh"), "utf8");

/**
 * What a host is like now, a line for each fact, asked of what runs on it: see same-end.sh.
 * @param clientFiles the application's client certificate and its key on this machine; where undefined, those that the tool
 * left on the host
 */
export async function endStateOf(
  { host }: JobHost,
  clientFiles?: readonly [certificate: string, key: string],
): Promise<string[]> {
  let client = ["/etc/redis/tls/client.crt", "/etc/redis/tls/client.key"];
  if (clientFiles !== undefined) {
    client = ["/run/bench-client.crt", "/run/bench-client.key"];
    for (const [index, file] of clientFiles.entries())
      await host.writeFile(client[index] ?? "", readFileSync(file, "utf8"), "0600");
  }
  const script = `set -- "$(sed -n 's/^tls-ca-cert-file //p' /etc/redis/redis.conf | tr -d '"')" ${client.join(" ")} ${host.subnet}\n${END_STATE}`;
  const { stdout, stderr } = await host.sh(
    script,
    `${PASSWORDS.admin_password}\n${PASSWORDS.app_password}\n`,
  );
  return [...stdout.split("\n"), ...stderr.split("\n")].filter((line) => line !== "");
}
