import type { Attributes } from "../../lib/attributes.ts";
import { foreignAuthorities, sameCertificate } from "../../pki/certificate.ts";
import type { Resource } from "../../resources/kind.ts";
import { reasonToCall } from "./certificate.ts";
import type { Context } from "./parameters.ts";
/** What a file of CAs holds that is not as wanted, for people. */
export function otherAuthority(found: string, wanted: string | undefined): string {
  if (wanted === undefined || !sameCertificate(found, wanted)) return "another CA";
  const foreign = foreignAuthorities(found, wanted);
  return foreign.length === 0 ? "edited" : `the CA's certificate, and beside it ${foreign.join("; ")}`;
}

/** The certificate or its key, as issued at apply or as the playbook brings it. */
export function certificateFile(
  context: Context,
  path: string,
  part: "certificate" | "key",
  reissue: readonly string[],
  isNew: boolean,
  attributes: Attributes,
  reload: readonly string[],
): Resource {
  const { controller, params } = context;
  const own = controller.certificate;
  const reason = reasonToCall(context);
  const content =
    own === undefined
      ? { issued: part }
      : part === "key"
        ? { text: own.key.reveal(), secret: true }
        : { text: own.certificate, secret: false };
  const what =
    part === "key"
      ? own === undefined
        ? "a new private key ••••"
        : "the playbook's private key ••••"
      : own === undefined
        ? `issued for ${params.valid_days} days, ${reason === undefined ? "for serving alone" : `as a client's too: ${reason}`}`
        : "the playbook's certificate";
  return {
    kind: "file",
    path,
    content,
    attributes,
    differs: reissue.length > 0,
    before: isNew ? null : (reissue[0] ?? "as wanted"),
    after: what,
    reload,
  };
}
