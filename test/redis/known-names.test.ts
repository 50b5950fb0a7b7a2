import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { KNOWN_COMMANDS, KNOWN_SETTINGS } from "../../src/redis/known-names.ts";
import { factsOf } from "../support/facts.ts";

describe("the known names", () => {
  it.each(["redis-6-stock", "stock", "redis-8-stock", "valkey-8-stock"])(
    "have every setting of %s",
    (name) => {
      const settings = [...(factsOf(name).redis.config?.keys() ?? [])];
      expect(settings.length).toBeGreaterThan(100);
      expect(settings.filter((setting) => !KNOWN_SETTINGS.has(setting))).toEqual([]);
    },
  );

  it.each(["redis-6.0.16", "redis-7.0.15", "redis-8.0.2", "valkey-8.1.1"])(
    "have every command of %s",
    (server) => {
      const file = join(import.meta.dirname, "../fixtures/redis", server, "acl-categories.txt");
      const commands = readFileSync(file, "utf8")
        .split("\n")
        .filter((line) => /^[a-z_-]+$/.test(line) && line !== "post");
      expect(commands.length).toBeGreaterThan(200);
      expect(commands.filter((command) => !KNOWN_COMMANDS.has(command))).toEqual([]);
    },
  );
});
