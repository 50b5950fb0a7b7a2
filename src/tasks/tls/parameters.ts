import { z } from "zod";
import { secretSource } from "../../lib/secret-schema.ts";
import { weakenable } from "../../verify/allowance.ts";
import type { TaskContext } from "../task.ts";

const cipherName = z.string().regex(/^[A-Za-z0-9_-]+$/, "should be one cipher's name");
export const port = z.number().int().min(1).max(65535);
export const name = z
  .string()
  .regex(/^[A-Za-z0-9*:]([A-Za-z0-9.:_*-]{0,251}[A-Za-z0-9])?$/, "should be a DNS name or an IP address");

/** What every client can speak for years now: keys that are never used twice, and data that is bound to them. */
const SOUND_CIPHER = /^(?:ECDHE|DHE)-.*(?:GCM|CHACHA20|CCM)/;

export const parameters = weakenable(
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

export const params = parameters.schema.superRefine(
  ({ port, plain_port, clients, valid_days, renew_before_days }, issue) => {
    const problem = (key: string, message: string) =>
      issue.addIssue({ code: "custom", path: [key], message });
    if (plain_port === port) problem("plain_port", "should be another port than the one with TLS");
    // A fresh certificate has a day less than it is valid: it would be issued again by every run.
    if (renew_before_days >= valid_days - 1)
      problem("renew_before_days", `should be less than valid_days (${valid_days}) by two at least`);
    // Their files are named after them, and a Mac takes App.key and app.key for one file.
    const byFile = Map.groupBy(clients, (client) => client.toLowerCase());
    for (const alike of byFile.values()) {
      if (new Set(alike).size > 1)
        problem("clients", `should differ in more than upper and lower case, found ${alike.join(" and ")}`);
    }
  },
);

export type TlsParams = z.output<typeof params>;
export type Context = TaskContext<TlsParams>;

export function authClients({ auth_clients }: TlsParams): string {
  return auth_clients === "optional" ? "optional" : auth_clients ? "yes" : "no";
}
