import type { Fact } from "./fact.ts";

/** What the service answers to strangers, tried from the host itself. */
export interface ProofsFact {
  /** Replies to PING without a login on plain ports, by `address port`. */
  plainPings: ReadonlyMap<string, string>;
  /** Replies to PING over TLS, by port: with the server's own certificate as client certificate, and without any. */
  withCertificate: ReadonlyMap<string, string>;
  withoutCertificate: ReadonlyMap<string, string>;
  /** The certificate that is served (PEM), by port; absent where the host has no openssl. */
  served: ReadonlyMap<string, string>;
  /** What openssl says of a TLS 1.1 handshake (`refused` or `accepted`), by port. */
  oldProtocol: ReadonlyMap<string, string>;
}

/** Handshakes and PINGs that change nothing: without a login Redis answers them with a refusal. */
export const proofsFact: Fact<ProofsFact> = {
  // A client without a certificate sees TLS 1.3 succeed; the refusal comes with the first answer, so PING is sent.
  script: ({ prove, tlsPorts }) =>
    prove
      ? `
ping_redis() { timeout 5 $CLI -p "$port" "$@" 2>&1 <<END
PING
END
}
if [ -n "$CLI" ] && [ "$PID" -gt 0 ]; then
  conf_get tls-port; served_ports=' '
  for port in ${tlsPorts.join(" ")} "$VALUE"; do
    case $port in ''|0*|*[!0-9]*) continue;; esac
    case $served_ports in *" $port "*) ;; *) served_ports="$served_ports$port ";; esac
  done
  find_listening
  for listening in 127.0.0.1:6379 $LISTENING; do
    port=\${listening##*:}; address=\${listening%:*}; address=\${address#[}; address=\${address%]}
    case $address in 0.0.0.0|'*'|::) address=127.0.0.1;; esac
    case $served_ports in *" $port "*) ;; *)
      section "plain-ping $address $port"; ping_redis -h "$address";;
    esac
  done
  for port in $served_ports; do
    case $TCP_PORTS in *" $port "*) ;; *) continue;; esac
    own=
    if tls_words; then
      own="-cert $TLS_CERT -key $TLS_KEY"
      section "with-certificate $port"; ping_redis -h 127.0.0.1 $WORDS
    fi
    section "without-certificate $port"; ping_redis -h 127.0.0.1 --tls --cacert "$TLS_CA"
    if has openssl; then
      section "served $port"
      # Only the certificate leaves the host: openssl also says what the session could be resumed with.
      said=$(timeout 5 openssl s_client -connect "127.0.0.1:$port" $own)
      case $said in *'-----BEGIN CERT'*'-----END CERT'*) said=\${said#*-----BEGIN}; echo "-----BEGIN\${said%%-----END*}-----END CERTIFICATE-----";; esac
      section "old-protocol $port"
      said=$(timeout 5 openssl s_client -connect "127.0.0.1:$port" -tls1_1 -cipher DEFAULT@SECLEVEL=0)
      case $said in *'Cipher is '[!'(']*) echo accepted;; *) echo refused;; esac
    fi
  done
fi
`
      : "",
  parse: (sections) => ({
    plainPings: trimmed(sections.startingWith("plain-ping")),
    withCertificate: trimmed(sections.startingWith("with-certificate")),
    withoutCertificate: trimmed(sections.startingWith("without-certificate")),
    served: trimmed(sections.startingWith("served")),
    oldProtocol: trimmed(sections.startingWith("old-protocol")),
  }),
};

function trimmed(entries: Iterable<[string, string]>): Map<string, string> {
  return new Map([...entries].map(([key, text]) => [key, text.trim()]));
}
