import { dirname } from "node:path/posix";
import { quotePath } from "./config-files.ts";
import type { Fact } from "./fact.ts";
import { MOUNTS } from "./host.ts";
import { type Seen, seen } from "./origin.ts";

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
  dataDirectory: Seen;
  /** Data files directly in it and in its append-only directory, where that is no symbolic link. */
  dataFiles: readonly Seen[];
  /** There are more than were looked at. */
  areDataFilesCut: boolean;
  logFile: Seen;
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

/** Data files that are looked at. A server has a handful, and its user may make a million. */
const MAX_DATA_FILES = 5000;

/** Owner, group and mode of everything the tasks may set, and the room on the disks. */
export const filesFact: Fact<FilesFact> = {
  script: ({ paths }) => `
# One process for all paths; those that are not there are left out, and names that would be two lines of the answer.
describe() {
  for path; do shift; case $path in *"$NL"*) ;; *) set -- "$@" "$path";; esac; done
  stat -c '%F|%U|%G|%a|%h|%s|%n' -- "$@"
}
# The kernel knows where the server keeps its data: Redis enters the folder.
DIR=; if [ "$PID" -gt 0 ] && cd -P "/proc/$PID/cwd" 2>/dev/null; then DIR=$PWD; cd /; fi
case $DIR in ''|/proc/*|*"$NL"*) conf_get dir; DIR=$VALUE;; esac
conf_get logfile; LOG=$VALUE
case $LOG in */*) LOG_FOLDER=\${LOG%/*};; *) LOG_FOLDER=.;; esac
# The words of a file are split, and no wildcard of theirs expanded.
TLS=; set -f; set -- $TLS_CERT $TLS_KEY $TLS_CA; set +f
for path in "$@" "$CONF_FOLDER"/tls/redkeep-*; do TLS="$TLS $path"; done
conf_get unixsocket; SOCKET=$VALUE
values_of loadmodule "$SETTINGS"; MODULES=; IFS=$NL; set -f; for line in $VALUE; do MODULES="$MODULES \${line%% *}"; done; unset IFS
section data-directory; printf '%s\\n' "$DIR"; section log-file; printf '%s\\n' "$LOG"
set --
for path in $seen "$ACL_FILE" "$SOCKET" $TLS "$LOG" "$DIR" $MODULES ${paths.map(quotePath).join(" ")}; do
  if [ -n "$path" ]; then set -- "$@" "$path"; fi
  case $path in */*) path=\${path%/*}; set -- "$@" "\${path:-/}";; esac
done; set +f
set -- "$@" ${OWN_PATHS}
section data-files; described= listed=0
if [ -d "$DIR" ]; then for path in "$DIR"/*.rdb "$DIR"/*.aof "$DIR"/*.aof.* "$DIR"/appendonlydir "$DIR"/appendonlydir/* "$LOG_FOLDER"/redis*.log "$LOG_FOLDER"/valkey*.log; do
  # No name may be two lines of the answer, and the service user may have made the folder a link to any other.
  case $path in *"$NL"*) continue;; "$DIR"/appendonlydir/*) if [ -L "$DIR/appendonlydir" ]; then continue; fi;; esac
  # A program takes only so many words, and each that is added has the shell copy all before it.
  if [ $# -ge 500 ]; then described=$described$(describe "$@")$NL; set --; fi
  if [ "$listed" -ge ${MAX_DATA_FILES} ]; then section data-files-cut; break; fi
  set -- "$@" "$path"; printf '%s\\n' "$path"; listed=$((listed + 1))
done; fi
section paths; printf %s "$described"; describe "$@"
section digests; set -f; set -- $seen "$ACL_FILE" $TLS ${paths.map(quotePath).join(" ")} ${OWN_PATHS}; set +f
# Each of the files in turn makes room for what is to be asked about.
# Whoever else may write there has the rights with which it is read.
digest() {
  READS=$NL readers=; judge "$@"
  for path; do
    shift; case $path in *"$NL"*) continue;; esac
    if [ -f "$path" ]; then
      set -- "$@" "$path"; case " $seen $ACL_FILE $TLS " in *" $path "*) named_reader "$path";; *) reader_of "$path";; esac
      if is_large; then continue; fi; READS="$READS$AS|$path$NL"
      case $NL$readers in *"$NL$AS|$NL"*) ;; *) readers="$readers$AS|$NL";; esac
    fi
  done
  each_reader 'sha256sum --' '' asked_digests
}
digest "$@"
section data-writable; if [ "$PID" -gt 0 ] && [ -d "$DIR" ]; then
  field Uid: "/proc/$PID/status"; uid=$VALUE; field Gid: "/proc/$PID/status"
  if timeout -s KILL 5 setpriv --reuid="$uid" --regid="$VALUE" --init-groups test -w "$DIR" >/dev/null; then echo yes; else case $? in 1) echo no;; esac; fi
fi
section places; rooms=' '; set -- "$@" "$DIR/." /var/lib/redkeep/txn
for path; do
  shift
  case $path in *"$NL"*) continue;; esac
  if [ -e "$path" ] && [ ! -w "$path" ]; then printf 'unwritable %s\\n' "$path"; fi
  while [ -n "$path" ]; do
    # What holds no slash would stay as it is for ever.
    case $path in */*) path=\${path%/*};; *) break;; esac
    if [ ! -d "$path" ]; then continue; fi
    case $rooms in *" $path "*) ;; *) rooms="$rooms$path "
      if [ ! -w "$path" ]; then printf 'unwritable %s\\n' "$path"; fi
      set -- "$@" "$path";; esac
    break
  done
done
if [ $# -gt 0 ]; then stat -f -c 'room %a %S %d %c %n' -- "$@"; fi
`,
  parse: ({ seen: sections }) => {
    const byPath = new Map(
      sections
        .lines("paths")
        .flatMap(parsePath)
        .map((path) => [path.path, path]),
    );
    const dataDirectory = sections.word("data-directory");
    const logFile = sections.word("log-file");
    const writable = sections.text("data-writable")?.trim();
    const places = sections.lines("places").map((line) => line.split(" "));
    const rooms = new Map(places.flatMap(parseRoom));
    const mounts = sections.fileLines(MOUNTS).map((line) => line.split(" ")[4] ?? "");
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
        .map(seen)
        .filter((path) => byPath.has(path) && byPath.get(dirname(path))?.kind !== "link"),
      areDataFilesCut: sections.text("data-files-cut") !== undefined,
      logFile,
      dataFree: rooms.get(dataDirectory)?.bytes,
      dataWritable: writable === "yes" ? true : writable === "no" ? false : undefined,
      rooms,
      unwritable: new Set(
        places.flatMap(([word, ...path]) => (word === "unwritable" ? [path.join(" ")] : [])),
      ),
      mountedFiles: new Set(mounts.filter((path) => byPath.get(path)?.kind === "file")),
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
