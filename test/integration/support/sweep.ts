import { execFileSync, spawnSync } from "node:child_process";

const docker = (...args: string[]): string =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/**
 * Removes the lab's containers, networks and images made of a host that belong to processes that are gone, and those of process `mine`.
 * Those of a live run stay, and those whose label is no process id: somebody wanted to keep them.
 */
export function sweep(mine?: number): void {
  const format = '{{.ID}} {{.Label "redkeep.lab"}}';
  const dead = (list: string): string[] =>
    list.split("\n").flatMap((line) => {
      const [id, label] = line.split(" ");
      const pid = Number(label);
      return id && pid > 0 && (pid === mine || !alive(pid)) ? [id] : [];
    });
  const containers = dead(docker("ps", "-a", "--filter", "label=redkeep.lab", "--format", format));
  // Another run may be removing the same ones: a failure here is none.
  if (containers.length > 0) spawnSync("docker", ["rm", "-f", "-v", ...containers]);
  const networks = dead(docker("network", "ls", "--filter", "label=redkeep.lab", "--format", format));
  if (networks.length > 0) spawnSync("docker", ["network", "rm", ...networks]);
  // An image that is made of a container has its labels.
  const made = docker("image", "ls", "-q", "--filter", "label=redkeep.lab").split("\n").filter(Boolean);
  if (made.length === 0) return;
  const owner = '{{.Id}} {{index .Config.Labels "redkeep.lab"}}';
  const { stdout } = spawnSync("docker", ["image", "inspect", "-f", owner, ...made], { encoding: "utf8" });
  const images = dead(stdout);
  if (images.length > 0) spawnSync("docker", ["image", "rm", "-f", ...images]);
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
