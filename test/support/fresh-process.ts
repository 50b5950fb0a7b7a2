import { restoreHints } from "../../src/lib/errors.ts";
import { forgetSecrets } from "../../src/lib/secret.ts";

// The files of a worker share the modules: what one of them made a secret is none in the next, and its slips cost it no hint.
forgetSecrets();
restoreHints();
