import type { ConnectionVariables } from "../../../src/connection/settings.ts";
import { connect } from "../../../src/connection/ssh.ts";

/** What one script gives over a connection of its own. */
export async function runOnce(variables: ConnectionVariables, script: string) {
  const connection = await connect(variables);
  try {
    return await connection.run(script, { timeoutMs: 45_000 });
  } finally {
    connection.close();
  }
}
