import type { ConnectionDefaults } from "../inventory/connection-variables.ts";
import type { Environment, RunOptions } from "./options.ts";
import { warn } from "./terminal.ts";

/** What the command line, else ansible.cfg, says about every connection of a run. */
export function connectionDefaults(options: RunOptions, environment: Environment): ConnectionDefaults {
  const { settings, password, timeoutSeconds, knownHosts, hostKeys, allowInventoryCommands } = options;
  return {
    user: options.user ?? settings.user,
    privateKey: options.privateKey ?? settings.privateKey,
    password,
    become: options.become ?? settings.become,
    becomePassword: options.becomePassword ?? settings.becomePassword,
    timeoutSeconds,
    knownHosts,
    hostKeys,
    allowInventoryCommands,
    config: settings.connection,
    onNewHostKey: (message) => warn([message], environment),
  };
}
