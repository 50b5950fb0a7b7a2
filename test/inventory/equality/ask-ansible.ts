import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** What a run of ansible-inventory gave. */
export interface Run {
  status: number;
  stdout: string;
  stderr: string;
}

export interface Asked {
  inventories?: { cwd: string; arguments: string[][] }[];
  values?: string[];
  lines?: string[];
}

export interface Answers {
  inventories: Run[][];
  /** As JSON; null where Ansible fails. */
  values: (string | null)[];
  /** Null where a quote is not closed. */
  lines: (string[] | null)[];
}

/** Asks the installed Ansible, without any configuration of this machine beside `settings`, variables of its environment. */
export function askAnsible(
  { inventories = [], values = [], lines = [] }: Asked,
  settings: Readonly<Record<string, string>> = {},
): Answers {
  const home = mkdtempSync(join(tmpdir(), "redkeep-ansible-"));
  try {
    const configuration = join(home, "ansible.cfg");
    writeFileSync(configuration, "");
    const [python = "", ...flags] = pythonOfAnsible();
    const output = execFileSync(python, [...flags, join(import.meta.dirname, "ask_ansible.py")], {
      input: JSON.stringify({ inventories, values, lines }),
      env: {
        PATH: process.env.PATH,
        HOME: home,
        LC_ALL: "C.UTF-8",
        ANSIBLE_CONFIG: configuration,
        PYTHONDONTWRITEBYTECODE: "1",
        ...settings,
      },
      maxBuffer: 256 * 1024 * 1024,
      encoding: "utf8",
    });
    return JSON.parse(output);
  } finally {
    rmSync(home, { recursive: true });
  }
}

/** The interpreter that ansible-inventory runs with: only that one is sure to have Ansible. */
function pythonOfAnsible(): string[] {
  for (const directory of (process.env.PATH ?? "").split(delimiter)) {
    try {
      const [first = ""] = readFileSync(join(directory, "ansible-inventory"), "utf8").split("\n", 1);
      if (first.startsWith("#!")) return first.slice(2).trim().split(/\s+/);
    } catch {
      // Not in this directory.
    }
  }
  throw new Error(
    'ansible-inventory is not installed: run "sh lab/tools.sh" as root, or install ansible-core by hand (pipx install ansible-core)',
  );
}
