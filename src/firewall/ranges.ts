/** A set of addresses, kept as separate ranges in order. Adding or taking out a range costs hardly more the more of them there are. */
export class Ranges {
  private readonly ranges: [first: bigint, last: bigint][];

  constructor(...ranges: [first: bigint, last: bigint][]) {
    this.ranges = ranges;
  }

  get isEmpty(): boolean {
    return this.ranges.length === 0;
  }

  add(first: bigint, last: bigint): void {
    const at = this.firstEndingAt(first);
    let [low, high, end] = [first, last, at];
    for (let range = this.ranges[end]; range !== undefined && range[0] <= last; range = this.ranges[++end]) {
      if (range[0] < low) low = range[0];
      if (range[1] > high) high = range[1];
    }
    this.ranges.splice(at, end - at, [low, high]);
  }

  /** Whether anything was there to take out. */
  remove(first: bigint, last: bigint): boolean {
    const at = this.firstEndingAt(first);
    let end = at;
    const kept: [bigint, bigint][] = [];
    for (let range = this.ranges[end]; range !== undefined && range[0] <= last; range = this.ranges[++end]) {
      if (range[0] < first) kept.push([range[0], first - 1n]);
      if (range[1] > last) kept.push([last + 1n, range[1]]);
    }
    this.ranges.splice(at, end - at, ...kept);
    return end > at;
  }

  /** Takes out of another set what is here of these addresses. Returns how many ranges that were. */
  removeFrom(other: Ranges, first: bigint, last: bigint): number {
    const from = this.firstEndingAt(first);
    let at = from;
    for (let range = this.ranges[at]; range !== undefined && range[0] <= last; range = this.ranges[++at])
      other.remove(range[0], range[1]);
    return at - from;
  }

  [Symbol.iterator](): Iterator<[first: bigint, last: bigint]> {
    return this.ranges.values();
  }

  /** The index of the first range that ends there or later. */
  private firstEndingAt(address: bigint): number {
    let [low, high] = [0, this.ranges.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.ranges[middle]?.[1] ?? 0n) < address) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
