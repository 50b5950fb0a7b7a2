import type { ServerLogin } from "../facts/server-login.ts";
import { STATE_MARK } from "../facts/transaction.ts";
import { hashPassword } from "../redis/acl-user.ts";
import { configName } from "../redis/config-set.ts";
import type { Server } from "../redis/server.ts";
import { shellAssignments } from "../shell/quote.ts";
import { authLine, type Login, loginText } from "./login-file.ts";
import { CONFIRM_WINDOW, capSeconds, FIREWALL_WINDOW, program } from "./program.ts";

export interface CompileUndoInput {
  /** The committed transaction whose changes are put back. */
  source: string;
  holder: string;
  /** The mark of the controller's state. */
  state: string;
  id: string;
  nonce: string;
  server: Server;
  /** The way into Redis as it is now. */
  before: Login;
  /** Every login that Redis may take again afterwards: the host tells by the hash in the file that it puts back. */
  admins: readonly ServerLogin[];
  program: string;
  recoverUnit: string;
}

/** The transaction that puts back what a committed one changed: the host knows what that was, and says whether it still is. */
export function compileUndo(input: CompileUndoInput): string {
  const { source, id, nonce, server } = input;
  const parts: [string, string][] = [
    [
      "env.own",
      shellAssignments({
        NONCE: nonce,
        [STATE_MARK]: input.state,
        CAP: capSeconds(server),
        WINDOW: CONFIRM_WINDOW,
        FIREWALL_WINDOW,
        PATIENCE: "1",
      }),
    ],
    ["holder", `${input.holder}\n`],
    ["undoes", `${source}\n`],
    ["login.old", loginText(input.before, configName(server.config))],
    [
      "login.admin",
      input.admins.map((admin) => `${hashPassword(admin.password)} ${authLine(admin)}\n`).join(""),
    ],
    ["recover.service", input.recoverUnit],
    ["transaction.sh", input.program],
  ];
  return program({ id, nonce, capSeconds: capSeconds(server), parts, source });
}
