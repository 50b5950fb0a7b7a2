import type { Fact } from "./fact.ts";

/** What the service answers to strangers, tried from the host itself. */
export interface ProofsFact {
  /** Replies to PING without a login on plain ports, by `address port`. */
  plainPings: ReadonlyMap<string, string>;
  /** The reply on the Unix socket that the configuration names; undefined where nobody could connect. */
  socketPing: string | undefined;
  /** Replies to PING over TLS, by port: with the server's own certificate as client certificate, and without any. */
  withCertificate: ReadonlyMap<string, string>;
  withoutCertificate: ReadonlyMap<string, string>;
  /** The certificate that is served (PEM), by port; absent where the host has no openssl. */
  served: ReadonlyMap<string, string>;
  /** What openssl says of a TLS 1.1 handshake (`refused` or `accepted`), by port. */
  oldProtocol: ReadonlyMap<string, string>;
}

const CR = "\r";

/** Bytes of what a server says to one question. */
const REPLY_LIMIT = 262_144;

/** Handshakes and PINGs that change nothing: without a login Redis answers them with a refusal. */
export const proofsFact: Fact<ProofsFact> = {
  // A client without a certificate sees TLS 1.3 succeed; the refusal comes with the first answer, so PING is sent.
  script: ({ prove, tlsPorts }) =>
    prove
      ? `
ping_redis() { SAID=$(timeout -k 1 5 $DROP $CLI "$@" 2>&1 <<END | heard ${REPLY_LIMIT}
PING
END
); }
# Puts into SAID what openssl says of this server, with the reply to a PING: a redis-cli with TLS costs as much again. Redis
# then hangs up, at the latest for what is no command.
ask_openssl() { SAID=$(timeout -k 1 5 $DROP openssl s_client -ign_eof -connect "127.0.0.1:$port" "$@" 2>&1 <<END | heard ${REPLY_LIMIT}
PING${CR}
QUIT${CR}
*no command${CR}
END
); }
# Puts the reply into VALUE: it may stand amid what openssl says of the session, and only Redis ends lines with CR.
reply_said() {
  case $SAID in
    *'Verify return code: 0 (ok)'*) VALUE=\${SAID%%"${CR}"*};;
    *'Verify return code: '*) VALUE=\${SAID#*'Verify return code: '}; VALUE="not verified: \${VALUE%%"$NL"*}"; return;;
    *) VALUE=;;
  esac
  case $VALUE in
    "$SAID") VALUE=;;
    *+PONG) VALUE=PONG;; *-NOAUTH*) VALUE=NOAUTH\${VALUE##*-NOAUTH};; *-DENIED*) VALUE=DENIED\${VALUE##*-DENIED};;
    *) VALUE=\${VALUE##*"$NL"};;
  esac
  if [ -z "$VALUE" ]; then case $SAID in *:error:*) VALUE=\${SAID#*:error:*:*:*:}; VALUE="no answer: \${VALUE%%:*}";; *) VALUE='no answer';; esac; fi
}
if [ -n "$CLI" ] && [ "$PID" -gt 0 ]; then
  conf_get tls-port; served_ports=' '
  for port in ${tlsPorts.join(" ")} "$VALUE"; do
    case $port in ''|0*|*[!0-9]*) continue;; esac
    case $served_ports in *" $port "*) ;; *) served_ports="$served_ports$port ";; esac
  done
  # Where every port speaks TLS, and the host has no certificate for clients, only here the server itself can refuse.
  conf_get unixsocket; if [ -S "$VALUE" ] && plain "$VALUE"; then ping_redis -s "$VALUE"; tell socket-ping "$SAID"; fi
  find_listening; pinged=' '
  set -f; set -- 127.0.0.1:6379 $LISTENING; set +f
  for listening; do
    port=\${listening##*:}; address=\${listening%:*}; address=\${address#[}; address=\${address%]}
    case $address in 0.0.0.0|'*'|::) address=127.0.0.1;; esac
    case "$served_ports$pinged" in *" $port "*|*" $address:$port "*) continue;; esac
    pinged="$pinged$address:$port "
    case $TCP_PORTS in ' '|*" $port "*) ping_redis -h "$address" -p "$port";; *) SAID='Connection refused: nothing listens there';; esac
    tell "plain-ping $address $port" "$SAID"
  done
  for port in $served_ports; do
    case $TCP_PORTS in *" $port "*) ;; *) continue;; esac
    if has openssl; then
      # Only the certificate and the reply leave the host: openssl also says what the session could be resumed with.
      if tls_words; then
        ask_openssl -CAfile "$TLS_CA" -no-CApath -cert "$TLS_CERT" -key "$TLS_KEY"
        reply_said; tell "with-certificate $port" "$VALUE"
      else ask_openssl; fi
      case $SAID in *'-----BEGIN CERT'*'-----END CERT'*) SAID=\${SAID#*-----BEGIN}; VALUE="-----BEGIN\${SAID%%-----END*}-----END CERTIFICATE-----";; *) VALUE=;; esac
      tell "served $port" "$VALUE"
      SAID=$(timeout -k 1 5 openssl s_client -connect "127.0.0.1:$port" -tls1_1 -cipher DEFAULT@SECLEVEL=0 | head -c ${REPLY_LIMIT})
      case $SAID in *'Cipher is '[!'(']*) VALUE=accepted;; *) VALUE=refused;; esac
      tell "old-protocol $port" "$VALUE"
    elif tls_words; then ping_redis -h 127.0.0.1 -p "$port" $WORDS; tell "with-certificate $port" "$SAID"; fi
    ping_redis -h 127.0.0.1 -p "$port" --tls --cacert "$TLS_CA"; tell "without-certificate $port" "$SAID"
  done
fi
`
      : "",
  parse: ({ said: sections }) => ({
    plainPings: trimmed(sections.startingWith("plain-ping")),
    socketPing: unlessClosed(sections.text("socket-ping")?.trim()),
    withCertificate: trimmed(sections.startingWith("with-certificate")),
    withoutCertificate: trimmed(sections.startingWith("without-certificate")),
    served: trimmed(sections.startingWith("served")),
    oldProtocol: trimmed(sections.startingWith("old-protocol")),
  }),
};

/** A socket that the login may not open says nothing of the server behind it. */
function unlessClosed(reply: string | undefined): string | undefined {
  return reply?.startsWith("Could not connect") ? undefined : reply;
}

function trimmed(entries: Iterable<[string, string]>): Map<string, string> {
  return new Map([...entries].map(([key, text]) => [key, text.trim()]));
}
