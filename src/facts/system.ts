import { quotePath } from "./config-files.ts";
import type { Fact } from "./fact.ts";

/** What the host around Redis is like. Each part is undefined where it was not asked for or could not be read. */
export interface SystemFact {
  kernel:
    | {
        /** vm.overcommit_memory: 0 by guess, 1 always, 2 never beyond what is there. */
        overcommit: number | undefined;
        /** `always`, `madvise` or `never`. */
        hugePages: string | undefined;
        somaxconn: number | undefined;
        fips: boolean;
        corePattern: string | undefined;
      }
    | undefined;
  /** Swap areas in use, with whether they hold clear text: not in compressed memory, and not known as encrypted. */
  swaps: readonly { name: string; isClear: boolean }[] | undefined;
  /** The package that the server's program belongs to; null for none. Undefined also where the host has no dpkg. */
  package: { name: string; version: string; isHeld: boolean } | null | undefined;
  /** CVE ids that the package's own changelog names as mended. */
  mended: ReadonlySet<string>;
  /** The process runs a program that was replaced on disk since its start. */
  isReplaced: boolean;
  /**
   * Where a known password of Redis, or redis-cli with a password among its arguments, was found: paths only. Undefined also
   * where none was found and not every place could be searched to its end.
   */
  openSecrets: readonly string[] | undefined;
}

/** Passwords shorter than this would be found in any text. */
const SEARCHED_FROM = 8;
/** Seconds for one place where they are searched. */
const SEARCH_SECONDS = 10;
/** KiB of address space for grep, which keeps a whole line. */
const SEARCH_MEMORY = 256 * 1024;
/** Homes with a shell's history that are searched, and redis-clis that are looked at. */
const MAX_HOMES = 50;
const MAX_CLIENTS = 50;
/** Bytes of a redis-cli's command line that are looked at. */
const COMMAND_LINE = 65_536;

