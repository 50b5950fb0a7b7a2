import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  describeEntry,
  describeRule,
  makeRule,
  parseDefaults,
  parseRules,
  renderRules,
} from "../../src/firewall/ufw-rules.ts";

// Recorded from ufw 0.36.2 on Debian 12: user.rules, user6.rules and what `ufw show added` said of them.
const fixtures = new URL("../fixtures/ufw/", import.meta.url);
const situations = readdirSync(fixtures);
const read = (situation: string, file: string) =>
  readFileSync(new URL(`${situation}/${file}`, fixtures), "utf8");
const files = situations.flatMap((situation) => [
  [situation, "user.rules", 4] as const,
  [situation, "user6.rules", 6] as const,
]);

describe("parseRules and renderRules", () => {
  it.each(files)("write %s/%s back byte for byte", (situation, file, family) => {
    const text = read(situation, file);
    expect(renderRules(parseRules(text, family))).toBe(text);
  });

  it.each(files)("read every rule of %s/%s, and write each as ufw did", (situation, file, family) => {
    const { entries, problems } = parseRules(read(situation, file), family);
    expect(problems).toEqual([]);
    for (const entry of entries) {
      // A mask that is no prefix, and host bits that ufw left in an IPv6 subnet.
      if (/255\.0\.255\.0|fd00:1::9\/64/.test(entry.raw)) continue;
      expect(entry.kind, entry.raw).toBe("rule");
      if (entry.kind === "rule") expect(makeRule(entry).raw).toBe(entry.raw);
    }
  });

  it.each(situations)("call the rules of %s what `ufw show added` calls them", (situation) => {
    const entries = files
      .filter(([name]) => name === situation)
      // With IPV6=no ufw does not read user6.rules.
      .filter(([, , family]) => situation !== "ipv6-off" || family === 4)
      .flatMap(([, file, family]) => parseRules(read(situation, file), family).entries);
    const shown = read(situation, "show-added.txt").trim().split("\n").slice(1);
    const unreadable = (words: string) => words.includes("255.0.255.0");
    const words = entries.filter((entry) => entry.kind === "rule").map((rule) => `ufw ${describeRule(rule)}`);
    const expected = shown.filter((line) => line !== "(None)" && !unreadable(line));
    expect([...new Set(words)]).toEqual(expected.map((line) => line.replace("fd00:1::9/64", "fd00:1::/64")));
  });

  it("finds the rules of a file with each kind of rule", () => {
    const { entries } = parseRules(read("kinds", "user.rules"), 4);
    expect(entries).toHaveLength(49);
    expect(entries.find((entry) => entry.kind === "unknown")).toMatchObject({
      reason: "a tuple that cannot be read",
    });
    expect(entries.at(2)).toMatchObject({
      destinationApp: "OpenSSH",
      destinationPorts: "22",
      protocol: "tcp",
    });
    expect(describeEntry(entries.at(1) as (typeof entries)[0])).toBe("limit 2222/tcp");
  });

  it("reads a comment, and shows it without control characters", () => {
    const [rule] = parseRules(read("comments-logging-full", "user.rules"), 4).entries;
    expect(rule).toMatchObject({ comment: 'ops: say "hi" ünïcode & $HOME' });
    const hostile = makeRule({
      family: 4,
      action: "allow",
      destinationPorts: "22",
      comment: "a\x1b[2Jb\u202ec\n",
    });
    expect(describeRule(hostile)).toBe("allow 22 comment 'a?[2Jb?c'");
  });

  it("adds rules to the file that the package installs", () => {
    const file = parseRules(read("stock", "user.rules"), 4);
    const ssh = makeRule({ family: 4, action: "allow", protocol: "tcp", destinationPorts: "22" });
    expect(renderRules(file, [ssh])).toBe(
      read("stock", "user.rules").replace(
        "### RULES ###\n",
        "### RULES ###\n\n### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n",
      ),
    );
  });

  it("makes the wanted rules as ufw made them", () => {
    for (const [file, family, source] of [
      ["user.rules", 4, "10.0.0.0/24"],
      ["user6.rules", 6, "fd00:1::/64"],
    ] as const) {
      const text = read("wanted", file);
      const tcp = { family, action: "allow", protocol: "tcp" } as const;
      const rules = [
        makeRule({ ...tcp, destinationPorts: "22" }),
        makeRule({ ...tcp, destinationPorts: "6380", source }),
      ];
      expect(renderRules(parseRules(text, family), rules)).toBe(text);
    }
  });
});

