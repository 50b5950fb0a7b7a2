import { randomBytes } from "node:crypto";
import { AUDIT_FACTS } from "../audit/audit.ts";
import { HostError } from "../connection/connection.ts";
import type { Link } from "../connection/link.ts";
import {
  type FactName,
  type HostFacts,
  ProbeError,
  parseProbe,
  probeScript,
  withMaskedWords,
} from "../facts/probe.ts";
import type { ProbeInput } from "../facts/probe-input.ts";
import type { ServerLogin } from "../facts/server-login.ts";
import { excerpt } from "../lib/secret.ts";
import type { FactsForTemplates } from "../playbook/host-tasks.ts";
import { type Failure, type Stopped, stopped } from "../record/outcome.ts";
import { hashPassword } from "../redis/acl-user.ts";
import { foundSecrets } from "../redis/found-secrets.ts";
import { parseAclFile } from "../redis/parse-acl.ts";
import { isServer, type Server, serverOf } from "../redis/server.ts";
import type { Host, Observation } from "./host.ts";
import { factNames, probeInput } from "./probe-input.ts";
import type { HostSecrets } from "./secrets.ts";

/** What we ask a host besides the facts that its tasks need. */
interface Question {
  /** Asks also for what proves that a playbook's demands hold. */
  prove?: boolean;
  /** Asks for what the audit looks at too, and goes on without being root. */
  isAudit?: boolean;
  /** This run has changed the host: its earlier passwords no longer work. */
  isChanged?: boolean;
  facts?: readonly FactName[];
  paths?: readonly string[];
  backups?: readonly string[];
}

/** Milliseconds that a probe may take: it only reads. */
const PROBE_TIMEOUT = 60_000;

/** Only these can be missing on a host with systemd and Redis. Their packages have other names. */
const NEEDED_TOOLS: Readonly<Record<string, string>> = {
  systemctl: "systemd",
  "systemd-run": "systemd",
  flock: "util-linux",
  setpriv: "util-linux",
  tar: "tar",
  ss: "iproute2",
  stat: "coreutils",
  timeout: "coreutils",
  base64: "coreutils",
  sha256sum: "coreutils",
  sed: "sed",
  grep: "grep",
};

/** What was observed on a host, or why nothing can be planned. */
type Answer = { readonly observation: Observation } | { readonly outcome: Stopped };

/** Runs the probe on the connection in use. */
export async function ask(
  { job, link }: Pick<Host, "job" | "link">,
  { prove = false, isAudit = false, isChanged = false, ...more }: Question,
): Promise<Answer> {
  const early = job.tasks();
  const earlySecrets = await job.secrets(early.tasks);
  const wanted = new Set([...factNames(early), ...(isAudit ? AUDIT_FACTS : []), ...(more.facts ?? [])]);
  const { shared, earlier } = earlySecrets;
  // A password that this run replaces is not on the host yet: the present one logs in.
  let login = earlySecrets.login ?? earlier[0];
  const input = probeInput(job.unit, early.tasks, login, prove);
  const paths = [...new Set([...input.paths, ...(more.paths ?? [])])];
  const asked = { ...input, paths, backups: more.backups ?? [] };
  let facts = await probe(link, wanted, asked);
  const old = facts.redis.user === undefined ? earlier.find((one) => hasPassword(facts, one)) : undefined;
  if (old !== undefined && old !== login) {
    login = old;
    facts = await probe(link, wanted, { ...asked, login });
  }
  if (shared?.isReplaced === false && facts.redis.user === undefined && hasPassword(facts, shared.login)) {
    // Send the shared password only in a run that replaces it, and only before the change: afterwards the host has its own.
    if (!isAudit && !early.tasks.some(({ task }) => task === "acl")) {
      return noAnswer("refused", {
        where: "login",
        found: `user ${shared.login.user} still has the password that all servers share, from an earlier version of redkeep`,
        remedy: "run apply with the acl task first: it gives each server a password of its own",
      });
    }
    if (!isAudit && !isChanged) {
      login = shared.login;
      facts = await probe(link, wanted, { ...asked, login });
    }
  }
  if (!isRoot(facts) && !isAudit) {
    return noAnswer("failed", {
      where: "login",
      found: `redkeep is uid ${facts.host.uid} on the host, and needs root`,
      remedy: "set become: true, or log in as root",
    });
  }
  const missing = Object.keys(NEEDED_TOOLS).filter((tool) => !facts.host.tools.has(tool));
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((tool) => NEEDED_TOOLS[tool]))].join(", ");
    return noAnswer("refused", {
      where: "tools",
      found: `the host lacks ${missing.join(", ")}`,
      remedy: `install ${packages}: redkeep installs nothing unasked`,
    });
  }
  const server = serverOf(facts);
  if (!isServer(server)) {
    return noAnswer("refused", { where: "server", found: server.problem, remedy: server.remedy });
  }
  if (facts.service.client === "") {
    return noAnswer("refused", {
      where: "tools",
      found: "the host has neither redis-cli nor valkey-cli",
      remedy: "install redis-tools or valkey-tools",
    });
  }
  facts = withMissingPassword(facts, login, earlySecrets);
  const tasks = early.needsFacts ? job.tasks(factsForTemplates(facts, server)) : early;
  const { neighbours = [] } = job;
  // The probe skips Redis for two reasons, and the client program exists: so the service does not run.
  if (isStopped(facts) && facts.redis.user === undefined)
    facts = { ...facts, redis: { ...facts.redis, loginError: "the service does not run" } };
  return {
    observation: {
      facts,
      server,
      tasks,
      neighbours,
      secrets: early.needsFacts ? await job.secrets(tasks.tasks) : earlySecrets,
      login: facts.redis.user === login?.user ? login : undefined,
    },
  };
}

