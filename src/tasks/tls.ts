import { isIP } from "node:net";
import { dirname } from "node:path";
import { z } from "zod";
import { isWildcard } from "../lib/network.ts";
import { excerpt } from "../lib/secret.ts";
import {
  certificateFindings,
  daysLeft,
  foreignAuthorities,
  isForClients,
  publicKeyDigest,
  sameCertificate,
} from "../pki/certificate.ts";
import { addressOf, clientsOf, hostAndPort } from "../plan/audience.ts";
import type { Attributes, Refusal, Resource } from "../plan/desired.ts";
import { settingsOf } from "../plan/settings.ts";
import { secretSource } from "../playbook/secret-schema.ts";
import { bringAuthority } from "../state/bring-state.ts";
import { weakenable } from "../verify/allowance.ts";
import { type Check, check, noLogin } from "../verify/controls.ts";
import { runningOr } from "../verify/running.ts";
import { aclAttributes } from "./acl/file.ts";
import { defineTask, type TaskContext } from "./task.ts";

const cipherName = z.string().regex(/^[A-Za-z0-9_-]+$/, "should be one cipher's name");
const port = z.number().int().min(1).max(65535);
const name = z
  .string()
  .regex(/^[A-Za-z0-9*:]([A-Za-z0-9.:_*-]{0,251}[A-Za-z0-9])?$/, "should be a DNS name or an IP address");

/** What every client can speak for years now: keys that are never used twice, and data that is bound to them. */
const SOUND_CIPHER = /^(?:ECDHE|DHE)-.*(?:GCM|CHACHA20|CCM)/;

const parameters = weakenable(
  {
    port: port.default(6380),
    plain_port: z.union([z.literal(0), port], { error: "should be 0 or a port (1 to 65535)" }).default(0),
    ca: z
      .union(
        [
          z.strictObject({ generate: z.literal(true) }),
          z.strictObject({ cert: secretSource, key: secretSource }),
        ],
        {
          error: "should be { generate: true } or { cert: { file: … }, key: { file: … } }",
        },
      )
      .default({ generate: true }),
    certificate: z
      .union([z.null(), z.strictObject({ cert: secretSource, key: secretSource })], {
        error: "should be null or { cert: { file: … }, key: { file: … } }",
      })
      .default(null),
    names: z.array(name).default([]),
    auth_clients: z
      .union([z.boolean(), z.literal("optional")], { error: "should be true, false or optional" })
      .default(true),
    clients: z
      .array(z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "should be a plain name"))
      .default(["app", "metrics", "admin"]),
    protocols: z
      .array(z.enum(["TLSv1.2", "TLSv1.3"]))
      .min(1)
      .default(["TLSv1.2", "TLSv1.3"]),
    ciphers: z
      .array(cipherName)
      .min(1)
      .default(["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"]),
    ciphersuites: z.array(cipherName).min(1).default(["TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256"]),
    valid_days: z.number().int().min(1).max(3650).default(825),
    renew_before_days: z.number().int().min(0).max(365).default(30),
  },
  {
    plain_port: {
      controls: ["RK-TLS-01"],
      weak: ({ plain_port }) => (plain_port === 0 ? undefined : String(plain_port)),
    },
    auth_clients: {
      controls: ["RK-TLS-04"],
      weak: ({ auth_clients }) => (auth_clients === true ? undefined : String(auth_clients)),
    },
    ciphers: {
      controls: ["RK-TLS-03"],
      weak: ({ ciphers }) => ciphers.filter((cipher) => !SOUND_CIPHER.test(cipher)).join(", ") || undefined,
    },
  },
);

const params = parameters.schema.superRefine(({ port, plain_port, valid_days, renew_before_days }, issue) => {
  const problem = (key: string, message: string) => issue.addIssue({ code: "custom", path: [key], message });
  if (plain_port === port) problem("plain_port", "should be another port than the one with TLS");
  // A fresh certificate has a day less than it is valid: it would be issued again by every run.
  if (renew_before_days >= valid_days - 1)
    problem("renew_before_days", `should be less than valid_days (${valid_days}) by two at least`);
});

