import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InputError } from "../../src/lib/errors.ts";
import { parseYaml, readYamlFile } from "../../src/lib/yaml.ts";
import { formatPath, VaultText } from "../../src/lib/yaml-node.ts";

/** A document's value, through JSON, so that objects without a prototype compare with ordinary ones. */
const read = (text: string): unknown => JSON.parse(JSON.stringify(parseYaml(text, "f.yml").value));

describe("a plain scalar reads as Ansible reads it", () => {
  it.each<[string, unknown]>([
    ["yes", true],
    ["No", false],
    ["ON", true],
    ["off", false],
    ["true", true],
    ["y", "y"],
    ["n", "n"],
    ["oN", "oN"],
    ["nUll", "nUll"],
    ["~", null],
    ["", null],
    ["0755", 493],
    ["0644", 420],
    ["-010", -8],
    ["08", "08"],
    ["0o755", "0o755"],
    ["0b101", 5],
    ["1_000", 1000],
    ["0x1_F", 31],
    ["12:30", 750],
    ["22:22", 1342],
    ["1:30:00", 5400],
    ["08:30", "08:30"],
    ["6380:6379", "6380:6379"],
    ["1:60", "1:60"],
    ["1e3", "1e3"],
    ["1.5e3", "1.5e3"],
    ["1.0e+3", 1000],
    ["+.5", "+.5"],
    ["-.5", "-.5"],
    [".", "."],
    ["2024-01-02", "2024-01-02"],
    ["512mb", "512mb"],
    ["127.0.0.1:6379", "127.0.0.1:6379"],
    ["<%= private_ip %>", "<%= private_ip %>"],
    ['"yes"', "yes"],
    ["'0755'", "0755"],
    ["!!str 5", "5"],
    ["! yes", "yes"],
    ['!!int "5"', 5],
    ['!unsafe "{{ x }}"', "{{ x }}"],
    ["!unsafe 5", "5"],
  ])("%s", (text, expected) => {
    expect(read(`v: ${text}\n`)).toEqual({ v: expected });
  });

  // What PyYAML 6 read, for random texts of the characters that make numbers, times and booleans.
  it("as recorded from PyYAML", async () => {
    const file = new URL("../fixtures/inventories/scalars-expected.json", import.meta.url);
    const expected: [string, unknown][] = JSON.parse(await readFile(file, "utf8"));
    expect(expected.length).toBeGreaterThan(500);
    expect(expected.map(([text]) => [text, (read(`v: ${text}\n`) as { v: unknown }).v])).toEqual(expected);
  });

  it.each([".inf", "-.inf", ".nan"])("%s is a number", (text) => {
    expect(parseYaml(`v: ${text}\n`, "f").value).toHaveProperty("v", expect.any(Number));
  });
});

