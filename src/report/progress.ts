import { Listr } from "listr2";
import { guardLines, printable } from "../lib/printable.ts";
import { elapsed } from "../lib/words.ts";
import type { RunRecord } from "../record/record.ts";
import type { HostStatus } from "../record/statuses.ts";
import { hasFailed } from "../record/summary.ts";
import { statusInWords } from "../record/words.ts";
import { type Paint, painter, sizeOf, type Terminal, terminalOf, toAscii } from "./colours.ts";
import { pad, widthOf } from "./layout.ts";

export interface Progress {
  /** What a host is doing now. The first call also says that it has begun. */
  update(host: string, text: string): void;
  /** How a host ended. */
  done(host: string, status: HostStatus, text: string): void;
  /** Removes the board, so that only the results remain. Later messages are dropped. */
  stop(): Promise<void>;
}

export interface ProgressOptions {
  /** stderr: stdout is for the results. */
  stream: NodeJS.WritableStream;
  hosts: readonly string[];
  /** Such as `Applying Harden Redis to 200 hosts`. */
  title: string;
  /** Says whether `rolled-back` is a failure, and what a host that was left alone is called. */
  command?: RunRecord["command"];
  env?: NodeJS.ProcessEnv;
  /** Milliseconds, for the clock of the board. */
  now?: () => number;
}

/**
 * Shows how the hosts get on: on a terminal a board that is redrawn at most ten times a second and never
 * grows beyond the terminal, elsewhere and under `CI=true` a plain line for each event, prefixed with its host.
 */
export function createProgress(options: ProgressOptions): Progress {
  const terminal = terminalOf(options.stream, options.env ?? process.env);
  return terminal.interactive ? boardProgress(options, terminal) : lineProgress(options, terminal.unicode);
}

const MAX_TEXT = 200;

function lineProgress({ stream, hosts, title, command }: ProgressOptions, unicode: boolean): Progress {
  const known = new Set(hosts);
  const last = new Map<string, string>();
  let stopped = false;
  const print = (line: string) => stream.write(guardLines(`${unicode ? line : toAscii(line)}\n`));
  const tell = (host: string, text: string) => {
    if (stopped || !known.has(host) || last.get(host) === text) return;
    last.set(host, text);
    print(`${printable(host, MAX_TEXT)}: ${printable(text, MAX_TEXT)}`);
  };
  print(printable(title, MAX_TEXT));
  return {
    update: tell,
    done: (host, status, text) => tell(host, ending(status, text, command)),
    stop: async () => {
      stopped = true;
    },
  };
}

function ending(status: HostStatus, text: string, command: ProgressOptions["command"]): string {
  const word = statusInWords(status, command);
  return text === "" ? word : `${word}, ${text}`;
}

interface Row {
  host: string;
  state: "waiting" | "running" | "done" | "failed";
  text: string;
  /** Milliseconds at which the host began with what `text` says. */
  since: number;
  end: () => void;
}

const REDRAW_MS = 100;

/**
 * listr2 holds the list and the moments at which drawing starts and ends; the drawing is ours, because the work of
 * its own renderer grows with the square of the rows. It gets neither the signals nor a reason to end the process.
 */
function boardProgress(
  { stream, hosts, title, command = "apply", now = Date.now }: ProgressOptions,
  terminal: Terminal,
): Progress {
  const begun = now();
  const rows = new Map<string, Row>();
  const ends: Promise<void>[] = [];
  for (const host of hosts) {
    const { promise, resolve } = Promise.withResolvers<void>();
    ends.push(promise);
    rows.set(host, {
      host: printable(host, MAX_TEXT),
      state: "waiting",
      text: "",
      since: begun,
      end: resolve,
    });
  }
  const look = {
    title: printable(title, MAX_TEXT),
    paint: painter(terminal.colour),
    unicode: terminal.unicode,
  };
  const board = new Board(stream, () =>
    boardLines([...rows.values()], { ...look, ...sizeOf(stream), elapsedMs: now() - begun, now: now() }),
  );

  class BoardRenderer {
    static nonTTY = true;
    static rendererOptions = {};
    static rendererTaskOptions = {};
    render(): void {
      board.start();
    }
    end(): void {
      board.stop();
    }
  }
  const list = new Listr(
    hosts.map((host, index) => ({ title: host, task: () => ends[index] })),
    { renderer: BoardRenderer, concurrent: true, exitOnError: false, registerSignalListeners: false },
  );
  const finished = list.run();

  let stopped = false;
  const tell = (host: string, told: Pick<Row, "state" | "text">) => {
    const row = rows.get(host);
    if (row === undefined || stopped) return;
    Object.assign(row, told, { since: now() });
    if (told.state !== "running") row.end();
  };
  return {
    update: (host, text) => tell(host, { state: "running", text: printable(text, MAX_TEXT) }),
    done(host, status, text) {
      const state = hasFailed(status) ? "failed" : "done";
      tell(host, { state, text: printable(ending(status, text, command), MAX_TEXT) });
    },
    async stop() {
      stopped = true;
      for (const row of rows.values()) row.end();
      await finished;
    },
  };
}