export type TlsParams = z.output<typeof params>;
type Context = TaskContext<TlsParams>;

/** Where the three files lie, beside redis.conf. */
export function tlsPaths(configPath: string): {
  directory: string;
  ca: string;
  certificate: string;
  key: string;
} {
  const directory = `${dirname(configPath)}/tls`;
  return {
    directory,
    ca: `${directory}/redkeep-ca.crt`,
    certificate: `${directory}/redkeep-server.crt`,
    key: `${directory}/redkeep-server.key`,
  };
}

/** Encrypt, and ask clients for a certificate of our CA. */
export default defineTask<TlsParams>({
  params,
  facts: ["certificates", "proofs"],
  // The certificate names the addresses that `bind` asks for.
  phase: 1,

  probe: ({ port }) => ({ tlsPorts: [port] }),

  allowances: (params) => parameters.all(params, "tls"),

  desired: (context) => {
    const { params, server, render, facts, controller } = context;
    // Such a build has none of these settings at all.
    if (server.running !== undefined && !server.running.has("tls-port")) {
      const found = `${server.version.name} on this host was built without TLS`;
      const remedy = "install a build with TLS, or leave the tls task out for it";
      return { resources: [], refusals: [{ guard: null, found, remedy }] };
    }
    const paths = tlsPaths(server.configPath);
    const attributes = aclAttributes(server.group);
    const reissue =
      controller.certificate === undefined ? findings(context) : ownCertificateFindings(context);
    const foundCa = facts.certificates.pem.get(paths.ca);
    // To the last byte: whatever else stands in it, Redis may trust it as well.
    const caDiffers = foundCa === undefined || foundCa !== controller.caCertificate;
    const reload = [
      "tls-cert-file",
      paths.certificate,
      "tls-key-file",
      paths.key,
      "tls-ca-cert-file",
      paths.ca,
    ];
    const found = facts.certificates.pem.get(paths.certificate);
    const resources: Resource[] = [
      { kind: "directory", path: paths.directory, attributes: { ...attributes, mode: 0o750 } },
      {
        kind: "file",
        path: paths.ca,
        content: { text: controller.caCertificate ?? "", secret: false },
        attributes,
        differs: caDiffers,
        before: foundCa === undefined ? null : otherAuthority(foundCa, controller.caCertificate),
        after:
          controller.caCertificate === undefined
            ? "the CA's certificate, made at apply"
            : "the CA's certificate",
        reload,
      },
      certificateFile(
        context,
        paths.certificate,
        "certificate",
        reissue,
        found === undefined,
        attributes,
        reload,
      ),
      certificateFile(context, paths.key, "key", reissue, found === undefined, attributes, reload),
      ...settingsOf(
        render("tls.conf.ejs", {
          plainPort: params.plain_port,
          port: params.port,
          ...paths,
          authClients: authClients(params),
          protocols: params.protocols.join(" "),
          ciphers: params.ciphers.join(":"),
          ciphersuites: params.ciphersuites.join(":"),
        }),
        "tls.conf.ejs",
      ),
      ...(trustsFolder(context) ? [{ kind: "setting", name: "tls-ca-cert-dir", args: [""] } as const] : []),
    ];
    return { resources, refusals: [...refusals(context)], notes: clientNotes(context) };
  },

  checks: (context) => [
    ...portChecks(context),
    ...cipherChecks(context),
    ...certificateChecks(context),
    keyCheck(context),
  ],
});

/** Redis takes the CAs of this folder beside those of the file; "" is what it has where nobody set it. */
function trustsFolder({ server }: Context): boolean {
  const inFile = server.config.get("tls-ca-cert-dir")?.[0] ?? "";
  return inFile !== "" || (server.running?.get("tls-ca-cert-dir") ?? "") !== "";
}

