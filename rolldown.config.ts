import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { defineConfig, type Plugin } from "rolldown";

/**
 * The package as it is published: everything that `redkeep` runs in a few files, libraries included. Reading and
 * resolving some 400 modules is most of what a start from the sources costs.
 */
export default defineConfig({
  // A task is found by its file's name, so each keeps a file of its own.
  input: { cli: "src/cli.ts", ...tasks() },
  platform: "node",
  // What only ssh2 would use, where it was compiled for the machine: it does without.
  external: ["cpu-features", /\.node$/],
  transform: { define: { __dirname: "import.meta.dirname" } },
  plugins: [licences()],
  output: {
    dir: "dist",
    cleanDir: true,
    // Beside each other, since `src/package.ts` finds the package from where it lies.
    chunkFileNames: "[name]-[hash].js",
    codeSplitting: {
      groups: [
        {
          name: "start",
          test: /[\\/]src[\\/](compile-cache|errors|secret|package|report[\\/](printable|statuses)|lint[\\/]server-version)\.ts$/,
          priority: 1,
        },
        { name: "ssh2", test: /node_modules[\\/](ssh2|asn1|bcrypt-pbkdf|tweetnacl|safer-buffer)[\\/]/ },
        { name: "tasks", test: /[\\/]src[\\/](tasks|plan|verify|firewall|redis|pki)[\\/]/ },
      ],
    },
  },
});

function tasks(): Record<string, string> {
  return Object.fromEntries(
    readdirSync("src/tasks").map((file) => [`tasks/${basename(file, ".ts")}`, join("src/tasks", file)]),
  );
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
