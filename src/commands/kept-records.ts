import type { z } from "zod";
import type { State } from "../state.ts";

/** How many records are read at most, the newest first. */
const RECORDS = 50;

/** The records of earlier runs, as far as `schema` reads them, the newest first. A file that is none says nothing. */
export async function* keptRecords<T>(state: State, schema: z.ZodType<T>): AsyncGenerator<T> {
  for (const name of (await state.list("runs")).toSorted().toReversed().slice(0, RECORDS)) {
    const record = await recordIn(state, `runs/${name}`, schema);
    if (record !== undefined) yield record;
  }
}

async function recordIn<T>(state: State, name: string, schema: z.ZodType<T>): Promise<T | undefined> {
  try {
    return schema.safeParse(JSON.parse((await state.read(name)) ?? "")).data;
  } catch {
    return undefined;
  }
}