/** What a file of CAs holds that is not as wanted, for people. */
function otherAuthority(found: string, wanted: string | undefined): string {
  if (wanted === undefined || !sameCertificate(found, wanted)) return "another CA";
  const foreign = foreignAuthorities(found, wanted);
  return foreign.length === 0 ? "edited" : `the CA's certificate, and beside it ${foreign.join("; ")}`;
}

function certificateFile(
  context: Context,
  path: string,
  part: "certificate" | "key",
  reissue: readonly string[],
  isNew: boolean,
  attributes: Attributes,
  reload: readonly string[],
): Resource {
  const { controller, params } = context;
  const own = controller.certificate;
  const reason = reasonToCall(context);
  const content =
    own === undefined
      ? { issued: part }
      : part === "key"
        ? { text: own.key.reveal(), secret: true }
        : { text: own.certificate, secret: false };
  const what =
    part === "key"
      ? own === undefined
        ? "a new private key ••••"
        : "the playbook's private key ••••"
      : own === undefined
        ? `issued for ${params.valid_days} days, ${reason === undefined ? "for serving alone" : `as a client's too: ${reason}`}`
        : "the playbook's certificate";
  return {
    kind: "file",
    path,
    content,
    attributes,
    differs: reissue.length > 0,
    before: isNew ? null : (reissue[0] ?? "as wanted"),
    after: what,
    reload,
  };
}

/** redkeep's own CA is unknown to everybody else: who demands its certificates has to hand them out. */
function clientNotes({ params }: Context): string[] {
  const isClosed = params.auth_clients === true && params.clients.length === 0 && "generate" in params.ca;
  return isClosed
    ? ["clients need a certificate of redkeep's CA, and tls.clients names nobody to get one"]
    : [];
}

function authClients({ auth_clients }: TlsParams): string {
  return auth_clients === "optional" ? "optional" : auth_clients ? "yes" : "no";
}

/** Every name and address by which a client may call this host. */
export function wantedNames({ params, config, facts }: Pick<Context, "params" | "config" | "facts">): {
  dns: string[];
  ip: string[];
} {
  const bound = (config.get("bind") ?? [])
    .map((text) => text.replace(/^-/, ""))
    .filter((text) => !isWildcard(text) && isIP(text) !== 0);
  const all = [facts.host.hostname, "localhost", "127.0.0.1", ...bound, ...params.names].filter(Boolean);
  return {
    dns: [...new Set(all.filter((text) => isIP(text) === 0).map((text) => text.toLowerCase()))],
    ip: [...new Set(all.filter((text) => isIP(text) !== 0))],
  };
}

/**
 * Why this server has to show its certificate as a client's too; undefined where it has not. Then the certificate is none for
 * clients: whoever takes the server over could open all others with it.
 */
export function reasonToCall({
  params,
  config,
  server,
}: Pick<Context, "params" | "config" | "server">): string | undefined {
  const has = (name: string, value: string) => config.get(name)?.[0]?.toLowerCase() === value;
  if (config.get("tls-client-cert-file")?.[0] === undefined) {
    if (server.isCluster && has("tls-cluster", "yes")) return "the members of its cluster ask for it";
    const replicates =
      server.role === "slave" || server.replicas > 0 || config.get("replicaof") !== undefined;
    if (replicates && has("tls-replication", "yes"))
      return "its primary asks for it, now or after a failover";
  }
  const hasSocket = (config.get("unixsocket")?.[0] ?? "") !== "";
  if (!hasSocket && params.plain_port === 0 && params.auth_clients !== false)
    return "redkeep logs in by it where there is no Unix socket";
  return undefined;
}

/** What is wrong with what a certificate of redkeep's own CA may be used for. */
function usageFindings(context: Context, pem: string): string[] {
  const reason = reasonToCall(context);
  if (reason !== undefined) return isForClients(pem) ? [] : [`it is for serving alone, and ${reason}`];
  return isForClients(pem) ? ["it is a client's too, so that it opens other servers"] : [];
}

