/** Texts that would be code, markup or structure if they were ever read as such, and endless variations of them. */

/** A whole number from 0 up to, not including, `below`. */
export type Draw = (below: number) => number;

/** mulberry32: the same numbers for the same seed, on every machine. */
export function numbers(seed: number): Draw {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

export function oneOf<T>(list: readonly T[], draw: Draw): T {
  const found = list[draw(list.length)];
  if (found === undefined) throw new Error("nothing to choose from");
  return found;
}

/** @param canary the file that must never come to be */
export function pieces(canary: string): string[] {
  return [
    `$(touch ${canary})`,
    `\`touch ${canary}\``,
    `;touch ${canary};`,
    `' ; touch ${canary} ; '`,
    `" ; touch ${canary} ; "`,
    `\n. touch ${canary}\n`,
    `-oProxyCommand=touch ${canary}`,
    `|touch ${canary}`,
    `&touch ${canary}&`,
    `>${canary}`,
    `<%= process.exit(7) %>`,
    "{{ lookup('pipe', 'id') }}",
    "\nuser evil on nopass ~* &* +@all\n",
    "\r\nrequirepass evil\r\n",
    "\nExecStartPre=/bin/evil\n",
    " nopass ~* +@all ",
    ">evil",
    "EOF\n.\n",
    "\0",
    "'",
    '"',
    "\\",
    "\\'",
    "\n",
    "\r",
    "\t",
    "-",
    "--",
    "%n %h ${X}",
    "*",
    "?[a",
    "#",
    "../..",
    "/etc/shadow",
    "__proto__",
    "constructor",
    "é\u202e\ud800",
    "\u2028\u200b\ufeff",
    "\x1b[2J",
    "\x1b]52;c;cm9vdA==\x07",
    "::error::x",
    "##vso[task.complete]",
    "&&",
    "||",
    "|",
    "a",
    "6379",
    "9".repeat(40),
    "1e999",
    "10.0.0.5",
    " ",
    "~",
    "=",
  ];
}

/** One to four pieces, one after the other. */
export function hostileText(parts: readonly string[], draw: Draw): string {
  return Array.from({ length: 1 + draw(4) }, () => oneOf(parts, draw)).join("");
}

/** Every piece by itself, then others made of them. */
export function hostileTexts(canary: string, count: number, seed: number): string[] {
  const parts = pieces(canary);
  const draw = numbers(seed);
  return [
    ...parts,
    ...Array.from({ length: Math.max(0, count - parts.length) }, () => hostileText(parts, draw)),
  ];
}

/** What only YAML and framed answers have: tags, anchors, merges, depth. */
const STRUCTURE = [
  "!!js/function 'function () { }'",
  "!!python/object/apply:os.system [id]",
  "!<tag:example,2026:x> ",
  "!vault ",
  "!unsafe ",
  "&a ",
  "*a",
  "<<: *a\n",
  "<<: {a: 1}\n",
  "? ",
  "--- \n",
  "...\n",
  "%YAML 9.9\n",
  "- ",
  "[",
  "]",
  "{",
  "}",
  "{a: ",
  ": ",
  "\n  ",
  "\n",
  "| \n",
  "0o17",
  "0640",
  "0x1F",
  "1_000",
  "12:30:45",
  "yes",
  "~",
  ".inf",
  ".nan",
  "2026-01-01",
  "\u0085",
];

type Edit = (text: string, at: number, draw: Draw, parts: readonly string[]) => string;

const splice = (text: string, at: number, length: number, insert: string): string =>
  text.slice(0, at) + insert + text.slice(at + length);

const EDITS: readonly Edit[] = [
  // One bit of one character.
  (text, at, draw) => splice(text, at, 1, String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << draw(8)))),
  (text, at, draw) => splice(text, at, 1 + draw(20), ""),
  (text, at, draw) => text.slice(0, at) + text.slice(at, at + 40).repeat(1 + draw(3)) + text.slice(at),
  (text, at, draw, parts) => splice(text, at, draw(8), hostileText(parts, draw)),
  (text, at, draw) => splice(text, at, draw(4), oneOf(STRUCTURE, draw)),
  // Depth.
  (text, at, draw) => splice(text, at, 0, oneOf(["[", "{a: ", "- ", "? "], draw).repeat(1 + draw(2000))),
  // The first number from here on becomes another.
  (text, at, draw) =>
    text.slice(0, at) +
    text.slice(at).replace(/\d+/, oneOf(["9".repeat(400), "-1", "0", "1e308", "NaN", "0x7f", ""], draw)),
  // A line twice, or two lines for each other.
  (text, at, draw) => {
    const lines = text.split("\n");
    const [i, j] = [draw(lines.length), draw(lines.length)];
    if (at % 2 === 0) lines.splice(j, 0, lines[i] ?? "");
    else [lines[i], lines[j]] = [lines[j] ?? "", lines[i] ?? ""];
    return lines.join("\n");
  },
  (text, at) => text.slice(0, at),
  (text, at, draw) => splice(text, at, 1, String.fromCodePoint(draw(0x10ffff))),
];

/** A valid text with one to four things wrong with it. */
export function mutated(text: string, parts: readonly string[], draw: Draw): string {
  let result = text;
  for (let edits = 1 + draw(4); edits > 0; edits--)
    result = oneOf(EDITS, draw)(result, draw(result.length + 1), draw, parts);
  return result;
}
