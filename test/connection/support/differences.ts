import { transport } from "./server.ts";

/** What the system's ssh does in its own way, and why that is left so. All else is the same over both transports. */
const DIFFERENCES = {
  "which methods there are":
    "ssh asks the server for its methods before it offers a key: nothing turns that off",
  "the order of keys": "ssh offers the agent's keys before those of files, unless IdentitiesOnly is set",
  certificates: "ssh logs in with a certificate, where ssh2 can only name it",
  "the second way for a password":
    "ssh begins keyboard-interactive after a refused password; it is ended before it answers",
} as const;

/** What is expected of the transport under test. */
export function differing<T>(_difference: keyof typeof DIFFERENCES, expected: { ssh2: T; openssh: T }): T {
  return expected[transport()];
}
