# shellcheck shell=dash
known=
set -f
# shellcheck disable=SC2086 # a word each
set -- $TLS_CERT $TLS_CA
IFS=$NL
# shellcheck disable=SC2086 # a line each
set -- "$@" $CERTIFICATE_PATHS
unset IFS
set +f
set -- "$@" "$CONF_FOLDER"/tls/redkeep-*.crt
for path; do
  shift
  case "$known " in *" $path "*) continue ;; esac
  if [ ! -f "$path" ]; then continue; fi
  known="$known $path"
  # Redis takes a certificate and its key from one file, too: the key stays here.
  if [ "$path" -ef "$TLS_KEY" ]; then
    named_reader "$path"
    tell "pem-of-key $path" "$(beginning "$path" 65536 | sed '/-----BEGIN .*PRIVATE KEY/,/-----END /d')"
  else set -- "$@" "pem $path" "$path"; fi
done
show_files "$@"
# A private key on P-256, as openssl writes it, is 184 characters that begin alike and end with the public
# half: from the 92nd on. Puts that half into VALUE. Of anything else openssl has to say it.
public_half() {
  begin= one= two= three= end=
  {
    read -r begin
    read -r one
    read -r two
    read -r three
    read -r end
  } <"$1"
  case $begin$end in '-----BEGIN PRIVATE KEY----------END PRIVATE KEY-----') ;; *) return 1 ;; esac
  VALUE=$one$two$three
  case $VALUE in *[!A-Za-z0-9+/]*) return 1 ;;
  MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg*) [ ${#VALUE} -eq 184 ] || return 1 ;;
  *) return 1 ;;
  esac
  VALUE=${VALUE#????????????????????????????????????????????????????????????????????????????????????????????}
  case $VALUE in RANCAA[Q-T]*) ;; *) return 1 ;; esac
}
# One public key and nothing behind it: whoever traces a process with his own rights writes in its place.
tell_public() {
  local key=${1#"-----BEGIN PUBLIC KEY-----$NL"}
  key=${key%"$NL-----END PUBLIC KEY-----"}
  case $key in "$1" | *[!A-Za-z0-9+/=$NL]*) ;; *) printf '%s\n' "$1" ;; esac
}
if has openssl; then
  section keys
  known=
  set -f
  # shellcheck disable=SC2086 # a word each
  set -- $TLS_KEY
  set +f
  set -- "$@" /etc/redis/tls/*.key "$CONF_FOLDER"/*.key "$CONF_FOLDER"/tls/*.key
  judge "$@"
  for path; do
    case "$known " in *" $path "*) continue ;; esac
    if [ -f "$path" ]; then
      case $path in *"$NL"*) continue ;; esac
      known="$known $path"
      printf '%s\n' "$path"
      named_reader "$path"
      if is_large; then continue; fi
      if [ -z "$AS" ] && public_half "$path"; then
        echo "P-256 $VALUE"
      else tell_public "$(
        ulimit -v "$READER_MEMORY"
        $AS openssl pkey -in "$path" -passin pass: -pubout | take 65536
      )"; fi
    fi
  done
fi
