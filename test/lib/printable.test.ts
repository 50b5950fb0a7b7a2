import { describe, expect, it } from "vitest";
import { guardLines, printable, printableText } from "../../src/lib/printable.ts";
import { Secret } from "../../src/lib/secret.ts";
import { safeRecord } from "../../src/record/safe-record.ts";
import { changeRecord, errorRecord, hostRecord, runRecord, taskRecord } from "../support/records.ts";

describe("printable", () => {
  it.each([
    ["a colour", "\x1b[31mred", "\\x1b[31mred"],
    ["a clipboard write", "\x1b]52;c;aGk=\x07", "\\x1b]52;c;aGk=\\x07"],
    ["a C1 control sequence", "\u009b2J", "\\x9b2J"],
    ["a line overwritten by CR", "failed\rok", "failed\\rok"],
    ["a second line", "ok\nredis-02: changed", "ok\\nredis-02: changed"],
    ["reversed reading order", "user\u202etxt.exe", "user\\u{202e}txt.exe"],
    ["a zero-width space", "ad\u200bmin", "ad\\u{200b}min"],
    ["invisible tag letters", "a\u{e0041}", "a\\u{e0041}"],
    ["a blank that is a letter", "a\u3164b", "a\\u{3164}b"],
    ["half a surrogate pair", "a\ud800b", "a\\u{d800}b"],
    ["DEL", "a\x7fb", "a\\x7fb"],
    ["NUL", "a\0b", "a\\x00b"],
  ])("shows %s instead of obeying it", (_, hostile, shown) => {
    expect(printable(hostile)).toBe(shown);
  });

  it("leaves words of any language and redkeep's own signs alone", () => {
    expect(printable("Gerät, データ, ключ → ✔ ••••")).toBe("Gerät, データ, ключ → ✔ ••••");
  });

  it("breaks the markers that CI systems obey anywhere in a line", () => {
    expect(printable("x ##[error]y ##vso[task.setvariable variable=a]b")).not.toMatch(/##(\[|vso)/);
  });

  it("cuts endless text and says how much is missing", () => {
    expect(printable("a".repeat(10_000_000), 10)).toBe("aaaaaaaaaa… (9999990 more characters)");
  });

  it("masks a secret before the cut could show a part of it", () => {
    const secret = new Secret("correct-horse-battery-staple");
    expect(printable(`password ${secret.reveal()}`, 20)).not.toContain("correct");
  });

  it("keeps line breaks and tabs where text may have several lines", () => {
    expect(printableText("bind\t127.0.0.1\r\nport 0\x1b[2J")).toBe("bind\t127.0.0.1\\r\nport 0\\x1b[2J");
  });
});

describe("guardLines", () => {
  it("leaves no line that begins with a CI command", () => {
    const text = guardLines("::add-mask::x\n  \t::set-output name=a::b\nfound ::1");
    expect(text.split("\n").filter((line) => line.trimStart().startsWith("::"))).toEqual([]);
    expect(text).toContain("found ::1");
  });
});

describe("safeRecord", () => {
  it("masks and escapes wherever a host or a user could put text", () => {
    const secret = new Secret("s3cret-of-the-fleet");
    const hostile = `\x1b[2J${secret.reveal()}`;
    const record = safeRecord(
      runRecord("apply", [
        hostRecord(hostile, {
          tasks: [
            taskRecord(hostile, hostile, [changeRecord(`file:${hostile}`, hostile, { before: hostile })]),
          ],
          impact: [{ kind: hostile, detail: hostile }],
          error: errorRecord({ found: hostile, state: hostile, remedy: hostile, guards: [hostile] }),
        }),
      ]),
    );
    expect(JSON.stringify(record)).not.toMatch(/\\u001b|s3cret/);
    expect(record.hosts[0]?.tasks[0]?.changes[0]?.after).toBe("\\x1b[2J••••");
  });

  it("lets no line break into a name, where it could forge a line of its own", () => {
    const record = safeRecord(runRecord("plan", [hostRecord("redis-01\nredis-02: as wanted")]));
    expect(record.hosts[0]?.host).toBe("redis-01\\nredis-02: as wanted");
  });

  it("keeps the lines of a file and of what was found", () => {
    const record = safeRecord(
      runRecord("plan", [
        hostRecord("redis-01", {
          tasks: [taskRecord("limits", "…", [changeRecord("file:/etc/x", "a\n\tb\n")])],
          error: errorRecord({ found: "line 1\nline 2" }),
        }),
      ]),
    );
    expect(record.hosts[0]?.tasks[0]?.changes[0]?.after).toBe("a\n\tb\n");
    expect(record.hosts[0]?.error?.found).toBe("line 1\nline 2");
  });
});
