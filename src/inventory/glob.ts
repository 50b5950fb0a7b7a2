type Token = { kind: "one"; matches: (char: string) => boolean } | { kind: "star" };

/**
 * A matcher for shell patterns as in Ansible (Python's fnmatch): `*`, `?`, `[ab]`, `[a-c]`, `[!ab]`; case-sensitive. For every
 * pattern, it takes time proportional to the length of the pattern times that of the text.
 */
export function globMatcher(pattern: string): (text: string) => boolean {
  const tokens = tokenize([...pattern]);
  return (text) => matches(tokens, [...text]);
}

function tokenize(chars: readonly string[]): Token[] {
  const tokens: Token[] = [];
  const lastEnd = chars.lastIndexOf("]");
  for (let i = 0; i < chars.length; i++) {
    const char = chars[i] ?? "";
    // A "]" right after "[" or "[!" belongs to the class. Where no "]" is left, do not search: each "[" would search to the end.
    const end = char === "[" && i < lastEnd ? chars.indexOf("]", chars[i + 1] === "!" ? i + 3 : i + 2) : -1;
    if (char === "*") {
      tokens.push({ kind: "star" });
    } else if (char === "?") {
      tokens.push({ kind: "one", matches: () => true });
    } else if (end > 0) {
      tokens.push({ kind: "one", matches: classMatcher(chars.slice(i + 1, end)) });
      i = end;
    } else {
      tokens.push({ kind: "one", matches: (other) => other === char });
    }
  }
  return tokens;
}

function classMatcher(content: readonly string[]): (char: string) => boolean {
  const isNegated = content[0] === "!";
  const members = isNegated ? content.slice(1) : content;
  const ranges: [string, string][] = [];
  for (let i = 0; i < members.length; i++) {
    const first = members[i] ?? "";
    const last = members[i + 1] === "-" ? members[i + 2] : undefined;
    ranges.push([first, last ?? first]);
    if (last !== undefined) i += 2;
  }
  return (char) => ranges.some(([first, last]) => first <= char && char <= last) !== isNegated;
}

/** Goes back to the latest star only, which is enough. */
function matches(tokens: readonly Token[], chars: readonly string[]): boolean {
  let token = 0;
  let char = 0;
  let starToken = -1;
  let starChar = 0;
  while (char < chars.length) {
    const current = tokens[token];
    if (current?.kind === "star") {
      starToken = token++;
      starChar = char;
    } else if (current?.matches(chars[char] ?? "")) {
      token++;
      char++;
    } else if (starToken >= 0) {
      token = starToken + 1;
      char = ++starChar;
    } else {
      return false;
    }
  }
  while (tokens[token]?.kind === "star") token++;
  return token === tokens.length;
}
