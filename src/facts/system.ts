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
  /** Where a known password of Redis, or redis-cli with a password among its arguments, was found: paths only. */
  openSecrets: readonly string[] | undefined;
}

/** Passwords shorter than this would be found in any text. */
const SEARCHED_FROM = 8;

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
# No line may be empty: that one would be found everywhere.
if [ -n "$secrets" ]; then timeout 10 grep -laF -f /proc/self/fd/3 -- /proc/[0-9]*/cmdline /root/.*_history /home/*/.*_history /etc/environment /etc/profile.d/* /etc/default/* /etc/systemd/system/*.service /etc/systemd/system/*.d/*.conf 3<<END
$secrets
END
fi
for file in $(grep -lzE '(^|/)(redis|valkey)-cli$' /proc/[0-9]*/cmdline); do
  if tr '\\0' ' ' <"$file" | grep -qE ' (-a|--pass|-u rediss?://[^ ]*:[^ ]*@)'; then echo "$file"; fi
done
section open-secrets-end
`,
  parse: ({ seen: sections }) => {
    const setting = (path: string) => sections.fileLines(path)[0]?.trim();
    const number = (path: string) => {
      const text = setting(path);
      return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
    };
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
        sections.text("open-secrets-end") === undefined
          ? undefined
          : [...new Set(sections.lines("open-secrets"))],
    };
  },
};

function wordAndRest(line: string): [string, string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).trim()];
}
