/** `npm run catalogue`: writes the catalogue of faults down as test/faults/README.md. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { catalogueText } from "../test/faults/catalogue.ts";

writeFileSync(join(import.meta.dirname, "../test/faults/README.md"), catalogueText());
