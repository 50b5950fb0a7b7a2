import ejs from "ejs";

/** Names that EJS itself uses, or that strict mode forbids: as data they would change what the template means. */
const RESERVED = new Set(
  (
    "escapeFn include rethrow locals arguments eval await break case catch class const continue debugger default delete do " +
    "else enum export extends false finally for function if implements import in instanceof interface let new null " +
    "package private protected public return static super switch this throw true try typeof var void while with yield"
  ).split(" "),
);

export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

/** Values by name. A name that is no identifier, or reserved, cannot be named in a template and is left out. */
export type TemplateData = Readonly<Record<string, unknown>>;

/**
 * Renders a template file's text. Whatever it inserts must be one line of text, a number or a boolean: a line break in a
 * value would be another directive, another user.
 * @throws TemplateError naming `filename`.
 */
export function render(text: string, data: TemplateData, filename: string): string {
  return renderWith(text, data, filename, (value) => scalarText(value));
}

/**
 * The value of a playbook's text: text without `<%` as it stands; text that is one expression keeps the expression's
 * type; anything else is text.
 * @throws TemplateError naming `filename`.
 */
export function evaluate(text: string, data: TemplateData, filename: string): unknown {
  if (!text.includes("<%")) return text;
  const trimmed = text.trim();
  const isOneExpression =
    trimmed.startsWith("<%=") && trimmed.endsWith("%>") && trimmed.indexOf("%>") === trimmed.length - 2;
  let value: unknown;
  const rendered = renderWith(text, data, filename, (inserted) => {
    if (inserted === undefined) throw new TemplateError("the value is undefined");
    value = inserted;
    return isOneExpression ? "" : scalarText(inserted);
  });
  return isOneExpression ? value : rendered;
}

function renderWith(text: string, data: TemplateData, filename: string, escape: (value: unknown) => string): string {
  const names = Object.keys(data).filter(
    (name) => /^[A-Za-z_$][\w$]*$/.test(name) && !name.startsWith("__") && !RESERVED.has(name),
  );
  // Strict and destructured: a missing name is an error, and Object.prototype stays out of reach.
  const options = { strict: true, destructuredLocals: names, filename, escape };
  try {
    return ejs.render(text, { ...data }, options);
  } catch (error) {
    throw new TemplateError(reason(error), { cause: error });
  }
}

function scalarText(value: unknown): string {
  if (typeof value === "string") {
    if (/[\r\n\0]/.test(value)) throw new TemplateError("a value holds a line break or a NUL");
    return value;
  }
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw new TemplateError(`a value is ${value === null ? "null" : Array.isArray(value) ? "a list" : typeof value}, not text`);
}

/** EJS puts the file, an excerpt and the reason into one message; the last line is the reason. */
function reason(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const lines = message.split("\n").filter((line) => line.trim() !== "" && !/^\s*(>>|\d+\|)/.test(line));
  return (lines.at(-1) ?? message).trim();
}
