import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

const CACHE = join(import.meta.dirname, "../../../lab/.cache");

/** Where a run of the tests builds the package: another folder for each, which is another's neither to replace nor to start from. */
export const packageOf = (pid: number): string => join(CACHE, `package-${pid}`);

const docker = (...args: string[]): string =>
  execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] }).trim();

/**
 * Removes the lab's containers, networks, images made of a host and packages that belong to processes that are gone, and those of process `mine`.
 * Those of a live run stay, and those whose label is no process id: somebody wanted to keep them.
 */
export function sweep(mine?: number): void {
  for (const name of existsSync(CACHE) ? readdirSync(CACHE) : []) {
    const pid = Number(/^package-(\d+)$/.exec(name)?.[1]);
    if (pid === mine || (pid > 0 && !alive(pid))) rmSync(join(CACHE, name), { recursive: true, force: true });
  }
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
