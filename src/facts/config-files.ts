import type { Fact } from "./fact.ts";
import { FILE_LIMIT, HEARD_LIMIT, READER_MEMORY } from "./reading.ts";

export interface ConfigFilesFact {
  main: { path: string; text: string } | undefined;
  /** Files that `include` brings in, at any depth, in the order of their reading. */
  includes: readonly { path: string; text: string }[];
  /** The ACL file that the configuration names, or that the playbook will use where it exists already. */
  aclFiles: ReadonlyMap<string, string>;
  /** redkeep's own drop-in of the unit. */
  dropIn: string | undefined;
  /**
   * Files that are there, or may be, and did not come: this login may not read them, or root does not, for they are too
   * large, or another user put something else in their place.
   */
  unreadable: ReadonlySet<string>;
}

/** redis.conf with all that it includes, the ACL file and our drop-in, byte for byte. */
/** Files that includes bring in at most, and bytes of the names that a wildcard stands for. */
const MAX_INCLUDES = 200;
const NAMES_LIMIT = 65_536;

export const configFilesFact: Fact<ConfigFilesFact> = {
  // SETTINGS are the active lines, names in lower case. conf_get puts into VALUE what Redis would take for a scalar: the
  // last line wins. It only serves to find the way in, and is the shell's own work: a process costs more than all of it.
  script: ({ paths }) => `
seen= unread= reads=0 SETTINGS=$NL; set --
# Not readable, or behind a folder that may not be entered, so that nobody can say whether it is there.
blocked() {
  if [ -r "$1" ]; then return 1; elif [ -e "$1" ]; then return 0; fi
  local up=$1
  while [ -n "$up" ]; do
    up=\${up%/*}; if [ -d "\${up:-/}" ]; then [ ! -x "\${up:-/}" ]; return; fi
  done
  return 1
}
note_blocked() { case $1 in /*) if blocked "$1"; then unread="$unread$NL$1"; fi;; esac; }
# All values of a setting in a text of settings, a line each.
values_of() {
  VALUE= IFS=$NL; set -f
  for line in $2; do case $line in "$1 "*) VALUE="$VALUE\${line#"$1 "}$NL";; esac; done
  unset IFS; set +f
}
# Puts into VALUE the files that a name in an include stands for. Whoever wrote the wildcard has to find them himself.
expand() {
  case $1 in *[*?[]*) ;; *) VALUE=$1; return;; esac
  VALUE=$(ulimit -v ${READER_MEMORY}; \${DOUBT:-$BOUND} sh -c 'for name in $0; do printf "%s\\n" "$name"; done; echo .' "$1" | timeout -k 1 ${HEARD_LIMIT} head -c ${NAMES_LIMIT})
  case $NL$VALUE in *"$NL.") VALUE=\${VALUE%.};; *) unread="$unread$NL$1"; VALUE=;; esac
}
read_conf() {
  local settings include name
  case "$seen " in *" $1 "*) return;; esac
  if [ $reads -ge ${MAX_INCLUDES} ]; then unread="$unread$NL$1"; return; fi
  seen="$seen $1"; reads=$((reads + 1))
  named_reader "$1"; if is_large; then return; fi
  settings=$(beginning "$1" ${FILE_LIMIT} | sed -n -e 's/\\r//g' -e 's/^[[:space:]]*\\([A-Za-z][A-Za-z0-9_-]*\\)[[:space:]]\\{1,\\}/\\L\\1\\E /' -e tk -e d -e :k -e 's/[[:space:]]*$//' \\
    -e 's/^rename-command ["'\\'']\\{0,1\\}\\([^"'\\''[:space:]]*\\)["'\\'']\\{0,1\\}[[:space:]]\\{1,\\}/rename-command \\U\\1\\E /' -e '/^\\(rename-command\\|include\\) /s/["'\\'']//g' -e p)
  SETTINGS=$SETTINGS$settings$NL; doubt "$1"
  if [ "$2" -ge 8 ]; then return; fi
  case $NL$settings in *"\${NL}include "*) values_of include "$settings";; *) return;; esac
  set -f; set -- "$2" $VALUE; set +f
  local depth=$(($1 + 1)); shift
  for include; do
    expand "$include"; IFS=$NL; set -f
    for name in $VALUE; do
      unset IFS; set +f; note_blocked "$name"
      if [ -f "$name" ] && [ -r "$name" ]; then read_conf "$name" $depth; fi
    done; unset IFS; set +f
  done
}
last_of() { VALUE=\${2##*"$NL$1"}; VALUE=\${VALUE%%"$NL"*}; }
# As the file has it, and without the quotes.
conf_raw() { values_of "$1" "$SETTINGS"; VALUE=\${VALUE%"$NL"}; VALUE=\${VALUE##*"$NL"}; }
conf_get() { conf_raw "$1"; case $VALUE in '"'*'"') VALUE=\${VALUE#?}; VALUE=\${VALUE%?};; esac; }
note_blocked "$CONF"
if [ -f "$CONF" ] && [ -r "$CONF" ]; then read_conf "$CONF" 0; fi
CONF_FOLDER=\${CONF%/*}
conf_get aclfile; ACL_FILE=$VALUE
conf_get tls-cert-file; TLS_CERT=$VALUE
conf_get tls-key-file; TLS_KEY=$VALUE
conf_get tls-ca-cert-file; TLS_CA=$VALUE
set -f; for file in $seen; do set -- "$@" "config $file" "$file"; done; set +f
for file in "$ACL_FILE" ${paths
    .filter((path) => path.endsWith(".acl"))
    .map(quotePath)
    .join(" ")}; do
  note_blocked "$file"
  case " $* " in *" acl-file $file "*) continue;; esac
  if [ -f "$file" ] && [ -r "$file" ]; then set -- "$@" "acl-file $file" "$file"; fi
done
if [ -f "/etc/systemd/system/$UNIT.d/redkeep.conf" ]; then set -- "$@" drop-in "/etc/systemd/system/$UNIT.d/redkeep.conf"; fi
show_files "$@"
section unreadable; printf '%s\\n' "$unread"
`,
  parse: ({ seen: sections }) => {
    const [main, ...includes] = [...sections.startingWith("config")].map(([path, text]) => ({ path, text }));
    return {
      main,
      includes,
      aclFiles: new Map(sections.startingWith("acl-file")),
      dropIn: sections.text("drop-in"),
      unreadable: new Set([
        ...sections.lines("unreadable"),
        ...[...sections.unread].flatMap((title) => /^(?:config|acl-file) (.*)$/.exec(title)?.[1] ?? []),
      ]),
    };
  },
};

/** Paths reach the script quoted; those with control characters were refused with the playbook. */
export function quotePath(path: string): string {
  return `'${path.replaceAll("'", "'\\''")}'`;
}
