import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { firstLoads } from "../../src/firewall/first-load.ts";

const fixture = (situation: string, file: string) =>
  readFileSync(new URL(`../fixtures/ufw/${situation}/${file}`, import.meta.url), "utf8");
const conf = fixture("stock", "ufw.conf");
const defaults = fixture("stock", "default-ufw");

/** The rules of a chain, in order, of what was recorded or would be loaded. */
const rulesOf = (text: string, chain: string) =>
  text.split("\n").filter((line) => line.startsWith(`-A ${chain} `));

describe("firstLoads", () => {
  // Every other setting is compared with ufw's own doing in the lab: test/integration/firewall.test.ts.
  it("has packets go the way that ufw gave them", () => {
    const loads = firstLoads(fixture("kinds", "ufw.conf"), fixture("kinds", "default-ufw"));
    for (const [family, save] of [
      [4, "iptables-save.txt"],
      [6, "ip6tables-save.txt"],
    ] as const) {
      const kernel = fixture("kinds", save);
      const { first = "", last = "" } = loads?.[family] ?? {};
      const prefix = family === 4 ? "ufw" : "ufw6";
      for (const path of ["input", "output", "forward"]) {
        expect(rulesOf(first, path.toUpperCase())).toEqual(rulesOf(kernel, path.toUpperCase()));
        expect(rulesOf(first, `${prefix}-skip-to-policy-${path}`).map((line) => line.split(" ")[3])).toEqual(
          rulesOf(kernel, `${prefix}-skip-to-policy-${path}`).map((line) => line.split(" ")[3]),
        );
        expect(rulesOf(last, `${prefix}-track-${path}`)).toEqual(rulesOf(kernel, `${prefix}-track-${path}`));
        expect(kernel).toContain(rulesOf(last, `${prefix}-before-${path}`)[0]);
        const [policy] = new RegExp(`^:${path.toUpperCase()} \\w+`, "m").exec(kernel) ?? [];
        expect(last).toContain(`${policy} [0:0]\n`);
      }
    }
  });

  it.each([
    ["built-in chains in its care", conf, defaults.replace("MANAGE_BUILTINS=no", "MANAGE_BUILTINS=yes")],
    ["modules to load", conf, defaults.replace('IPT_MODULES=""', 'IPT_MODULES="nf_conntrack_ftp"')],
    ["kernel settings from elsewhere", conf, defaults.replace("/etc/ufw/sysctl.conf", "/etc/ufw/mine.conf")],
    ["no IPv6", conf, defaults.replace("IPV6=yes", "IPV6=no")],
    ["an unknown policy", conf, defaults.replace('FORWARD_POLICY="DROP"', 'FORWARD_POLICY="SINK"')],
    ["a word in ufw.conf that changes one of those", `${conf}\nMANAGE_BUILTINS=yes\n`, defaults],
  ])("leaves it to ufw with %s", (_, conf, defaults) => {
    expect(firstLoads(conf, defaults)).toBeUndefined();
  });
});
