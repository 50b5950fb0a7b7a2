import type { HostFacts } from "../facts/probe.ts";
import { lastingCopy } from "../lib/copy.ts";
import type { KeyPair } from "../pki/issue.ts";
import { tlsPaths } from "../pki/server-files.ts";
import type { HostTasks } from "../playbook/host-tasks.ts";
import type { Server } from "../redis/server.ts";
import type { HostTask } from "../tasks/task.ts";
import { paramsOf } from "../tasks/task.ts";
import type { TlsParams } from "../tasks/tls/parameters.ts";
import type { HostSecrets } from "./secrets.ts";

/** What the tls task of one host wants of the controller. */
export interface WantedClients {
  task: HostTask;
  tls: TlsParams;
  /** Who signs; undefined where the CA is not here. */
  ca: KeyPair | undefined;
  /** apply makes the CA, where it changes this host. */
  makesCa: boolean;
  /** The CA's certificates that clients of this host need: the controller's, else those on the host. */
  trusted: string | undefined;
  /** The users of the acl task: whether redkeep generates the password. */
  users: ReadonlyMap<string, boolean>;
  /** The setting by which a certificate alone logs a client in (Redis 8.6, Valkey 9.0); undefined where it is off. */
  logsInBy: string | undefined;
}

/** `--rotate client:NAME`: the client's key and certificate anew. */
export function rotationOf(client: string): string {
  return `client:${client}`;
}

/** @param seen what the host said; absent where it was not asked. Undefined where the tls task was not selected. */
export function wantedClients(
  { tasks, login }: HostTasks,
  secrets: Pick<HostSecrets, "ca" | "caCertificate" | "missing">,
  seen?: { facts: HostFacts; server: Server },
): WantedClients | undefined {
  const task = tasks.find(({ task }) => task === "tls");
  const { tls, acl } = paramsOf([login, ...tasks]);
  if (task === undefined || tls === undefined) return undefined;
  const onHost = seen?.facts.certificates.pem.get(tlsPaths(seen.server.configPath).ca);
  const logsIn = seen?.server.running?.get(LOGIN_SETTING)?.toLowerCase() ?? "off";
  return {
    task,
    tls,
    ca: secrets.ca,
    makesCa: secrets.missing.ca,
    trusted: secrets.caCertificate ?? lastingCopy(onHost),
    users: new Map(acl?.users.map(({ name, password }) => [name, "generate" in password])),
    logsInBy: logsIn === "off" ? undefined : `${LOGIN_SETTING} ${logsIn}`,
  };
}

const LOGIN_SETTING = "tls-auth-clients-user";
