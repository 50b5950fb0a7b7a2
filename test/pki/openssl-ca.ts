import type { KeyPair } from "../../src/pki/issue.ts";
import type { Workshop } from "./support.ts";

const LEAF = [
  "basicConstraints=critical,CA:FALSE",
  "keyUsage=critical,digitalSignature",
  "authorityKeyIdentifier=keyid,issuer",
];

/** What redkeep issues, in the words of an openssl configuration. */
export const EXTENSIONS = {
  authority: ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"],
  server: (alternatives: string) => [
    ...LEAF,
    "extendedKeyUsage=serverAuth",
    `subjectAltName=${alternatives}`,
  ],
  calling: (alternatives: string) => [
    ...LEAF,
    "extendedKeyUsage=serverAuth,clientAuth",
    `subjectAltName=${alternatives}`,
  ],
  client: [...LEAF, "extendedKeyUsage=clientAuth"],
};

/** Has `openssl ca` issue a certificate, self-signed without a CA: `openssl x509 -text` of it, and its key's PEM. */
export function certificateByOpenssl(
  workshop: Workshop,
  ca: KeyPair | undefined,
  name: string,
  { days, extensions }: { days: number; extensions: readonly string[] },
): string {
  workshop.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "by.key");
  workshop.write("index", "");
  workshop.write("serial", "7f00112233445566778899aabbccddee");
  if (ca !== undefined) workshop.write("by-ca.key", ca.key.reveal());
  if (ca !== undefined) workshop.write("by-ca.crt", ca.certificate);
  workshop.write(
    "by.cnf",
    `[req]
prompt=no
distinguished_name=subject
[subject]
CN=${name}
[ca]
default_ca=own
[own]
database=index
serial=serial
new_certs_dir=.
default_md=default
policy=policy
x509_extensions=extensions
[policy]
commonName=supplied
[extensions]
subjectKeyIdentifier=hash
${extensions.join("\n")}
`,
  );
  workshop.openssl("req", "-new", "-config", "by.cnf", "-key", "by.key", "-out", "by.csr");
  const start = Date.now() - 3_600_000;
  const dates = ["-startdate", opensslTime(start), "-enddate", opensslTime(start + days * 86_400_000)];
  const signer =
    ca === undefined ? ["-selfsign", "-keyfile", "by.key"] : ["-cert", "by-ca.crt", "-keyfile", "by-ca.key"];
  const files = ["-in", "by.csr", "-out", "by.crt", ...dates];
  workshop.openssl("ca", "-batch", "-notext", "-config", "by.cnf", ...signer, ...files);
  return workshop.path("by.crt");
}

/** `20260131235959Z` */
function opensslTime(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().replace(/[-:T]|\..*/g, "")}Z`;
}
