import { createHash, createPublicKey } from "node:crypto";
import { FrameError } from "../lib/frame.ts";
import { quotePath } from "./config-files.ts";
import type { Fact } from "./fact.ts";
import { READER_MEMORY } from "./reading.ts";

export interface CertificatesFact {
  /** PEM text of certificates, by path. */
  pem: ReadonlyMap<string, string>;
  /** sha256 (hex) of the public half (SPKI, DER) of each private key, by path; undefined where the host has no openssl. */
  keyDigests: ReadonlyMap<string, string> | undefined;
}

/**
 * PKCS #8 of a key on P-256 in base64 (RFC 5915, RFC 5958): 36 bytes that are the same for all, the 32 of the private
 * number, and the public point behind tags that are the same for all.
 */
const KEY_START = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
const KEY_LENGTH = 184;
/** A pattern of the shell for what stands before the last 69 bytes: four of the tags, and the point. */
const PRIVATE_PART = "?".repeat(92);
const POINT_START = "RANCAA[Q-T]";
/** What stands before the point in a public key (SPKI, DER). */
const SPKI_START = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

const TLS_DIRECTORY = "/etc/redis/tls";

/** Bytes of a certificate that stands with its key, and of a public key. */
const PEM_LIMIT = 65_536;

/** The certificates on disk, and which private key belongs to which public key. No private key leaves the host. */
export const certificatesFact: Fact<CertificatesFact> = {
  script: ({ paths }) => `
known=; set -f; set -- $TLS_CERT $TLS_CA; set +f
set -- "$@" "$CONF_FOLDER"/tls/redkeep-*.crt ${paths
    .filter((path) => path.endsWith(".crt"))
    .map(quotePath)
    .join(" ")}
for path; do
  shift; case "$known " in *" $path "*) continue;; esac
  if [ ! -f "$path" ]; then continue; fi
  known="$known $path"
  # Redis takes a certificate and its key from one file, too: the key stays here.
  if [ "$path" -ef "$TLS_KEY" ]; then
    named_reader "$path"
    tell "pem-of-key $path" "$(beginning "$path" ${PEM_LIMIT} | sed '/-----BEGIN .*PRIVATE KEY/,/-----END /d')"
  else set -- "$@" "pem $path" "$path"; fi
done
show_files "$@"
# A private key on P-256, as openssl writes it, is ${KEY_LENGTH} characters that begin alike and end with the public half: from the
# ${PRIVATE_PART.length}th on. Puts that half into VALUE. Of anything else openssl has to say it.
public_half() {
  begin= one= two= three= end=; { read -r begin; read -r one; read -r two; read -r three; read -r end; } <"$1"
  case $begin$end in '-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----') ;; *) return 1;; esac
  VALUE=$one$two$three
  case $VALUE in *[!A-Za-z0-9+/]*) return 1;; ${KEY_START}*) [ \${#VALUE} -eq ${KEY_LENGTH} ] || return 1;; *) return 1;; esac
  VALUE=\${VALUE#${PRIVATE_PART}}
  case $VALUE in ${POINT_START}*) ;; *) return 1;; esac
}
# One public key and nothing behind it: whoever traces a process with his own rights writes in its place.
tell_public() {
  local key=\${1#"-----BEGIN PUBLIC KEY-----$NL"}
  key=\${key%"$NL-----END PUBLIC KEY-----"}
  case $key in "$1"|*[!A-Za-z0-9+/=$NL]*) ;; *) printf '%s\\n' "$1";; esac
}
if has openssl; then
  section keys; known=; set -f; set -- $TLS_KEY; set +f
  set -- "$@" ${TLS_DIRECTORY}/*.key "$CONF_FOLDER"/*.key "$CONF_FOLDER"/tls/*.key; judge "$@"
  for path; do
    case "$known " in *" $path "*) continue;; esac
    if [ -f "$path" ]; then
      case $path in *"$NL"*) continue;; esac
      known="$known $path"; printf '%s\\n' "$path"; named_reader "$path"; if is_large; then continue; fi
      if [ -z "$AS" ] && public_half "$path"; then echo "P-256 $VALUE"
      else tell_public "$(ulimit -v ${READER_MEMORY}; $AS openssl pkey -in "$path" -passin pass: -pubout | take ${PEM_LIMIT})"; fi
    fi
  done
fi
`,
  parse: ({ seen: sections, said }) => ({
    pem: new Map([...sections.startingWith("pem"), ...said.startingWith("pem-of-key")]),
    keyDigests: sections.text("keys") === undefined ? undefined : digestsOf(sections.lines("keys")),
  }),
};

/** Far more than a server has: to read one takes a tenth of a millisecond. */
const MOST_KEYS = 1_000;

/** A path a line, and behind it the key's public half, where the key could be read. Lines of base64 may begin with a slash, too. */
function digestsOf(lines: readonly string[]): Map<string, string> {
  const keys = new Map<string, string[]>();
  let current: string[] = [];
  let isWithin = false;
  for (const line of lines) {
    if (!isWithin && line.startsWith("/")) {
      if (keys.size === MOST_KEYS) throw new FrameError(`the host has more than ${MOST_KEYS} private keys`);
      current = [];
      keys.set(line, current);
    } else current.push(line);
    if (line.startsWith("-----BEGIN ")) isWithin = true;
    else if (line.startsWith("-----END ")) isWithin = false;
  }
  return new Map([...keys].map(([path, key]) => [path, spkiDigest(key.join("\n"))]));
}

function spkiDigest(text: string): string {
  try {
    const key = text.startsWith("P-256 ")
      ? createPublicKey({ key: spkiOfPoint(text.slice("P-256 ".length)), type: "spki", format: "der" })
      : createPublicKey(text);
    const der = key.export({ type: "spki", format: "der" });
    return createHash("sha256").update(der).digest("hex");
  } catch {
    return "";
  }
}

/** @param text base64 of three bytes of tags, a 0, and the point. */
function spkiOfPoint(text: string): Buffer {
  return Buffer.concat([Buffer.from(SPKI_START, "hex"), Buffer.from(text, "base64").subarray(4)]);
}
