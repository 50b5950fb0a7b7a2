/** `npm run catalogue`: writes the catalogue of faults down as measure/faults/README.md. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { catalogueText } from "./faults/catalogue.ts";

writeFileSync(join(import.meta.dirname, "faults/README.md"), catalogueText());
