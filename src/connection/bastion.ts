import type { Client, ClientChannel } from "ssh2";
import { HostError } from "./connection.ts";
import { endpoint } from "./names.ts";
import { oneLine } from "./one-line.ts";
import type { Session } from "./session.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/** One host's use of a connection to a jump host, until it calls `leave`. */
interface Bastion<S extends Session> {
  session: Promise<S>;
  leave(): void;
}

type LogIn<S extends Session> = (jumpHost: ResolvedConnection) => Promise<S>;

/**
 * One connection for each chain of jump hosts, shared by all hosts behind it and closed when the last has left. Each
 * transport has its own.
 */
export class Bastions<S extends Session> {
  readonly #open = new Map<string, { session: Promise<S>; guests: number }>();

  /** @param chain the jump hosts in the order in which they are passed, at least one */
  enter(chain: readonly ResolvedConnection[], logIn: LogIn<S>): Bastion<S> {
    const key = JSON.stringify(chain);
    const bastions = this.#open;
    const shared = bastions.get(key) ?? { session: open(chain, logIn), guests: 0 };
    const forget = () => {
      if (bastions.get(key) === shared) bastions.delete(key);
    };
    if (shared.guests === 0) {
      bastions.set(key, shared);
      shared.session.then((session) => session.onEnd(forget), forget);
    }
    shared.guests++;
    let isInside = true;
    return {
      session: shared.session,
      leave: () => {
        if (!isInside) return;
        isInside = false;
        if (--shared.guests > 0) return;
        forget();
        shared.session.then(
          (session) => session.hangUp(),
          // Who failed to log in has nothing to hang up; its hosts were told.
          () => {},
        );
      },
    };
  }
}

async function open<S extends Session>(chain: readonly ResolvedConnection[], logIn: LogIn<S>): Promise<S> {
  const last = chain.at(-1) as ResolvedConnection;
  try {
    return await logIn({ ...last, jumps: chain.slice(0, -1) });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    // A host's variables say nothing of the hosts before it.
    const remedy = error.remedy.includes("ansible_")
      ? "Set HostName, User or IdentityFile for it in ~/.ssh/config, or put its key into an agent."
      : error.remedy;
    throw new HostError("unreachable", `jump host ${last.host}: ${error.message}`, remedy, { cause: error });
  }
}

/** A stream from the jump host to the target. */
export function forward(bastion: Client, target: ResolvedConnection): Promise<ClientChannel> {
  return new Promise((resolve, reject) => {
    const refuse = (reason: string) => {
      const via = target.jumps.at(-1)?.host;
      const said = oneLine(reason.replace("(SSH) Channel open failure: ", "")) || "it does not say why";
      reject(new HostError("unreachable", `jump host ${via} cannot reach ${endpoint(target)}: ${said}`));
    };
    try {
      bastion.forwardOut("127.0.0.1", 0, target.address, target.port, (error, channel) => {
        if (error) refuse(error.message);
        else resolve(channel);
      });
    } catch {
      // ssh2 throws if the link has just been lost.
      refuse("the connection to it was lost");
    }
  });
}
