import { dirname } from "node:path/posix";
import type { FilesFact } from "../facts/files.ts";
import { formatSize } from "../redis/size.ts";
import type { Actions, Refusal } from "../resources/kind.ts";
import { writtenPaths } from "../resources/kinds.ts";

/** What every transaction writes beside what its plan names. */
const ALWAYS = ["/var/lib/redkeep/txn", "/etc/systemd/system/redkeep-recover.service"];

/** What it needs in each directory beside the files themselves: copies for the way back, its journal, links. */
const MARGIN = { bytes: 2 * 1024 * 1024, inodes: 16 } as const;

/** Where a write would fail: the host is refused before anything is tried there. */
export function* placeRefusals(
  { rooms, unwritable, mountedFiles }: FilesFact,
  actions: Actions,
): Iterable<Refusal> {
  const needs = new Map<string, { bytes: number; inodes: number }>();
  const closed = new Set<string>();
  const { files } = actions;
  for (const path of [...ALWAYS, ...writtenPaths(actions)]) {
    const directory = nearest(path, rooms);
    const place = [directory, path].find((each) => each !== undefined && unwritable.has(each));
    if (place !== undefined) closed.add(place);
    if (directory === undefined) continue;
    const need = needs.get(directory) ?? { ...MARGIN };
    const content = files.find((file) => file.path === path)?.content;
    // Each file stands there twice until the new one takes the old one's name.
    need.bytes += content !== undefined && "text" in content ? 2 * Buffer.byteLength(content.text) : 0;
    need.inodes += 2;
    needs.set(directory, need);
  }
  for (const place of closed) {
    yield {
      guard: null,
      found: `${place} cannot be written to, not even by root: it is mounted read-only, or immutable`,
      remedy: `look on the host: findmnt -T ${place}; lsattr -d ${place}`,
    };
  }
  for (const [path, need] of needs) {
    const { bytes, inodes = Number.POSITIVE_INFINITY } = rooms.get(path) ?? need;
    if (bytes >= need.bytes && inodes >= need.inodes) continue;
    const [free, wanted] =
      bytes < need.bytes
        ? [`${formatSize(bytes)} are`, formatSize(need.bytes)]
        : [`${inodes} inodes are`, `${need.inodes}`];
    yield {
      guard: "disk-too-small",
      found: `${free} free in ${path}, and this run may need ${wanted} there`,
      remedy: "free disk there first",
    };
  }
  for (const { path } of files) {
    if (!mountedFiles.has(path)) continue;
    yield {
      guard: null,
      found: `${path} is a mount of its own: no other file can take its place`,
      remedy: "mount its directory instead, or put a plain file there",
    };
  }
}

/** The nearest directory above a path that is there. A path is the host's word, and may be relative: its last folder is `.`. */
function nearest(path: string, rooms: FilesFact["rooms"]): string | undefined {
  for (let above = dirname(path); above !== dirname(above); above = dirname(above)) {
    if (rooms.has(above)) return above;
  }
  return undefined;
}
