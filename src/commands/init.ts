import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { InputError } from "../errors.ts";
import { packageDirectory } from "../package.ts";
import type { Environment } from "./options.ts";

/** Writes a starter: inventory, playbook and .gitignore. Never over a file that is there. */
export async function init(directory: string, { cwd, stdout }: Environment): Promise<number> {
  const root = resolve(cwd, directory);
  const written: string[] = [];
  const create = async (path: string, write: (target: string) => Promise<void>): Promise<void> => {
    const target = join(root, path);
    await mkdir(join(target, ".."), { recursive: true });
    try {
      await write(target);
    } catch (error) {
      const exists = error instanceof Error && "code" in error && error.code === "EEXIST";
      const already = written.length === 0 ? "" : `; written before: ${written.join(", ")}`;
      throw new InputError({
        place: { file: target },
        message: exists ? `is there already: redkeep init overwrites nothing${already}` : String(error),
      });
    }
    written.push(relative(cwd, target) || path);
  };
  await create("inventory/hosts.yml", (target) => writeFile(target, INVENTORY, { flag: "wx" }));
  await create("playbooks/harden.yml", async (target) =>
    writeFile(target, await starterPlaybook(), { flag: "wx" }),
  );
  await create(".gitignore", (target) => writeFile(target, ".redkeep/\n", { flag: "wx" }));
  const at = relative(cwd, root);
  stdout.write(`Wrote ${written.join(", ")}.
Next: put your hosts into ${join(at, "inventory/hosts.yml")}, then
  ${at === "" ? "" : `cd ${at} && `}redkeep plan -i inventory/hosts.yml
`);
  return 0;
}

/** The shipped playbook, but with a password that redkeep makes: a first plan then needs nothing from outside. */
async function starterPlaybook(): Promise<string> {
  const shipped = await readFile(join(packageDirectory, "playbooks", "harden.yml"), "utf8");
  return shipped.replace("password: { env: APP_PASSWORD }", "password: { generate: true }");
}

const INVENTORY = `# Ansible's own layout: an inventory that Ansible knows works here as it is.
all:
  children:
    redis:
      hosts:
        redis-01:
          ansible_host: 192.0.2.11      # how this machine reaches the host
          private_ip: ""                # the address that application servers use; Redis binds it beside loopback
      vars:
        ansible_user: root              # or another user, and become: true in the playbook does the rest
        app_subnet: ""                  # who may reach Redis, such as 10.0.0.0/24
`;
