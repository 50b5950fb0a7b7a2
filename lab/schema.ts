/** Writes schema/run-record.schema.json from src/record/record.ts: `npm run schema`. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { runRecordJsonSchema } from "../src/record/json-schema.ts";

const file = join(import.meta.dirname, "../schema/run-record.schema.json");
writeFileSync(file, `${JSON.stringify(runRecordJsonSchema(), null, 2)}\n`);
