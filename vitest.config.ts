import { availableParallelism } from "node:os";
import { join } from "node:path";
import { configDefaults, defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

const ROOT = import.meta.dirname;

/** Hundreds of processes or of peers, or Ansible: minutes that need no lab host, and that nobody waits for before each commit. */
const SYSTEM = [
  "test/cli/ask-secret.test.ts",
  "test/cli/completion.test.ts",
  "test/hostile/**/*.test.ts",
  "test/inventory/equality/**/*.test.ts",
  "test/measure/scale/**/*.test.ts",
  "test/recipes/**/*.test.ts",
  "test/run/{hostile-hosts,strays}.test.ts",
  "test/transaction/{transaction,walk}.test.ts",
  "test/vault/ansible.test.ts",
];

/**
 * What takes longest, begun first. vitest begins one project's files after the other's, and those that it has not measured by their
 * size: a long one that comes last has the machine for itself.
 */
export const LONGEST = [
  "test/integration/rollback.test.ts",
  "test/hostile/openssh.test.ts",
  "test/integration/live.test.ts",
  "test/integration/firewall.test.ts",
  "test/integration/server-passwords.test.ts",
  "test/transaction/walk.test.ts",
  "test/integration/hostile-service-user.test.ts",
  "test/integration/features.test.ts",
  "test/integration/hostile-files.test.ts",
  "test/integration/proof.test.ts",
  "test/integration/outside.test.ts",
  "test/integration/faults.test.ts",
  "test/recipes/gitlab.test.ts",
  "test/integration/firewall-truth.test.ts",
  "test/measure/scale/fleet.test.ts",
  "test/transaction/transaction.test.ts",
  "test/recipes/github.test.ts",
  "test/hostile/hostile.test.ts",
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const last = LONGEST.map((file) => join(ROOT, file)).reverse();
    const place = ({ moduleId }: TestSpecification) => -last.indexOf(moduleId);
    return (await super.sort(files)).sort((one, other) => place(one) - place(other));
  }
}

export default defineConfig({
  test: {
    // Tests wait: for processes, for peers, for a host to boot. By default one core would be left out.
    maxWorkers: availableParallelism() + 1,
    sequence: { sequencer: LongestFirst },
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
