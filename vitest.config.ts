import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

const ROOT = import.meta.dirname;

export default defineConfig({
  test: {
    // Read and run, not imported: after a change there `vitest --changed` runs all tests.
    forceRerunTriggers: [
      ...configDefaults.forceRerunTriggers,
      ...["templates", "playbooks", "recipes", "schema"].map((folder) => join(ROOT, folder, "**")),
    ],
    // The tests start the program hundreds of times: compiled once, it is there in a third of the time.
    env: { NODE_COMPILE_CACHE: join(ROOT, "node_modules/.cache/redkeep-tests") },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/integration/**"],
          // For what hangs alone: a busy machine takes ten times as long as a quiet one.
          testTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: "test/integration/global-setup.ts",
          fileParallelism: false,
          // Above every wait inside: those say what they waited for.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
