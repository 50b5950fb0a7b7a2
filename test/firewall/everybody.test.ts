import { describe, expect, it } from "vitest";
import { everybodyIn } from "../../src/firewall/everybody.ts";

const slashTens = Array.from({ length: 8 }, (_, at) => `44.${at * 32}.0.0/11`);

describe("everybodyIn", () => {
  it.each([
    [["0.0.0.0/0"]],
    [["::/0"]],
    [["0.0.0.0/1", "128.0.0.0/1"]],
    [["2000::/3"]],
    [["10.0.0.0/7"]],
    [["44.0.0.0/8", "45.0.0.0/8"]],
    [[...slashTens, "45.1.2.3"]],
  ])("is all of %j", (subnets) => expect(everybodyIn(subnets)).toEqual(subnets));

  it.each([
    [["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]],
    [["fc00::/7"]],
    [["240.0.0.0/4"]],
    [["44.0.0.0/8"]],
    [slashTens],
    [["44.0.0.0/8", "44.1.0.0/16"]],
    [["2a00:1450::/32", "8.8.8.8", ""]],
    [[]],
  ])("is nobody of %j", (subnets) => expect(everybodyIn(subnets)).toEqual([]));

  it("leaves out what holds no address of the Internet, and the other family", () => {
    expect(everybodyIn(["10.0.0.0/8", "0.0.0.0/1", "fd00::/8", "2a00::/16", "128.0.0.0/1"])).toEqual([
      "0.0.0.0/1",
      "128.0.0.0/1",
    ]);
  });
});
