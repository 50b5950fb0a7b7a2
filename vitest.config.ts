import { availableParallelism } from "node:os";
import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";

const ROOT = import.meta.dirname;

/** Hundreds of processes or of peers, or Ansible: minutes that need no lab host, and that nobody waits for before each commit. */
const SYSTEM = [
  "test/cli/ask-secret.test.ts",
  "test/hostile/**/*.test.ts",
  "test/inventory/equality/**/*.test.ts",
  "test/measure/scale/**/*.test.ts",
  "test/recipes/**/*.test.ts",
  "test/run/{hostile-hosts,strays}.test.ts",
  "test/transaction/{transaction,walk}.test.ts",
];

export default defineConfig({
  test: {
    // Tests wait: for processes, for peers, for a host to boot. By default one core would be left out.
    maxWorkers: availableParallelism() + 1,
    // Read and run, not imported: after a change there `vitest --changed` runs all tests.
    forceRerunTriggers: [
      ...configDefaults.forceRerunTriggers,
      ...["templates", "playbooks", "recipes", "schema"].map((folder) => join(ROOT, folder, "**")),
    ],
    // The tests start the program hundreds of times: compiled once, it is there in a third of the time.
    env: { NODE_COMPILE_CACHE: join(ROOT, "node_modules/.cache/redkeep-tests") },
    // For what hangs alone: a busy machine takes ten times as long as a quiet one.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // What is awaited comes, or the test fails: a busy machine only takes longer.
    expect: { poll: { timeout: 30_000 } },
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/integration/**", ...SYSTEM],
          // The files of a worker share the modules: to load the program for each took longer than most tests do.
          isolate: false,
          setupFiles: "test/support/fresh-process.ts",
          restoreMocks: true,
          unstubEnvs: true,
        },
      },
      { extends: true, test: { name: "system", include: SYSTEM } },
      {
        extends: true,
        test: {
          name: "integration",
          include: ["test/integration/**/*.test.ts"],
          globalSetup: "test/integration/global-setup.ts",
          // Above every wait inside: those say what they waited for.
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
