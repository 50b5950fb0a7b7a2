import { isIP } from "node:net";
import { grouped, NO_BREAK } from "../lib/words.ts";

/**
 * What `text` says apart from what differs between hosts that are treated alike: their own name, IP addresses
 * and digests. Two hosts whose texts have the same shape can be told once.
 */
export function shapeOf(text: string, host: string): string {
  return text
    .replace(/[0-9a-fA-F:.]{3,45}/g, (word) => {
      const [, address = "", port = ""] = /^(.*?)(:\d{1,5})?$/.exec(word) ?? [];
      if (isIP(word) !== 0) return "‹address›";
      if (isIP(address) !== 0) return `‹address›${port}`;
      return /^[0-9a-f]{16,}$/i.test(word) ? "‹digest›" : word;
    })
    .replace(/[\w.-]+/g, (word) => (word === host ? "‹host›" : word));
}

/** The same, and numbers do not count either: for sentences, where `4 minutes ago` and `5 minutes ago` are alike. */
export function sentenceShapeOf(text: string, host: string): string {
  return shapeOf(text, host).replace(/\d+/g, "#");
}

/** Groups in order of their first member. */
export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  return [...Map.groupBy(items, keyOf).values()];
}

/**
 * One text for several of a like shape: words that differ are listed in `‹ ›`, in the order of the texts.
 * `listen on 10.0.0.5` and `listen on 10.0.0.6` become `listen on ‹10.0.0.5, 10.0.0.6›`.
 */
export function mergeTexts(texts: readonly string[], maxVariants = 3): string {
  const different = [...new Set(texts)];
  const [first = ""] = different;
  if (different.length <= 1) return first;
  const split = different.map((text) => text.split(/(\s+)/));
  const length = split[0]?.length ?? 0;
  if (split.some((words) => words.length !== length)) return variants(different, " | ", maxVariants);
  return Array.from({ length }, (_, index) => {
    const words = [...new Set(split.map((parts) => parts[index] ?? ""))];
    return words.length === 1 || index % 2 === 1 ? (words[0] ?? "") : variants(words, ", ", maxVariants);
  }).join("");
}

function variants(texts: readonly string[], separator: string, max: number): string {
  if (texts.length > max && texts.every((text) => /^\d{1,15}$/.test(text))) {
    const numbers = texts.map(Number).sort((a, b) => a - b);
    return `‹${numbers[0]} to ${numbers.at(-1)}›`;
  }
  const shown = texts.length > max ? texts.slice(0, Math.max(1, max - 1)) : texts;
  const rest = texts.length - shown.length;
  return `‹${[...shown, ...(rest > 0 ? [`${grouped(rest)}${NO_BREAK}more`] : [])].join(separator)}›`;
}