describe("a document", () => {
  it.each<[string, string, unknown]>([
    ["is null when empty", "", null],
    ["is null when it holds comments only", "# nothing\n", null],
    ["may start with ---", "---\na: 1\n", { a: 1 }],
    ["may end with ...", "a: 1\n...\n", { a: 1 }],
    ["keeps YAML 1.1 rules under %YAML 1.2", "%YAML 1.2\n---\na: yes\n", { a: true }],
    ["may have a byte order mark", "\ufeffa: 1\n", { a: 1 }],
    ["may have CRLF line ends", "a: 1\r\nb:\r\n  - 2\r\n", { a: 1, b: [2] }],
    [
      "follows JSON where it is JSON",
      '{"a": 1e3, "b": "yes", "c": [null, true]}',
      { a: 1000, b: "yes", c: [null, true] },
    ],
    ["may indent JSON with tabs", '{\n\t"a": [1,\n\t2]\n}', { a: [1, 2] }],
    ["reads JSON escapes", '{"a": "\\/\\ud83d\\ude00"}', { a: "/😀" }],
    ["merges a mapping", "b: &b {x: 1, y: 2}\nc: {<<: *b, y: 3}", { b: { x: 1, y: 2 }, c: { x: 1, y: 3 } }],
    [
      "lets the first of several merged mappings win",
      "a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}",
      { a: { x: 1 }, b: { x: 2, y: 2 }, c: { x: 1, y: 2 } },
    ],
    ["may close a list at the margin", "a:\n  b: [\n    1,\n    2\n]\nc: 3\n", { a: { b: [1, 2] }, c: 3 }],
    ["may have a list at the margin", "- a: [\n1, # one\n\n  [2,\n3]]\n", [{ a: [1, [2, 3]] }]],
    ["may have a quoted text at the margin", "a: 'x\ny'\nb: \"x \\\n  y\n\nz\"\n", { a: "x y", b: "x y\nz" }],
    ["may have tabs in a list", "a:\t[1,\t2, '\t',\n\t3,\n]\n", { a: [1, 2, "\t", 3] }],
    ["may end in a block of text without a line break", "a: |\n  x\n  y", { a: "x\ny" }],
    ["may end in a folded block without a line break", "a: >+\n  x\n  y", { a: "x y" }],
    ["ends a block of text with the line break of its last line", "a: |\n  x\n ", { a: "x\n" }],
    ["keeps a quoted << as a key", 'c: {"<<": 1}', { c: { "<<": 1 } }],
  ])("%s", (_name, text, expected) => {
    expect(read(text)).toEqual(expected);
  });

  it("keeps __proto__ an ordinary key", () => {
    const { value } = parseYaml("__proto__: {polluted: true}\nconstructor: 1\n", "f");
    expect(Object.keys(value as object)).toEqual(["__proto__", "constructor"]);
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined();
  });

  it("copies what an alias names, so that a change stays where it was made", () => {
    const value = parseYaml("a: &a [1]\nb: *a\n", "f").value as { a: number[]; b: number[] };
    value.a.push(2);
    expect(value.b).toEqual([1]);
  });

  it("gives a !vault value as encrypted text", () => {
    const { value } = parseYaml("p: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  6261\n", "f");
    const place = { file: "f", line: 1, column: 4, fromVault: true as const };
    expect((value as { p: unknown }).p).toEqual(new VaultText("$ANSIBLE_VAULT;1.1;AES256\n6261\n", place));
  });

  it.each([
    ["!!int secret", 'expected a value for !!int, found "••••"'],
    ["*secret", 'unknown alias *••••; a value that starts with "••••" must be quoted'],
    ["&secret [*secret]", "the alias *•••• stands inside the value that it names"],
    ["!secret", "unknown tag !••••; redkeep knows !vault, !unsafe and YAML's plain types"],
    ["!secret more", "unknown tag !••••; redkeep knows !vault, !unsafe and YAML's plain types"],
    ["987654321098765432109", "the number •••• is too large to be read exactly: quote it to have it as text"],
  ])("shows nothing of a text that was encrypted in a message about it: %s", (text, message) => {
    expect(() => parseYaml(`a: ${text}\n`, "f", true)).toThrow(message);
  });
});

