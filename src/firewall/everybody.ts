import { family as familyOf, rangeOf, subtract } from "../lib/network.ts";
import { Ranges } from "./ranges.ts";

/** Networks without hosts of the Internet, by IANA's registries: private, the host's or the link's own, multicast, reserved. */
const NOT_PUBLIC = {
  4: [
    ..."0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12".split(" "),
    ..."192.0.0.0/24 192.0.2.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24".split(" "),
    "224.0.0.0/3",
  ],
  6: "::/3 2001:db8::/32 4000::/2 8000::/1".split(" "),
} as const;

/** The addresses of a /8: nobody has a larger network. */
const MOST = { 4: 1n << 24n, 6: 1n << 120n } as const;

/**
 * The subnets of a list that let in everybody, or nearly: each that is larger than a /8 and has public addresses in it, and all
 * with public addresses where together they have more of these than a /8. Two halves of a family are the whole of it.
 */
export function everybodyIn(subnets: readonly string[]): string[] {
  const open = new Set(
    ([4, 6] as const).flatMap((family) => {
      const within = subnets
        .filter((text) => familyOf(text) === family)
        .map((text) => ({ text, range: rangeOf(text), open: publicOf(text) }))
        .filter((one) => one.open.length > 0);
      const together = new Ranges();
      for (const { first, last } of within.flatMap((one) => one.open)) together.add(first, last);
      const count = [...together].reduce((sum, [first, last]) => sum + last - first + 1n, 0n);
      return within
        .filter(({ range }) => count > MOST[family] || range.last - range.first >= MOST[family])
        .map(({ text }) => text);
    }),
  );
  return subnets.filter((text) => open.has(text));
}

function publicOf(subnet: string) {
  const range = rangeOf(subnet);
  return subtract([range], NOT_PUBLIC[range.family].map(rangeOf));
}
