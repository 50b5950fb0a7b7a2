import { readdirSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { basename, join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";

const TASKS = "src/tasks";

/**
 * The package as it is published: the program in one file, libraries included, and a small one that starts it. Reading
 * and resolving some 400 modules is most of what a start from the sources costs, and of one script V8 can keep all that
 * it compiled (src/load-program.ts).
 */
export default defineConfig([
  {
    input: { program: "src/cli/main.ts" },
    platform: "node",
    // What only ssh2 would use, where it was compiled for the machine: it does without.
    external: ["cpu-features", /\.node$/],
    transform: { define: { __dirname: "import.meta.dirname" } },
    plugins: [taskList(), lateBuiltins(), asFunction(), licences()],
    output: {
      dir: "dist",
      cleanDir: true,
      format: "cjs",
      entryFileNames: "[name].cjs",
      // What is imported when it is needed is still run only then.
      codeSplitting: false,
    },
  },
  {
    input: { cli: "src/cli.ts" },
    platform: "node",
    external: [/cli\/main\.ts$/],
    output: { dir: "dist", codeSplitting: false },
  },
]);

/** From the sources a task is found by its file's name; in the package all are in the one file. */
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

/**
 * Has each module of Node loaded where the first of ours that imports it runs: at the head of the one file all would be
 * loaded at every start.
 */
function lateBuiltins(): Plugin {
  const PREFIX = "\0builtin:";
  return {
    name: "late-builtins",
    resolveId: (source, _importer, { kind }) =>
      kind !== "require-call" && isBuiltin(source) ? PREFIX + source : null,
    load: (id) =>
      id.startsWith(PREFIX) ? `module.exports = require(${JSON.stringify(id.slice(PREFIX.length))});` : null,
  };
}

/**
 * What src/load-program.ts runs: one function. Text in which each character is a byte is read faster, and takes half the
 * memory.
 */
function asFunction(): Plugin {
  return {
    name: "as-function",
    // Later than renderChunk, after which unused code is taken out and the rest printed anew.
    generateBundle(_options, bundle) {
      for (const chunk of Object.values(bundle)) {
        if (chunk.type !== "chunk") continue;
        const ascii = chunk.code.replace(
          /[\u0080-\uffff]/g,
          (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        chunk.code = `(function (exports, require, __filename, __dirname) {${ascii}\n})`;
      }
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
