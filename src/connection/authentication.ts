import type { AnyAuthMethod, IdentityCallback, ParsedKey } from "ssh2";
import { certificateOf, type IdentityFile, publicBlob, readIdentity } from "./private-key.ts";
import type { ResolvedConnection } from "./ssh-config.ts";
import { OpenSSHAgent } from "./ssh2.ts";

/** What a login tried, and what it could not try and why, in words for the operator. */
export interface LoginNotes {
  tried: string[];
  problems: string[];
  /** The agent did not sign with a key that it holds and that the server takes. */
  isAgentUnwilling?: boolean;
}

/**
 * The ways to log in, each offered once: agent keys that the configuration names, key files, other agent keys,
 * password. Nothing is tried twice, since failed logins count towards fail2ban and faillock. `notes` is filled
 * on the way.
 *
 * `next(methods)` takes the methods that the server still accepts, null before the first attempt.
 */
export async function* loginMethods(
  target: ResolvedConnection,
  notes: LoginNotes,
): AsyncGenerator<AnyAuthMethod, void, readonly string[] | null> {
  const username = target.user;
  let accepted: readonly string[] | null = null;
  const accepts = (method: string) => accepted === null || accepted.includes(method);

  const agent = target.identityAgent;
  const agentKeys = agent === undefined ? [] : await keysOf(agent, notes.problems);
  const configured = new Set<ParsedKey>();

  for (const { path, isNamed } of target.identityFiles) {
    if (!accepts("publickey")) break;
    const identity = readIdentity(path, target.privateKeyPassphrase);
    if (identity.kind === "missing" && !isNamed) continue;
    const blob = publicBlob(identity);
    const held = blob && agentKeys.find((key) => key.getPublicSSH().equals(blob));
    if (agent !== undefined && held) {
      configured.add(held);
      notes.tried.push(`${path} (agent)`);
      accepted = yield { type: "agent", username, agent: new ChosenKeys(agent, [held]) };
    } else if (identity.kind === "private") {
      notes.tried.push(path);
      accepted = yield { type: "publickey", username, key: identity.key };
    } else notes.problems.push(problemOf(identity));
    const certificate = certificateOf(path);
    if (certificate)
      notes.problems.push(`${certificate} is an OpenSSH certificate, which redkeep cannot use`);
  }

  const others = agentKeys.filter((key) => !configured.has(key));
  if (agent !== undefined && others.length > 0 && !target.identitiesOnly && accepts("publickey")) {
    notes.tried.push(`${others.length} ${others.length === 1 ? "key" : "keys"} of the agent`);
    accepted = yield { type: "agent", username, agent: new ChosenKeys(agent, others) };
  }

  if (target.password === undefined) return;
  const password = target.password.reveal();
  if (accepts("password")) {
    notes.tried.push("password");
    accepted = yield { type: "password", username, password };
    // A server that accepts passwords at all has already judged this one.
    if (accepted?.includes("password")) return;
  }
  if (accepts("keyboard-interactive")) {
    let asked = false;
    notes.tried.push("password (keyboard-interactive)");
    yield {
      type: "keyboard-interactive",
      username,
      prompt: (_name, _instructions, _language, prompts, answer) => {
        // Only the first hidden question can be the password. If it is asked again, the password was wrong.
        const answers = prompts.map(({ echo }) => {
          if (echo || asked) return "";
          asked = true;
          return password;
        });
        answer(answers);
      },
    };
  }
}

function problemOf(identity: IdentityFile): string {
  return "problem" in identity
    ? identity.problem
    : `${identity.path} holds only a public key that the agent lacks`;
}

async function keysOf(socket: string, problems: string[]): Promise<ParsedKey[]> {
  return new Promise((resolve) => {
    new OpenSSHAgent(socket).getIdentities((error, keys) => {
      if (error) problems.push(`the agent at ${socket} does not answer`);
      resolve((keys as ParsedKey[] | undefined) ?? []);
    });
  });
}

/** An agent that offers only some of its keys, so that the others do not use up the attempts that the server allows. */
class ChosenKeys extends OpenSSHAgent {
  readonly #keys: ParsedKey[];

  constructor(socket: string, keys: ParsedKey[]) {
    super(socket);
    this.#keys = keys;
  }

  override getIdentities(callback: IdentityCallback<ParsedKey>): void {
    callback(null, this.#keys);
  }
}