/** Lines at the bottom of a terminal that are drawn over again and again, and taken away at the end. */
class Board {
  readonly #stream: NodeJS.WritableStream;
  readonly #lines: () => string[];
  #timer: NodeJS.Timeout | undefined;
  /** The widths of the lines that stand on the terminal. */
  #drawn: number[] = [];

  constructor(stream: NodeJS.WritableStream, lines: () => string[]) {
    this.#stream = stream;
    this.#lines = lines;
  }

  start(): void {
    this.#draw();
    // Without `unref`, a board that nobody stopped would keep the process alive.
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#stream.write(this.#erasing());
    this.#drawn = [];
  }

  #draw(): void {
    const lines = this.#lines();
    // Line wrap is off while drawing: letters that take two columns must not push a line into a second row.
    this.#stream.write(`${this.#erasing()}\x1b[?7l${lines.map((line) => `${line}\n`).join("")}\x1b[?7h`);
    this.#drawn = lines.map(widthOf);
  }

  /** Back to the first line drawn, and all from there cleared. A terminal that was made narrower has wrapped them. */
  #erasing(): string {
    const { width } = sizeOf(this.#stream);
    const height = this.#drawn.reduce((sum, length) => sum + Math.max(1, Math.ceil(length / width)), 0);
    return height === 0 ? "" : `\x1b[${height}A\r\x1b[J`;
  }
}

/** Where not every host has a row: so many of the first failures, and so many running hosts. */
const FAILED_ROWS = 4;
const RUNNING_ROWS = 10;
/** How long a host may take over one step before its row says how long it has been. */
const SLOW_MS = 5_000;
const MAX_NAME = 32;
const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII_SPINNER = ["|", "/", "-", "\\"];

interface BoardLook {
  title: string;
  width: number;
  height: number;
  elapsedMs: number;
  now: number;
  paint: Paint;
  unicode: boolean;
}

/** The board as lines: the title, the rows that the terminal has room for, and one line of counts. */
function boardLines(rows: readonly Row[], look: BoardLook): string[] {
  const room = Math.max(0, look.height - 3);
  const shown = rows.length <= room ? rows : mostTelling(rows, room);
  const names = Math.min(MAX_NAME, Math.max(0, ...shown.map((row) => widthOf(row.host))));
  const lines = [
    look.paint("bold", cut(look.title, look.width)),
    ...shown.map((row) => rowLine(row, names, look)),
    countsLine(rows, look),
  ];
  return look.unicode ? lines : lines.map(toAscii);
}

/** The first failures, then the hosts that have been at one step for longest. */
function mostTelling(rows: readonly Row[], room: number): Row[] {
  const failed = rows.filter((row) => row.state === "failed").sort((a, b) => a.since - b.since);
  const first = failed.slice(0, Math.min(FAILED_ROWS, room));
  const running = rows.filter((row) => row.state === "running").sort((a, b) => a.since - b.since);
  return [...first, ...running.slice(0, Math.min(RUNNING_ROWS, room - first.length))];
}

function rowLine(row: Row, names: number, look: BoardLook): string {
  const name = pad(cut(row.host, MAX_NAME), names);
  const tookMs = look.now - row.since;
  const took = row.state === "running" && tookMs >= SLOW_MS ? `  ${elapsed(tookMs)}` : "";
  const text = cut(row.text, look.width - names - 4 - took.length) + took;
  switch (row.state) {
    case "waiting":
      return look.paint("dim", cut(`  ${name}  waiting`, look.width));
    case "running": {
      const frames = look.unicode ? SPINNER : ASCII_SPINNER;
      return `${look.paint("cyan", frames[Math.floor(look.elapsedMs / REDRAW_MS) % frames.length] ?? "")} ${name}  ${text}`;
    }
    case "done":
      return `${look.paint("green", look.unicode ? "✔" : "*")} ${name}  ${text}`;
    case "failed":
      return look.paint("red", `${look.unicode ? "✖" : "X"} ${name}  ${text}`);
  }
}

function countsLine(rows: readonly Row[], look: BoardLook): string {
  const count = (state: Row["state"]) => rows.filter((row) => row.state === state).length;
  const counts = (["waiting", "running", "done", "failed"] as const)
    .map((state) => `${state}: ${count(state)}`)
    .join("   ");
  const clock = elapsed(look.elapsedMs);
  const line = cut(`  ${counts}   ${clock}`, look.width);
  return count("failed") > 0 ? look.paint("yellow", line) : line;
}

function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  return width < 1 ? "" : `${[...text].slice(0, width - 1).join("")}…`;
}
