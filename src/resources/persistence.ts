import type { ConfigDocument } from "../redis/config-document.ts";
import type { Kind } from "./kind.ts";

declare module "./kind.ts" {
  interface Kinds {
    persistence: {
      wants: { steps: readonly PersistenceStep[] };
      /** Steps on the running server that must have ended before anything else. */
      does: { persistence: PersistenceStep[] };
    };
  }
}

/** A step on the running server that has to end well before redis.conf may say so, or data is lost. */
export type PersistenceStep = "aof-on" | "rdb-on" | "aof-off" | "rdb-off" | "rewrite-aof";

/**
 * How the server keeps its keys. What it runs with is shown by the settings; these steps bring the running server there.
 *
 * The way back takes the same steps towards OLD_SAVE and OLD_AOF, and waits as long until the keys are on disk.
 */
export const persistence: Kind<"persistence"> = {
  differ: ({ steps }, { actions, throughServer }) => {
    actions.persistence.push(...steps);
    for (const step of steps) {
      // A rewrite leaves the AOF as it is: on here and off in the file would still lose what it holds.
      if (step !== "rewrite-aof") throughServer.add(step.startsWith("rdb") ? "save" : "appendonly");
    }
    return [];
  },

  none: () => ({ persistence: [] }),

  program: ({ persistence }, { server, config }) => {
    // A line break of the server's would look like another assignment to whoever reads the file by its lines.
    const said = (name: string) => server.running?.get(name)?.replaceAll(/[\r\n]/g, " ");
    const [save, aof] = [said("save") ?? "", said("appendonly") ?? "no"];
    const rewrites = persistence.includes("rewrite-aof");
    return {
      env: {
        PERSIST: persistence.some((step) => step !== "rewrite-aof") ? "1" : "",
        NEW_SAVE: (config.get("save") ?? [save]).join(" "),
        NEW_AOF: config.get("appendonly")?.[0]?.toLowerCase() ?? aof,
        OLD_SAVE: save,
        OLD_AOF: aof,
        REWRITE_AOF: rewrites ? "1" : "",
        RENAMED: rewrites ? renamed(config).join("|") : "",
      },
    };
  },

  // Redis writes its data itself.
  writes: () => [],
};

/** Commands that get another name or none, in capitals. */
function renamed(config: ConfigDocument): string[] {
  const names = config.all("rename-command").map(({ args }) => args[0]?.toUpperCase() ?? "");
  return names.filter((name) => /^[A-Z_-]+$/.test(name));
}
