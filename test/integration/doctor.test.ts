import { expect, it } from "vitest";
import { temporaryDirectory } from "../connection/support/server.ts";
import { redkeep, startHost, writeInventory } from "./support/lab.ts";
import { filesOf, onHost } from "./support/observe.ts";

it("doctor says what a host lacks, each with its remedy, and leaves the host as it is", async () => {
  await using host = await startHost();
  using folder = temporaryDirectory();
  const doctor = async (vars: Record<string, unknown> = {}) => {
    const { inventory } = writeInventory(folder.path, { "redis-01": host }, vars);
    return await redkeep(["doctor", "redis-01", "-i", inventory], { cwd: folder.path });
  };
  const before = await filesOf(host);

  const sound = await doctor();
  expect(sound.status).toBe(0);
  expect(sound.stdout).toContain("✔ login         as root, in 1 connection, 1 round trip");
  expect(sound.stdout).toMatch(/✔ server {8}Redis 7\.0\.\d+, redis-server\.service/);

  const bare = await doctor({ ansible_user: "operator", ansible_become: false });
  expect(bare.status).toBe(3);
  expect(bare.stdout).toMatch(
    /✖ login {9}redkeep is uid \d+ on the host, and needs root\n +set become: true/,
  );
  expect(await filesOf(host)).toBe(before);

  await onHost(
    host,
    "mv /usr/bin/setpriv /usr/bin/setpriv.away; mv /usr/bin/redis-cli /usr/bin/redis-cli.away",
  );
  const without = await doctor();
  expect(without.status).toBe(3);
  expect(without.stdout).toMatch(/✖ tools {9}the host lacks setpriv\n +install util-linux/);

  await onHost(
    host,
    "mv /usr/bin/setpriv.away /usr/bin/setpriv; mv /usr/bin/redis-cli.away /usr/bin/redis-cli",
  );
  await onHost(host, "chmod o+w /usr/bin/redis-check-rdb");
  const loose = await doctor();
  expect(loose.status).toBe(3);
  expect(loose.stdout).toMatch(/✖ programs {6}others than root can write .*\n(?:.*\n)* +give the program/);
});
