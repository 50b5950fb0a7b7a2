import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { renderAnew, ruleSettings } from "../../src/firewall/rules-anew.ts";
import { parseRules } from "../../src/firewall/ufw-rules.ts";

// Recorded from ufw 0.36.2 on Debian 12. ufw wrote them when it was switched on, except those that the package installs.
const fixtures = new URL("../fixtures/ufw/", import.meta.url);
const read = (situation: string, file: string) =>
  readFileSync(new URL(`${situation}/${file}`, fixtures), "utf8");
const settingsOf = (situation: string) =>
  ruleSettings(read(situation, "ufw.conf"), read(situation, "default-ufw"));
const written = readdirSync(fixtures)
  .filter((situation) => situation !== "stock")
  .flatMap((situation) => [[situation, "user.rules", 4] as const, [situation, "user6.rules", 6] as const])
  // With IPV6=no ufw writes user6.rules without having read them.
  .filter(([situation, , family]) => situation !== "ipv6-off" || family === 4);

describe("renderAnew", () => {
  it.each(written)("writes %s/%s as ufw did, byte for byte", (situation, file, family) => {
    const settings = settingsOf(situation);
    if (settings === undefined) throw new Error("no settings");
    expect(renderAnew(parseRules(read(situation, file), family), settings)).toBe(read(situation, file));
  });

  it("keeps the rules of a file that ufw never wrote, within the lines that ufw writes around them", () => {
    const settings = settingsOf("wanted");
    if (settings === undefined) throw new Error("no settings");
    const { entries } = parseRules(read("wanted", "user.rules"), 4);
    const stock = parseRules(read("stock", "user.rules"), 4);
    expect(renderAnew({ ...stock, entries }, settings)).toBe(read("wanted", "user.rules"));
  });
});

describe("ruleSettings", () => {
  const conf = read("stock", "ufw.conf");
  const defaults = read("stock", "default-ufw");

  it("holds the level of logging and the three policies", () => {
    expect(ruleSettings(conf, defaults)).toEqual({
      logLevel: "low",
      policies: { input: "deny", output: "allow", forward: "deny" },
    });
  });

  it.each([
    ["no level", conf.replace(/^LOGLEVEL.*$/m, ""), defaults],
    ["an unknown level", conf.replace(/^LOGLEVEL.*$/m, "LOGLEVEL=loud"), defaults],
    ["a missing policy", conf, defaults.replace(/^DEFAULT_FORWARD_POLICY.*$/m, "")],
    [
      "an unknown policy",
      conf,
      defaults.replace(/^DEFAULT_OUTPUT_POLICY.*$/m, 'DEFAULT_OUTPUT_POLICY="SINK"'),
    ],
  ])("is undefined with %s, so that ufw writes the file itself", (_, conf, defaults) => {
    expect(ruleSettings(conf, defaults)).toBeUndefined();
  });
});
