import { z } from "zod";
import { runRecordSchema } from "./record.ts";

/** The run record as JSON Schema, draft 2020-12. A record may have further keys: a later version may add some. */
export function runRecordJsonSchema(): object {
  const { $schema, ...schema } = z.toJSONSchema(runRecordSchema, {
    io: "input",
    override: ({ jsonSchema }) => {
      // What `format` says already, and the largest number of JavaScript: nothing that a reader needs.
      if (jsonSchema.format === "date-time") delete jsonSchema.pattern;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return { $schema, $id: "urn:redkeep:run:1", title: "redkeep run record", ...schema };
}
