import type { Way } from "./server.ts";

/** Ways to misbehave of which the system's ssh cannot tell what ssh2 tells. It gives up the host all the same, or nothing is lost. */
const DIFFERENCES: Record<string, { roles: readonly ("host" | "jump host")[]; why: string }> = {
  "lets in twice": { roles: ["host", "jump host"], why: "ssh takes no notice; the channel is refused then" },
  "takes a login back": {
    roles: ["host", "jump host"],
    why: "ssh takes no notice; the channel is refused then",
  },
  "cuts a message about a channel short": {
    roles: ["jump host"],
    why: "the connection through it only ends for ssh",
  },
  ...Object.fromEntries(
    [
      ...[0, 1, 100, 4095].map((size) => `takes packets of ${size} bytes`),
      "sends data before it confirms the channel",
      "closes a channel in place of opening it",
      "sends data after the end of the data",
      "sends errors after the end of the data",
    ].map((name) => [
      name,
      {
        roles: ["jump host"] as const,
        why: "ssh itself opens the channel through a jump host, and bears with this",
      },
    ]),
  ),
};

/** What is to be said of a host over the system's ssh; anything where it is undefined. */
export function reasonOverSsh({ name, reason }: Way, role: "host" | "jump host"): RegExp | undefined {
  const difference = DIFFERENCES[name];
  return difference?.roles.includes(role) ? undefined : reason;
}