/** Why the certificate on the host has to be issued anew; empty where it is right. */
function findings(context: Context): string[] {
  const { facts, controller, params, server } = context;
  const paths = tlsPaths(server.configPath);
  const pem = facts.certificates.pem.get(paths.certificate);
  if (pem === undefined) return ["no certificate"];
  if (controller.caCertificate === undefined) return ["issued by a CA that this controller does not have"];
  const found = certificateFindings({
    pem,
    ca: controller.caCertificate,
    names: wantedNames(context),
    epoch: facts.host.epoch,
    renewBeforeDays: params.renew_before_days,
    keyDigest: keyDigest(context),
  });
  return [...found, ...usageFindings(context, pem)];
}

/** The user's own certificate is theirs to renew: it is only put where it belongs. */
function ownCertificateFindings(context: Context): string[] {
  const { facts, controller, server } = context;
  const pem = facts.certificates.pem.get(tlsPaths(server.configPath).certificate);
  if (pem === undefined || controller.certificate === undefined) return ["no certificate"];
  if (!sameCertificate(pem, controller.certificate.certificate)) return ["another certificate"];
  return keyDigest(context) === publicKeyDigest(pem) || keyDigest(context) === undefined
    ? []
    : ["the key does not belong to the certificate"];
}

/** sha256 of the public half of the key on the host; "" where the key is not there, undefined where it cannot be told. */
function keyDigest({ facts, server }: Context): string | undefined {
  const { keyDigests } = facts.certificates;
  return keyDigests === undefined ? undefined : (keyDigests.get(tlsPaths(server.configPath).key) ?? "");
}

function* refusals(context: Context): Iterable<Refusal> {
  const { params, server, facts, controller, config } = context;
  const paths = tlsPaths(server.configPath);
  if (
    controller.caCertificate === undefined &&
    facts.certificates.pem.has(paths.ca) &&
    !controller.rotate.has("ca")
  ) {
    yield {
      guard: null,
      found: `the host has certificates of a CA that is not in this controller's state (${controller.state.name})`,
      remedy: bringAuthority(controller.state),
    };
  }
  if (controller.certificate !== undefined && controller.caCertificate !== undefined) {
    const problems = certificateFindings({
      pem: controller.certificate.certificate,
      ca: controller.caCertificate,
      names: wantedNames(context),
      epoch: facts.host.epoch,
      renewBeforeDays: 0,
      keyDigest: undefined,
    });
    for (const problem of problems) {
      yield {
        guard: "certificate",
        found: `tls.certificate: ${problem}`,
        remedy: "issue a certificate that clients of this host will take",
      };
    }
  }
  if (
    "generate" in params.ca &&
    controller.caCertificate !== undefined &&
    (daysLeft(controller.caCertificate, facts.host.epoch) ?? 0) < 0
  ) {
    yield {
      guard: null,
      found: "the CA in this controller's state has ended: what it signs is refused",
      remedy: "--rotate ca makes a new one; every client then needs the new ca.crt and a new certificate",
    };
  }
  const other = facts.host.listeners.find(
    ({ protocol, port, unit }) => protocol === "tcp" && port === params.port && unit !== server.unit,
  );
  if (other !== undefined) {
    yield {
      guard: null,
      found: `port ${params.port} is taken by ${other.unit ?? "another program"}`,
      remedy: "free it, or set tls.port",
    };
  }
  const privileged = [params.port, params.plain_port].find(
    (port) => port > 0 && port < facts.host.firstUnprivilegedPort,
  );
  if (privileged !== undefined && !mayTakeAnyPort(context)) {
    yield {
      guard: "privileged-port",
      found: `port ${privileged} is below ${facts.host.firstUnprivilegedPort}, where ${server.user} may not listen: Redis would not start`,
      remedy: "set a higher port, or give the unit AmbientCapabilities=CAP_NET_BIND_SERVICE",
    };
  }
  if (
    (server.role === "slave" || server.replicas > 0) &&
    config.get("tls-replication")?.[0] !== "yes" &&
    params.plain_port === 0
  ) {
    yield {
      guard: "replication-needs-tls",
      found:
        "this host is in a replication group whose links do not use TLS: without the plain port they break",
      remedy: "keep the plain port (tls.plain_port: 6379), or set tls-replication yes on every member first",
    };
  }
  if (server.isCluster) {
    yield {
      guard: "cluster",
      found: "this host is in a Redis Cluster, whose bus and redirects redkeep does not change",
      remedy: "leave the tls task out for it",
    };
  }
}

