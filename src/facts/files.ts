import { quotePath } from "./config-files.ts";
import type { Fact } from "./fact.ts";

export interface PathFact {
  path: string;
  kind: "file" | "directory" | "link" | "other";
  owner: string;
  group: string;
  /** As stat prints it: `640`, `2750`. */
  mode: number;
  links: number;
  bytes: number;
}

export interface FilesFact {
  paths: ReadonlyMap<string, PathFact>;
  /** sha256 of regular files that redkeep may replace, by path. */
  digests: ReadonlyMap<string, string>;
  /** Where the running or configured server keeps its data. */
  dataDirectory: string;
  /** Data files directly in it and in its append-only directory. */
  dataFiles: readonly string[];
  logFile: string;
  /** Bytes free on the file system of the data directory, and of /var/lib/redkeep's; undefined where it has none. */
  dataFree: number | undefined;
  stateFree: number | undefined;
}

/** Owner, group and mode of everything the tasks may set, and the room on the disks. */
export const filesFact: Fact<FilesFact> = {
  script: ({ paths }) => `
describe() { if [ -e "$1" ] || [ -L "$1" ]; then stat -c '%F|%U|%G|%a|%h|%s|%n' -- "$1"; fi; }
DIR=
if [ -n "$WHO" ]; then DIR=$(echo "$(current CONFIG) GET dir" | ask | sed -n '/^dir$/{n;p;}'); fi
if [ -z "$DIR" ]; then DIR=$(conf_get dir); fi
LOG=$(conf_get logfile)
TLS="$(conf_get tls-cert-file) $(conf_get tls-key-file) $(conf_get tls-ca-cert-file) $(dirname "$CONF")/tls/redkeep-*"
section data-directory; echo "$DIR"; echo "$LOG"
section paths
for path in $seen $(conf_get aclfile) $(conf_get unixsocket) $TLS "$LOG" "$DIR" ${paths.map(quotePath).join(" ")}; do
  if [ -n "$path" ]; then describe "$path"; describe "$(dirname "$path")"; fi
done | sort -u
for path in /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw "/etc/systemd/system/$UNIT.d/redkeep.conf" /etc/systemd/system/redkeep-recover.service; do describe "$path"; done
section data-files
if [ -d "$DIR" ]; then for path in "$DIR"/*.rdb "$DIR"/*.aof "$DIR"/*.aof.* "$DIR"/appendonlydir "$DIR"/appendonlydir/* "$(dirname "$LOG")"/redis*.log "$(dirname "$LOG")"/valkey*.log; do describe "$path"; done; fi
section digests
for path in $seen $(conf_get aclfile) $TLS ${paths.map(quotePath).join(" ")} /etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw "/etc/systemd/system/$UNIT.d/redkeep.conf" /etc/systemd/system/redkeep-recover.service; do
  if [ -f "$path" ]; then sha256sum -- "$path"; fi
done | sort -u
section disks; if [ -d "$DIR" ]; then stat -f -c '%a %S' "$DIR"; else echo '0 0'; fi; if [ -d /var/lib ]; then stat -f -c '%a %S' /var/lib; fi
`,
  parse: (sections) => {
    const described = [...sections.lines("paths"), ...sections.lines("data-files")].flatMap(parsePath);
    const [dataDirectory = "", logFile = ""] = (sections.text("data-directory") ?? "").split("\n");
    const [dataFree, stateFree] = sections.lines("disks").map((line) => {
      const [blocks, size] = line.split(" ").map(Number);
      // A full disk has no free blocks; a missing directory has no block size either.
      return blocks === undefined || !size ? undefined : blocks * size;
    });
    return {
      paths: new Map(described.map((path) => [path.path, path])),
      digests: new Map(
        sections.lines("digests").flatMap((line) => {
          const found = /^([0-9a-f]{64}) [ *](.+)$/.exec(line);
          return found?.[1] && found[2] ? [[found[2], found[1]]] : [];
        }),
      ),
      dataDirectory,
      dataFiles: sections
        .lines("data-files")
        .flatMap(parsePath)
        .map((path) => path.path),
      logFile,
      dataFree,
      stateFree,
    };
  },
};

function parsePath(line: string): PathFact[] {
  const [kind = "", owner = "", group = "", mode = "", links = "", bytes = "", ...name] = line.split("|");
  const path = name.join("|");
  if (path === "") return [];
  return [
    {
      path,
      kind: kind.startsWith("regular")
        ? "file"
        : kind === "directory"
          ? "directory"
          : kind === "symbolic link"
            ? "link"
            : "other",
      owner,
      group,
      mode: Number.parseInt(mode, 8),
      links: Number(links),
      bytes: Number(bytes),
    },
  ];
}
