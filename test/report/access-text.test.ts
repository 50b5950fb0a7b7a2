import { describe, expect, it } from "vitest";
import type { AccessRecord, HostRecord } from "../../src/record/record.ts";
import { verifyText } from "../../src/report/verify-text.ts";
import { hostRecord, runRecord, textContext } from "../support/records.ts";

const access = (app: boolean[]): AccessRecord => ({
  method: "ACL DRYRUN",
  commands: ["FLUSHALL", "KEYS", "SAVE", "ACL SETUSER", "CLIENT KILL"]
    .map((command) => ({ command, dangerous: true }))
    .concat({ command: "GET", dangerous: false }),
  users: [
    { user: "admin", enabled: true, nopass: false, allowed: [false, true, true, true, true, true] },
    { user: "app", enabled: true, nopass: false, allowed: app },
    { user: "default", enabled: false, nopass: false, allowed: [false, false, false, false, false, false] },
  ],
});
const closed = access([false, false, false, false, false, true]);
const open = access([false, true, false, false, false, true]);

function text(hosts: HostRecord[], verbose = false): string {
  return verifyText(runRecord("verify", hosts), textContext(hosts, { verbose }));
}

describe("what users may do, in verify's text", () => {
  it("names a user who may run a dangerous command and is no administrator", () => {
    const hosts = ["redis-01", "redis-02"].map((host) => hostRecord(host, { access: open }));
    expect(text(hosts)).toContain("! redis-01, redis-02: user app may run KEYS\n");
    expect(text([hostRecord("redis-01", { access: closed })])).not.toContain("may run");
  });

  it("has a row for each user with -v, once for hosts that are alike", () => {
    const hosts = ["redis-01", "redis-02"].map((host) => hostRecord(host, { access: closed }));
    expect(text(hosts, true)).toContain(
      [
        "What users may do on redis-01, redis-02 (ACL DRYRUN)",
        "  admin    dangerous  all but FLUSHALL",
        "           ordinary   all 1",
        "  app      dangerous  none",
        "           ordinary   all 1",
        "  default  off",
      ].join("\n"),
    );
  });

  it("says what has changed since the last run", () => {
    const impact = [{ kind: "access-changed", detail: "user app: KEYS allowed" }];
    expect(text([hostRecord("redis-01", { access: closed, impact })])).toContain(
      "! redis-01: user app: KEYS allowed\n",
    );
  });
});
