/** What was measured, and how it is put into numbers: medians, and ratios of what was measured next to each other. */
import type { Figures } from "../figures.ts";
import type { Measurement } from "./measure.ts";
import type { Phase, Step, Trips } from "./tools.ts";

export interface Row extends Omit<Measurement, "output"> {
  tool: string;
  phase: Phase;
  /** What is wrong with the run, in words; such a row counts for nothing. */
  problem?: string;
  trips?: Trips;
  /** Bytes that went to the hosts and came back, where a proxy counted them. */
  sent?: number;
  received?: number;
}

/** A tool on its own hosts, in one round: its phases in their order, with bare ssh between them. */
export interface Block {
  tool: string;
  hosts: number;
  /** Milliseconds of round-trip time that the proxy adds. */
  rtt: number;
  round: number;
  /** ISO 8601. */
  at: string;
  rows: Row[];
  /** What is other on the hosts than it should be, by same-end.sh: empty for nothing. */
  differences: string[];
  /** Of the first apply, for one host, where the tool's own traces tell. */
  steps?: Step[] | undefined;
  /** For one host, in a run with nothing to do. */
  counted?: Counted | undefined;
}

export interface Counted {
  /** From sshd's log. */
  connections: number;
  channels: number;
  /** Process ids that the host gave out, to threads too; sshd's own are among them. */
  processes?: number;
}

export interface Results {
  machine: string;
  method: string;
  /** What could not be had on this machine, by tool. */
  missing: Record<string, string>;
  blocks: Block[];
  /** What modules of measure/speed/figures measured. */
  figures: Figures;
}

export type Value = "wall" | "cpu" | "hostCpu" | "memory";

export function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const [low, high] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return low === undefined || high === undefined ? undefined : (low + high) / 2;
}

export interface Cell {
  hosts: number;
  rtt?: number;
}

const blocksOf = ({ blocks }: Results, { hosts, rtt = 0 }: Cell): Block[] =>
  blocks.filter((block) => block.hosts === hosts && block.rtt === rtt);

const valuesOf = (block: Block, tool: string, phase: Phase, value: Value): number[] =>
  block.rows
    .filter((row) => row.tool === tool && row.phase === phase && row.problem === undefined)
    .map((row) => row[value]);

/** Every measured value of a tool in a phase. */
export function valuesIn(results: Results, cell: Cell, tool: string, phase: Phase, value: Value): number[] {
  return blocksOf(results, cell).flatMap((block) => valuesOf(block, tool, phase, value));
}

/** One side of a ratio. Bare ssh has one phase, a login. */
export interface Side {
  tool: string;
  phase: Phase;
}

/**
 * How many times `one` is of `other`: the median over the rounds, each by its own medians, so that a load that comes and goes
 * falls on both. Bare ssh is taken from the block of `one`, on the same hosts. Undefined where no round has both.
 */
export function ratio(
  results: Results,
  cell: Cell,
  one: Side,
  other: Side,
  value: Value = "wall",
): number | undefined {
  const blocks = blocksOf(results, cell);
  const rounds = blocks.filter(({ tool }) => tool === one.tool);
  const ratios = rounds.flatMap((block) => {
    const beside =
      other.tool === "ssh"
        ? [block]
        : blocks.filter((each) => each.round === block.round && each.tool === other.tool);
    const a = median(valuesOf(block, one.tool, one.phase, value));
    const b = median(beside.flatMap((each) => valuesOf(each, other.tool, other.phase, value)));
    return a === undefined || b === undefined ? [] : [a / b];
  });
  return median(ratios);
}
