import { resolve } from "node:path";
import { z } from "zod";
import { InputError } from "../lib/errors.ts";
import { readTextFile } from "../lib/text-file.ts";
import { formatPath } from "../lib/yaml-node.ts";
import { type RunRecord, runRecordSchema, SCHEMA } from "./record.ts";
import { safeRecord } from "./safe-record.ts";
import type { HostStatus } from "./statuses.ts";

/** A record of 1 000 hosts has some 20 MB. */
const MAX_BYTES = 512 * 1024 * 1024;

/**
 * Reads a run record, checked and made safe to print: anybody may have written it.
 * @param file relative to `cwd`, and named like this in errors
 * @throws InputError for a file that is no run record, is cut off, or was written in another schema.
 */
export async function readRunRecord(file: string, cwd: string): Promise<RunRecord> {
  return safeRecord(withRestored(await readAs(runRecordSchema, file, cwd)));
}

/** Earlier versions called a host `rolled-back` that a rollback had put back as asked; one that failed was `failed` then too. */
function withRestored(record: RunRecord): RunRecord {
  if (record.command !== "rollback" || record.summary.restored !== undefined) return record;
  const hosts = record.hosts.map((host) => ({ ...host, status: endOf(record.command, host.status) }));
  return {
    ...record,
    hosts,
    summary: { ...record.summary, rolledBack: 0, restored: record.summary.rolledBack },
  };
}

function endOf(command: RunRecord["command"], status: HostStatus): HostStatus {
  return command === "rollback" && status === "rolled-back" ? "restored" : status;
}

/** @throws InputError where what is to be written would replace one of the records that are read for it. */
export function refuseRecordAsTarget(
  option: string,
  target: string,
  records: readonly string[],
  cwd: string,
): void {
  if (target === "-" || !records.some((record) => resolve(cwd, record) === resolve(cwd, target))) return;
  throw new InputError({ key: option, message: `would be written over the run record ${target}` });
}

/**
 * How each host of a run ended, of a record that need not be whole: whoever picks hosts out of one keeps what he needs.
 * @throws InputError as readRunRecord does.
 */
export async function readStatuses(
  file: string,
  cwd: string,
): Promise<{ host: string; status: HostStatus }[]> {
  const { command, hosts } = await readAs(statusesSchema, file, cwd);
  return hosts.map(({ host, status }) => ({
    host,
    status: command === undefined ? status : endOf(command, status),
  }));
}

const { host, status } = runRecordSchema.shape.hosts.element.shape;
const statusesSchema = z.object({
  schema: z.literal(SCHEMA),
  command: runRecordSchema.shape.command.exactOptional(),
  hosts: z.array(z.object({ host, status })),
});

async function readAs<T>(schema: z.ZodType<T>, file: string, cwd: string): Promise<T> {
  const bad = (message: string, key?: string) => new InputError({ place: { file }, key, message });
  const text = await readTextFile(resolve(cwd, file), file, { maxBytes: MAX_BYTES });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const isCut = text.trimStart().startsWith("{") && text.includes('"redkeep.run/');
    throw bad(
      `should be a run record, found ${isCut ? "one that is cut off: its JSON does not end" : "no JSON"}`,
    );
  }
  const written = typeof value === "object" && value !== null && "schema" in value ? value.schema : undefined;
  if (typeof written === "string" && /^redkeep\.run\/\d+$/.test(written) && written !== SCHEMA) {
    throw bad(`was written by another version of redkeep: this one reads ${SCHEMA}, found ${written}`);
  }
  if (written !== SCHEMA) throw bad(`should be a run record (schema "${SCHEMA}"), found another JSON file`);
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  const message = issue?.message.replace(/^Invalid input: /, "").replace(", received ", ", found ");
  throw bad(
    `should be a run record: ${message}`,
    formatPath((issue?.path ?? []).filter((part) => typeof part !== "symbol")),
  );
}