describe("placeOf", () => {
  const document = parseYaml(
    "all:\n  hosts:\n    r1:\n      port: 1\n  list:\n    - a\n    - {k: v}\n",
    "f.yml",
  );
  it.each<[(string | number)[], number, number]>([
    [[], 1, 1],
    [["all", "hosts", "r1", "port"], 4, 7],
    [["all", "list", 1], 7, 7],
    [["all", "list", 1, "k"], 7, 8],
    [["all", "hosts", "r9", "port"], 2, 3],
    [["all", "list", 7], 5, 3],
  ])("%j", (path, line, column) => {
    expect(document.placeOf(path)).toEqual({ file: "f.yml", line, column });
  });

  it("follows aliases and merges to where the text stands", () => {
    const merged = parseYaml("base: &b\n  x: 1\nuse:\n  <<: *b\nagain: *b\n", "f");
    expect(merged.placeOf(["use", "x"]).line).toBe(2);
    expect(merged.placeOf(["again", "x"]).line).toBe(2);
  });

  it("knows the places after lines that stand too far left", () => {
    const flow = parseYaml("a:\n  b: [\n1,\n\n{k: v}\n]\n  c: 'x\ny'\nd: e\n", "f");
    expect(flow.placeOf(["a", "b", 1, "k"])).toMatchObject({ line: 5, column: 2 });
    expect(flow.placeOf(["a", "c"])).toMatchObject({ line: 7, column: 3 });
    expect(flow.placeOf(["d"])).toMatchObject({ line: 9, column: 1 });
  });

  it("writes a path as people do", () => {
    expect(formatPath(["tasks", 3, "tls", "ciphers"])).toBe("tasks[3].tls.ciphers");
  });
});

const bomb = `${Array.from(
  { length: 9 },
  (_, i) =>
    `a${i}: &a${i} [${
      i
        ? Array(9)
            .fill(`*a${i - 1}`)
            .join(",")
        : "x"
    }]`,
).join("\n")}\n`;
const mergeBomb = `a: &a {${Array.from({ length: 2000 }, (_, i) => `k${i}: 1`).join(", ")}}\n${Array.from({ length: 100 }, (_, i) => `m${i}: {<<: *a}`).join("\n")}\n`;

