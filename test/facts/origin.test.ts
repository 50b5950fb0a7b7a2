import { describe, expect, it } from "vitest";
import { type Actable, chosen, pointedAt, type Seen, seen } from "../../src/facts/origin.ts";
import type { HostFacts } from "../../src/facts/probe.ts";
import type { Server } from "../../src/redis/server.ts";
import { factsOf } from "../support/facts.ts";

describe("what root acts on", () => {
  it("is what root saw or the plan says: tsc refuses what the server said", () => {
    const facts: HostFacts = factsOf("stock");
    const said = facts.redis.info.get("executable") ?? "";
    // @ts-expect-error what the server says is no program
    const program: Actable = said;
    // @ts-expect-error nor is its login's way a path that root looked up
    const path: Seen = facts.redis.endpoint.join(" ");
    // @ts-expect-error nor does it name the service
    const service: HostFacts["service"] = { ...facts.service, binary: said, client: said };
    // @ts-expect-error nor the user that files are given to
    const user: Server["user"] = facts.redis.config?.get("user") ?? "";
    // @ts-expect-error nor the folder of the data
    const folder: HostFacts["files"]["dataDirectory"] = facts.redis.config?.get("dir") ?? "";
    expect([program, path, service, user, folder]).toHaveLength(5);
    const taken: Actable[] = [facts.service.binary, facts.files.dataDirectory, chosen("redis")];
    expect(taken[0]).toBe("/usr/bin/redis-server");
  });

  it("may be a name that root saw and the server points at", () => {
    const names = [seen("dump.rdb"), seen("appendonlydir")];
    expect(pointedAt(names, "dump.rdb")).toBe("dump.rdb");
    expect(pointedAt(names, "../../../etc/shadow")).toBeUndefined();
    expect(pointedAt(names, undefined)).toBeUndefined();
  });
});
