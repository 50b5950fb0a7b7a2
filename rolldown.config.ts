import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";

const TASKS = "src/tasks";
/** The oldest Node that redkeep runs on: newer syntax is written in its words. */
const TARGET = "node22";

/**
 * The package as it is published, libraries included: a file that starts the program, and the program in parts that are
 * loaded when a command needs them. The parts are CommonJS, which Node loads faster than as many ES modules.
 */
export default defineConfig([
  {
    input: { program: "src/cli/main.ts" },
    platform: "node",
    transform: { target: TARGET },
    // What only ssh2 would use, where it was compiled for the machine: it does without.
    external: ["cpu-features", /\.node$/],
    plugins: [taskList(), licences()],
    // A task that another part uses too lies in a part of its own or theirs: either will do.
    checks: { ineffectiveDynamicImport: false },
    output: {
      dir: "dist",
      cleanDir: true,
      format: "cjs",
      entryFileNames: "[name].cjs",
      chunkFileNames: "[name].cjs",
    },
  },
  {
    input: { cli: "src/cli.ts" },
    platform: "node",
    transform: { target: TARGET },
    external: [/cli\/main\.ts$/],
    output: {
      dir: "dist",
      codeSplitting: false,
      paths: (id) => (id.endsWith("main.ts") ? "./program.cjs" : id),
    },
  },
]);

/** From the sources a task is found by its file's name; in the package each has its part. */
function taskList(): Plugin {
  const names = readdirSync(TASKS)
    .filter((file) => file.endsWith(".ts") && file !== "task.ts")
    .map((file) => basename(file, ".ts"));
  const entries = names.map((name) => `${JSON.stringify(name)}: () => import("../tasks/${name}.ts")`);
  return {
    name: "task-list",
    load: {
      filter: { id: /[\\/]src[\\/]playbook[\\/]task-files\.ts$/ },
      handler: () => `const tasks = { ${entries.join(", ")} };
export function taskNames() { return Object.keys(tasks).sort(); }
export async function loadTask(name) { return (await tasks[name]()).default; }`,
    },
  };
}

/** Writes the licences of the libraries that went into the package: all of them ask for that. */
function licences(): Plugin {
  return {
    name: "licences",
    generateBundle(_options, bundle) {
      const folders = new Set<string>();
      for (const chunk of Object.values(bundle)) {
        for (const id of chunk.type === "chunk" ? chunk.moduleIds : []) {
          const folder = /^.*[\\/]node_modules[\\/](?:@[^\\/]+[\\/])?[^\\/]+/.exec(id)?.[0];
          if (folder !== undefined) folders.add(folder);
        }
      }
      const texts = [...folders].map((folder) => {
        const { name, version }: { name: string; version: string } = JSON.parse(
          readFileSync(join(folder, "package.json"), "utf8"),
        );
        const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file));
        if (file === undefined) throw new Error(`${folder} has no licence file`);
        return `${name} ${version}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
      });
      this.emitFile({
        type: "asset",
        fileName: "THIRD-PARTY-LICENCES.txt",
        source: texts.sort().join(`\n${"-".repeat(78)}\n\n`),
      });
    },
  };
}
