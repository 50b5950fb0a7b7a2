/** What the figure and the test of every day ask, each of a scenario. */
import { asSoonAs } from "../../../test/integration/support/observe.ts";
import { ENCODINGS, type Find, type Marker } from "./markers.ts";
import type { Scenario, Told } from "./scenario.ts";

/** One line for each run that did not end as it had to: then the rest proves little. */
type Problems = string[];

/** What operators do, and what goes wrong for them, on a host that says no more than it must. */
export async function everyday(
  scenario: Scenario,
  { thorough, log }: { thorough: boolean; log: (line: string) => void },
): Promise<Problems> {
  const problems: Problems = [];
  const run = async (expected: number, told: Promise<Told>) => {
    const { command, status, stdout, stderr } = await told;
    log(`${command}: ${status}`);
    if (status !== expected)
      problems.push(`${command} ended with ${status}, not ${expected}: ${stdout}${stderr}`);
  };
  const changes = ["--yes", "--diff", "-v"];
  if (thorough) {
    await run(0, scenario.redkeep("inventory", ["--list"]));
    await run(0, scenario.redkeep("inventory", ["--host", "redis-01"]));
    await run(4, scenario.withWrongPassphrase("plan", ["--diff"]));
    await scenario.withBrokenLine(() =>
      run(3, scenario.redkeep("apply", [...changes, "--json", "failed.json"])),
    );
  }
  await run(2, scenario.redkeep("plan", ["--diff", "-v", "--json", "-"]));
  const cut = thorough
    ? asSoonAs(
        scenario.host,
        "grep -qs armed /var/lib/redkeep/txn/*/journal",
        "pkill -KILL -f '^sshd: operator'; true",
      )
    : undefined;
  // A user of the host whom the playbook lacks fails a check: 6.
  await run(6, scenario.redkeep("apply", [...changes, "--json", "run.json"]));
  await cut;
  if (thorough) await run(6, scenario.redkeep("verify", ["-v", "--diff", "--json", "verify.json"]));
  const rotate = ["admin", "metrics", "ca"].flatMap((name) => ["--rotate", name]);
  await run(6, scenario.withNextPassword("apply", [...changes, ...rotate, "--json", "-"]));
  if (thorough) {
    await run(0, scenario.withNextPassword("rollback", [...changes, "--json", "back.json"]));
    // The host has its passwords from before they were rotated, the controller those from after.
    await run(3, scenario.redkeep("verify", ["-v", "--json", "-"]));
  }
  return problems;
}

/** Every marker in every encoding is found in every kind of place where it is put. */
export async function blindPlaces(scenario: Scenario): Promise<Problems> {
  await scenario.watch();
  await scenario.plant();
  const { finds } = await scenario.finds();
  return PLANTED.flatMap(([place, lacks]) => {
    const found = new Set(
      finds.filter((find) => place.test(find.place)).map(({ marker, encoding }) => `${marker}, ${encoding}`),
    );
    return scenario
      .markers()
      .filter(({ name }) => lacks === undefined || !lacks.test(name))
      .flatMap(({ name }) => ENCODINGS.map((encoding) => `${name}, ${encoding}`))
      .filter((find) => !found.has(find))
      .map((find) => `${find} was put into ${place.source} and not found there`);
  });
}

/** Kinds of places, with what is not looked for there (see Scenario.finds). */
const PLANTED: readonly [place: RegExp, lacks?: RegExp][] = [
  [/^stdout/],
  [/^stderr/],
  [/^\.redkeep\/runs/],
  [/^arguments .* host/],
  [/^environments .* host/],
  [/^arguments .* controller/],
  [/^environments .* controller/, /environment|passphrase/],
  [/^\/etc\/plant, root:root 644 for a time/],
  [/plant\.json, .* for a time/],
  [/^journal/],
  [/^\/var\/log$/],
  [/^SLOWLOG/, /renamed/],
  [/^\/var\/log\/plant$/],
];

/**
 * A host that tells what it was given, where redkeep repeats what hosts say; before `everyday`, on a host as it was found.
 * First a run that fails before it changes anything: its passwords and keys are there from then on.
 */
export async function told(scenario: Scenario): Promise<{ finds: Find[]; problems: Problems }> {
  const problems: Problems = [];
  const broken = await scenario.withBrokenLine(() =>
    scenario.redkeep("apply", ["--yes", "--diff", "-v", "--json", "broken.json"]),
  );
  if (broken.record?.hosts[0]?.error?.where !== "validate")
    problems.push(`the broken line was not noticed: ${broken.stdout}${broken.stderr}`);
  await scenario.echoPassword();
  const echoed = await scenario.redkeep("plan", ["-v", "--diff", "--json", "echo.json"]);
  const errors = echoed.record?.hosts.map(({ error }) => error?.found ?? "") ?? [];
  if (
    errors.length !== ENCODINGS.length ||
    !errors.every((found) => found.includes("sudo: wrong: ") && found.includes("••••"))
  )
    problems.push(`sudo's words are not told: ${errors.join("; ")}`);
  await scenario.keepPasswordAgain();
  await scenario.tellAll();
  const rolledBack = await scenario.redkeep("apply", ["--yes", "-v", "--diff", "--json", "told.json"]);
  const [host] = rolledBack.record?.hosts ?? [];
  if (host?.status !== "rolled-back" || !host.error?.found.includes("rename-command FLUSHALL"))
    problems.push(`the host's words are not told: ${rolledBack.stdout}${rolledBack.stderr}`);
  await scenario.silence();
  if (/RK_[0-9A-F]{24}/.test(rolledBack.stdout + rolledBack.stderr))
    problems.push("a new name of a command was told");
  return { finds: [broken, echoed, rolledBack].flatMap((run) => scenario.findsIn(run)), problems };
}

export function findText({ marker, encoding, place }: Find): string {
  return `${marker}, ${encoding}, in ${place}`;
}

export function missing(markers: readonly Marker[]): Problems {
  return markers.filter(({ values }) => values.length === 0).map(({ name }) => `no ${name} came about`);
}
