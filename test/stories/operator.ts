import { spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type LabHost, labKey } from "../integration/support/lab.ts";
import { PROGRAM } from "../support/cli.ts";
import { missingLine, type Step } from "./story.ts";

/**
 * Who does what a story says: in a terminal, in a folder of their own, with a home that knows the hosts by their names
 * and `redkeep` among the commands.
 */
export class Operator implements Disposable {
  readonly #home = mkdtempSync(join(tmpdir(), "redkeep-story-"));
  readonly #environment: string;
  readonly #addresses: Record<string, string>;
  /** Where the last command left off. */
  #cwd: string;

  /** @param addresses what a host or network of the story is called here. */
  constructor(hosts: Record<string, LabHost>, addresses: Record<string, string>) {
    this.#addresses = addresses;
    this.#cwd = join(this.#home, "work");
    this.#environment = join(this.#home, "environment");
    this.#write("work/.keep", "");
    this.#write("environment", "");
    const entries = Object.entries(hosts);
    const known = join(this.#home, ".ssh/known_hosts");
    this.#write(
      ".ssh/config",
      entries
        .map(
          ([name, host]) =>
            `Host ${name}\n  HostName ${host.address}\n  Port ${host.sshPort}\n  HostKeyAlias ${name}\n`,
        )
        .concat(`Host *\n  User root\n  IdentityFile ${labKey}\n  UserKnownHostsFile ${known}\n`)
        .join(""),
    );
    this.#write(".ssh/known_hosts", entries.map(([name, host]) => `${name} ${host.hostKey}\n`).join(""));
    this.#command("redkeep", `${PROGRAM} "$@"`);
    this.#command("ssh", `/usr/bin/ssh -F "$HOME/.ssh/config" "$@"`);
  }

  /** Does one step. Throws with all that was printed where the story says something else. */
  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case "write":
        this.#write(join(this.#cwd, step.file), this.#asHere(step.text));
        return;
      case "edit":
        this.#edit(step);
        return;
      case "command": {
        const { status, output } = await this.#run(this.#asHere(step.command));
        const shown = step.shown.map((line) => this.#asHere(line));
        const missing = missingLine(shown, output);
        if (status === step.exitCode && missing === undefined) return;
        const found = missing === undefined ? `ended with ${status}` : `does not print: ${missing.trim()}`;
        throw new Error(`line ${step.line}: $ ${step.command}\n${found}\n\n${output}`);
      }
    }
  }

  [Symbol.dispose](): void {
    rmSync(this.#home, { recursive: true, force: true });
  }

  #asHere(text: string): string {
    return Object.entries(this.#addresses).reduce((all, [there, here]) => all.replaceAll(there, here), text);
  }

  #edit({ file, hunks, line }: Extract<Step, { kind: "edit" }>): void {
    const path = join(this.#cwd, file);
    let text = readFileSync(path, "utf8");
    for (const { before, after } of hunks) {
      if (!text.includes(before)) throw new Error(`line ${line}: ${file} has no lines\n${before}\n\n${text}`);
      text = text.replace(before, () => after);
    }
    writeFileSync(path, text);
  }

  /** A command's output as its terminal has it, and behind it what went to stderr. */
  async #run(command: string): Promise<{ status: number | null; output: string }> {
    const errors = join(this.#home, "stderr");
    const script = this.#write(
      "step",
      `. "${this.#environment}"
cd "${this.#cwd}" || exit
exec 2>"${errors}"
${command}
status=$?
{ pwd; declare -px; } >"${this.#environment}.new"
exit $status
`,
    );
    const env = {
      PATH: `${join(this.#home, "bin")}:${process.env.PATH}`,
      HOME: this.#home,
      NO_COLOR: "1",
      TERM: "xterm",
      LANG: "C.UTF-8",
    };
    const child = spawn("script", ["-qec", `bash ${script}`, "/dev/null"], {
      env,
      stdio: ["ignore", "pipe", "inherit"],
    });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
    const status = await new Promise<number | null>((done) => child.on("close", done));
    const [cwd = this.#cwd, ...variables] = readFileSync(`${this.#environment}.new`, "utf8").split("\n");
    this.#cwd = cwd;
    writeFileSync(this.#environment, variables.join("\n"));
    return { status, output: output + readFileSync(errors, "utf8") };
  }

  #command(name: string, line: string): void {
    chmodSync(this.#write(`bin/${name}`, `#!/bin/sh\nexec ${line}\n`), 0o755);
  }

  #write(name: string, text: string): string {
    const path = name.startsWith("/") ? name : join(this.#home, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  }
}
