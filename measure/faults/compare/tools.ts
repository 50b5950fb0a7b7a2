/** The three tools: what an operator writes for each, how it is run, and what its exit status says of the host. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { dump, load } from "js-yaml";
import type { RunRecord } from "../../../src/record/record.ts";
import type { HostStatus } from "../../../src/record/statuses.ts";
import { labKey } from "../../../test/integration/support/lab.ts";
import { quote } from "../host.ts";
import { type Bundle, ownFile, write } from "./bundle.ts";

/** `failed`: the host is not as it should be, and nothing more. */
export type Claim = "new" | "old" | "failed" | "unknown";

export interface Tool {
  name: string;
  /** Why it cannot be run on this machine. */
  missing(): string | undefined;
  /** Writes its files into the project's folder, from where `command` is run. */
  write(bundle: Bundle): void;
  /** @param run counts from 1 the runs that are under way at once. */
  command(bundle: Bundle, run: number): { argv: [string, ...string[]]; env?: Record<string, string> };
  claim(status: number, bundle: Bundle, run: number): Claim;
}

const CLAIMS: Record<HostStatus, Claim> = {
  changed: "new",
  unchanged: "new",
  "rolled-back": "old",
  restored: "old",
  refused: "old",
  "would-change": "old",
  "not-started": "old",
  failed: "failed",
  unreachable: "unknown",
  unknown: "unknown",
};

const repository = join(import.meta.dirname, "../../..");

interface Playbook {
  tasks: Record<string, Record<string, unknown>>[];
}

const redkeep: Tool = {
  name: "redkeep",
  missing: () => undefined,
  write({ project, values }) {
    const plays = load(readFileSync(join(repository, "playbooks/harden.yml"), "utf8")) as Playbook[];
    const parameters = (task: string): Record<string, unknown> =>
      plays[0]?.tasks.find((entry) => entry[task] !== undefined)?.[task] ?? {};
    Object.assign(parameters("bind"), { addresses: values.bind });
    Object.assign(parameters("limits"), {
      maxmemory: values.maxmemory,
      maxmemory_policy: values.maxmemoryPolicy,
    });
    for (const user of parameters("acl").users as Record<string, unknown>[]) {
      user.password = { env: `${String(user.name).toUpperCase()}_PASSWORD` };
      if (user.name === "app" && values.appRules !== "") user.allow = [values.appRules];
    }
    Object.assign(parameters("tls"), {
      ca: { cert: { file: "../tls/ca.crt" }, key: { file: "../pki/ca.key" } },
      certificate: { cert: { file: "../tls/server.crt" }, key: { file: "../tls/server.key" } },
    });
    write(project, "playbooks/harden.yml", dump(plays));
  },
  command: ({ project, values, adminPassword }, run) => ({
    argv: [
      join(repository, "node_modules/.bin/node"),
      join(repository, "src/cli.ts"),
      ...["apply", "--yes", "-i", "inventory.yml", "--json", `run-${run}.json`],
    ],
    env: {
      APP_PASSWORD: project.appPassword,
      METRICS_PASSWORD: values.metricsPassword,
      ADMIN_PASSWORD: adminPassword,
    },
  }),
  claim(status, { project }, run) {
    if (status === 1) return "old";
    const record = JSON.parse(readFileSync(project.path(`run-${run}.json`), "utf8")) as RunRecord;
    return CLAIMS[record.hosts[0]?.status ?? "unknown"];
  },
};

const shell: Tool = {
  name: "shell script",
  missing: () => undefined,
  write({ project, values, adminPassword, address, port, subnet }) {
    write(project, "harden.sh", ownFile("harden.sh"));
    write(project, "deploy.sh", ownFile("deploy.sh"));
    const variables = {
      BIND: values.bind.join(" "),
      APP_SUBNET: subnet,
      MAXMEMORY: values.maxmemory,
      MAXMEMORY_POLICY: values.maxmemoryPolicy,
      APP_RULES: values.appRules,
      APP_PASSWORD: project.appPassword,
      METRICS_PASSWORD: values.metricsPassword,
      ADMIN_PASSWORD: adminPassword,
      CONFIG_NAME,
    };
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${quote(value)}\n`);
    write(project, "harden.conf", lines.join(""));
    write(
      project,
      "ssh_config",
      `Host redis-01
  HostName ${address}
  Port ${port}
  User root
  IdentityFile ${labKey}
  UserKnownHostsFile ${project.path("known_hosts")}
  BatchMode yes
  ServerAliveInterval 10
  ServerAliveCountMax 3
`,
    );
  },
  command: () => ({ argv: ["bash", "deploy.sh"] }),
  // ssh's own status says nothing of the host.
  claim: (status) => (status === 0 ? "new" : status === 255 ? "unknown" : "failed"),
};

const ansible: Tool = {
  name: "Ansible",
  missing() {
    try {
      execFileSync("ansible-playbook", ["--version"], { stdio: "ignore" });
      return undefined;
    } catch {
      return "no ansible-playbook";
    }
  },
  write({ project, values, adminPassword, address }) {
    for (const name of ["site.yml", "ansible.cfg", "templates/redis.conf.j2", "templates/users.acl.j2"]) {
      write(project, name, ownFile(name));
    }
    const variables = {
      bind: values.bind.join(" "),
      maxmemory: values.maxmemory,
      maxmemory_policy: values.maxmemoryPolicy,
      app_rules: values.appRules,
      app_password: project.appPassword,
      metrics_password: values.metricsPassword,
      admin_password: adminPassword,
      config_name: CONFIG_NAME,
      // The lab publishes the port under another number.
      ...(address === "127.0.0.1" ? { ssh_port: 22 } : {}),
    };
    write(project, "group_vars/redis.yml", dump(variables));
  },
  command: ({ project }) => ({
    argv: ["ansible-playbook", "-i", "inventory.yml", "site.yml"],
    env: {
      ANSIBLE_CONFIG: project.path("ansible.cfg"),
      ANSIBLE_LOCAL_TEMP: project.path(".ansible"),
      ANSIBLE_SSH_CONTROL_PATH_DIR: project.path("cp"),
    },
  }),
  // 4: unreachable. 99 and -2: interrupted.
  claim: (status) => (status === 0 ? "new" : status === 2 ? "failed" : "unknown"),
};

/** The guide's other way: CONFIG under a name that only root can read. */
const CONFIG_NAME = "CONFIG_4b1f0c7d9e2a8f36";

export const TOOLS: readonly Tool[] = [redkeep, shell, ansible];
