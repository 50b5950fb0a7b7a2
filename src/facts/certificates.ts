import { createHash, createPublicKey } from "node:crypto";
import { FrameError } from "../lib/frame.ts";
import { shellProgram } from "../shell/program.ts";
import type { Fact } from "./fact.ts";

export interface CertificatesFact {
  /** PEM text of certificates, by path. */
  pem: ReadonlyMap<string, string>;
  /** sha256 (hex) of the public half (SPKI, DER) of each private key, by path; undefined where the host has no openssl. */
  keyDigests: ReadonlyMap<string, string> | undefined;
}

/** The bytes before the point in a public key (SPKI, DER). */
const SPKI_START = "3059301306072a8648ce3d020106082a8648ce3d030107034200";

/** The certificates on disk, and which private key belongs to which public key. No private key leaves the host. */
export const certificatesFact: Fact<CertificatesFact> = {
  script: ({ paths }) =>
    shellProgram("probe/certificates.sh", {
      CERTIFICATE_PATHS: paths.filter((path) => path.endsWith(".crt")),
    }),
  parse: ({ seen: sections, said }) => ({
    pem: new Map([...sections.startingWith("pem"), ...said.startingWith("pem-of-key")]),
    keyDigests: sections.text("keys") === undefined ? undefined : digestsOf(sections.lines("keys")),
  }),
};

/** Far more than a server has. Reading one takes a tenth of a millisecond. */
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
    // What is no key has a digest that no key has.
    return "";
  }
}

/** @param text base64 of three bytes of tags, a 0, and the point. */
function spkiOfPoint(text: string): Buffer {
  return Buffer.concat([Buffer.from(SPKI_START, "hex"), Buffer.from(text, "base64").subarray(4)]);
}
