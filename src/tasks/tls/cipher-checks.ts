import { type Check, check } from "../../verify/controls.ts";
import { runningOr } from "../../verify/running.ts";
import { type Context, parameters } from "./parameters.ts";

export function cipherChecks(context: Context): Check[] {
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
