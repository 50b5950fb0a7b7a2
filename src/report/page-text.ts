import { painter, type Terminal, toAscii } from "./colours.ts";
import { hanging, pad, widthOf } from "./layout.ts";

const MAX_WIDTH = 100;

/** A page of the documentation, written as Markdown, for a terminal: the pages use no more of Markdown than is read here. */
export function pageText(markdown: string, { colour, width, unicode }: Terminal): string {
  const paint = painter(colour);
  const bold = (text: string) => paint("bold", text);
  const columns = Math.min(width, MAX_WIDTH);
  const parts = blocksOf(markdown).map((block) => ({
    lines: linesOf(block, columns, bold, !colour),
    isItem: block.kind === "item",
  }));
  const lines = parts.flatMap(({ lines, isItem }, index) =>
    isItem && parts[index + 1]?.isItem ? lines : [...lines, ""],
  );
  const text = `${lines
    .map((line) => line.trimEnd())
    .join("\n")
    .trimEnd()}\n`.replaceAll("\u00a0", " ");
  return unicode ? text : toAscii(text);
}

function linesOf(
  block: Block,
  columns: number,
  bold: (text: string) => string,
  isUnderlined: boolean,
): readonly string[] {
  switch (block.kind) {
    case "code":
      return block.lines.map((line) => `    ${line}`);
    case "heading": {
      const title = plain(block.text);
      return [bold(title), ...(isUnderlined ? ["-".repeat(widthOf(title))] : [])];
    }
    case "table":
      return tableLines(block.rows, columns, bold);
    case "item":
      return hanging(`${block.indent}${block.sign} `, plain(block.text), columns);
    case "paragraph":
      return hanging("", plain(block.text), columns);
  }
}

/** What the page is about: its first heading. */
export function titleOf(markdown: string): string {
  return plain(/^# (.*)$/m.exec(markdown)?.[1] ?? "");
}

type Block =
  | { kind: "heading" | "paragraph"; text: string }
  | { kind: "code"; lines: readonly string[] }
  | { kind: "item"; indent: string; sign: string; text: string }
  | { kind: "table"; rows: readonly (readonly string[])[] };

function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  const lines = markdown.split("\n");
  /** What goes on in the next line; undefined behind an empty line. */
  let open: { kind: "item" | "paragraph"; text: string } | undefined;
  while (lines.length > 0) {
    const line = lines.shift() ?? "";
    const [, item, sign = "", text = ""] = /^( *)([-*]|\d+\.) +(.*)$/.exec(line) ?? [];
    if (line.startsWith("```")) {
      const end = lines.findIndex((next) => next.startsWith("```"));
      blocks.push({ kind: "code", lines: lines.splice(0, end + 1).slice(0, -1) });
      open = undefined;
    } else if (line.startsWith("|")) {
      const others = lines.findIndex((next) => !next.startsWith("|"));
      const rows = [line, ...lines.splice(0, others === -1 ? lines.length : others)];
      blocks.push({ kind: "table", rows: rows.filter((row) => !/^[|:\s-]+$/.test(row)).map(cellsOf) });
      open = undefined;
    } else if (line.startsWith("#")) {
      blocks.push({ kind: "heading", text: line.replace(/^#+ /, "") });
      open = undefined;
    } else if (line.trim() === "" || /^<!--.*-->$|^<\/?details>$/.test(line)) open = undefined;
    // As in CommonMark: a line of prose may begin with a number and a full stop.
    else if (item !== undefined && (open?.kind !== "paragraph" || !/^\d/.test(sign) || sign === "1.")) {
      const made = { kind: "item" as const, indent: item, sign, text };
      blocks.push(made);
      open = made;
    } else if (open !== undefined) open.text += ` ${line.trim()}`;
    else {
      const made = { kind: "paragraph" as const, text: line };
      blocks.push(made);
      open = made;
    }
  }
  return blocks;
}

/** The cells of `| a | b |`; a bar behind a backslash or in code is none. */
function cellsOf(row: string): string[] {
  return row
    .replace(/^\||\|\s*$/g, "")
    .split(/(?<!\\)\|/)
    .map((cell) => plain(cell.trim().replaceAll("\\|", "|")));
}

/** Text without Markdown's signs: `code` keeps its quotes, since a name may be a word of the sentence. */
function plain(text: string): string {
  return text
    .replace(/!\[([^\]]*)\]\([^)]*\)/g, "($1)")
    .replace(/\[([^\]]*)\]\(([^)]*)\)/g, (_, shown: string, link: string) =>
      /^https?:/.test(link) && link !== shown ? `${shown} (${link})` : shown,
    )
    .replace(/\*\*([^*]+)\*\*/g, "$1")
    .replace(/<\/?(?:summary|br|sub|sup)>/g, "");
}

/** Side by side where the terminal is wide enough; else each row by itself, its cells under the first. */
function tableLines(
  rows: readonly (readonly string[])[],
  columns: number,
  bold: (text: string) => string,
): string[] {
  const [head = [], ...body] = rows;
  const hasHead = head.some((cell) => cell !== "");
  const widths = head.map((_, column) => Math.max(...rows.map((row) => widthOf(row[column] ?? ""))));
  const last = widths.length - 1;
  const before = widths.slice(0, last).reduce((sum, width) => sum + width + 2, 0);
  // The last column may go on in further lines, where enough is left for it.
  if (before + Math.min(widths[last] ?? 0, 40) <= columns) {
    return (hasHead ? rows : body).flatMap((row, index) => {
      const first = row.slice(0, last).map((cell, column) => `${pad(cell, widths[column] ?? 0)}  `);
      const shown = hanging(first.join(""), row[last] ?? "", columns).map((line) => line.trimEnd());
      return hasHead && index === 0 ? shown.map(bold) : shown;
    });
  }
  const [first = ""] = head;
  const shown = body.flatMap((row) =>
    row.flatMap((cell, column) => {
      if (column === 0) return hanging("", cell, columns).map(bold);
      const name = head[column] ?? "";
      return cell === "" ? [] : hanging("    ", name === "" ? cell : `${name}: ${cell}`, columns);
    }),
  );
  return first === "" ? shown : [bold(`${first}:`), ...shown];
}
