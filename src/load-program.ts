import { homedir } from "node:os";
import { dirname, join } from "node:path";
import type { main } from "./cli/main.ts";

interface Program {
  main: typeof main;
}

/** The program as it is built: one CommonJS function, in ASCII. The folder of this file is the program's. */
const BUILT = join(import.meta.dirname, "program.cjs");

/** Run so often, most commands have come by what they do: from then on what was compiled is only read. */
const RUNS_TO_LEARN_FROM = 5;

/** These run code that the others never need; the others share what they have. */
const COMMANDS = ["plan", "apply", "verify", "rollback", "eject"];

/**
 * Loads the program: its sources, or, where it was built, the one file with all of it. What V8 compiled of that is kept in
 * the user's own cache for the next start. Node's own compile cache holds what is compiled while a module is loaded;
 * that is but a small part, since V8 compiles a function when it is first called. Where there is no safe place for
 * a cache, or `NODE_DISABLE_COMPILE_CACHE` is set, each start compiles anew.
 */
export async function loadProgram(process: NodeJS.Process): Promise<Program> {
  if (import.meta.filename.endsWith(".ts")) return await import("./cli/main.ts");
  // Importing these instead would load all that they offer: fs its streams, for one.
  const { readFileSync } = process.getBuiltinModule("fs");
  const { createRequire } = process.getBuiltinModule("module");
  const { Script } = process.getBuiltinModule("vm");
  const source = readFileSync(BUILT);
  const directory = cacheDirectory(process);
  const command = COMMANDS.find((name) => name === process.argv[2]) ?? "other";
  const cache =
    directory === undefined ? undefined : new CodeCache(join(directory, `${command}.code`), source);
  const kept = cache?.read();
  const script = new Script(source.toString("latin1"), {
    filename: BUILT,
    ...(kept && { cachedData: kept.data }),
  });
  const runs = kept === undefined || script.cachedDataRejected === true ? 0 : kept.runs;
  if (cache !== undefined && runs < RUNS_TO_LEARN_FROM)
    process.once("exit", (code) => {
      // What ends at a wrong argument has called but a few functions.
      if (code !== 1) cache.write(script.createCachedData(), runs + 1);
    });
  const program: Partial<Program> = {};
  script.runInThisContext()(program, createRequire(BUILT), BUILT, import.meta.dirname);
  return program as Program;
}

/**
 * A file with what V8 compiled. Before the data stand, in 32 bits each, the checksum of the program, that of the data and
 * the number of runs that it was learned from; 32 more keep the data aligned.
 */
class CodeCache {
  static readonly #HEADER = 16;
  readonly #fs = process.getBuiltinModule("fs");
  readonly #crc32 = process.getBuiltinModule("zlib").crc32;
  readonly #file: string;
  readonly #program: number;

  /** @param source the program that the code was compiled from. V8 itself only compares its length. */
  constructor(file: string, source: Buffer) {
    this.#file = file;
    this.#program = this.#crc32(source);
  }

  /** Undefined where nothing sound is kept of this program: V8 itself would run what was damaged. */
  read(): { data: Buffer; runs: number } | undefined {
    let content: Buffer;
    try {
      const { O_RDONLY, O_NOFOLLOW } = this.#fs.constants;
      const descriptor = this.#fs.openSync(this.#file, O_RDONLY | O_NOFOLLOW);
      try {
        if (!isOursAlone(this.#fs.fstatSync(descriptor))) return undefined;
        content = this.#fs.readFileSync(descriptor);
      } finally {
        this.#fs.closeSync(descriptor);
      }
    } catch {
      return undefined;
    }
    if (content.length <= CodeCache.#HEADER) return undefined;
    const data = content.subarray(CodeCache.#HEADER);
    const isWhole = content.readUInt32LE(4) === this.#crc32(data);
    return isWhole && content.readUInt32LE(0) === this.#program
      ? { data, runs: content.readUInt32LE(8) }
      : undefined;
  }

  write(data: Buffer, runs: number): void {
    const header = Buffer.alloc(CodeCache.#HEADER);
    header.writeUInt32LE(this.#program, 0);
    header.writeUInt32LE(this.#crc32(data), 4);
    header.writeUInt32LE(runs, 8);
    const temporary = `${this.#file}.${process.pid}`;
    try {
      this.#fs.writeFileSync(temporary, Buffer.concat([header, data]), { mode: 0o600, flag: "wx" });
      this.#fs.renameSync(temporary, this.#file);
    } catch {
      // A disk that is full is no reason to fail.
      this.#fs.rmSync(temporary, { force: true });
    }
  }
}

/** Whether it is the user's, and nobody else may write to it. */
function isOursAlone({ uid, mode }: { uid: number; mode: number }): boolean {
  return uid === process.getuid?.() && (mode & 0o022) === 0;
}

/**
 * `~/.cache/redkeep`, where it is the user's own and nobody else may write there, nor put another folder in its place: what
 * lies in it is run.
 */
function cacheDirectory({ env, getuid, getBuiltinModule }: NodeJS.Process): string | undefined {
  if (env.NODE_DISABLE_COMPILE_CACHE || getuid === undefined) return undefined;
  const { existsSync, mkdirSync, realpathSync, statSync } = getBuiltinModule("fs");
  const caches = env.XDG_CACHE_HOME || join(homedir(), ".cache");
  const directory = join(caches, "redkeep");
  try {
    // One by one: on a file system that lets nobody make a folder, such as /proc, Node's `recursive` never ends.
    for (const folder of [caches, directory]) if (!existsSync(folder)) mkdirSync(folder, { mode: 0o700 });
    const real = realpathSync(directory);
    // Under sudo with the caller's HOME the folder is somebody else's.
    if (!isOursAlone(statSync(real))) return undefined;
    for (let folder = dirname(real); ; folder = dirname(folder)) {
      const { uid, mode } = statSync(folder);
      // Whoever may write to a folder above could swap what lies below; in a sticky one, such as /tmp, only its owner.
      const isClosed = (mode & 0o022) === 0 || (mode & 0o1000) !== 0;
      if (!isClosed || (uid !== 0 && uid !== getuid())) return undefined;
      if (folder === dirname(folder)) return real;
    }
  } catch {
    // A home that is missing, full or read-only is no reason not to run.
    return undefined;
  }
}
