/** What an operator has at hand for one host, the same for every tool: values, passwords and certificates. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { dump } from "js-yaml";
import {
  issueClientCertificate,
  issueServerCertificate,
  type KeyPair,
  makeAuthority,
} from "../../../src/pki/issue.ts";
import type { LabHost } from "../../../test/integration/support/lab.ts";
import { onHost } from "../../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../../test/integration/support/project.ts";

export interface Values {
  bind: string[];
  maxmemory: string;
  maxmemoryPolicy: string;
  /** Added to the application's ACL rules. */
  appRules: string;
  metricsPassword: string;
  certificate: "valid" | "expired";
  /** `other` is the key of another certificate. */
  key: "own" | "other";
}

export interface Bundle extends Disposable {
  project: Project;
  values: Values;
  adminPassword: string;
  /** Where SSH answers. */
  address: string;
  port: number;
  /** CIDR of the application. */
  subnet: string;
  /** Texts by name that nobody else may come to see. */
  secrets: Record<string, string>;
}

const ADMIN_PASSWORD = "admin-password-of-the-tests";
const DAYS = 100;
/** Certificates begin an hour back: this one ended a quarter of an hour ago. */
const EXPIRED_DAYS = 0.75 / 24;

/** @param way where SSH answers */
export async function openBundle(
  host: LabHost,
  given: Partial<Values>,
  way: Pick<Bundle, "address" | "port">,
): Promise<Bundle> {
  const { address, port } = way;
  const project = openProject(
    { "redis-01": host },
    {},
    { "redis-01": { ansible_host: address, ansible_port: port } },
  );
  appendFileSync(
    project.path("known_hosts"),
    `${address} ${host.hostKey}\n[${address}]:${port} ${host.hostKey}\n`,
  );
  const values: Values = {
    bind: ["127.0.0.1", "-::1", host.ip],
    maxmemory: "512mb",
    maxmemoryPolicy: "noeviction",
    appRules: "",
    metricsPassword: "metrics-password-of-the-tests",
    certificate: "valid",
    key: "own",
    ...given,
  };
  const authority = await makeAuthority();
  const names = { dns: ["localhost", await onHost(host, "hostname")], ip: ["127.0.0.1", "::1", host.ip] };
  const server = await issueServerCertificate(
    authority,
    "redis-01",
    names,
    values.certificate === "expired" ? EXPIRED_DAYS : DAYS,
  );
  const other = await issueServerCertificate(authority, "redis-02", names, DAYS);
  const key = (values.key === "own" ? server : other).key.reveal();
  write(project, "tls/ca.crt", authority.certificate);
  write(project, "tls/server.crt", server.certificate);
  write(project, "tls/server.key", key);
  write(project, "pki/ca.key", authority.key.reveal());
  await giveToClient(host, authority, await issueClientCertificate(authority, "app", DAYS));
  // Where the lab looks the administrator's password up, whatever tool has set it.
  write(project, ".redkeep/secrets.yml", dump({ passwords: { admin: ADMIN_PASSWORD } }));
  return {
    project,
    values,
    adminPassword: ADMIN_PASSWORD,
    address,
    port,
    subnet: host.subnet,
    secrets: {
      "the application's password": project.appPassword,
      "the metrics password": values.metricsPassword.split("\n")[0] ?? "",
      "the administrator's password": ADMIN_PASSWORD,
      "the server's key": key.split("\n")[1] ?? "",
    },
    [Symbol.dispose]: () => project[Symbol.dispose](),
  };
}

export function write(project: Project, name: string, content: string): void {
  mkdirSync(join(project.path(name), ".."), { recursive: true });
  writeFileSync(project.path(name), content, { mode: 0o600 });
}

export const ownFile = (name: string): string => readFileSync(join(import.meta.dirname, name), "utf8");

async function giveToClient(host: LabHost, authority: KeyPair, client: KeyPair): Promise<void> {
  await host.writeFile("/root/client/ca.crt", authority.certificate);
  await host.writeFile("/root/client/app.crt", client.certificate);
  await host.writeFile("/root/client/app.key", client.key.reveal(), "0600");
}
