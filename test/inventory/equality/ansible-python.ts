import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * Runs a script of this folder with the interpreter that Ansible's own programs run with, the only one that is sure to have
 * Ansible. In and out as JSON.
 */
export function runWithAnsible(script: string, input: unknown, cwd: string, env: NodeJS.ProcessEnv): unknown {
  const output = execFileSync(pythonOfAnsible(), [join(import.meta.dirname, script)], {
    input: JSON.stringify(input),
    cwd,
    env: { ...env, PATH: process.env.PATH, LC_ALL: "C.UTF-8", PYTHONDONTWRITEBYTECODE: "1" },
    encoding: "utf8",
  });
  return JSON.parse(output);
}

function pythonOfAnsible(): string {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    try {
      const [first = ""] = readFileSync(join(directory, "ansible-inventory"), "utf8").split("\n", 1);
      if (first.startsWith("#!")) return first.slice(2).trim();
    } catch {
      // Not in this directory.
    }
  }
  throw new Error(
    "ansible-inventory is not installed: install ansible-core (on Debian: apt-get install -y ansible-core)",
  );
}
