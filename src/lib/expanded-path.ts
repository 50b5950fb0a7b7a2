import { homedir } from "node:os";
import { isAbsolute, normalize, resolve } from "node:path";

/**
 * An absolute path of one as it stands in Ansible's settings: with `~` and variables of the environment, as Python expands
 * them. A relative path counts from `base`.
 */
export function expandedPath(path: string, base: string, env: NodeJS.ProcessEnv): string {
  const known = (whole: string, name: string) => (Object.hasOwn(env, name) ? (env[name] ?? whole) : whole);
  const named = path
    .replace(/\$(?:(\w+)|\{([^}]*)\})/g, (whole, plain?: string, braced?: string) =>
      known(whole, plain ?? braced ?? ""),
    )
    .replace(/^~(?=\/|$)/, () => env.HOME ?? homedir());
  return normalize(isAbsolute(named) ? named : resolve(base, named));
}
