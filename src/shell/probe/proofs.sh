# shellcheck shell=dash
ping_redis() { SAID=$(
  # shellcheck disable=SC2086 # words of a command
  timeout -k 1 5 $DROP $CLI "$@" 2>&1 <<END | heard 262144
PING
END
); }
# Puts into SAID what openssl says of this server, with the reply to a PING: a redis-cli with TLS costs as
# much again. Redis then hangs up, at the latest for what is no command.
ask_openssl() { SAID=$(
  # shellcheck disable=SC2086 # words of a command
  timeout -k 1 5 $DROP openssl s_client -ign_eof -connect "127.0.0.1:$port" "$@" 2>&1 <<END | heard 262144
PING$CR
QUIT$CR
*no command$CR
END
); }
# Puts the reply into VALUE: it may stand amid what openssl says of the session, and only Redis ends lines
# with CR.
reply_said() {
  case $SAID in
  *'Verify return code: 0 (ok)'*) VALUE=${SAID%%"$CR"*} ;;
  *'Verify return code: '*)
    VALUE=${SAID#*'Verify return code: '}
    VALUE="not verified: ${VALUE%%"$NL"*}"
    return
    ;;
  *) VALUE= ;;
  esac
  case $VALUE in
  "$SAID") VALUE= ;;
  *+PONG) VALUE=PONG ;;
  *-NOAUTH*) VALUE=NOAUTH${VALUE##*-NOAUTH} ;;
  *-DENIED*) VALUE=DENIED${VALUE##*-DENIED} ;;
  *) VALUE=${VALUE##*"$NL"} ;;
  esac
  if [ -z "$VALUE" ]; then case $SAID in *:error:*)
    VALUE=${SAID#*:error:*:*:*:}
    VALUE="no answer: ${VALUE%%:*}"
    ;;
  *) VALUE='no answer' ;; esac fi
}
if [ -n "$CLI" ] && [ "$PID" -gt 0 ]; then
  conf_get tls-port
  served_ports=' '
  for port in $ASKED_PORTS "$VALUE"; do
    case $port in '' | 0* | *[!0-9]*) continue ;; esac
    case $served_ports in *" $port "*) ;; *) served_ports="$served_ports$port " ;; esac
  done
  # Where every port speaks TLS, and the host has no certificate for clients, only here the server itself can
  # refuse.
  conf_get unixsocket
  if [ -S "$VALUE" ] && plain "$VALUE"; then
    ping_redis -s "$VALUE"
    tell socket-ping "$SAID"
  fi
  find_listening
  pinged=' '
  set -f
  # shellcheck disable=SC2086 # a word each
  set -- 127.0.0.1:6379 $LISTENING
  set +f
  for listening; do
    port=${listening##*:}
    address=${listening%:*}
    address=${address#[}
    address=${address%]}
    case $address in 0.0.0.0 | '*' | ::) address=127.0.0.1 ;; esac
    case "$served_ports$pinged" in *" $port "* | *" $address:$port "*) continue ;; esac
    pinged="$pinged$address:$port "
    case $TCP_PORTS in ' ' | *" $port "*) ping_redis -h "$address" -p "$port" ;;
    *) SAID='Connection refused: nothing listens there' ;;
    esac
    tell "plain-ping $address $port" "$SAID"
  done
  for port in $served_ports; do
    case $TCP_PORTS in *" $port "*) ;; *) continue ;; esac
    if has openssl; then
      # Only the certificate and the reply leave the host: openssl also says what the session could be resumed
      # with.
      if tls_words; then
        ask_openssl -CAfile "$TLS_CA" -no-CApath -cert "$TLS_CERT" -key "$TLS_KEY"
        reply_said
        tell "with-certificate $port" "$VALUE"
      else ask_openssl; fi
      case $SAID in *'-----BEGIN CERT'*'-----END CERT'*)
        SAID=${SAID#*-----BEGIN}
        VALUE="-----BEGIN${SAID%%-----END*}-----END CERTIFICATE-----"
        ;;
      *) VALUE= ;; esac
      tell "served $port" "$VALUE"
      SAID=$(timeout -k 1 5 openssl s_client -connect "127.0.0.1:$port" -tls1_1 -cipher DEFAULT@SECLEVEL=0 |
        head -c 262144)
      case $SAID in *'Cipher is '[!'(']*) VALUE=accepted ;; *) VALUE=refused ;; esac
      tell "old-protocol $port" "$VALUE"
    elif tls_words; then
      # shellcheck disable=SC2086 # words of a command
      ping_redis -h 127.0.0.1 -p "$port" $WORDS
      tell "with-certificate $port" "$SAID"
    fi
    ping_redis -h 127.0.0.1 -p "$port" --tls --cacert "$TLS_CA"
    tell "without-certificate $port" "$SAID"
  done
fi