function noAnswer(status: "refused" | "failed", failure: Failure): Answer {
  return { outcome: stopped(status, failure) };
}

async function probe(link: Link, wanted: Set<FactName>, input: ProbeInput): Promise<HostFacts> {
  const nonce = randomBytes(12).toString("hex");
  const result = await link.connection.run(probeScript(wanted, input, nonce), { timeoutMs: PROBE_TIMEOUT });
  if (result.status === "unknown")
    throw new HostError("lost", "the connection was lost while the host was being observed");
  try {
    const facts = parseProbe(result.stdout, input, nonce);
    // Messages must not show what the operator's own files keep in clear text either.
    link.hide(foundSecrets(facts.configFiles));
    link.hide(
      foundSecrets({ ...facts.configFiles, main: undefined, includes: [], aclFiles: facts.kept.backups }),
    );
    return withMaskedWords(facts, (text) => link.mask(text));
  } catch (error) {
    if (!(error instanceof ProbeError)) throw error;
    throw new HostError(
      "failed",
      `${error.message} (exit status ${result.status})${result.stderr === "" ? "" : `: ${excerpt(link.mask(result.stderr), 300)}`}`,
    );
  }
}

/** Where the server demands a password that is merely missing here, blame that and not the host. */
function withMissingPassword(
  facts: HostFacts,
  login: ServerLogin | undefined,
  { missing, state }: HostSecrets,
): HostFacts {
  const { user, loginError } = facts.redis;
  const [name] = missing.serverKeys;
  if (login !== undefined || user !== undefined || loginError === undefined || name === undefined)
    return facts;
  const reason = `${loginError}: ${state.name} has no password of ${name}; copy secrets.yml from where apply has run`;
  return { ...facts, redis: { ...facts.redis, loginError: reason } };
}

/** Whether the user's line in an ACL file of the host has this password: the file is root's word, not the server's. */
export function hasPassword({ configFiles }: HostFacts, { user, password }: ServerLogin): boolean {
  const hash = hashPassword(password);
  return [...configFiles.aclFiles].some(([path, content]) =>
    parseAclFile(content, path).users.some(
      (line) => line.user.name === user && line.user.passwords.has(hash),
    ),
  );
}

/** Without root the process may be invisible, but systemd says whether it runs. */
export function isStopped({ service }: HostFacts): boolean {
  return service.process === undefined && Number(service.properties.get("MainPID") ?? 0) === 0;
}

export function isRoot({ host }: HostFacts): boolean {
  return host.uid === 0;
}

/** The facts that a playbook may name, as plain values. */
function factsForTemplates({ host }: HostFacts, server: Server): FactsForTemplates {
  return {
    hostname: host.hostname,
    os: host.os.name,
    os_version: host.os.version,
    memory_bytes: host.memoryBytes,
    addresses: host.addresses.map(({ address }) => address),
    product: server.version.product,
    version: server.version.version,
    unit: server.unit,
    role: server.role ?? "unknown",
    used_memory: server.usedMemory ?? 0,
    keys: server.keys ?? 0,
  };
}
