import type { Fact } from "./fact.ts";

export interface ConfigFilesFact {
  main: { path: string; text: string } | undefined;
  /** Files that `include` brings in, at any depth, in the order of their reading. */
  includes: readonly { path: string; text: string }[];
  /** The ACL file that the configuration names, or that the playbook will use where it exists already. */
  aclFiles: ReadonlyMap<string, string>;
  /** redkeep's own drop-in of the unit. */
  dropIn: string | undefined;
  /** Configuration and ACL files that are there, or may be, and that this login may not read: never root's. */
  unreadable: ReadonlySet<string>;
}

/** Bytes of one file that are read: a configuration beyond that is not one. */
const LIMIT = 1_048_576;

/** redis.conf with all that it includes, the ACL file and our drop-in, byte for byte. */
export const configFilesFact: Fact<ConfigFilesFact> = {
  // SETTINGS are the active lines, names in lower case. conf_get puts into VALUE what Redis would take for a scalar: the
  // last line wins. It only serves to find the way in, and is the shell's own work: a process costs more than all of it.
  script: ({ paths }) => `
seen= unread=
# Not readable, or behind a folder that may not be entered, so that nobody can say whether it is there.
blocked() {
  if [ -r "$1" ]; then return 1; elif [ -e "$1" ]; then return 0; fi
  local up=$1
  while [ -n "$up" ]; do
    up=\${up%/*}; if [ -d "\${up:-/}" ]; then [ ! -x "\${up:-/}" ]; return; fi
  done
  return 1
}
note_blocked() { case $1 in /*) if blocked "$1"; then unread="$unread
$1"; fi;; esac; }
read_conf() {
  local file include
  case "$seen " in *" $1 "*) return;; esac
  seen="$seen $1"
  section "config $1"; head -c ${LIMIT} "$1"
  if [ "$2" -ge 8 ]; then return; fi
  for include in $(sed -n 's/^[[:space:]]*include[[:space:]]\\{1,\\}//Ip' "$1" | tr -d "\\"'\\r"); do
    note_blocked "$include"
    if [ -f "$include" ] && [ -r "$include" ]; then read_conf "$include" $(($2 + 1)); fi
  done
}
last_of() { VALUE=\${2##*"
$1"}; VALUE=\${VALUE%%"
"*}; }
conf_get() { VALUE=; case $SETTINGS in *"
$1 "*) last_of "$1 " "$SETTINGS"; case $VALUE in '"'*'"') VALUE=\${VALUE#?}; VALUE=\${VALUE%?};; esac;; esac; }
note_blocked "$CONF"
if [ -f "$CONF" ] && [ -r "$CONF" ]; then read_conf "$CONF" 0; fi
SETTINGS=
if [ -n "$seen" ]; then SETTINGS="
$(cat $seen | tr -d '\\r' | sed -n -e 's/^[[:space:]]*\\([A-Za-z][A-Za-z0-9_-]*\\)[[:space:]]\\{1,\\}/\\L\\1\\E /' -e tk -e d -e :k -e 's/[[:space:]]*$//p')"; fi
CONF_FOLDER=\${CONF%/*}
conf_get aclfile; ACL_FILE=$VALUE
conf_get tls-cert-file; TLS_CERT=$VALUE
conf_get tls-key-file; TLS_KEY=$VALUE
conf_get tls-ca-cert-file; TLS_CA=$VALUE
for file in "$ACL_FILE" ${paths
    .filter((path) => path.endsWith(".acl"))
    .map(quotePath)
    .join(" ")}; do
  note_blocked "$file"
  if [ -f "$file" ] && [ -r "$file" ]; then section "acl-file $file"; head -c ${LIMIT} "$file"; fi
done
if [ -f "/etc/systemd/system/$UNIT.d/redkeep.conf" ]; then section drop-in; cat "/etc/systemd/system/$UNIT.d/redkeep.conf"; fi
section unreadable; echo "$unread"
`,
  parse: (sections) => {
    const [main, ...includes] = [...sections.startingWith("config")].map(([path, text]) => ({ path, text }));
    return {
      main,
      includes,
      aclFiles: new Map(sections.startingWith("acl-file")),
      dropIn: sections.text("drop-in"),
      unreadable: new Set(sections.lines("unreadable")),
    };
  },
};

/** Paths reach the script quoted; those with control characters were refused with the playbook. */
export function quotePath(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
