import { expect, it } from "vitest";
import { applicationNetworks } from "../../src/playbook/application-networks.ts";
import { inventoryOf } from "../inventory/inventory-on-disk.ts";
import { playOf } from "./support.ts";

const networks = async (play: string, host: string, only: string[] = []) =>
  applicationNetworks(
    await inventoryOf({ files: { "hosts.yml": `all: { hosts: { h1: ${host} } }\n` } }),
    "h1",
    [await playOf(play)],
    { only, skip: [] },
    undefined,
  );

it("the application's networks are app_subnet where the play has no firewall task", async () => {
  const play = "tasks: [{ limits: {} }]";
  expect(await networks(play, "{ app_subnet: 10.0.1.0/24 }")).toEqual(["10.0.1.0/24"]);
  expect(await networks(play, "{ app_subnet: [10.0.1.0/24, 10.0.2.0/24] }")).toEqual([
    "10.0.1.0/24",
    "10.0.2.0/24",
  ]);
  expect(await networks(play, "{}")).toEqual([]);
  expect(await networks(`vars: { app_subnet: "<%= net %>.0/24" }\n${play}`, "{ net: 10.0.3 }")).toEqual([
    "10.0.3.0/24",
  ]);
  // A variable that no task uses may be of another tool's: it is no reason to stop.
  expect(await networks(play, '{ app_subnet: "{{ net }}" }')).toBeUndefined();
});

it("the application's networks are those of a firewall task whose condition is false, and unknown where tags leave it out", async () => {
  const play = 'tasks: [{ firewall: { allow: ["10.9.0.0/16"] }, when: false, tags: [firewall] }]';
  expect(await networks(play, "{ app_subnet: 10.0.1.0/24 }")).toEqual(["10.9.0.0/16"]);
  expect(await networks(play, "{ app_subnet: 10.0.1.0/24 }", ["tls"])).toBeUndefined();
});
