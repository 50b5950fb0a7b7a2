import { quotePath } from "./config-files.ts";
import type { Fact } from "./fact.ts";

export interface CertificatesFact {
  /** PEM text of certificates, by path. */
  pem: ReadonlyMap<string, string>;
  /** sha256 (hex) of the public half (SPKI, DER) of each private key, by path; undefined where the host has no openssl. */
  keyDigests: ReadonlyMap<string, string> | undefined;
}

const TLS_DIRECTORY = "/etc/redis/tls";

/** The certificates on disk, and which private key belongs to which public key. No private key leaves the host. */
export const certificatesFact: Fact<CertificatesFact> = {
  script: ({ paths }) => `
for path in $(printf '%s\\n' $TLS_CERT $TLS_CA "$CONF_FOLDER"/tls/redkeep-*.crt ${paths
    .filter((path) => path.endsWith(".crt"))
    .map(quotePath)
    .join(" ")} | sort -u); do
  if [ -f "$path" ]; then section "pem $path"; head -c 65536 "$path"; fi
done
if has openssl; then
  section keys
  for path in $(printf '%s\\n' $TLS_KEY ${TLS_DIRECTORY}/*.key "$CONF_FOLDER"/*.key "$CONF_FOLDER"/tls/*.key | sort -u); do
    if [ -f "$path" ]; then
      digest=$(openssl pkey -in "$path" -passin pass: -pubout -outform DER 2>/dev/null | sha256sum)
      echo "\${digest%% *} $path"
    fi
  done
fi
`,
  parse: (sections) => ({
    pem: new Map(sections.startingWith("pem")),
    keyDigests:
      sections.text("keys") === undefined
        ? undefined
        : new Map(
            sections.lines("keys").map((line) => {
              const at = line.indexOf(" ");
              return [line.slice(at + 1), line.slice(0, at)];
            }),
          ),
  }),
};
