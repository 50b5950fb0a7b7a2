/** Removes what a killed run left behind, and what this one leaves: vitest runs no afterAll when it is interrupted. */
import { execFileSync } from "node:child_process";

const docker = (...args: string[]): string =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

export default function setup(): () => void {
  const image = process.env.LAB_IMAGE ?? "redkeep-lab:bookworm";
  try {
    docker("image", "inspect", "-f", "{{.Id}}", image);
  } catch {
    throw new Error(`The lab image ${image} is missing or Docker does not run: run "sh lab/setup.sh" first.`);
  }
  process.env.REDKEEP_LAB_PID = String(process.pid);
  sweep();
  process.on("exit", () => sweep(process.pid));
  return () => sweep(process.pid);
}

/** Removes the containers and networks of processes that are gone, and of process `mine`; never those of a live run. */
function sweep(mine?: number): void {
  const format = '{{.ID}} {{.Label "redkeep.lab"}}';
  const dead = (list: string): string[] =>
    list.split("\n").flatMap((line) => {
      const [id, pid] = line.split(" ");
      return id && (Number(pid) === mine || !alive(Number(pid))) ? [id] : [];
    });
  const containers = dead(docker("ps", "-a", "--filter", "label=redkeep.lab", "--format", format));
  if (containers.length > 0) docker("rm", "-f", "-v", ...containers);
  const networks = dead(docker("network", "ls", "--filter", "label=redkeep.lab", "--format", format));
  if (networks.length > 0) docker("network", "rm", ...networks);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
