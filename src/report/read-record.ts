import { resolve } from "node:path";
import { InputError } from "../errors.ts";
import { formatPath, readTextFile } from "../yaml.ts";
import { safeRecord } from "./printable.ts";
import { type RunRecord, runRecordSchema, SCHEMA } from "./record.ts";

/** A record of 1 000 hosts has some 20 MB. */
const MAX_BYTES = 512 * 1024 * 1024;

/**
 * Reads a run record, checked and made safe to print: anybody may have written it.
 * @param file relative to `cwd`, and named like this in errors
 * @throws InputError for a file that is no run record, is cut off, or was written in another schema.
 */
export async function readRunRecord(file: string, cwd: string): Promise<RunRecord> {
  const bad = (message: string, key?: string) => new InputError({ place: { file }, key, message });
  const text = await readTextFile(resolve(cwd, file), file, MAX_BYTES);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const isCut = text.trimStart().startsWith("{") && text.includes('"redkeep.run/');
    throw bad(
      `should be a run record, found ${isCut ? "one that is cut off: its JSON does not end" : "no JSON"}`,
    );
  }
  const schema = typeof value === "object" && value !== null && "schema" in value ? value.schema : undefined;
  if (typeof schema === "string" && /^redkeep\.run\/\d+$/.test(schema) && schema !== SCHEMA) {
    throw bad(`was written by another version of redkeep: this one reads ${SCHEMA}, found ${schema}`);
  }
  if (schema !== SCHEMA) throw bad(`should be a run record (schema "${SCHEMA}"), found another JSON file`);
  const parsed = runRecordSchema.safeParse(value);
  if (parsed.success) return safeRecord(parsed.data);
  const [issue] = parsed.error.issues;
  throw bad(
    `should be a run record: ${issue?.message}`,
    formatPath((issue?.path ?? []).filter((part) => typeof part !== "symbol")),
  );
}
