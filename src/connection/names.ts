import { homedir } from "node:os";

/** `10.0.0.5:22`, `[fd00::5]:22`. */
export const endpoint = ({ address, port }: { address: string; port: number }): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

/** A path as its owner writes it. */
export function tilde(path: string): string {
  return path.startsWith(`${homedir()}/`) ? `~${path.slice(homedir().length)}` : path;
}
