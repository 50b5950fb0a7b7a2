import { join } from "node:path";
import type { RunRecord } from "../record/record.ts";

/**
 * The controller's side: what is still needed of it, and for what.
 * @param directory the state folder
 */
export function whatStaysHere(directory: string, { summary }: RunRecord): string {
  if (summary.changed === 0) return "";
  return [
    "",
    `On this machine ${directory} stays as it is:`,
    `  ${join(directory, "secrets.yml")}  the passwords that redkeep made: the hosts still use them`,
    `  ${join(directory, "pki")}  the CA and the clients' certificates: nothing renews them any more`,
    `  ${join(directory, "runs")}  the records of the runs`,
    "Keep what your clients and hosts still use. You may delete the rest, and the playbook and the inventory.",
    "",
  ].join("\n");
}
