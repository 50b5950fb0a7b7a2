import { redisWord } from "../facts/redis-script.ts";
import type { ConfigDocument } from "./config-document.ts";
import type { Server } from "./server.ts";

/** The name under which CONFIG answers. */
export function configName(config: ConfigDocument): string {
  return (
    config.all("rename-command").find(({ args }) => args[0]?.toUpperCase() === "CONFIG")?.args[1] || "CONFIG"
  );
}

/** The command that sets these on the running server; where it takes one setting at a time, a command for each. */
export function configSet(pairs: readonly (readonly [string, string])[], server: Server): string[] {
  if (pairs.length === 0) return [];
  const words = pairs.map(([name, value]) => `${name} ${redisWord(value)}`);
  const name = configName(server.config);
  return server.version.capabilities.multiPairConfigSet
    ? [`${name} SET ${words.join(" ")}`]
    : words.map((pair) => `${name} SET ${pair}`);
}
