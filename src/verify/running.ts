import type { HostFacts } from "../facts/probe.ts";
import type { Server } from "../redis/server.ts";
import { sameSetting } from "../redis/setting.ts";
import type { Allows } from "./allowance.ts";
import { type Check, type ControlId, check, noLogin } from "./controls.ts";

/**
 * Compares what the running server says of a setting, and what its file says, with what is wanted.
 *
 * @param isDefault a file that does not name the setting means the same. Else it has to stand there: what was only set on
 * the running server is gone at its next start.
 * @param allows where a parameter may want less than the control demands
 */
export function runningOr(
  { server, facts }: { server: Server; facts: HostFacts },
  control: ControlId,
  setting: string,
  args: readonly string[],
  { isDefault = false, allows }: { isDefault?: boolean; allows?: Allows } = {},
): Check {
  const expected = `${setting} ${shown(args)}`;
  const source = `CONFIG GET ${setting}`;
  const running = server.running?.get(setting);
  if (running === undefined) {
    return noLogin(control, expected, source, facts.redis.loginError ?? "CONFIG does not answer");
  }
  const inFile = server.config.get(setting);
  const holds = sameSetting(setting, args, [running]);
  // What a file that may not be read says nobody knows: only the running value can then be wrong.
  const isUnread = facts.configFiles.unreadable.size > 0;
  const fileHolds = inFile === undefined ? isDefault || isUnread : sameSetting(setting, args, inFile);
  const observed = holds
    ? `running ${shown([running])}${fileHolds ? "" : inFile === undefined ? ", but not in the file: the next start takes the default" : `, but ${shown(inFile)} in the file: lost at the next restart`}`
    : `running ${shown([running])}${inFile !== undefined && fileHolds ? ", though the file says as wanted: changed on the running server, or the file was never loaded" : ""}`;
  return {
    ...check(control, { expected, observed, source, allows }, holds && fileHolds),
    setting: {
      name: setting,
      wanted: shown(args),
      file: inFile === undefined ? null : shown(inFile),
      running: shown([running]),
      pending: inFile !== undefined && !sameSetting(setting, inFile, [running]),
    },
  };
}

function shown(args: readonly string[]): string {
  return args.join(" ") || '""';
}
