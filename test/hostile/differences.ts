import type { Way } from "./server.ts";

type Role = "host" | "jump host";

interface Difference {
  roles: readonly Role[];
  why: string;
  /** Nothing but patience ends it. */
  waits?: true;
}

/** Ways to misbehave of which the system's ssh cannot tell what ssh2 tells. It gives up the host all the same, or nothing is lost. */
const DIFFERENCES: Record<string, Difference> = {
  "lets in twice": { roles: ["host", "jump host"], why: "ssh takes no notice; the channel is refused then" },
  "takes a login back": {
    roles: ["host", "jump host"],
    why: "ssh takes no notice; the channel is refused then",
  },
  "cuts a message about a channel short": {
    roles: ["jump host"],
    why: "the connection through it only ends for ssh",
  },
  "asks without end, and for nothing": {
    roles: ["host"],
    why: "ssh answers each time",
    waits: true,
  },
  "ignores without end before the key exchange": {
    roles: ["jump host"],
    why: "ssh reads on, and a jump host's may take the time of many hosts",
    waits: true,
  },
  ...each(
    [
      "ignores without end",
      "debugs without end",
      "does not understand, without end",
      "asks for replies without end",
      "replies without end",
      "shows other host keys without end",
      "opens X11 without end",
      "opens forwarded connections without end",
    ],
    { roles: ["host", "jump host"], why: "ssh takes all of it, and opens no channel meanwhile", waits: true },
  ),
  ...each(
    [
      ...[0, 1, 100, 4095].map((size) => `takes packets of ${size} bytes`),
      "sends data before it confirms the channel",
      "closes a channel in place of opening it",
      "sends data after the end of the data",
    ],
    {
      roles: ["jump host"],
      why: "ssh itself opens the channel through a jump host, and bears with this",
      waits: true,
    },
  ),
  "sends errors after the end of the data": {
    roles: ["jump host"],
    why: "the connection through it only ends for ssh",
  },
};

function each(names: readonly string[], difference: Difference): Record<string, Difference> {
  return Object.fromEntries(names.map((name) => [name, difference]));
}

function differenceOf({ name }: Way, role: Role): Difference | undefined {
  const difference = DIFFERENCES[name];
  return difference?.roles.includes(role) ? difference : undefined;
}

/** What is to be said of a host over the system's ssh; anything where it is undefined. */
export function reasonOverSsh(way: Way, role: Role): RegExp | undefined {
  return differenceOf(way, role) ? undefined : way.reason;
}

/** Whether it takes until somebody loses patience over the system's ssh. */
export function waitsOverSsh(way: Way, role: Role): boolean {
  return way.waits ?? differenceOf(way, role)?.waits ?? false;
}
