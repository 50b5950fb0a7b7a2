import { daysLeft, foreignAuthorities } from "../../pki/certificate.ts";
import { tlsPaths } from "../../pki/server-files.ts";
import { type Check, check } from "../../verify/controls.ts";
import { runningOr } from "../../verify/running.ts";
import type { Context } from "./parameters.ts";

/** Whose certificates Redis takes: those of one CA, and of no folder. Whoever else is named there gets in like a client. */
export function trustChecks(context: Context): Check[] {
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

/** By the file that Redis trusts. To make a new CA is not apply's to do unasked, so this says nothing of what it changed. */
export function authorityCheck({ facts, server }: Context): Check {
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
