import { z } from "zod";
import { didYouMean, type Problem } from "../lib/errors.ts";
import type { YamlPath } from "../lib/yaml-node.ts";
import { shown } from "./playbook.ts";

type Issue = z.core.$ZodIssue;

/**
 * The problems that a schema finds in a value that you wrote, each with its place.
 *
 * @param noun what a key is called, such as `parameter`
 * @param isOpen whether the value there is not known yet, so that it cannot be judged
 * @param note where the value at a path comes from, in words for the end of a message
 */
export function schemaProblems(
  issues: readonly Issue[],
  {
    schema,
    value,
    noun,
    locate,
    isOpen = () => false,
    note = () => "",
  }: {
    schema: z.ZodType;
    value: unknown;
    noun: string;
    locate: (path: YamlPath) => Pick<Problem, "place" | "key">;
    isOpen?: (found: unknown) => boolean;
    note?: (path: YamlPath) => string;
  },
): Problem[] {
  return issues.flatMap((issue): Problem[] => {
    const path = issue.path.filter((part) => typeof part !== "symbol");
    if (issue.code === "unrecognized_keys") {
      const known = knownKeys(schema, path);
      return issue.keys.map((key) => ({
        ...locate([...path, key]),
        message: `unknown ${noun}.${didYouMean(key, known)}`,
      }));
    }
    const found = valueAt(value, path);
    if (isOpen(found)) return [];
    const message = messageOf(issue);
    const ending =
      message.startsWith("should ") && !message.includes(", found ") ? foundInstead(found, message) : "";
    return [{ ...locate(path), message: `${message}${ending}${note(path)}` }];
  });
}

/** A text where a mapping belongs is not shown: it may be the secret whose source the mapping should name. */
function foundInstead(found: unknown, expected: string): string {
  return `, found ${typeof found === "string" && expected.includes("{") ? "a text" : shown(found)}`;
}

function valueAt(value: unknown, path: YamlPath): unknown {
  return path.reduce<unknown>(
    (at, part) => (typeof at === "object" && at !== null ? Reflect.get(at, part) : undefined),
    value,
  );
}

const TYPES: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "a mapping",
  record: "a mapping",
};

function messageOf(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return `should be ${TYPES[issue.expected] ?? issue.expected}`;
    case "invalid_value":
      return issue.message.startsWith("should ")
        ? issue.message
        : `should be ${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
    case "too_small":
      return `should be ${issue.origin === "array" ? "a list of " : ""}at least ${issue.minimum}`;
    case "too_big":
      return `should be at most ${issue.maximum}`;
    case "invalid_format":
      return issue.message.startsWith("should ") ? issue.message : `should match ${issue.pattern}`;
    case "invalid_key":
      return issue.issues[0]?.message ?? issue.message;
    default:
      return issue.message;
  }
}

type JsonSchema = { properties?: Record<string, JsonSchema>; items?: JsonSchema; anyOf?: JsonSchema[] };

/** The keys that a parameter schema knows at `path`, for a "did you mean". */
function knownKeys(schema: z.ZodType, path: YamlPath): string[] {
  const root = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
  const below = path.reduce<JsonSchema[]>(
    (schemas, part) =>
      schemas.flatMap((one) => {
        const next = typeof part === "number" ? one.items : one.properties?.[part];
        return next === undefined ? [] : (next.anyOf ?? [next]);
      }),
    [root],
  );
  return below.flatMap(({ properties }) => Object.keys(properties ?? {}));
}
