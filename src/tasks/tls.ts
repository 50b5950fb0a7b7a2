import { tlsPaths } from "../pki/server-files.ts";
import type { Resource } from "../resources/kind.ts";
import { settingsOf } from "../resources/rendered-settings.ts";
import { aclAttributes } from "./acl/file.ts";
import { defineTask } from "./task.ts";
import { findings, ownCertificateFindings } from "./tls/certificate.ts";
import { certificateChecks, keyCheck } from "./tls/certificate-checks.ts";
import { cipherChecks } from "./tls/cipher-checks.ts";
import { certificateFile, otherAuthority } from "./tls/files.ts";
import { authClients, type Context, parameters, params, type TlsParams } from "./tls/parameters.ts";
import { portChecks } from "./tls/port-checks.ts";
import { refusals } from "./tls/refusals.ts";

declare module "./task.ts" {
  interface TaskParams {
    tls: TlsParams;
  }
}

/** Encrypt, and ask clients for a certificate of our CA. */
export default defineTask("tls", {
  params,
  facts: ["certificates", "proofs"],
  // The certificate names the addresses that `bind` asks for.
  phase: "service",

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

/** redkeep's own CA is unknown to everybody else: who demands its certificates has to hand them out. */
function clientNotes({ params }: Context): string[] {
  const isClosed = params.auth_clients === true && params.clients.length === 0 && "generate" in params.ca;
  return isClosed
    ? ["clients need a certificate of redkeep's CA, and tls.clients names nobody to get one"]
    : [];
}