describe("what ufw did not write", () => {
  const wanted = read("wanted", "user.rules");
  const insert = (lines: string) => wanted.replace("### RULES ###\n", `### RULES ###\n\n${lines}\n`);

  it.each([
    ["a broken tuple", "### tuple ### allow tcp 22"],
    ["an unknown action", "### tuple ### mark tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -j MARK"],
    [
      "an unknown protocol",
      "### tuple ### allow sctp 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -j ACCEPT",
    ],
    [
      "a port out of range",
      "### tuple ### allow tcp 70000 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 70000 -j ACCEPT",
    ],
    ["a tuple without lines", "### tuple ### allow tcp 6380 0.0.0.0/0 any 0.0.0.0/0 in"],
    [
      "a deny that accepts",
      "### tuple ### deny tcp 6380 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 6380 -j ACCEPT",
    ],
    [
      "a line too many",
      "### tuple ### allow tcp 23 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 23 -j ACCEPT\n-A ufw-user-input -j ACCEPT",
    ],
    ["lines without a tuple", "-A ufw-user-input -s 10.0.0.0/8 -j ACCEPT"],
    [
      "an IPv6 address",
      "### tuple ### allow tcp 22 0.0.0.0/0 any fd00::/8 in\n-A ufw-user-input -p tcp --dport 22 -s fd00::/8 -j ACCEPT",
    ],
    [
      "half a comment",
      "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in comment=abc\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT",
    ],
    [
      "CR at the line's end",
      "### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in\r\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\r",
    ],
  ])("keeps %s as it stands, as unknown", (_, lines) => {
    const text = insert(lines);
    const file = parseRules(text, 4);
    expect(file.entries.map((entry) => entry.kind)).toEqual(["unknown", "rule", "rule"]);
    expect(renderRules(file)).toBe(text);
  });

  it.each([
    ["", 'it has no line "### RULES ###"'],
    [wanted.slice(0, wanted.indexOf("### END")), "its rules have no end: the file is cut off"],
    [
      wanted.replace("COMMIT", "-A ufw-user-input -j ACCEPT\nCOMMIT"),
      "a rule stands outside its list of rules: -A ufw-user-input -j ACCEPT",
    ],
  ])("does not trust a file that is cut or has rules elsewhere", (text, problem) => {
    const file = parseRules(text, 4);
    expect(file.problems).toEqual([problem]);
    expect(renderRules(file)).toBe(text);
  });

  it("reads the tuples of old ufw, which have no direction", () => {
    const text = insert(
      "### tuple ### allow tcp 23 0.0.0.0/0 any 0.0.0.0/0\n-A ufw-user-input -p tcp --dport 23 -j ACCEPT",
    );
    expect(parseRules(text, 4).entries[0]).toMatchObject({
      kind: "rule",
      direction: "in",
      destinationPorts: "23",
    });
  });
});

describe("makeRule", () => {
  it("clears host bits, as ufw does", () => {
    expect(makeRule({ family: 4, action: "allow", source: "10.77.0.99/24" }).source).toBe("10.77.0.0/24");
  });

  it("refuses an address of the other family", () => {
    expect(() => makeRule({ family: 4, action: "allow", source: "fd00::/8" })).toThrow(RangeError);
  });
});

describe("parseDefaults", () => {
  it.each([
    ["stock", { ipv6Enabled: true, defaultIncoming: "deny" }],
    ["ipv6-off", { ipv6Enabled: false, defaultIncoming: "deny" }],
    ["comments-logging-full", { ipv6Enabled: true, defaultIncoming: "reject" }],
    ["logging-off-default-allow", { ipv6Enabled: true, defaultIncoming: "allow" }],
  ])("reads those of %s", (situation, defaults) => {
    expect(parseDefaults(read(situation, "default-ufw"))).toEqual(defaults);
  });

  it("is undefined where a value is missing or unknown", () => {
    const unknown = { ipv6Enabled: undefined, defaultIncoming: undefined };
    expect(parseDefaults("")).toEqual(unknown);
    expect(parseDefaults('# IPV6=yes\nIPV6="maybe"\nDEFAULT_INPUT_POLICY=$(rm)\n')).toEqual(unknown);
  });
});
