import type { Client, ClientChannel } from "ssh2";
import { HostError } from "./connection.ts";
import { endpoint } from "./names.ts";
import { oneLine } from "./one-line.ts";
import { hangUp, type Session } from "./session.ts";
import type { ResolvedConnection } from "./ssh-config.ts";

/** One host's use of a connection to a jump host, until it calls `leave`. */
interface Bastion {
  session: Promise<Session>;
  leave(): void;
}

/** One connection for each chain of jump hosts, shared by all hosts behind it and closed when the last has left. */
const bastions = new Map<string, { session: Promise<Session>; guests: number }>();

type LogIn = (jumpHost: ResolvedConnection) => Promise<Session>;

/** @param chain the jump hosts in the order in which they are passed, at least one */
export function enterBastion(chain: readonly ResolvedConnection[], logIn: LogIn): Bastion {
  const key = JSON.stringify(chain);
  const shared = bastions.get(key) ?? { session: open(chain, logIn), guests: 0 };
  const forget = () => {
    if (bastions.get(key) === shared) bastions.delete(key);
  };
  if (shared.guests === 0) {
    bastions.set(key, shared);
    shared.session.then(({ client }) => client.once("close", forget), forget);
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
      shared.session.then(hangUp, () => {});
    },
  };
}

async function open(chain: readonly ResolvedConnection[], logIn: LogIn): Promise<Session> {
  const last = chain.at(-1) as ResolvedConnection;
  try {
    return await logIn({ ...last, jumps: chain.slice(0, -1) });
  } catch (error) {
    if (!(error instanceof HostError)) throw error;
    throw new HostError("unreachable", `jump host ${last.host}: ${error.message}`, error.remedy, {
      cause: error,
    });
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
