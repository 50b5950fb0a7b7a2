import { certificateFindings, daysLeft, publicKeyDigest, sameCertificate } from "../../pki/certificate.ts";
import { tlsPaths } from "../../pki/server-files.ts";
import { type Check, check } from "../../verify/controls.ts";
import { keyDigest, usageFindings, wantedNames } from "./certificate.ts";
import type { Context } from "./parameters.ts";
import { authorityCheck } from "./trust-checks.ts";

/** Whether the certificate is for this host, valid for long enough, and the one that the server shows. */
export function certificateChecks(context: Context): Check[] {
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

/** Whether others may read the private key, and whether the CA's own lies on the host. */
export function keyCheck(context: Context): Check {
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
