import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { paramsOf } from "../../src/tasks/task.ts";
import { read, repository } from "../support/pages.ts";
import { hostTask } from "../support/plan-tasks.ts";

describe("the parameters of a host's tasks", () => {
  it("are found by the task's name, and those of the later task win where two have one name", () => {
    const found = paramsOf([
      undefined,
      hostTask("persistence", { mode: "aof" }),
      hostTask("persistence", { mode: "rdb" }),
    ]);
    expect(found.persistence?.mode).toBe("rdb");
    expect(found.tls).toBeUndefined();
  });

  it("are never cast in src: paramsOf gives them their types", () => {
    const files = readdirSync(join(repository, "src"), { recursive: true, encoding: "utf8" });
    const casts = files
      .filter((file) => file.endsWith(".ts"))
      .flatMap((file) =>
        read(join("src", file))
          .split("\n")
          .map((line) => `${file}: ${line.trim()}`),
      )
      .filter((line) => /\.params\)? as \b|\bas (?!Plain)\w*Params\b/.test(line));
    expect(casts).toEqual([]);
  });
});