function mayTakeAnyPort({ facts, server }: Context): boolean {
  const capabilities = facts.service.properties.get("AmbientCapabilities") ?? "";
  return server.user === "root" || capabilities.split(" ").includes("cap_net_bind_service");
}

function portChecks(context: Context): Check[] {
  const { params, facts } = context;
  const without = facts.proofs.withoutCertificate.get(String(params.port));
  const refused = without !== undefined && !/PONG|NOAUTH/.test(without);
  const allowed = (name: "plain_port" | "auth_clients") => parameters.by(name, params, "tls");
  const certificates = allowed("auth_clients");
  const demanded = "a client without a certificate is refused";
  return [
    runningOr(context, "RK-TLS-01", "port", [String(params.plain_port)], {
      allows: { by: allowed("plain_port"), demand: "port 0" },
    }),
    runningOr(context, "RK-TLS-01", "tls-port", [String(params.port)]),
    answerCheck(context),
    leftBehindCheck(context),
    runningOr(context, "RK-TLS-04", "tls-auth-clients", [authClients(params)], {
      allows: { by: certificates, demand: "tls-auth-clients yes" },
    }),
    ...trustChecks(context),
    check(
      "RK-TLS-04",
      {
        expected: certificates === undefined ? demanded : "an answer to a client without a certificate",
        observed: without === undefined ? "nothing listens there" : refused ? "refused" : "answered",
        source: "PING over TLS without a certificate",
        allows: { by: certificates, demand: demanded },
      },
      // Of a server that does not run nobody knows whom it would refuse.
      without === undefined && facts.service.process === undefined
        ? { outcome: "unknown" }
        : certificates === undefined
          ? refused
          : (without !== undefined && !refused) || { outcome: "skip" },
    ),
  ];
}

/** Whose certificates Redis takes: those of one CA, and of no folder. Whoever else is named there gets in like a client. */
function trustChecks(context: Context): Check[] {
  const { facts, controller, server } = context;
  const { ca } = tlsPaths(server.configPath);
  const setting = "tls-ca-cert-file";
  const named = [ca, server.config.get(setting)?.[0] ?? "", server.running?.get(setting) ?? ""];
  const files = [...new Set(named)].flatMap((path) => {
    const pem = facts.certificates.pem.get(path);
    return pem === undefined ? [] : [{ path, pem }];
  });
  const wanted = controller.caCertificate;
  const foreign = files.flatMap(({ path, pem }) =>
    wanted === undefined ? [] : foreignAuthorities(pem, wanted).map((subject) => `${subject} in ${path}`),
  );
  const isThere = facts.certificates.pem.has(ca);
  return [
    runningOr(context, "RK-TLS-04", setting, [ca]),
    runningOr(context, "RK-TLS-04", "tls-ca-cert-dir", [""], { isDefault: true }),
    check(
      "RK-TLS-04",
      {
        expected: "no other CA beside the wanted one",
        observed:
          foreign.length > 0
            ? `also ${foreign.slice(0, CAS_TOLD).join("; ")}${foreign.length > CAS_TOLD ? ` and ${foreign.length - CAS_TOLD} more` : ""}`
            : wanted === undefined
              ? "this controller has no CA to compare with"
              : isThere
                ? "none"
                : `${ca} was not read`,
        source: ca,
      },
      foreign.length === 0 && (wanted === undefined || !isThere)
        ? { outcome: "unknown" }
        : foreign.length === 0,
    ),
  ];
}

