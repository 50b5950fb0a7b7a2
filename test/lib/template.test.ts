import { describe, expect, it } from "vitest";
import { evaluate, render, TemplateError } from "../../src/lib/template.ts";

describe("a text of the playbook", () => {
  it.each<[string, Record<string, unknown>, unknown]>([
    ["plain text", {}, "plain text"],
    ["50% of {braces}", {}, "50% of {braces}"],
    ["<%= port %>", { port: 6380 }, 6380],
    ["  <%= port + 1 %>\n", { port: 6380 }, 6381],
    ["<%= on %>", { on: false }, false],
    ["<%= list %>", { list: ["a", "b"] }, ["a", "b"]],
    ["<%= map.key %>", { map: { key: null } }, null],
    ["<%= port %><%= port %>", { port: 1 }, "11"],
    ["<%= a %>:<%= b %>", { a: "10.0.0.1", b: 6380 }, "10.0.0.1:6380"],
    ["a & b <%= c %>", { c: `"'<>&` }, `a & b "'<>&`],
    ["<% if (on) { %>yes<% } %>", { on: true }, "yes"],
    ["<%% <%= a %>", { a: 1 }, "<% 1"],
  ])("%j with %j", (text, data, expected) => {
    expect(evaluate(text, data)).toEqual(expected);
  });

  it("keeps a value with template marks as it stands", () => {
    const hostile = "<%= process.exit(1) %> {{ x }}";
    expect(evaluate("<%= x %>", { x: hostile })).toBe(hostile);
    expect(evaluate("a <%= x %>", { x: hostile })).toBe(`a ${hostile}`);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["<%= nope %>", {}, "nope is not defined"],
    ["<%= x.y.z %>", { x: {} }, "Cannot read properties of undefined (reading 'z')"],
    ["<%= x.y %>", { x: {} }, "the value is undefined"],
    ["a <%= x %>", { x: "1\nsave 1" }, "a value holds a line break or a NUL"],
    ["a <%= x %>", { x: "1\0" }, "a value holds a line break or a NUL"],
    ["a <%= x %>", { x: "1\r" }, "a value holds a line break or a NUL"],
    ["a <%= x %>", { x: null }, "a value is null, not text"],
    ["a <%= x %>", { x: ["1"] }, "a value is a list, not text"],
    ["a <%= x %>", { x: {} }, "a value is object, not text"],
    ["a <%- x %>", { x: "1\nsave 1" }, "<%- inserts a value without checking it for line breaks: write <%="],
    ["<%= x", { x: 1 }, 'Could not find matching close tag for "<%=".'],
    ["<% y = 1 %><%= y %>", {}, "y is not defined"],
    ["<%= x y %>", { x: 1 }, "missing ) after argument list"],
  ])("%j with %j is refused", (text, data, message) => {
    expect(() => evaluate(text, data)).toThrow(new TemplateError(message));
  });
});

describe("names that a variable may have, but that no template can use", () => {
  it.each([
    "escapeFn",
    "include",
    "rethrow",
    "locals",
    "undefined",
    "arguments",
    "eval",
    "class",
    "__append",
    "__output",
    "__line",
    "__proto__",
    "a-b",
    "9a",
    "a b",
    "",
    "é",
  ])("%j changes nothing", (name) => {
    const data: Record<string, unknown> = Object.create(null);
    data.x = "good";
    data[name] = () => "hijacked";
    expect(evaluate("a <%= x %>", data)).toBe("a good");
  });

  it("do not shadow the language: undefined stays undefined", () => {
    expect(evaluate("<%= x === undefined %>", { x: 1, undefined: 1 })).toBe(false);
  });

  it.each(["toString", "constructor", "__proto__", "hasOwnProperty"])(
    "do not include %s, which every object has",
    (name) => {
      expect(() => evaluate(`a <%= ${name} %>`, {})).toThrow(TemplateError);
    },
  );

  it("do not come from a prototype in the data", () => {
    expect(() => evaluate("<%= x %>", JSON.parse('{"__proto__": {"x": 1}}'))).toThrow("x is not defined");
  });

  it("do not set EJS options", () => {
    const data = {
      x: 1,
      delimiter: "?",
      openDelimiter: "[",
      settings: { "view options": { delimiter: "?" } },
    };
    expect(evaluate("a <%= x %> <?= x ?>", { ...data, cache: true, client: true })).toBe("a 1 <?= x ?>");
  });
});

describe("a template file", () => {
  it("is rendered as text, without empty lines where lines of code stood", () => {
    const text =
      "bind <%= addresses %>\n<% if (socket !== null) { -%>\nunixsocket <%= socket %>\n<% } -%>\nend\n";
    expect(render(text, { addresses: "127.0.0.1", socket: null }, "bind.conf.ejs")).toBe(
      "bind 127.0.0.1\nend\n",
    );
    expect(render(text, { addresses: 1, socket: "/s" }, "bind.conf.ejs")).toBe(
      "bind 1\nunixsocket /s\nend\n",
    );
  });

  it.each<[string, Record<string, unknown>, string]>([
    ["a\nb <%= x %>\n", {}, "templates/t.ejs:2: x is not defined"],
    ["a\n\nb <%= x %>\n", { x: "1\nsave" }, "templates/t.ejs:3: a value holds a line break or a NUL"],
    ["<% if (x) { %>", { x: 1 }, "templates/t.ejs: Unexpected token 'catch'"],
    ["<%= x", { x: 1 }, 'templates/t.ejs: Could not find matching close tag for "<%=".'],
    ["<%= undefined %>", {}, "templates/t.ejs:1: a value is undefined, not text"],
  ])("%j with %j is refused with its place", (text, data, message) => {
    expect(() => render(text, data, "templates/t.ejs")).toThrow(new TemplateError(message));
  });
});
