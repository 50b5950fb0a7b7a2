import type { ConnectionDefaults } from "../inventory/connection-variables.ts";
import type { Environment, RunOptions } from "./options.ts";
import { warn } from "./terminal.ts";

/** What the command line says about every connection of a run. */
export function connectionDefaults(options: RunOptions, environment: Environment): ConnectionDefaults {
  const { user, privateKey, password, become, becomePassword, timeoutSeconds, knownHosts, hostKeys } =
    options;
  return {
    user,
    privateKey,
    password,
    become,
    becomePassword,
    timeoutSeconds,
    knownHosts,
    hostKeys,
    onNewHostKey: (message) => warn([message], environment),
  };
}
