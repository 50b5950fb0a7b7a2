import { describe, expect, it } from "vitest";
import type { Room } from "../../src/facts/files.ts";
import { placeRefusals } from "../../src/plan/places.ts";
import { noActions } from "../../src/resources/kinds.ts";
import { hostWith } from "../support/host-facts.ts";
import { planTasks, taskThat } from "../support/plan-tasks.ts";
import { guards } from "../support/run-task.ts";

const MB = 1024 ** 2;
const setting = taskThat(() => ({ resources: [{ kind: "setting", name: "maxmemory", args: ["1gb"] }] }));
const PLENTY: Room = { bytes: 100 * MB, inodes: undefined };

function plan(files: {
  rooms?: Record<string, Room>;
  unwritable?: string[];
  mountedFiles?: string[];
}): ReturnType<typeof planTasks> {
  const rooms = { "/etc/redis": PLENTY, "/var/lib": PLENTY, "/etc/systemd/system": PLENTY, ...files.rooms };
  return planTasks(
    [setting],
    hostWith({
      files: {
        rooms: new Map(Object.entries(rooms)),
        unwritable: new Set(files.unwritable),
        mountedFiles: new Set(files.mountedFiles),
      },
    }),
  );
}

const found = (files: Parameters<typeof plan>[0]) => plan(files).refusals.map((refusal) => refusal.found);

describe("the places where a plan writes", () => {
  it("have no refusal on a host with room", () => {
    expect(found({})).toEqual([]);
  });

  it.each(["/etc/redis", "/etc/redis/redis.conf", "/var/lib", "/etc/systemd/system"])(
    "must be writable: %s is named where it is not",
    (path) => {
      expect(found({ unwritable: [path] })).toEqual([
        `${path} cannot be written to, not even by root: it is mounted read-only, or immutable`,
      ]);
    },
  );

  it("include ufw.conf where the plan loads the firewall's rules, since ufw writes it itself", () => {
    const actions = { ...noActions(), firewall: { enable: true, loadOnly: false, defaultPolicy: undefined } };
    const { files } = hostWith({ files: { unwritable: new Set(["/etc/ufw/ufw.conf"]) } });
    expect([...placeRefusals(files, actions)].map((refusal) => refusal.found)).toEqual([
      "/etc/ufw/ufw.conf cannot be written to, not even by root: it is mounted read-only, or immutable",
    ]);
  });

  it("do not include files that the plan leaves alone", () => {
    expect(found({ unwritable: ["/etc/ufw", "/etc/ufw/user.rules"] })).toEqual([]);
  });

  it("must have room for bytes and for inodes", () => {
    expect(found({ rooms: { "/etc/redis": { bytes: MB, inodes: undefined } } })).toEqual([
      expect.stringMatching(/^1mb are free in \/etc\/redis, and this run may need 2.\dmb there$/),
    ]);
    expect(found({ rooms: { "/var/lib": { bytes: 100 * MB, inodes: 3 } } })).toEqual([
      expect.stringMatching(/^3 inodes are free in \/var\/lib, and this run may need \d+ there$/),
    ]);
    expect(guards(plan({ rooms: { "/var/lib": { bytes: 0, inodes: 0 } } }))).toEqual(["disk-too-small"]);
  });

  it("are searched without end neither for a relative path nor for an empty one", () => {
    const mode = { owner: "redis", group: "redis", mode: 0o600 };
    const paths = ["tls/redis.key", "redis.key", ""];
    const attributes = paths.map((path) => ({ path, attributes: mode, before: mode }));
    const { files } = hostWith({});
    expect([...placeRefusals(files, { ...noActions(), attributes })]).toEqual([]);
  });

  it("must not be a file that is a mount of its own", () => {
    expect(found({ mountedFiles: ["/etc/redis/redis.conf"] })).toEqual([
      "/etc/redis/redis.conf is a mount of its own: no other file can take its place",
    ]);
    expect(found({ mountedFiles: ["/etc/hosts"] })).toEqual([]);
  });
});
