import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: ["test/integration/**"],
          // For what hangs alone: a busy machine takes ten times as long as a quiet one.
          testTimeout: 60_000,
        },
      },
      {
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