/** Kernel, swap, package and stray passwords. Passwords never stand among arguments, and only paths leave the host. */
export const systemFact: Fact<SystemFact> = {
  script: ({ login }) => `
if [ -r /proc/swaps ]; then section swaps; while read -r name kind rest; do
  case $name in Filename) continue;; /dev/zram*) clear=no;; *) clear=yes;; esac
  uuid=; if [ -r "/sys/block/\${name##*/}/dm/uuid" ]; then read -r uuid <"/sys/block/\${name##*/}/dm/uuid"; fi
  case $uuid in CRYPT-*) clear=no;; esac
  echo "$clear $name"
done </proc/swaps; fi
if [ -n "$BIN" ] && has dpkg-query; then
  section package
  owner=$(grep -lxF -- "$BIN" /var/lib/dpkg/info/*redis*.list /var/lib/dpkg/info/*valkey*.list); owner=\${owner%%"$NL"*}
  owner=\${owner##*/}; owner=\${owner%.list}
  if [ -z "$owner" ]; then owner=$(dpkg-query -S "$BIN"); owner=\${owner%%: *}; fi
  if [ -z "$owner" ]; then echo none; else
    # dpkg-query reads all that dpkg knows; sed stops behind the one package. Of several of its name dpkg has to say which.
    case $owner in *[!a-z0-9.+-]*) dpkg-query -W -f '\${db:Status-Want} \${Version} \${Package}\\n' "$owner";; *)
      said=$(sed -n "/^Package: $owner$/,/^$/{s/^Status: //p;s/^Version: //p;/^$/q}" /var/lib/dpkg/status)
      echo "\${said%% *} \${said##*"$NL"} $owner";;
    esac
    section mended; gzip -cd "/usr/share/doc/\${owner%%:*}/changelog.Debian.gz" | grep -o 'CVE-20[0-9]*-[0-9]*'
  fi
fi
section program; if [ "$PID" -gt 0 ] && ! [ "/proc/$PID/exe" -ef "$BIN" ]; then readlink "/proc/$PID/exe"; fi
section open-secrets
conf_get requirepass; requirepass=$VALUE; conf_get masterauth; masterauth=$VALUE; conf_get primaryauth
secrets=
for secret in ${login ? quotePath(login.password.reveal()) : ""} "$requirepass" "$masterauth" "$VALUE"; do
  if [ "\${#secret}" -ge ${SEARCHED_FROM} ]; then secrets="$secrets\${secrets:+$NL}$secret"; fi
done
# Puts into FOUND the files that hold one of the texts, and says whether grep came to their end. What users made may be of any
# size, wait for a writer, or be too long for grep's memory. So a text itself is what grep looks at last. Zero bytes are lines'
# ends: of zeros nothing is kept.
search() {
  local texts=$1; shift
  FOUND=$({ ulimit -v ${SEARCH_MEMORY}; exec timeout -k 1 ${SEARCH_SECONDS} grep -D skip -zla --line-buffered "$@" - <<END
$texts
END
  } 3<<END
$texts
END
  )
  case $NL$FOUND in *"$NL(standard input)") FOUND=\${FOUND%'(standard input)'};; *) return 1;; esac
}
# A place is what one user may fill: he hides what stands in his own, and no more.
search_place() {
  for file; do shift; case $file in *"$NL"*) ;; *) if [ -f "$file" ] && [ -r "$file" ]; then set -- "$@" "$file"; fi;; esac; done
  if [ $# -eq 0 ]; then return; fi
  search "$secrets" -F -f /proc/self/fd/3 -- "$@" || searched=
  printf %s "$FOUND"
}
searched=yes
# No line may be empty: that one would be found everywhere.
if [ -n "$secrets" ]; then
  search_place /root/.*_history /etc/environment /etc/profile.d/* /etc/default/* /etc/systemd/system/*.service /etc/systemd/system/*.d/*.conf /proc/[0-9]*/cmdline
  homes=0
  for home in /home/*/; do
    set -- "$home".*_history; if [ ! -e "$1" ]; then continue; fi
    homes=$((homes + 1)); if [ $homes -gt ${MAX_HOMES} ]; then searched=; break; fi
    search_place "$@"
  done
fi
search redis-cli -E '(^|/)(redis|valkey)-cli[[:space:]]*$' /proc/[0-9]*/cmdline || searched=
clients=0; for file in $FOUND; do
  clients=$((clients + 1)); if [ $clients -gt ${MAX_CLIENTS} ]; then searched=; break; fi
  if timeout -k 1 2 head -c ${COMMAND_LINE} "$file" | tr '\\0' ' ' | grep -qE ' (-a|--pass|-u rediss?://[^ ]*:[^ ]*@)'; then echo "$file"; fi
done
if [ -n "$searched" ]; then section open-secrets-end; fi
`,
  parse: ({ seen: sections }) => {
    const setting = (path: string) => sections.fileLines(path)[0]?.trim();
    const number = (path: string) => {
      const text = setting(path);
      return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
    };
    const openSecrets = [...new Set(sections.lines("open-secrets"))];
    const [status = "", version = "", name = ""] = (sections.text("package") ?? "").trim().split(/\s+/);
    return {
      kernel: !sections.lines("lines").some((line) => /^\/(?:proc\/)?sys\//.test(line))
        ? undefined
        : {
            overcommit: number("/proc/sys/vm/overcommit_memory"),
            hugePages: /\[(\w+)\]/.exec(setting("/sys/kernel/mm/transparent_hugepage/enabled") ?? "")?.[1],
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            fips: setting("/proc/sys/crypto/fips_enabled") === "1",
            corePattern: setting("/proc/sys/kernel/core_pattern"),
          },
      swaps:
        sections.text("swaps") === undefined
          ? undefined
          : sections.lines("swaps").map((line) => {
              const [clear, swap] = wordAndRest(line);
              return { name: swap, isClear: clear !== "no" };
            }),
      package:
        status === "none"
          ? null
          : name === ""
            ? undefined
            : { name, version, isHeld: status.startsWith("h") },
      mended: new Set(sections.lines("mended")),
      isReplaced: (sections.text("program") ?? "").trim().endsWith(" (deleted)"),
      openSecrets:
        openSecrets.length === 0 && sections.text("open-secrets-end") === undefined ? undefined : openSecrets,
    };
  },
};

function wordAndRest(line: string): [string, string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).trim()];
}
