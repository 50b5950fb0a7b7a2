import { describe, expect, it } from "vitest";
import { hostVariables } from "../../src/inventory/inventory.ts";
import { probeVariables } from "../../src/inventory/probe-variables.ts";
import { inventoryOf, refusal } from "./inventory-on-disk.ts";

/** The probes of redis-01, whose group has these variables in flow style; beside it are app-01, app-02 and bastion-01. */
async function probesOf(vars: string) {
  const inventory = await inventoryOf(
    `redis:\n  hosts: {redis-01: }\n  vars: {${vars}}\napp:\n  hosts: {app-01: , app-02: }\nother:\n  hosts: {bastion-01: }\n`,
  );
  return probeVariables("redis-01", hostVariables(inventory, "redis-01"), inventory);
}

describe("probes from outside", () => {
  it("come from the controller alone where the inventory says nothing", async () => {
    expect(await probesOf("")).toEqual({ allowed: [], denied: [], controller: "auto", address: undefined });
  });

  it("come from the hosts that the variables name, and go to the address that they name", async () => {
    expect(
      await probesOf(
        "redkeep_probe_allowed: [app-01, app-02, app-01], redkeep_probe_denied: [bastion-01], redkeep_probe_from_controller: denied, redkeep_probe_address: redis-01.internal",
      ),
    ).toEqual({
      allowed: ["app-01", "app-02"],
      denied: ["bastion-01"],
      controller: "denied",
      address: "redis-01.internal",
    });
  });

  it("are off for a bare off, which YAML reads as false", async () => {
    expect(await probesOf("redkeep_probe_from_controller: off")).toMatchObject({ controller: "off" });
  });

  it.each<[string, string]>([
    [
      "redkeep_probe_allowed: [app-01, app-03]",
      'hosts.yml:3:42  redkeep_probe_allowed: expected a host of the inventory, found "app-03". Did you mean "app-01"?',
    ],
    [
      "redkeep_probe_allowed: [app]",
      'hosts.yml:3:34  redkeep_probe_allowed: expected a host of the inventory, found "app", which is a group: name its hosts',
    ],
    [
      "redkeep_probe_denied: [controller]",
      'hosts.yml:3:33  redkeep_probe_denied: expected a host of the inventory, found "controller". For the machine that redkeep runs on, set redkeep_probe_from_controller',
    ],
    [
      "redkeep_probe_allowed: app-01",
      'redkeep_probe_allowed: expected a list of hosts of the inventory, such as [app-01], found "app-01"',
    ],
    [
      "redkeep_probe_allowed: [redis-01]",
      "redkeep_probe_allowed: names redis-01 itself: expected another host",
    ],
    [
      "redkeep_probe_allowed: [app-01], redkeep_probe_denied: [app-01]",
      "redkeep_probe_denied: names app-01, which redkeep_probe_allowed names too: keep it in one of them",
    ],
    [
      "redkeep_probe_from_controller: maybe",
      'redkeep_probe_from_controller: expected auto, allowed, denied or off, found "maybe"',
    ],
    [
      "redkeep_probe_address: '10.0.0.5:6380; reboot'",
      'redkeep_probe_address: expected a DNS name or an IP address, without a port, found "10.0.0.5:6380; reboot"',
    ],
    [
      "redkeep_probe_allowed: '{{ groups.app | sort }}'",
      "redkeep_probe_allowed of redis-01: is a Jinja template",
    ],
  ])("%s is refused", async (vars, message) => {
    expect(await refusal(probesOf(vars))).toContain(message);
  });
});
