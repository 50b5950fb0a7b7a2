/**
 * A fleet of virtual hosts in a process of its own, until its standard input ends:
 *
 *     node measure/scale/main.ts DIRECTORY '{"hosts": 1000, "dead": 50, "slow": 20}'
 *
 * Writes what a run needs into DIRECTORY, and prints a line with the options of the run when the hosts are there.
 */
import { startFleet } from "./fleet.ts";

const [directory = "", options = ""] = process.argv.slice(2);
const fleet = await startFleet(JSON.parse(options));
process.stdout.write(`${JSON.stringify({ options: fleet.writeProject(directory), env: fleet.env })}\n`);
process.stdin.resume().on("end", () => process.exit());
