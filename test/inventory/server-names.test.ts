import { describe, expect, it } from "vitest";
import { ServerNames } from "../../src/inventory/server-names.ts";
import { inventoryOf, refusal } from "./inventory-on-disk.ts";

async function nameOf(host: string, hosts: string): Promise<string> {
  return new ServerNames(await inventoryOf(`all:\n  hosts:\n${hosts}`)).of(host);
}

describe("the name that a server's own password is made for", () => {
  it.each([
    ["its own, where nothing else is said", "    b: {}\n    a: {}\n", "a", "a"],
    [
      "the first of those at one address",
      "    b: { ansible_host: h }\n    a: { ansible_host: h }\n",
      "a",
      "b",
    ],
    [
      "its own at another port",
      "    b: { ansible_host: h }\n    a: { ansible_host: h, ansible_port: 2 }\n",
      "a",
      "a",
    ],
    [
      "its own behind another jump host, where the same address is another machine",
      "    b: { ansible_host: h, ansible_ssh_common_args: -J x }\n    a: { ansible_host: h, ansible_ssh_common_args: -J y }\n",
      "a",
      "a",
    ],
    [
      "its own for another unit",
      "    b: { ansible_host: h, redkeep_unit: one }\n    a: { ansible_host: h, redkeep_unit: two }\n",
      "a",
      "a",
    ],
    [
      "its own, where an address is empty",
      '    b: { ansible_host: "" }\n    a: { ansible_host: "" }\n',
      "a",
      "a",
    ],
    [
      "its own, where one template gives two addresses",
      "    b: { ansible_host: '{{ ip }}', ip: 10.0.0.1 }\n    a: { ansible_host: '{{ ip }}', ip: 10.0.0.2 }\n",
      "a",
      "a",
    ],
    [
      "the first, where two templates give one address",
      "    b: { ansible_host: '{{ ip }}', ip: 10.0.0.1 }\n    a: { ansible_host: '10.0.0.{{ n }}', n: 1 }\n",
      "a",
      "b",
    ],
    [
      "its own, where the address cannot be rendered",
      "    b: { ansible_host: '{{ ip }}' }\n    a: { ansible_host: '{{ ip }}' }\n",
      "a",
      "a",
    ],
    ["what redkeep_password_name says", "    b: {}\n    a: { redkeep_password_name: old }\n", "a", "old"],
  ])("is %s", async (_, hosts, host, expected) => {
    expect(await nameOf(host, hosts)).toBe(expected);
  });

  it.each([["[a]"], ["7"], ['"a\\nb"'], ['"{{ x }}"']])(
    "is refused where it is not a valid name: %s",
    async (value) => {
      expect(await refusal(nameOf("a", `    a: { redkeep_password_name: ${value} }\n`))).toContain(
        "redkeep_password_name of a",
      );
    },
  );
});
