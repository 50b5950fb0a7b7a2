import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { tilde } from "../connection/names.ts";
import { InputError } from "../lib/errors.ts";
import { plural } from "../lib/words.ts";
import { type Finding, good, lacking, note } from "../report/doctor-text.ts";
import { State } from "../state/state.ts";
import type { Vault } from "../vault/vault.ts";
import { type ExaminedVault, examineVault } from "./examine-vault.ts";

/** What the command line, ansible.cfg and the environment say of this machine; the inventory where one was named. */
export interface ControllerQuestion {
  inventory: readonly string[];
  extraVars: readonly string[];
  vault: Vault;
  mergesMappings: boolean;
  knownHosts: string | undefined;
  state: string | undefined;
  /** The key that the command line or ansible.cfg names. */
  privateKey: string | undefined;
  cwd: string;
  env: NodeJS.ProcessEnv;
  interrupted: AbortSignal;
}

/** Looks at what a run needs of this machine. Changes nothing and reaches no host. */
export async function examineController(question: ControllerQuestion): Promise<ExaminedVault> {
  const { env } = question;
  const state = await stateHere(question);
  const ours = [
    good("Node", process.versions.node),
    await sshFinding(env),
    await keyFinding(question),
    knownHostsFinding(question),
  ];
  const vault = await examineVault({ ...question, state: state instanceof State ? state : undefined });
  const last = state instanceof State ? await stateFinding(state) : unusable(state);
  return { ...vault, findings: [...ours, ...vault.findings, last] };
}

async function sshFinding(env: NodeJS.ProcessEnv): Promise<Finding> {
  const { code, said } = await outputOf("ssh", ["-V"], env);
  if (code === 0) return good("ssh", said.split(",")[0] ?? "");
  return note(
    "ssh",
    code === "ENOENT" ? "not found" : `ssh -V failed: ${said}`,
    "Install OpenSSH's client: without it redkeep reads no ~/.ssh/config, and has no second way to log in.",
  );
}

const KEY_FILES = ["id_ed25519", "id_ecdsa", "id_rsa"];

async function keyFinding({ env, cwd, privateKey }: ControllerQuestion): Promise<Finding> {
  if (privateKey !== undefined) {
    const path = resolve(cwd, privateKey);
    return existsSync(path)
      ? good("login keys", `${tilde(path)}, as named`)
      : lacking("login keys", `${tilde(path)} is not there`, "Correct --private-key.");
  }
  const files = KEY_FILES.filter((name) => existsSync(join(homedir(), ".ssh", name))).map(
    (name) => `~/.ssh/${name}`,
  );
  const here = files.length === 0 ? "no key in ~/.ssh" : files.join(", ");
  if (!env.SSH_AUTH_SOCK) {
    const found = `${here}; no agent (SSH_AUTH_SOCK is not set)`;
    if (files.length > 0) return good("login keys", found);
    return note(
      "login keys",
      found,
      "Name a key by ansible_ssh_private_key_file, --private-key or private_key_file in ansible.cfg, or start an agent.",
    );
  }
  const { code, said } = await outputOf("ssh-add", ["-l"], env);
  if (code === 0)
    return good("login keys", `${plural(said.split("\n").length, "key")} in the agent; ${here}`);
  if (code === 1)
    return files.length > 0
      ? good("login keys", `${here}; the agent is empty`)
      : note("login keys", `${here}; the agent is empty`, "Add your key: ssh-add FILE.");
  return lacking(
    "login keys",
    `the agent at ${env.SSH_AUTH_SOCK} does not answer; ${here}`,
    'Start one and add your key (eval "$(ssh-agent)"; ssh-add), or unset SSH_AUTH_SOCK.',
  );
}

function knownHostsFinding({ knownHosts, cwd }: ControllerQuestion): Finding {
  const files =
    knownHosts === undefined
      ? [join(homedir(), ".ssh/known_hosts"), "/etc/ssh/ssh_known_hosts"]
      : [resolve(cwd, knownHosts)];
  const keys = files.map(keysIn).reduce((sum, count) => sum + count, 0);
  const named = files.filter((file) => existsSync(file)).join(", ") || files[0];
  if (keys > 0) return good("host keys", `${plural(keys, "key")} in ${named}`);
  // The inventory may name a file of its own, or --host-keys take the first key: logging in to a host tells.
  return note(
    "host keys",
    `none: ${named} ${existsSync(files[0] ?? "") ? "is empty" : "is not there"}`,
    "Log in to each host once with ssh and compare its fingerprint: redkeep never skips that check.",
  );
}

function keysIn(file: string): number {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => /^\s*[^#\s]/.test(line)).length;
  } catch {
    // What cannot be read has no key for a login either.
    return 0;
  }
}

async function stateHere({ state, inventory, cwd, vault }: ControllerQuestion): Promise<State | InputError> {
  try {
    return await State.find(state, inventory[0], cwd, vault);
  } catch (error) {
    if (error instanceof InputError) return error;
    throw error;
  }
}

async function stateFinding(state: State): Promise<Finding> {
  if (!existsSync(state.directory)) return good("state", `${state.name} is not there yet`);
  try {
    state.refuseMixed();
    // Whether an encrypted one can be opened is told of the vault's password.
    if (state.isEncrypted === true) return good("state", `${state.name}, encrypted`);
    const doubt = await state.refuseReplaced();
    await state.readSecrets();
    if (doubt !== undefined) return note("state", doubt, "redkeep help secrets says more.");
    const exposure = await state.exposure();
    if (exposure !== undefined)
      return note(
        "state",
        `${state.name} ${exposure}`,
        `The next run closes it, or chmod 700 ${state.name}.`,
      );
    return good("state", `${state.name}, closed to others`);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return unusable(error);
  }
}

function unusable(error: InputError): Finding {
  return lacking("state", error.message, "Mend the file or folder that it names.");
}

/** What a program says, and its exit code; "ENOENT" where there is none. */
function outputOf(
  program: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ code: number | string; said: string }> {
  return new Promise((done) => {
    execFile(program, args, { env, timeout: 10_000 }, (error, stdout, stderr) =>
      done({ code: error === null ? 0 : (error.code ?? "timeout"), said: (stdout || stderr).trim() }),
    );
  });
}
