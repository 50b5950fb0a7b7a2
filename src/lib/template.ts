import ejs from "ejs";

/**
 * Names that EJS itself uses, that strict mode forbids or that a template must be able to trust: as data they would
 * change what the template means.
 */
const RESERVED = new Set(
  (
    "escapeFn include rethrow locals undefined arguments eval await break case catch class const continue debugger " +
    "default delete do else enum export extends false finally for function if implements import in instanceof " +
    "interface let new null package private protected public return static super switch this throw true try typeof " +
    "var void while with yield"
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
 *
 * @throws TemplateError `filename:line: reason`; a template that cannot be read as one has no line.
 */
export function render(text: string, data: TemplateData, filename: string): string {
  return run(text, data, filename, () => ({ escape: scalarText, filename })).text;
}

/**
 * The value of a playbook's text: text without `<%` as it stands; text that is one expression keeps the expression's
 * type; anything else is text.
 *
 * @throws TemplateError with the reason alone, for the caller knows the place.
 */
export function evaluate(text: string, data: TemplateData): unknown {
  if (!text.includes("<%")) return text;
  const trimmed = text.trim();
  const isOneExpression = trimmed.startsWith("<%=") && trimmed.indexOf("%>") === trimmed.length - 2;
  const rendered = run(text, data, undefined, (inserted) => ({
    escape: (value) => {
      if (value === undefined) throw new TemplateError("the value is undefined");
      inserted.last = value;
      return isOneExpression ? "" : scalarText(value);
    },
    compileDebug: false,
  }));
  return isOneExpression ? rendered.last : rendered.text;
}

/** What a template inserted last, in its own type. */
interface Inserted {
  last?: unknown;
}

interface Template {
  fill: (data: Record<string, unknown>) => string;
  inserted: Inserted;
}

type TemplateOptions = { escape: (value: unknown) => string; filename?: string; compileDebug?: boolean };

/** By what they are compiled from: the hosts of a run share them all. */
const templates = new Map<string, Template>();

function run(
  text: string,
  data: TemplateData,
  filename: string | undefined,
  options: (inserted: Inserted) => TemplateOptions,
): { text: string } & Inserted {
  if (text.includes("<%-")) {
    throw new TemplateError("<%- inserts a value without checking it for line breaks: write <%=");
  }
  // EJS looks for the end of a run of blanks anew from each of them.
  if (/[ \t]{500}/.test(text)) throw new TemplateError("a template has 500 blanks in a row");
  const usable = Object.entries(data).filter(
    ([name]) => /^[A-Za-z_$][\w$]*$/.test(name) && !name.startsWith("__") && !RESERVED.has(name),
  );
  // Strict and destructured: a missing name is an error, and Object.prototype stays out of reach.
  const destructuredLocals = usable.map(([name]) => name);
  const key = JSON.stringify([filename, destructuredLocals, text]);
  try {
    let template = templates.get(key);
    if (template === undefined) {
      const inserted: Inserted = {};
      const fill = ejs.compile(text, { ...options(inserted), strict: true, destructuredLocals });
      template = { fill, inserted };
      templates.set(key, template);
    }
    const { inserted } = template;
    delete inserted.last;
    return { text: template.fill(Object.fromEntries(usable)), ...inserted };
  } catch (error) {
    throw new TemplateError(reason(error, filename), { cause: error });
  }
}

function scalarText(value: unknown): string {
  if (typeof value === "string") {
    if (/[\r\n\0]/.test(value)) throw new TemplateError("a value holds a line break or a NUL");
    return value;
  }
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  const found = value === null ? "null" : Array.isArray(value) ? "a list" : typeof value;
  throw new TemplateError(`a value is ${found}, not text`);
}

/**
 * The reason alone, or after `filename:line: ` where there is a file. EJS puts `FILE:LINE` and an excerpt before an
 * error at run time, and advice behind a syntax error.
 */
function reason(error: unknown, filename: string | undefined): string {
  const whole = error instanceof Error ? error.message : String(error);
  const [message = whole] = whole.split(` in ${filename} while compiling ejs`, 1);
  if (filename === undefined) return message.split(" while compiling ejs", 1)[0] ?? message;
  const [, line, text] = /:(\d+)\n[\s\S]*\n\n(.*)$/.exec(message) ?? [];
  return line === undefined ? `${filename}: ${message}` : `${filename}:${line}: ${text}`;
}