describe("a YAML file is refused with the place of", () => {
  it.each<[string, string, string]>([
    [
      "a duplicate key",
      "all:\n  r1: 1\n  r1: 2\n",
      "f.yml:3:3  all.r1: duplicate key, it stands already at line 2",
    ],
    [
      "a duplicate key in JSON",
      '{"a": 1,\n "a": 2}',
      "f.yml:2:2  a: duplicate key, it stands already at line 1",
    ],
    ["keys that read the same", "1: a\n'1': b\n", "f.yml:2:1  1: duplicate key, it stands already at line 1"],
    ["two merges", "a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a\n", "f.yml:4:3  b.<<: duplicate key"],
    [
      "a second document",
      "a: 1\n---\nb: 2\n",
      'f.yml:3:1  expected one YAML document, found a second one after "---"',
    ],
    ["an empty second document", "a: 1\n---\n", "expected one YAML document"],
    ["NUL", "a: b\n\0", "f.yml:2:1  found a NUL character"],
    [
      "a template without quotes",
      "a: {{ x }}\n",
      'f.yml:1:4  a: a value that starts with "{{" must be quoted: "{{ … }}"',
    ],
    [
      "a template without quotes before more text",
      "a: {{ x }}/y\n",
      'a value that starts with "{{" must be quoted',
    ],
    ["a mapping as key", "? {a: 1}\n: 2\n", "f.yml:1:3  a mapping cannot be a key"],
    ["a value that starts with @", "a: @x\n", 'f.yml:1:4  a value that starts with "@" must be quoted'],
    ["a value that holds a colon", "a: b: c\n", 'a value that holds ": " must be quoted'],
    [
      "an unquoted range in flow style",
      "{hosts: {r[1:3]: }}",
      "in { … } a name with brackets must be quoted",
    ],
    ["a list that ends with the document", "a: [\n1,\n---\nb: 1\n", "f.yml:3:1  deficient indentation"],
    ["a list at the margin that is not closed", "a: [\n1,\nb: {\n", "f.yml:4:1"],
    [
      "what stands wrong after lines too far left",
      "a: [\n1,\n2]\nb: @x\n",
      'f.yml:4:4  a value that starts with "@"',
    ],
    ["a tab as indentation", "a:\n\t- b\n", "f.yml:2:1  tab characters must not be used in indentation"],
    ["an unknown tag", "a: !foo 1\n", "f.yml:1:4  a: unknown tag !foo"],
    ["an unknown tag of a mapping", "a: !foo {b: 1}\n", "f.yml:1:4  a: unknown tag !foo"],
    ["!!binary", "a: !!binary aGk=\n", "unknown tag !!binary"],
    ["!!set", "a: !!set {b: }\n", "unknown tag !!set"],
    ["!!python", "a: !!python/object/apply:os.system [id]\n", "unknown tag !!python/object/apply:os.system"],
    ["a tag that does not fit", "a: !!int x\n", 'expected a value for !!int, found "x"'],
    [
      "an alias that contains itself",
      "a: &a [*a]\n",
      "f.yml:1:8  a[0]: the alias *a stands inside the value that it names",
    ],
    ["an unknown alias", "a: *b\n", "f.yml:1:4  a: unknown alias *b"],
    ["an alias bomb", bomb, "aliases stand for more than 100000 values"],
    ["a merge bomb", mergeBomb, "aliases stand for more than 100000 values"],
    ["a merge of text", "a: {<<: x}\n", '"<<" merges a mapping'],
    [
      "an integer over 2^53",
      "a: 9007199254740993\n",
      "f.yml:1:4  a: the number 9007199254740993 is too large",
    ],
    ["an integer over 2^53 in JSON", '{"a": 9007199254740993}', "is too large to be read exactly"],
    ["a lone =", "a: =\n", "quote it"],
    ["too deep nesting", "[".repeat(200) + "]".repeat(200), "nesting exceeded maxDepth"],
    ["a vault file", "$ANSIBLE_VAULT;1.1;AES256\n3132\n", "f.yml:1:1  is encrypted with Ansible Vault"],
  ])("%s", (_name, text, message) => {
    expect(() => parseYaml(text, "f.yml")).toThrow(InputError);
    expect(() => parseYaml(text, "f.yml")).toThrow(message);
  });

  it("and takes no minutes for a hundred thousand lines at the margin", () => {
    const before = process.threadCpuUsage();
    expect(() => parseYaml(`a: [\n${"1,\n".repeat(100_000)}]\n`, "f")).toThrow("deficient indentation");
    expect(process.threadCpuUsage(before).user).toBeLessThan(30_000_000);
  });

  it("every duplicate key at once", () => {
    expect(() => parseYaml("a: 1\na: 2\nb: 1\nb: 2\n", "f")).toThrow(/f:2:1 [\s\S]*f:4:1 /);
  });
});

describe("readYamlFile", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "redkeep-yaml-"));
  });
  afterAll(() => rm(directory, { recursive: true }));

  const refusal = async (name: string, bytes: string | Uint8Array): Promise<string> => {
    await writeFile(join(directory, name), bytes);
    return readYamlFile(join(directory, name), name).then(() => "accepted", String);
  };

  it("reads a file", async () => {
    await writeFile(join(directory, "good.yml"), "a: é\n");
    expect((await readYamlFile(join(directory, "good.yml"))).value).toEqual({ a: "é" });
  });

  it("refuses bytes that are not UTF-8", async () => {
    expect(await refusal("latin1.yml", new Uint8Array([0x61, 0x3a, 0x20, 0xe9]))).toContain(
      "latin1.yml  is not UTF-8 text",
    );
  });

  it("refuses more than 1 MiB", async () => {
    expect(await refusal("big.yml", "#".repeat(1024 * 1024 + 1))).toContain("big.yml  is larger than 1 MiB");
    expect(await refusal("fits.yml", "#".repeat(1024 * 1024))).toBe("accepted");
  });

  it("names in its error a missing file or a directory", async () => {
    await expect(readYamlFile(join(directory, "nosuch.yml"), "nosuch.yml")).rejects.toThrow(
      "nosuch.yml  does not exist",
    );
    await expect(readYamlFile(directory, "dir")).rejects.toThrow("dir  is a directory, expected a file");
  });
});
