import { X509Certificate } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { dump } from "js-yaml";
import { ownPassword } from "../../src/facts/server-login.ts";
import { Secret } from "../../src/lib/secret.ts";
import { type KeyPair as Issued, issueServerCertificate, makeAuthority } from "../../src/pki/issue.ts";
import { hashPassword } from "../../src/redis/acl-user.ts";
import { generateKey, startTcp, userKey } from "../../test/connection/support/server.ts";
import { type ActingHost, answerAsAsked, startActingHost } from "../../test/support/acting-host.ts";
import { FACTS, factsOf, PASSWORDS, privateNetwork } from "../../test/support/facts.ts";

/** Seconds that a dead host is waited for: redkeep's default. A host that lives has what a run gives it, since a machine may be busy. */
const DEAD_TIMEOUT = 10;

/** What the passwords of the hosts' administrators are made of: the recorded ones had all the same. */
const KEY = new Secret("key-of-the-virtual-servers");
const recordedAdmin = PASSWORDS.get("admin") ?? new Secret("");
const ownHash = (name: string): string => hashPassword(ownPassword(KEY, "admin", name));

/** How a virtual host behaves: as it should; not at all; late with each answer; with a key that is not on file. */
export type Nature = "healthy" | "dead" | "slow" | "stranger";

export interface FleetOptions {
  hosts: number;
  /** The recorded host that all are; default: `hardened`, on which the default playbook changes nothing. */
  like?: string;
  /** So many of the hosts, spread over the inventory. */
  dead?: number;
  slow?: number;
  strangers?: number;
  /** Awaited by each slow host before it answers: a time, or a moment that a test chooses. */
  late?: () => Promise<void>;
}

export interface VirtualHost {
  name: string;
  nature: Nature;
  port: number;
  /** Absent where nobody answers. */
  host: ActingHost | undefined;
}

export interface Fleet extends AsyncDisposable {
  hosts: readonly VirtualHost[];
  /** Writes what a run on them needs, and gives the options that name it. */
  writeProject(directory: string): string[];
  /** For the playbook that redkeep ships. */
  env: Readonly<Record<string, string>>;
}

/**
 * Hosts on loopback to which redkeep runs unchanged: real SSH, answers as a lab host gave them, and transactions that
 * come to what they say, as far as they need no restart.
 */
export async function startFleet({
  hosts: count,
  like = "hardened",
  dead = 0,
  slow = 0,
  strangers = 0,
  late = () => sleep(3000),
}: FleetOptions): Promise<Fleet> {
  const servers = new AsyncDisposableStack();
  const key = generateKey();
  const foreign = generateKey();
  const natures = spread(count, { dead, slow, stranger: strangers });
  const { authority, edit } = await reissued(like);
  const hosts: VirtualHost[] = [];
  for (const [index, nature] of natures.entries()) {
    const name = `redis-${String(index + 1).padStart(4, "0")}`;
    if (nature === "dead") {
      // Behind a firewall that drops, or hung: the connection stands and nobody speaks.
      const { port, [Symbol.asyncDispose]: close } = await startTcp((socket: Socket) => socket.pause());
      servers.defer(async () => close());
      hosts.push({ name, nature, port, host: undefined });
      continue;
    }
    const host = servers.use(
      await startActingHost({
        like,
        edit: (text, title) => edit(text, title).replaceAll(hashPassword(recordedAdmin), ownHash(name)),
        hostKey: nature === "stranger" ? foreign : key,
        ...(nature === "slow"
          ? {
              on: (request) =>
                void late().then(
                  () => answerAsAsked(request),
                  () => {},
                ),
            }
          : {}),
      }),
    );
    hosts.push({ name, nature, port: host.port, host });
  }
  const { private_ip, app_subnet } = privateNetwork(factsOf(like));
  const files: Record<string, string> = {
    "hosts.yml": dump({
      redis: {
        hosts: Object.fromEntries(
          hosts.map(({ name, nature, port }) => [
            name,
            { ansible_port: port, ...(nature === "dead" ? { ansible_timeout: DEAD_TIMEOUT } : {}) },
          ]),
        ),
        vars: { ansible_host: "127.0.0.1", ansible_user: "root", private_ip, app_subnet },
      },
    }),
    known_hosts: hosts.map(({ port }) => `[127.0.0.1]:${port} ${key.public}\n`).join(""),
    id_ed25519: userKey.private,
    "state/pki/ca.crt": authority.certificate,
    "state/pki/ca.key": authority.key.reveal(),
    // What redkeep keeps of the hosts that were recorded.
    "state/secrets.yml": dump({
      passwords: { metrics: PASSWORDS.get("metrics")?.reveal() },
      servers: { admin: { key: KEY.reveal(), names: hosts.map(({ name }) => name) } },
    }),
  };
  return {
    hosts,
    writeProject(directory) {
      const at = (name: string) => join(directory, name);
      for (const [name, text] of Object.entries(files)) {
        mkdirSync(dirname(at(name)), { recursive: true, mode: 0o700 });
        writeFileSync(at(name), text, { mode: 0o600 });
      }
      const [inventory, known, key, state] = ["hosts.yml", "known_hosts", "id_ed25519", "state"].map(at);
      return `-i ${inventory} --known-hosts ${known} --private-key ${key} --state ${state}`.split(" ");
    },
    env: { APP_PASSWORD: PASSWORDS.get("app")?.reveal() ?? "" },
    [Symbol.asyncDispose]: () => servers.disposeAsync(),
  };
}

/**
 * The certificates of a recorded host made anew, by a CA whose key is here: that of the recorded ones was not kept, and
 * redkeep goes on with no CA without its key.
 */
async function reissued(
  like: string,
): Promise<{ authority: Issued; edit: (text: string, title: string) => string }> {
  const authority = await makeAuthority();
  const { certificates, host } = factsOf(like);
  const [path, recorded] = [...certificates.pem].find(([path]) => path.endsWith("redkeep-server.crt")) ?? [];
  if (path === undefined || recorded === undefined) return { authority, edit: (text) => text };
  const names = {
    dns: [host.hostname, "localhost"],
    ip: ["127.0.0.1", "::1", privateNetwork(factsOf(like)).private_ip],
  };
  const { certificate } = await issueServerCertificate(authority, "host", names, 800);
  const recordedCa = readFileSync(join(FACTS, "ca.crt"), "utf8").trim();
  return {
    authority,
    edit: (text, title) =>
      // Its clock, or the certificate would not be valid yet.
      (title === "machine" ? text.replace(/^((?:.*\n){3})\d+/, `$1${Math.floor(Date.now() / 1000)}`) : text)
        .replaceAll(recorded.trim(), certificate.trim())
        .replaceAll(recordedCa, authority.certificate.trim())
        .replaceAll(publicKeyOf(recorded), publicKeyOf(certificate)),
  };
}

/** PEM, as openssl prints it. */
function publicKeyOf(certificate: string): string {
  return new X509Certificate(certificate).publicKey.export({ type: "spki", format: "pem" }).toString();
}

/** Natures in an order in which those of each kind stand apart, the same each time. */
function spread(count: number, kinds: Partial<Record<Nature, number>>): Nature[] {
  const natures: Nature[] = Array.from({ length: count }, () => "healthy");
  for (const [nature, wanted] of Object.entries(kinds) as [Nature, number][]) {
    for (let nth = 0; nth < wanted; nth++) {
      let place = Math.floor(((nth + 0.5) * count) / wanted);
      while (natures[place % count] !== "healthy") place++;
      natures[place % count] = nature;
    }
  }
  return natures;
}
