import { chmodSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import type { Directory } from "./server.ts";

/** Has `ssh` read these lines as its configuration, until the environment is put back. */
export function configureSsh(directory: Directory, lines: string): void {
  const file = directory.write("config", lines);
  directory.write("ssh", `#!/bin/sh\nexec /usr/bin/ssh -F ${file} "$@"\n`);
  chmodSync(join(directory.path, "ssh"), 0o755);
  vi.stubEnv("PATH", `${directory.path}:/usr/bin:/bin`);
}
