import { fraction } from "../case.ts";
import { FAULTS, type Fault } from "../compare/faults.ts";
import { measureReference, type Reference, type Row, runFault, survived } from "../compare/run.ts";
import { type Column, faultsTable, totalsTable } from "../compare/table.ts";
import { TOOLS, type Tool } from "../compare/tools.ts";
import type { Figure, FigureOptions, Measured } from "../figure.ts";

/** Hosts at a time. */
const WORKERS = 2;

export const figure: Figure = {
  name: "compare",
  title: "The same faults for redkeep, a shell script and Ansible: redkeep survives all",
  target: `${FAULTS.length} of ${FAULTS.length}`,
  run,
};

async function run({ count = FAULTS.length, log }: FigureOptions): Promise<Measured> {
  const faults = FAULTS.toSorted((one, other) => fraction(one.name) - fraction(other.name)).slice(0, count);
  const problems: string[] = [];
  const columns: Column[] = TOOLS.map((tool) => ({ tool: tool.name, rows: [], missing: tool.missing() }));
  const present = TOOLS.filter((_, index) => columns[index]?.missing === undefined);
  const cases = faults.flatMap((fault) => present.map((tool) => ({ fault, tool })));
  const references = new Map<string, Reference>();
  const kinds = new Map(cases.map((one) => [kindOf(one), one]));
  await inParallel([...kinds], async ([kind, { fault, tool }]) => {
    const reference = await measureReference(tool, fault);
    references.set(kind, reference);
    log(`${kind}, no fault: ${told(reference.row)}`);
    for (const line of reference.again.differences) log(`  the second run: ${line}`);
  });
  await inParallel(cases, async ({ fault, tool }) => {
    try {
      const row = await runFault(
        fault,
        tool,
        references.get(kindOf({ fault, tool }))?.delta ?? { removed: [], added: [] },
      );
      columns.find((column) => column.tool === tool.name)?.rows.push(row);
      log(`${tool.name}, ${fault.name}: ${told(row)}`);
    } catch (error) {
      problems.push(`${tool.name}, ${fault.name}: not run: ${(error as Error).message}`);
    }
  });
  const own = columns.find(({ tool }) => tool === "redkeep")?.rows ?? [];
  problems.push(
    ...own
      .filter((row) => !survived(row) || row.lied || row.secrets.length > 0)
      .map((row) => `redkeep, ${row.fault}: ${told(row)}`),
  );
  return {
    measured: columns
      .map(({ tool, rows, missing }) =>
        missing === undefined
          ? `${tool} ${rows.filter(survived).length} of ${faults.length}`
          : `${tool} not run: ${missing}`,
      )
      .join(", "),
    ok: problems.length === 0,
    problems,
    table: `${totalsTable(columns)}\n\n${faultsTable(inOrder(faults), columns)}`,
    details: {
      references: Object.fromEntries(references),
      columns,
    },
  };
}

/** A tool may do something else where an AOF is on. */
const kindOf = ({ fault, tool }: { fault: Fault; tool: Tool }): string =>
  fault.aof ? `${tool.name} with an AOF` : tool.name;

const inOrder = (faults: Fault[]): Fault[] => FAULTS.filter((fault) => faults.includes(fault));

function told(row: Row): string {
  return [
    row.state,
    `${row.keysLost} keys and ${row.writesLost} of ${row.writesAcked} writes lost`,
    `${row.secondsDown} s without Redis${row.served ? "" : ", which stays down"}`,
    row.login ? "SSH works" : "locked out",
    `exit ${row.statuses.join(", ")} says ${row.claims.join(", ")}${row.lied ? ", which is wrong" : ""}`,
    ...row.secrets,
    ...row.differences.slice(0, 3),
  ].join("; ");
}

async function inParallel<Item>(items: readonly Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: WORKERS }, async () => {
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) await work(next);
    }),
  );
}
