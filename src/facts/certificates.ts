import { createHash, createPublicKey } from "node:crypto";
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
set --; known=
for path in $TLS_CERT $TLS_CA "$CONF_FOLDER"/tls/redkeep-*.crt ${paths
    .filter((path) => path.endsWith(".crt"))
    .map(quotePath)
    .join(" ")}; do
  case "$known " in *" $path "*) continue;; esac
  if [ ! -f "$path" ]; then continue; fi
  known="$known $path"
  # Redis takes a certificate and its key from one file, too.
  if [ "$path" -ef "$TLS_KEY" ]; then section "pem $path"; head -c 65536 "$path" | sed '/-----BEGIN .*PRIVATE KEY/,/-----END /d'
  else set -- "$@" "pem $path" "$path"; fi
done
show_files "$@"
if has openssl; then
  section keys; known=
  for path in $TLS_KEY ${TLS_DIRECTORY}/*.key "$CONF_FOLDER"/*.key "$CONF_FOLDER"/tls/*.key; do
    case "$known " in *" $path "*) continue;; esac
    if [ -f "$path" ]; then
      known="$known $path"; echo "$path"; openssl pkey -in "$path" -passin pass: -pubout
    fi
  done
fi
`,
  parse: (sections) => ({
    pem: new Map(sections.startingWith("pem")),
    keyDigests: sections.text("keys") === undefined ? undefined : digestsOf(sections.lines("keys")),
  }),
};

/** A path, and behind it the key's public half, where openssl could read the key. Lines of base64 may begin with a slash, too. */
const PATH_AND_KEY = /^(\/.*)\n?(-----BEGIN [\s\S]*?\n-----END .*)?/gm;

function digestsOf(lines: readonly string[]): Map<string, string> {
  const keys = lines.join("\n").matchAll(PATH_AND_KEY);
  return new Map([...keys].map(([, path = "", pem = ""]) => [path, spkiDigest(pem)]));
}

function spkiDigest(pem: string): string {
  try {
    const der = createPublicKey(pem).export({ type: "spki", format: "der" });
    return createHash("sha256").update(der).digest("hex");
  } catch {
    return "";
  }
}
