import type { ConnectionVariables, HostKeys, SshOptions } from "../connection/settings.ts";
import { ConnectionReader } from "./connection-reader.ts";
import {
  type ConnectionDefaults,
  CONNECTION_NAMES as NAMES,
  type SecretContext,
} from "./connection-settings.ts";
import type { Variables } from "./inventory.ts";
import { mergeSshOptions } from "./ssh-arguments.ts";

export type { ConnectionDefaults, PlayConnection, SecretContext } from "./connection-settings.ts";

/** These would change what runs on the host behind redkeep's back. */
const REFUSED_WITH_BECOME = [
  "ansible_become_exe",
  "ansible_become_flags",
  "ansible_sudo_exe",
  "ansible_sudo_flags",
];
const DEFAULT_TIMEOUT_SECONDS = 10;

/**
 * How to reach one host: from its variables (as `hostVariables` gives them), else from the play, else from the command line.
 * Passwords given as `{ env | file | command }` are read; a relative file counts from the inventory file that names it.
 *
 * @throws InputError listing everything that redkeep does not support, does not understand, or cannot render.
 */
export async function connectionVariables(
  host: string,
  variables: Variables,
  defaults: ConnectionDefaults,
  context: SecretContext,
): Promise<ConnectionVariables> {
  const reader = new ConnectionReader(host, variables, defaults, context);
  const { play = {}, config } = defaults;
  reader.checkExecutable();
  reader.checkHostKeyChecking();
  reader.checkConnection();
  reader.checkUser();

  const strong = reader.sshArguments(["ansible_ssh_args"]);
  const weak = reader.sshArguments(["ansible_ssh_common_args", "ansible_ssh_extra_args"]);
  const become = reader.boolean(NAMES.become) ?? play.become ?? defaults.become ?? false;
  if (become) {
    reader.refuse(REFUSED_WITH_BECOME);
    reader.checkBecome();
  }
  // ssh takes the first of several values: ansible_ssh_args comes before the variables, the other arguments after them.
  const result: ConnectionVariables = {
    host,
    address: reader.address() ?? host,
    sshOptions: withHostKeys(reader.withPkcs11(mergeSshOptions(strong, weak)), defaults.hostKeys),
    timeoutSeconds:
      strong.connectTimeoutSeconds ??
      reader.seconds(NAMES.timeout) ??
      defaults.timeoutSeconds ??
      weak.connectTimeoutSeconds ??
      DEFAULT_TIMEOUT_SECONDS,
    become,
    ...defined({
      port: strong.port ?? reader.port() ?? play.port ?? config?.port ?? weak.port,
      user: strong.user ?? reader.user() ?? play.remoteUser ?? defaults.user ?? weak.user,
      privateKeyFile: reader.path(NAMES.privateKey) ?? defaults.privateKey,
      privateKeyPassphrase: await reader.secret(NAMES.passphrase),
      password: (await reader.secret(NAMES.password)) ?? defaults.password,
      becomePassword: become
        ? ((await reader.secret(NAMES.becomePassword)) ?? defaults.becomePassword)
        : undefined,
      knownHostsFile: defaults.knownHosts,
      transport: reader.transport(),
      hostKeys: defaults.hostKeys,
      onNewHostKey: defaults.onNewHostKey,
    }),
  };
  reader.finish();
  return result;
}

function withHostKeys(options: SshOptions, hostKeys: HostKeys | undefined): SshOptions {
  if (hostKeys === "strict") return { ...options, strictHostKeyChecking: "yes" };
  return hostKeys === undefined ? options : { strictHostKeyChecking: hostKeys, ...options };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
