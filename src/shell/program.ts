import { readFileSync } from "node:fs";
import { join } from "node:path";
import { packageDirectory } from "../lib/package.ts";
import { shellAssignments, type Values } from "./quote.ts";

/** The `.sh` files beside this one: all the shell that redkeep runs, on hosts and here. The package has them as they are. */
const FOLDER = "src/shell";

/** A line that names another file, whose text takes its place: a host gets one program. */
const PART = /^ *\. \.\/(\S+\.sh)\n/gm;

const texts = new Map<string, string>();

/**
 * A program as sh gets it, its parts in their places.
 * @param values what it is told, ahead of it.
 * @param part the text of a part where it is not the file's own, as where it is told something: "" leaves it out.
 */
export function shellProgram(
  name: string,
  values: Values = {},
  part: (name: string) => string | undefined = () => undefined,
): string {
  const whole = textOf(name).replace(PART, (_, path: string) => part(path) ?? shellProgram(path, {}, part));
  return `${forgotten(Object.keys(values))}${shellAssignments(values)}${whole}`;
}

/** A variable that the login's environment has too goes on to every program that is run, of any user, with its new value. */
function forgotten(names: readonly string[]): string {
  return names.length === 0 ? "" : `unset ${names.join(" ")}\n`;
}

function textOf(name: string): string {
  let text = texts.get(name);
  if (text === undefined) {
    text = forTheHost(readFileSync(join(packageDirectory, FOLDER, name), "utf8"));
    texts.set(name, text);
  }
  return text;
}

/** Comments and the room before lines are for people. No document or text within quotes of these programs has such lines. */
export function forTheHost(text: string): string {
  return text.replaceAll(/^ *#[ !].*\n|^ +|^\n/gm, "");
}

/** The program of a host's transaction: never the user's, since it has to keep its promises. */
export function transactionProgram(): string {
  return shellProgram("transaction.sh");
}