/** Foreign CAs that are named one by one; the others are counted. */
const CAS_TOLD = 5;

/** A port that closes on the running server leaves the connections that it has: they go on as before. */
function leftBehindCheck({ facts, server }: Context): Check {
  const expected = "no client on a port that Redis has closed";
  const source = "CLIENT LIST";
  const { running } = server;
  if (running === undefined || facts.redis.user === undefined)
    return noLogin("RK-TLS-01", expected, source, facts.redis.loginError ?? "CLIENT LIST does not answer");
  const open = ["port", "tls-port"].map((name) => Number(running.get(name) ?? 0));
  const ends = clientsOf(facts).flatMap((client) => {
    const { isSocket } = addressOf(client);
    return isSocket
      ? []
      : [{ client, port: client.local === "" ? undefined : hostAndPort(client.local).port }];
  });
  const left = ends.filter(({ port }) => port !== undefined && !open.includes(port));
  const isUntold = facts.redis.cut.has("clients") || ends.some(({ port }) => port === undefined);
  const shown = left.slice(0, CLIENTS_TOLD).map(({ client, port }) => {
    const { user, address } = client;
    const program = [client.name, client.library].filter(Boolean).join(", ");
    const who = excerpt(`${address} user ${user}${program === "" ? "" : ` (${program})`}`, 120);
    return `${who} on port ${port}`;
  });
  const more = left.length > shown.length ? ` and ${left.length - shown.length} more` : "";
  const none = isUntold ? "which port each client is on is not told" : "none";
  return check(
    "RK-TLS-01",
    {
      expected,
      observed: left.length === 0 ? none : `still connected: ${shown.join("; ")}${more}`,
      source,
      // Whoever stays does so until it connects anew: that is no reason to open the port again.
      isAdvisory: true,
    },
    left.length === 0 && isUntold ? { outcome: "unknown" } : left.length === 0,
  );
}

/** Clients that are named one by one; the others are counted. */
const CLIENTS_TOLD = 5;

/** The host's only certificate is the server's. Where no client may use that, the handshake alone can be seen. */
function answerCheck({ params, facts, server }: Context): Check {
  const port = String(params.port);
  const reply = facts.proofs.withCertificate.get(port);
  const answers = reply !== undefined && /^(PONG|NOAUTH)/.test(reply);
  const certificate = facts.certificates.pem.get(tlsPaths(server.configPath).certificate);
  const expected = `an answer over TLS on port ${port}`;
  if (answers || reply === undefined || certificate === undefined || isForClients(certificate)) {
    const observed = reply?.split("\n")[0] ?? "nothing listens there";
    return check("RK-TLS-01", { expected, observed, source: "PING over TLS with a certificate" }, answers);
  }
  const served = facts.proofs.served.get(port) ?? "";
  const observed = `${served === "" ? "no" : "a"} handshake; PING not tried, since the certificate is for servers alone`;
  return check(
    "RK-TLS-01",
    { expected, observed, source: "openssl s_client" },
    served === "" ? { outcome: "unknown" } : true,
  );
}

function cipherChecks(context: Context): Check[] {
  const { params, facts } = context;
  const old = facts.proofs.oldProtocol.get(String(params.port));
  return [
    runningOr(context, "RK-TLS-03", "tls-protocols", [params.protocols.join(" ")]),
    runningOr(context, "RK-TLS-03", "tls-ciphers", [params.ciphers.join(":")], {
      allows: {
        by: parameters.by("ciphers", params, "tls"),
        demand: "ciphers of TLS 1.2 with ephemeral keys and authenticated encryption",
      },
    }),
    runningOr(context, "RK-TLS-03", "tls-ciphersuites", [params.ciphersuites.join(":")]),
    check(
      "RK-TLS-03",
      {
        expected: "TLS 1.1 is refused",
        observed: old ?? "not tried: no openssl on the host, or nothing listens",
        source: "openssl s_client -tls1_1",
      },
      old === undefined ? { outcome: "unknown" } : old === "refused",
    ),
  ];
}

