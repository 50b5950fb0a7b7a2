import { describe, expect, it } from "vitest";
import type { AccessRecord } from "../../src/record/record.ts";
import { MATRIX } from "../../src/redis/matrix.ts";
import { accessOf } from "../../src/verify/access.ts";
import { type Differences, hostWith } from "../support/host-facts.ts";
import { server } from "../support/run-task.ts";

function access(differences: Differences): AccessRecord | undefined {
  const facts = hostWith(differences);
  return accessOf({ facts, server: server(facts) });
}

/** The commands that a user may run; null where the record does not have the user. */
function allowed(record: AccessRecord | undefined, name: string): string[] | null {
  const user = record?.users.find(({ user }) => user === name);
  if (record === undefined || user === undefined) return null;
  return record.commands.flatMap(({ command }, index) => (user.allowed[index] === true ? [command] : []));
}

/** ACL DRYRUN's answers for a user: denied, but for those that are given. */
const answers = (given: Record<string, string>) =>
  MATRIX.map(({ name }) => given[name] ?? `This user has no permissions to run the '${name}' command`);

describe("what a user can do", () => {
  it("is what the server answers, to commands on keys only where the user has keys", () => {
    const key = "This user has no permissions to access the 'k' key";
    const record = access({
      redis: {
        aclUsers: [
          "user app on #0 ~app:* -@all +@read",
          "user metrics on #0 -@all +get",
          "user default off -@all",
        ],
        access: new Map([
          ["app", answers({ GET: key, PING: "OK", KEYS: "ERR Command 'keys' not found" })],
          ["metrics", answers({ GET: key })],
        ]),
      },
    });
    expect(record?.method).toBe("ACL DRYRUN");
    expect(allowed(record, "app")).toEqual(["PING", "GET"]);
    expect(allowed(record, "metrics")).toEqual([]);
    // What was not asked is not told, and 7.0 has no CLIENT SETINFO.
    expect(record?.users.find(({ user }) => user === "default")?.allowed).not.toContain(false);
    expect(record?.commands.map(({ command }) => command)).not.toContain("CLIENT SETINFO");
  });

  it("is unknown for a command that the server does not know, where its new name cannot be read", () => {
    const aclUsers = ["user app on #0 ~app:* -@all +@read"];
    const told = (unreadable: string[]) => {
      const answer = { KEYS: "ERR Command 'keys' not found", PING: "OK" };
      const host = hostWith({
        host: { uid: 1000 },
        redis: { aclUsers, access: new Map([["app", answers(answer)]]) },
      });
      const facts = { ...host, configFiles: { ...host.configFiles, unreadable: new Set(unreadable) } };
      const record = accessOf({ facts, server: server(facts) });
      const index = record?.commands.findIndex(({ command }) => command === "KEYS") ?? -1;
      return record?.users.find(({ user }) => user === "app")?.allowed[index];
    };
    expect(told([])).toBe(false);
    expect(told(["/etc/redis/names.conf"])).toBe(null);
  });

  it("is what a scratch server queues or denies, before Redis 7.0", () => {
    const record = access({
      like: "redis-6-hardened",
      redis: {
        aclUsers: ["user app on #0 ~app:* -@all +@read", "user metrics on #0 -@all +info"],
        access: new Map([
          [
            "app",
            answers({
              PING: "QUEUED",
              MULTI: "OK",
              GET: "NOPERM this user has no permissions to access one of the keys used as arguments",
              SAVE: "ERR unknown command `SAVE`, with args beginning with: ",
            }),
          ],
        ]),
      },
    });
    expect(record?.method).toBe("a scratch server");
    expect(allowed(record, "app")).toEqual(["PING", "GET", "MULTI"]);
    expect(record?.users.find(({ user }) => user === "metrics")?.allowed).not.toContain(false);
  });

  it("is computed from the rules where the server cannot be asked", () => {
    const record = access({
      like: "redis-6-hardened",
      conf: (text) => `${text}\nrename-command SAVE ""\n`,
      redis: {
        aclUsers: [
          "user app on #0 ~app:* -@all +@read +@pubsub -keys",
          "user ops on #0 -@all +config|get +save +set",
        ],
      },
    });
    expect(record?.method).toBe("worked out from the rules");
    expect(allowed(record, "app")).toEqual(expect.arrayContaining(["GET", "SCAN", "PUBLISH"]));
    expect(allowed(record, "app")).not.toContain("KEYS");
    expect(allowed(record, "ops")).toEqual(["CONFIG GET"]);
  });

  it("is not recorded without a login or without an answer of the server", () => {
    expect(access({ redis: { aclUsers: undefined } })).toBeUndefined();
    expect(access({ redis: { access: new Map() } })).toBeUndefined();
  });
});
