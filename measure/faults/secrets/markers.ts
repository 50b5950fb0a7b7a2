/** Secrets to look for, in every form in which they could leave: the other half of `redact`, written anew. */

/** One kind of secret, with every value that it had in a scenario. */
export interface Marker {
  name: string;
  values: readonly string[];
}

export const ENCODINGS = ["plain", "base64", "URL-encoded", "JSON", "shell-quoted", "hex"] as const;
export type Encoding = (typeof ENCODINGS)[number];

/** A marker in one encoding, found somewhere. */
export interface Find {
  marker: string;
  encoding: Encoding;
  /** Such as `argv` or `stdout of plan`. */
  place: string;
}

/** How a value is written in an encoding: the texts any of which, found in a longer one, is a find. */
export function formsOf(value: string, encoding: Encoding): string[] {
  const bytes = Buffer.from(value);
  switch (encoding) {
    case "plain":
      return [value];
    case "base64":
      // Whatever stands before it and behind it, the whole groups between are its own.
      return [0, 1, 2].flatMap((before) => {
        const text = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
        const whole = text.slice(before === 0 ? 0 : 4, (before + bytes.length) % 3 === 0 ? undefined : -4);
        return [whole, whole.replaceAll("+", "-").replaceAll("/", "_")];
      });
    case "URL-encoded": {
      const strict = new URLSearchParams([["", value]]).toString().slice(1);
      return [encodeURIComponent(value), strict, strict.replaceAll("+", "%20")].flatMap((text) => [
        text,
        text.replace(/%../g, (byte) => byte.toLowerCase()),
      ]);
    }
    case "JSON": {
      const text = JSON.stringify(value).slice(1, -1);
      return [
        text,
        text.replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`),
      ];
    }
    case "shell-quoted":
      return [
        value.replaceAll("'", "'\\''"),
        value.replaceAll("'", `'"'"'`),
        value.replace(/[^\w\u0080-\uffff]/g, "\\$&"),
      ];
    case "hex": {
      const text = bytes.toString("hex");
      return [text, text.toUpperCase(), text.replace(/../g, "\\x$&")];
    }
  }
}

/**
 * What of the markers stands in `text`, also where line breaks, as of a wrapped base64 text, or colours cut it. A key in PEM
 * form counts where any of its lines is found.
 */
export function search(text: string, markers: readonly Marker[], place: string): Find[] {
  const unbroken = text.replace(/\u001b\[[\d;]*m|\r?\n[ │]*/g, "");
  return markers.flatMap(({ name, values }) =>
    ENCODINGS.filter((encoding) =>
      values
        .flatMap(partsOf)
        .flatMap((part) => formsOf(part, encoding))
        .some((form) => text.includes(form) || unbroken.includes(form)),
    ).map((encoding) => ({ marker: name, encoding, place })),
  );
}

/** Of a key in PEM form (P-256, PKCS #8) the lines with the secret: what follows is public, and in the certificate too. */
export function partsOf(value: string): string[] {
  return value.includes("\n") ? value.split("\n").slice(1, 3) : [value];
}

/** Every marker in every encoding, each in a line of its own, to see that a search finds them. */
export function plants(markers: readonly Marker[]): string[] {
  return markers.flatMap(({ values }) =>
    ENCODINGS.map((encoding) => {
      const part = partsOf(values.at(-1) ?? "")[0] ?? "";
      return encoding === "base64"
        ? Buffer.from(`user=${part};`).toString("base64")
        : (formsOf(part, encoding)[0] ?? "");
    }),
  );
}
