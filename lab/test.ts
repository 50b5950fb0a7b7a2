/** Runs every gate to its end, whatever failed before, and ends with one line: "N passed, N failed". */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const dir = mkdtempSync(join(tmpdir(), "redkeep-test-"));
process.on("exit", () => rmSync(dir, { recursive: true, force: true }));

// biome and vitest colour what they write into a pipe too, and biome does not know NO_COLOR.
const plain = !process.stdout.isTTY && !process.env.FORCE_COLOR;
const colours = plain ? { NO_COLOR: "1" } : {};

// A terminal's Ctrl-C reaches the running gate by itself; a signal to this process alone does not.
const running = new Set<ReturnType<typeof spawn>>();
let interrupted = 0;
process.on("SIGINT", () => {
  interrupted = 130;
});
process.on("SIGTERM", () => {
  interrupted = 143;
  for (const child of running) child.kill("SIGTERM");
});

/** Runs a program with this terminal; returns its exit status and, where `capture`, its stdout. */
async function run(
  command: string[],
  env: NodeJS.ProcessEnv = {},
  capture = false,
): Promise<[number, string]> {
  const [program = "", ...args] = command;
  const result = await new Promise<[number, string]>((done) => {
    const child = spawn(program, args, {
      env: { ...process.env, ...colours, ...env },
      stdio: ["ignore", capture ? "pipe" : "inherit", "inherit"],
    });
    running.add(child);
    let stdout = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.on("error", (error) => {
      console.error(`${program}: ${error.message}`);
      done([127, stdout]);
    });
    child.on("close", (status) => {
      running.delete(child);
      done([status ?? 1, stdout]);
    });
  });
  if (interrupted > 0) process.exit(interrupted);
  return result;
}

let passed = 0;
const failures: string[] = [];

function count(gate: string, ok: boolean): void {
  if (ok) passed++;
  else failures.push(gate);
}

async function vitest(projects: string[], env: NodeJS.ProcessEnv = {}): Promise<void> {
  const [name = ""] = projects;
  const file = join(dir, `${name}.json`);
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const [status] = await run(
    ["vitest", "run", ...projects.map((project) => `--project=${project}`), ...reporters],
    env,
  );
  const before = failures.length;
  for (const test of results(file)) count(`${name}: ${test.name}`, test.passed);
  // A crash, an unhandled rejection, a failed setup: nothing that a test stands for.
  if (status !== 0 && failures.length === before) failures.push(`${name} tests: exit status ${status}`);
}

interface Report {
  testResults: { name: string; status: string; assertionResults: { fullName: string; status: string }[] }[];
}

/** The tests in vitest's JSON report, and each file that failed without a failed test: it could not be loaded. */
function results(file: string): { name: string; passed: boolean }[] {
  let report: Report;
  try {
    report = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return [];
  }
  return report.testResults.flatMap(({ name, status, assertionResults }) => {
    const tests = assertionResults.map((test) => ({ name: test.fullName, passed: test.status === "passed" }));
    return status === "failed" && tests.every((test) => test.passed)
      ? [...tests, { name, passed: false }]
      : tests;
  });
}

const heading = (text: string): void => console.log(`\n== ${text}`);

// In a fresh clone this waits for packages, while the gates that need no lab run. Without a browser, Ansible or another tool their tests say so.
const lab = run(["sh", "lab/setup.sh"], {}, true).then(async (made) => {
  for (const script of ["browser", "tools"]) await run(["sh", `lab/${script}.sh`]);
  return made;
});
heading("Types: tsc");
count("tsc", (await run(["tsc"]))[0] === 0);
heading("Lint and format: biome ci");
count("biome ci", (await run(["biome", "ci", ...(plain ? ["--colors=off"] : []), "."]))[0] === 0);
heading("Unused code: knip");
count("knip", (await run(["knip", "--no-progress"]))[0] === 0);
heading("Unit tests");
await vitest(["unit"]);
heading("Integration tests on lab hosts, and what needs many processes");
const [status, image] = await lab;
if (status === 0) await vitest(["integration", "system"], { LAB_IMAGE: image.trim() });
else {
  failures.push("integration: no lab (see the line above)");
  await vitest(["system"]);
}

console.log(failures.length > 0 ? `\nFailed:\n${failures.map((name) => `  ${name}`).join("\n")}\n` : "");
process.exitCode = failures.length > 0 ? 1 : 0;
console.log(`${passed} passed, ${failures.length} failed`);
