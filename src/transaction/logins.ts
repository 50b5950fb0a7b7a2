import type { HostFacts } from "../facts/probe.ts";
import type { ServerLogin } from "../facts/server-login.ts";
import { Secret } from "../lib/secret.ts";
import { endpointOf } from "../plan/endpoint.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import type { Server } from "../redis/server.ts";
import type { Login } from "./login-file.ts";

/** A host as it was observed, and who redkeep is logged in as there. */
interface Observed {
  facts: HostFacts;
  server: Server;
  login: ServerLogin | undefined;
}

/** The way in that the probe found. */
export function loginBefore({ facts, server, login }: Observed): Login {
  const { user, endpoint } = facts.redis;
  if (login !== undefined) return { endpoint, auth: login, isKnown: true };
  const requirepass = server.config.get("requirepass")?.[0];
  const auth = requirepass === undefined ? undefined : { password: new Secret(requirepass) };
  return { endpoint, auth, isKnown: user !== undefined };
}

/** The way in that the plan leads to: the Unix socket where there will be one. */
export function loginAfter(
  observation: Observed & { secrets: { login: ServerLogin | undefined } },
  config: ConfigDocument,
): Login {
  const endpoint = endpointOf(observation.server, config);
  // The password as this run leaves it: the observation may have been made with another.
  const auth = observation.secrets.login;
  return auth === undefined ? { ...loginBefore(observation), endpoint } : { endpoint, auth, isKnown: true };
}
