/** `npm run controls`: writes the catalogue of controls down as docs/controls.md. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { controlsMarkdown } from "../src/report/controls-markdown.ts";

writeFileSync(join(import.meta.dirname, "../docs/controls.md"), controlsMarkdown());
