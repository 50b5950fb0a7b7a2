import { inspect } from "node:util";

const MASK = "••••";

/**
 * A value that does not print. `${secret}`, JSON and console.log show `••••`; only `reveal()` gives the text,
 * so that a search for that one word finds every place where a secret leaves the program.
 */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
    if (value.length >= 4) known.add(value);
  }

  reveal(): string {
    return this.#value;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

/** Every secret of this process, so that `redact` can be the second net under the type. */
const known = new Set<string>();

/**
 * `text` with every known secret replaced by `••••`, also in the forms in which a secret usually leaks: base64, hex,
 * URL-encoded and JSON-escaped. Secrets shorter than four characters are left alone: masking them would
 * garble ordinary words and so tell where they stand.
 */
export function redact(text: string): string {
  let result = text;
  for (const form of knownForms()) result = result.replaceAll(form, MASK);
  return result;
}

function knownForms(): string[] {
  const forms = new Set<string>();
  for (const value of known) {
    const bytes = Buffer.from(value);
    forms.add(value);
    forms.add(JSON.stringify(value).slice(1, -1));
    forms.add(encodeURIComponent(value));
    forms.add(bytes.toString("base64"));
    forms.add(bytes.toString("hex"));
  }
  // The longest first: a secret may contain another one.
  return [...forms].sort((a, b) => b.length - a.length);
}