function certificateChecks(context: Context): Check[] {
  const { params, facts, controller, server } = context;
  const paths = tlsPaths(server.configPath);
  const onDisk = facts.certificates.pem.get(paths.certificate);
  const served = facts.proofs.served.get(String(params.port));
  const ca = controller.caCertificate ?? facts.certificates.pem.get(paths.ca);
  const names = wantedNames(context);
  const problems =
    onDisk === undefined
      ? [`${paths.certificate} is not there`]
      : ca === undefined
        ? ["no CA to check it against"]
        : certificateFindings({
            pem: onDisk,
            ca,
            names,
            epoch: facts.host.epoch,
            renewBeforeDays: 0,
            keyDigest: keyDigest(context),
          }).concat(controller.certificate === undefined ? usageFindings(context, onDisk) : []);
  const days = onDisk === undefined ? undefined : daysLeft(onDisk, facts.host.epoch);
  return [
    authorityCheck(context),
    check(
      "RK-TLS-05",
      {
        expected: `valid for ${[...names.dns, ...names.ip].join(", ")}`,
        observed: problems.join("; ") || "every name and address, signed by the CA",
        source: paths.certificate,
      },
      problems.length === 0,
    ),
    check(
      "RK-TLS-06",
      {
        expected: `valid for more than ${params.renew_before_days} days`,
        observed: days === undefined ? "no certificate" : `ends in ${days} days`,
        source: paths.certificate,
      },
      days !== undefined && days > params.renew_before_days,
    ),
    check(
      "RK-TLS-06",
      {
        expected: "the server shows the certificate on disk",
        observed:
          served === undefined || served === ""
            ? "not tried: no openssl on the host, or nothing listens"
            : onDisk !== undefined && sameCertificate(served, onDisk)
              ? "the same"
              : "another one",
        source: "openssl s_client",
      },
      served === undefined || served === ""
        ? { outcome: "unknown" }
        : onDisk !== undefined && sameCertificate(served, onDisk),
    ),
  ];
}

/** By the file that Redis trusts. To make a new CA is not apply's to do unasked, so this says nothing of what it changed. */
function authorityCheck({ facts, server }: Context): Check {
  const { ca } = tlsPaths(server.configPath);
  const pem = facts.certificates.pem.get(ca);
  const days = pem === undefined ? undefined : daysLeft(pem, facts.host.epoch);
  return check(
    "RK-TLS-10",
    {
      expected: "a CA that has not ended",
      observed:
        pem === undefined
          ? "there is no CA on the host yet"
          : days === undefined
            ? "the CA's certificate cannot be read"
            : days < 0
              ? `the CA ended ${-days} days ago`
              : `ends in ${days} days`,
      source: ca,
      isAdvisory: true,
    },
    pem === undefined ? { outcome: "skip" } : days !== undefined && days >= 0,
  );
}

function keyCheck(context: Context): Check {
  const { facts, controller, server } = context;
  const paths = tlsPaths(server.configPath);
  const key = facts.files.paths.get(paths.key);
  const ca = controller.caCertificate ?? facts.certificates.pem.get(paths.ca);
  const caDigest = ca === undefined ? undefined : publicKeyDigest(ca);
  const caKeys = [...(facts.certificates.keyDigests ?? [])]
    .filter(([, digest]) => digest === caDigest)
    .map(([path]) => path);
  const mode = key === undefined ? "no key" : `0${key.mode.toString(8)} ${key.owner}:${key.group}`;
  return check(
    "RK-TLS-07",
    {
      expected: `0640 root:${server.group} or 0600, and no CA key`,
      observed: caKeys.length === 0 ? mode : `${mode}; the CA's key lies in ${caKeys.join(", ")}`,
      source: "stat, openssl pkey",
    },
    key !== undefined &&
      (key.mode & 0o037) === 0 &&
      (key.owner === "root" || key.owner === server.user) &&
      caKeys.length === 0,
  );
}
