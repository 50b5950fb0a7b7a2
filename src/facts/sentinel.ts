import type { Fact } from "./fact.ts";
import { FILE_LIMIT } from "./reading.ts";

/** A Sentinel that is active on the host. */
export interface Sentinel {
  unit: string;
  /** Lines of its configuration that say who may reach it and what it watches; passwords read `(set)`. */
  settings: readonly { name: string; value: string }[];
  /** Its reply to PING without a login; empty where it was not asked, for it speaks TLS alone. */
  reply: string;
  /** Of each primary that it watches: the flags, and what it says to CKQUORUM. */
  watched: readonly { name: string; flags: string; quorum: string }[];
}

/** The active Sentinels. They are asked as a stranger would, from the host itself. */
export const sentinelFact: Fact<readonly Sentinel[]> = {
  script: ({ prove }) =>
    prove
      ? `
for u in $sentinels; do
  show_unit "$u"; shown ExecStart; argv=\${VALUE#*argv\\[\\]=}; argv=\${argv%% ;*}
  set -f; set -- $argv; set +f; conf=\${2:-}; settings=
  if [ -r "$conf" ]; then
    reader_of "$conf"; settings=$(beginning "$conf" ${FILE_LIMIT} | sed -nE \\
      -e 's/^[[:space:]]*(port|tls-port|bind|protected-mode)[[:space:]]+(.*)$/\\1 \\2/Ip' \\
      -e 's/^[[:space:]]*sentinel[[:space:]]+(monitor|auth-user|sentinel-user)[[:space:]]+(.*)$/\\1 \\2/Ip' \\
      -e 's/^[[:space:]]*(sentinel[[:space:]]+)?(requirepass|sentinel-pass)[[:space:]].*$/\\2 (set)/Ip' \\
      -e 's/^[[:space:]]*(user)[[:space:]]+([^[:space:]]+).*$/\\1 \\2/Ip' | head -n 200 | head -c 65536)
    tell "sentinel-conf $u" "$settings"
  fi
  port=26379; IFS=$NL; set -f
  for line in $settings; do case $line in [Pp][Oo][Rr][Tt]' '*) port=\${line#* };; esac; done
  unset IFS; set +f
  case $port in 0|*[!0-9]*) continue;; esac
  tell "sentinel-reply $u" "$(echo PING | timeout -k 1 5 $DROP $CLI -p "$port" 2>&1 | heard 4096 | head -n 1)"
  tell "sentinel-watched $u" "$(printf '%s\\n' "$settings" | sed -n 's/^[Mm]onitor \\([^ ]*\\).*/\\1/p' | while read -r name; do
    printf '%s\\n' "$name"
    printf 'SENTINEL MASTER %s\\n' "$name" | timeout -k 1 5 $DROP $CLI -p "$port" 2>&1 | heard 65536 | sed -n '/^flags$/{n;p;q;}' | grep . || echo -
    printf 'SENTINEL CKQUORUM %s\\n' "$name" | timeout -k 1 5 $DROP $CLI -p "$port" 2>&1 | heard 65536 | grep . | head -n 1 || echo -
  done)"
done
`
      : "",
  parse: ({ said: sections }) => {
    const replies = new Map(sections.startingWith("sentinel-reply"));
    const watched = new Map(sections.startingWith("sentinel-watched"));
    const settings = new Map(sections.startingWith("sentinel-conf"));
    return [...new Set([...settings.keys(), ...replies.keys()])].map((unit) => ({
      unit,
      settings: (settings.get(unit) ?? "").split("\n").flatMap((line) => {
        const at = line.indexOf(" ");
        return at < 0 ? [] : [{ name: line.slice(0, at).toLowerCase(), value: line.slice(at + 1).trim() }];
      }),
      reply: (replies.get(unit) ?? "").trim(),
      watched: triples((watched.get(unit) ?? "").split("\n").filter(Boolean)),
    }));
  },
};

function triples(lines: readonly string[]): Sentinel["watched"] {
  const found = [];
  for (let i = 0; i + 2 < lines.length; i += 3)
    found.push({ name: lines[i] ?? "", flags: lines[i + 1] ?? "", quorum: lines[i + 2] ?? "" });
  return found;
}
