import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { ansibleSettings } from "../inventory/ansible-settings.ts";
import { InputError } from "../lib/errors.ts";
import { packageDirectory } from "../lib/package.ts";
import { printableText } from "../lib/printable.ts";
import type { Environment } from "../run/options.ts";
import { shellWord } from "../shell/quote.ts";

/** Writes a starter: inventory, playbook and .gitignore. Never over a file that is there. */
export async function init(directory: string, { cwd, env, stdout, program }: Environment): Promise<number> {
  const root = resolve(cwd, directory);
  const configured = root === cwd ? await configuredInventory(cwd, env) : undefined;
  const files = new Map(configured === undefined ? [["inventory/hosts.yml", INVENTORY]] : []);
  files.set("playbooks/harden.yml", await starterPlaybook());
  const there = [...files.keys()].filter((path) => existsSync(join(root, path)));
  if (there.length > 0) {
    throw new InputError(
      there.map((path) => ({
        place: { file: relative(cwd, join(root, path)) },
        message: "is there already: redkeep init overwrites nothing, and wrote nothing",
      })),
    );
  }
  // A repository has its own .gitignore, and .redkeep has one that leaves out its secrets where they are not encrypted.
  if (!existsSync(join(root, ".gitignore"))) files.set(".gitignore", ".redkeep/runs/\n");
  for (const [path, text] of files) {
    const target = join(root, path);
    try {
      await mkdir(dirname(target), { recursive: true });
      await writeFile(target, text, { flag: "wx" });
    } catch (error) {
      throw new InputError({ place: { file: target }, message: String(error) });
    }
  }
  const at = relative(cwd, root);
  const written = [...files.keys()].map((path) => join(at, path));
  // Here, the playbook is found without its name.
  const playbook = at === "" ? [] : [join(at, "playbooks/harden.yml")];
  const inventory = configured === undefined ? ["-i", join(at, "inventory/hosts.yml")] : [];
  const words = [...program, "plan", ...playbook, ...inventory];
  const first =
    configured === undefined
      ? `put your hosts into ${join(at, "inventory/hosts.yml")}`
      : `have the playbook select your Redis hosts (hosts: redis), and give them private_ip and app_subnet in ${configured.join(", ")}`;
  stdout.write(`Wrote ${written.join(", ")}.
Next: ${printableText(first)}, then
  ${words.map(shellWord).join(" ")}
`);
  return 0;
}

/** The inventory that this folder's own ansible.cfg names: a second one beside it would only be in the way. */
async function configuredInventory(
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<readonly string[] | undefined> {
  if (!existsSync(join(cwd, "ansible.cfg"))) return undefined;
  return (await ansibleSettings({ cwd, env }, false)).inventory?.sources;
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
          ansible_host: 192.0.2.11 # where this machine reaches the host; its key must stand in your known_hosts
          private_ip: "" # the address that application servers use: Redis listens there beside loopback
      vars:
        ansible_user: root # or another user with sudo; -K asks for its password
        app_subnet: "" # who may reach Redis, such as 10.0.0.0/24
`;
