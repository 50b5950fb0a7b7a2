import { dirname } from "node:path/posix";
import { shellProgram } from "../shell/program.ts";
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

/** Owner, group and mode of everything the tasks may set, and the room on the disks. */
export const filesFact: Fact<FilesFact> = {
  script: ({ paths }) => shellProgram("probe/files.sh", { PLANNED_PATHS: paths }),
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
