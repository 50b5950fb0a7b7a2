import { dirname } from "node:path/posix";
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
  /** Data files directly in it and in its append-only directory, where that is no symbolic link. */
  dataFiles: readonly string[];
  logFile: string;
  /** Bytes free on the file system of the data directory; undefined where it has none. */
  dataFree: number | undefined;
  /** False where the running server's own user may not write into it; undefined where that could not be tried. */
  dataWritable: boolean | undefined;
  /** Existing directories in which redkeep writes, with the room on their file systems. */
  rooms: ReadonlyMap<string, Room>;
  /** Of all these paths: where not even root may write, be it a read-only mount or the immutable attribute. */
  unwritable: ReadonlySet<string>;
  /** Files that are mounts of their own: no other can take their place. */
  mountedFiles: ReadonlySet<string>;
}

/** What is free on a file system: bytes, and inodes where it counts them. */
export interface Room {
  bytes: number;
  inodes: number | undefined;
}

/** Where redkeep writes on every host; the unit's own drop-in comes beside them. */
const OWN_PATHS =
  '/etc/ufw/user.rules /etc/ufw/user6.rules /etc/ufw/ufw.conf /etc/default/ufw "/etc/systemd/system/$UNIT.d/redkeep.conf" /etc/systemd/system/redkeep-recover.service';

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
for path in $seen "$(conf_get aclfile)" "$(conf_get unixsocket)" $TLS "$LOG" "$DIR" $(conf_lines loadmodule | cut -d' ' -f1) ${paths.map(quotePath).join(" ")}; do
  if [ -n "$path" ]; then describe "$path"; describe "$(dirname "$path")"; fi
done | sort -u
for path in ${OWN_PATHS}; do describe "$path"; done
section data-files
if [ -d "$DIR" ]; then for path in "$DIR"/*.rdb "$DIR"/*.aof "$DIR"/*.aof.* "$DIR"/appendonlydir "$DIR"/appendonlydir/* "$(dirname "$LOG")"/redis*.log "$(dirname "$LOG")"/valkey*.log; do
  # The service user may have made it a link to any directory.
  case $path in "$DIR"/appendonlydir/*) if [ -L "$DIR/appendonlydir" ]; then continue; fi;; esac
  describe "$path"
done; fi
section digests
for path in $seen "$(conf_get aclfile)" $TLS ${paths.map(quotePath).join(" ")} ${OWN_PATHS}; do
  if [ -f "$path" ]; then sha256sum -- "$path"; fi
done | sort -u
section disk; if [ -d "$DIR" ]; then stat -f -c '%a %S' "$DIR"; fi
section data-writable; if [ "$PID" -gt 0 ] && [ -d "$DIR" ]; then
  setpriv --reuid="$(stat -c %u "/proc/$PID")" --regid="$(stat -c %g "/proc/$PID")" --init-groups sh -c 'if [ -w "$0" ]; then echo yes; else echo no; fi' "$DIR"
fi
section places; mounts=" $(cut -d' ' -f5 /proc/self/mountinfo | tr '\\n' ' ') "; rooms=' '
for path in $seen "$(conf_get aclfile)" $TLS ${paths.map(quotePath).join(" ")} ${OWN_PATHS} "$DIR/." /var/lib/redkeep/txn; do
  if [ -e "$path" ] && [ ! -w "$path" ]; then echo "unwritable $path"; fi
  if [ -f "$path" ]; then case $mounts in *" $path "*) echo "mounted $path";; esac; fi
  while [ -n "$path" ]; do
    path=\${path%/*}; if [ ! -d "$path" ]; then continue; fi
    case $rooms in *" $path "*) ;; *) rooms="$rooms$path "
      if [ ! -w "$path" ]; then echo "unwritable $path"; fi
      echo "room $(stat -f -c '%a %S %d %c' "$path") $path";; esac
    break
  done
done
`,
  parse: (sections) => {
    const described = [...sections.lines("paths"), ...sections.lines("data-files")].flatMap(parsePath);
    const byPath = new Map(described.map((path) => [path.path, path]));
    const [dataDirectory = "", logFile = ""] = (sections.text("data-directory") ?? "").split("\n");
    const [blocks, size] = (sections.text("disk") ?? "").split(" ").map(Number);
    const writable = sections.text("data-writable")?.trim();
    const places = sections.lines("places").map((line) => line.split(" "));
    const named = (kind: string) =>
      new Set(places.flatMap(([word, ...path]) => (word === kind ? [path.join(" ")] : [])));
    return {
      paths: byPath,
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
        .map(({ path }) => path)
        .filter((path) => byPath.get(dirname(path))?.kind !== "link"),
      logFile,
      // A full disk has no free blocks; a missing directory has no block size either.
      dataFree: blocks === undefined || !size ? undefined : blocks * size,
      dataWritable: writable === "yes" ? true : writable === "no" ? false : undefined,
      rooms: new Map(places.flatMap(parseRoom)),
      unwritable: named("unwritable"),
      mountedFiles: named("mounted"),
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

/** `room BLOCKS SIZE INODES ALL PATH`; a file system that counts no inodes has 0 of 0. */
function parseRoom([word, blocks, size, inodes, all, ...path]: string[]): [string, Room][] {
  if (word !== "room" || path.length === 0) return [];
  return [
    [
      path.join(" "),
      { bytes: Number(blocks) * Number(size), inodes: Number(all) === 0 ? undefined : Number(inodes) },
    ],
  ];
}
