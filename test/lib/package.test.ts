import { describe, expect, it } from "vitest";
import { ownCommand } from "../../src/lib/package.ts";

const started = { execPath: "/opt/node", env: {} };

describe("the command that starts redkeep again", () => {
  it("is what the README says in a clone, and has the whole paths outside of it", () => {
    expect(ownCommand(started, "/home/me/redkeep", "/home/me/redkeep/src")).toEqual([
      "npx",
      "node",
      "src/cli.ts",
    ]);
    expect(ownCommand(started, "/home/me/redkeep/fleet", "/home/me/redkeep/src")).toEqual([
      "npx",
      "node",
      "../src/cli.ts",
    ]);
    expect(ownCommand(started, "/home/me", "/home/me/redkeep/src")).toEqual([
      "/opt/node",
      "/home/me/redkeep/src/cli.ts",
    ]);
  });

  it("is the installed one, by npx where npx has started it", () => {
    const installed = "/usr/lib/node_modules/redkeep/dist";
    expect(ownCommand(started, "/home/me", installed)).toEqual(["redkeep"]);
    expect(ownCommand({ ...started, env: { npm_command: "exec" } }, "/home/me", installed)).toEqual([
      "npx",
      "redkeep",
    ]);
  });
});
