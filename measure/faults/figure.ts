/** One thing that a whole run of the faults measures. */
export interface Figure {
  /** The word for it on the command line. */
  name: string;
  /** What is claimed, in a user's words. */
  title: string;
  /** What has to be reached. */
  target: string;
  /** @param options.count replaces the number of cases, for a short run. */
  run(options: FigureOptions): Promise<Measured>;
}

export interface FigureOptions {
  count?: number;
  /** Tells how far it is, a line each. */
  log: (line: string) => void;
}

export interface Measured {
  /** As seen: `100 of 100`, `longest gap 12 ms`. */
  measured: string;
  ok: boolean;
  /** Why it is not reached, as far as that is known. */
  why?: string;
  /** What went wrong, a line each. */
  problems: string[];
  /** A Markdown table that says it in full. */
  table?: string;
  /** What it was counted from. */
  details?: unknown;
}
