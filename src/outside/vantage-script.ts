import { isIP } from "node:net";
import { shellQuote } from "../shell/quote.ts";
import { type Attempt, attemptsOf, isOffered, type Target, type TlsVersion } from "./target.ts";

/** A target, and whether TLS is looked at too: only from where it should be reached. */
export interface Look {
  target: Target;
  isAllowed: boolean;
}

/** Targets that are looked at beside each other on one vantage host. */
const WORKERS = 16;
/** Bytes that one target can come to in the answer: eight handshakes, a chain of certificates, and replies. */
const BYTES_PER_TARGET = 48 * 1024;
/** To connect, where that should succeed and where it should not: one lost packet is sent again after a second. */
const SECONDS_TO_OPEN = 4;
const SECONDS_TO_STAY_SHUT = 2;
/** Of a chain of certificates: some ten of them. */
export const CHAIN_LINES = 400;

const VERSION_OPTIONS: Readonly<Record<TlsVersion, string>> = {
  TLSv1: "-tls1",
  "TLSv1.1": "-tls1_1",
  "TLSv1.2": "-tls1_2",
  "TLSv1.3": "-tls1_3",
};

/** Seconds after which the script begins no further target, and those after which it is given up. */
export function timeLimits(targets: number): { begins: number; ends: number } {
  const begins = 60 + 5 * Math.ceil(targets / WORKERS);
  return { begins, ends: begins + 60 };
}

export function maxOutputBytes(targets: number): number {
  return Math.min(64 * 1024 * 1024, 64 * 1024 + targets * BYTES_PER_TARGET);
}

/**
 * One POSIX sh script that looks at every target from the host that runs it, with what is there: bash, python3 or nc for
 * TCP, openssl for TLS. It needs no rights, holds no secret and writes no file. Each line that it prints begins with the
 * nonce and is one write, so that targets looked at beside each other do not mix.
 *
 * @param nonce random for each run, so that nothing that a target answers can pass for a line of the script's.
 */
export function vantageScript(looks: readonly Look[], nonce: string): string {
  return `set -uf; LC_ALL=C; export LC_ALL
N=${nonce}
BEGAN=$(date +%s)
has() { command -v "$1" >/dev/null 2>&1; }
say() { printf '%s %s\\n' "$N" "$*"; }
text() { tr -cd '\\011\\012\\040-\\176'; }
lines() { cut -c1-300 | while IFS= read -r line; do say "$1" "$line"; done; }
tool=none
if has timeout; then
  for one in bash python3 nc; do if has $one; then tool=$one; break; fi; done
fi
say - tool $tool
if has timeout && has openssl; then tls=yes; else tls=no; fi
say - openssl $tls
# tcp ADDRESS PORT SECONDS ping|no TARGET. What timeout ends has not tried for so long: that is no "timed out".
tcp() {
  { case $tool in
    bash) timeout $(($3 + 6)) bash -c '
exec 4< <(exec 2>&1; exec 3<>"/dev/tcp/$0/$1" || exit 1; echo open; [ "$3" = ping ] || exit 0
  printf "PING\\r\\nQUIT\\r\\n" >&3; head -c 300 <&3)
tried=$!
if read -r -t "$2" -u 4 line; then echo "$line"; while read -r -t 2 -u 4 line; do echo "$line"; done
else [ $? -le 128 ] || echo "timed out"; fi
kill $tried 2>/dev/null' "$1" "$2" "$3" "$4";;
    python3) timeout $(($3 + 6)) python3 -c '
import socket, sys
try: s = socket.create_connection((sys.argv[1], int(sys.argv[2])), int(sys.argv[3]))
except Exception as e: sys.exit(str(e))
print("open", flush=True)
if sys.argv[4] == "ping":
    s.settimeout(1)
    s.sendall(b"PING\\r\\nQUIT\\r\\n")
    sys.stdout.buffer.write(s.recv(300))' "$1" "$2" $3 "$4";;
    nc) if text=$(timeout $(($3 + 6)) nc -z -v -w $3 "$1" "$2" 2>&1); then
        echo open
        [ "$4" = no ] || printf 'PING\\r\\nQUIT\\r\\n' | timeout 3 nc -w 2 "$1" "$2" | head -c 300
      else status=$?; echo "$text"; (exit $status); fi;;
    *) false;;
    esac
    echo "
exit $?"; } 2>&1 | text | grep . | head -n 8 | lines "$5 port $2"
}
client() { timeout 4 openssl s_client -connect "$@"; }
handshake() {
  { client "$3" $4 </dev/null; echo "exit $?"; } 2>&1 | text |
    grep -E '^-----BEGIN CERT|Cipher is|alert number|errno|error:|nknown option|^exit' | head -n 8 | lines "$1 tls $2"
}
served() {
  client "$2" -showcerts </dev/null 2>/dev/null | text | sed -n '/^-----BEGIN CERT/,/^-----END CERT/p' | head -n ${CHAIN_LINES} | lines "$1 chain"
}
stranger() {
  printf 'PING\\r\\nQUIT\\r\\n' | client "$2" -quiet -ign_eof 2>&1 | text | grep -E '^[-+]|alert number|errno|error:' | head -n 4 | lines "$1 reply"
}
look() {
  case $1 in
${looks.map((look, index) => `  ${index}) ${lookCommands(look, index)};;`).join("\n")}
  esac
}
work() {
  i=$1
  while [ $i -lt ${looks.length} ]; do
    if [ $(($(date +%s) - BEGAN)) -lt ${timeLimits(looks.length).begins} ]; then look $i; say $i done; fi
    i=$((i + ${WORKERS}))
  done
}
w=0
while [ $w -lt ${Math.min(WORKERS, looks.length)} ]; do work $w & w=$((w + 1)); done
wait
say - end
`;
}

/** The ports beside each other; then TLS, where its port lets in. */
function lookCommands({ target, isAllowed }: Look, index: number): string {
  const { address, plainPorts, tlsPort } = target;
  const tcp = (port: number, ping: "ping" | "no") => {
    const seconds = isOffered(target, port) && isAllowed ? SECONDS_TO_OPEN : SECONDS_TO_STAY_SHUT;
    return `tcp ${shellQuote(address)} ${port} ${seconds} ${ping} ${index}`;
  };
  const plain = plainPorts.map((port) => `${tcp(port, "ping")} &`);
  if (tlsPort === undefined) return `${plain.join(" ")} wait`;
  if (!isAllowed) return `${plain.join(" ")} ${tcp(tlsPort, "no")}; wait`;
  const endpoint = shellQuote(`${isIP(address) === 6 ? `[${address}]` : address}:${tlsPort}`);
  const tls = [
    ...attemptsOf(target).map(
      (attempt) => `handshake ${index} ${attempt.name} ${endpoint} ${shellQuote(optionsOf(attempt))}`,
    ),
    `served ${index} ${endpoint}`,
    `stranger ${index} ${endpoint}`,
  ];
  return `${plain.join(" ")} seen=$(${tcp(tlsPort, "no")}); printf '%s\\n' "$seen"
    case $tls$seen in yes*" port ${tlsPort} open"*) ${tls.join("; ")};; esac; wait`;
}

/** Words without a blank in them: the script splits the text there. */
function optionsOf({ version, ciphers, ciphersuites }: Attempt): string {
  return [
    VERSION_OPTIONS[version],
    ...(ciphers === undefined ? [] : ["-cipher", ciphers]),
    ...(ciphersuites === undefined ? [] : ["-ciphersuites", ciphersuites]),
  ].join(" ");
}
