import { describe, expect, it } from "vitest";
import { type ConfigDocument, parseConfig } from "../../src/redis/config-document.ts";
import type { ConfigFile } from "../../src/redis/config-reader.ts";
import { sameSetting } from "../../src/redis/setting.ts";
import { fixture } from "./acl-fixtures.ts";

const MAIN = "/etc/redis/redis.conf";
const conf = (text: string, ...includes: ConfigFile[]) => parseConfig({ path: MAIN, text }, includes);
const textOf = (document: ConfigDocument, path = MAIN) =>
  document.files().find((file) => file.path === path)?.text;
const stock = fixture("redis-7.0.15/redis.conf");

describe("reading redis.conf", () => {
  it("reads upper case, tabs, CRLF, quotes, comments and a missing last line end", () => {
    const document = conf('# c\r\n\r\n\tMAXMEMORY\t512mb\r\n  # bind 1.2.3.4\r\nrequirepass "a b"');
    expect(document.directives).toEqual([
      { name: "maxmemory", args: ["512mb"], file: MAIN, line: 3 },
      { name: "requirepass", args: ["a b"], file: MAIN, line: 5 },
    ]);
    expect(document.problems).toEqual([]);
  });

  it("lets the last line win, also across included files", () => {
    const document = conf("port 1\nmaxmemory 1mb\ninclude /etc/redis/a.conf\nport 3\n", {
      path: "/etc/redis/a.conf",
      text: "port 2\nmaxmemory 2mb\n",
    });
    expect(document.get("port")).toEqual(["3"]);
    expect(document.get("maxmemory")).toEqual(["2mb"]);
    expect(document.get("appendonly")).toBeUndefined();
  });

  it("expands patterns and nested includes where they stand, in the order of names", () => {
    const document = conf(
      "include conf.d/*.conf\nport 9\n",
      { path: "/conf.d/20.conf", text: "maxmemory 20\n" },
      { path: "/conf.d/10.conf", text: "maxmemory 10\ninclude /conf.d/deep/x\n" },
      { path: "/conf.d/deep/x", text: "maxmemory 15\n" },
      { path: "/conf.d/deep/30.conf", text: "maxmemory 30\n" },
    );
    expect(document.all("maxmemory").map(({ args }) => args[0])).toEqual(["10", "15", "20"]);
    expect(document.problems).toEqual([]);
  });

  it("names the line that stops Redis from starting", () => {
    const document = conf(
      'requirepass "a\ninclude /missing.conf\ninclude /none/*.conf\ninclude /etc/redis/loop.conf\n',
      { path: "/etc/redis/loop.conf", text: `include ${MAIN}\n` },
    );
    expect(document.problems.map(({ place, message }) => `${place?.file}:${place?.line} ${message}`)).toEqual(
      [
        `${MAIN}:1 the quotes in this line are unbalanced`,
        `${MAIN}:2 /missing.conf is missing`,
        `/etc/redis/loop.conf:1 ${MAIN} includes itself`,
      ],
    );
  });

  it("finds a setting under its old and its new name", () => {
    expect(conf("slave-read-only no\n").get("replica-read-only")).toEqual(["no"]);
    expect(conf("slaveof 10.0.0.1 6379\n").get("replicaof")).toEqual(["10.0.0.1", "6379"]);
  });

  it("adds up the classes of client-output-buffer-limit", () => {
    const running = "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60";
    expect(
      sameSetting("client-output-buffer-limit", conf(stock).get("client-output-buffer-limit") ?? [], [
        running,
      ]),
    ).toBe(true);
  });

  it("adds up save lines from the last reset on", () => {
    expect(conf("save 900 1\nsave 300 10\n").get("save")).toEqual(["900", "1", "300", "10"]);
    expect(conf('save 900 1\nsave ""\n').get("save")).toEqual([""]);
    expect(conf('save ""\nsave 900 1\n').get("save")).toEqual(["900", "1"]);
    expect(conf("save\n").get("save")).toEqual([""]);
    expect(conf("save 3600 1 300 100\n").get("save")).toEqual(["3600", "1", "300", "100"]);
  });

  it("reads a user named like an object's prototype as any other line", () => {
    expect(conf("__proto__ x\nconstructor y\n").get("constructor")).toEqual(["y"]);
  });
});

describe("set, for a setting in redis.conf", () => {
  it("changes the value where the line stands and keeps everything else", () => {
    const document = conf("# my notes\nmaxmemory 1gb\n\nfoo-unknown  bar\n").set("maxmemory", ["512mb"]);
    expect(textOf(document)).toBe("# my notes\nmaxmemory 512mb\n\nfoo-unknown  bar\n");
  });

  it("writes save lines too, one for each point", () => {
    expect(textOf(conf("save 1 1\n").set("save", ["3600", "1", "60", "10"]))).toBe(
      "save 3600 1\nsave 60 10\n",
    );
    expect(textOf(conf("save 1 1\n").set("save", ["3600 1 60 10"]))).toBe("save 3600 1\nsave 60 10\n");
    expect(textOf(conf("save 1 1\n").set("save", [""]))).toBe('save ""\n');
  });

  it.each([
    ["maxmemory 536870912\n", "maxmemory", ["512mb"]],
    ["MAXMEMORY   512MB", "maxmemory", ["512mb"]],
    ["appendonly NO\r\n", "appendonly", ["no"]],
    ['tls-protocols "TLSv1.3 TLSv1.2"\n', "tls-protocols", ["TLSv1.2 TLSv1.3"]],
    ["dir '/var/lib/redis'\n", "dir", ["/var/lib/redis"]],
  ])("leaves %j alone, byte for byte, when it means the same", (text, name, args) => {
    const document = conf(text);
    expect(document.set(name, args)).toBe(document);
  });

  it("changes the duplicate that counts", () => {
    expect(textOf(conf("port 1\nport 2\n").set("port", ["0"]))).toBe("port 1\nport 0\n");
  });

  it("follows the commented example of the stock file", () => {
    const before = stock.split("\n");
    const after = textOf(conf(stock).set("maxmemory", ["512mb"]))?.split("\n") ?? [];
    const at = after.indexOf("maxmemory 512mb");
    expect(after[at - 1]).toBe("# maxmemory <bytes>");
    expect(after.toSpliced(at, 1)).toEqual(before);
  });

  it("follows the example under its other name, as Valkey's file has it", () => {
    const text = "# primaryauth <primary-password>\n\nport 1\n";
    expect(textOf(conf(text).set("masterauth", ["x"]))).toBe(text.replace("\n\n", "\nmasterauth x\n\n"));
  });

  it("does not take a sentence in a comment for an example", () => {
    const text = "# maxmemory is a limit that\n# you may set\nport 1\n";
    expect(textOf(conf(text).set("maxmemory", ["1mb"]))).toBe(`${text}\n# Set by redkeep\nmaxmemory 1mb\n`);
  });

  it("reads past a comment with an apostrophe", () => {
    const text = "# port don't\n# end\n";
    expect(textOf(conf(text).set("port", ["0"]))).toBe(`${text}\n# Set by redkeep\nport 0\n`);
  });

  it("puts new settings under one heading at the end", () => {
    const document = conf("port 1").set("maxmemory", ["1mb"]).set("tls-port", ["6380"]);
    expect(textOf(document)).toBe("port 1\n\n# Set by redkeep\nmaxmemory 1mb\ntls-port 6380\n");
    expect(textOf(conf("").set("port", ["0"]))).toBe("# Set by redkeep\nport 0\n");
  });

  it.each([
    ["before", "include /a.conf\nport 1\n", "include /a.conf\nport 0\n"],
    ["after", "port 1\ninclude /a.conf\n", "include /a.conf\n\n# Set by redkeep\nport 0\n"],
    ["alone", "include /a.conf\n", "include /a.conf\n\n# Set by redkeep\nport 0\n"],
  ])("wins over an included file that sets it %s, without a change to that file", (_, text, expected) => {
    const document = conf(text, { path: "/a.conf", text: "port 7\n" }).set("port", ["0"]);
    expect(document.get("port")).toEqual(["0"]);
    expect(textOf(document)).toBe(expected);
    expect(document.changedFiles().map(({ path }) => path)).toEqual([MAIN]);
  });

  it("keeps CRLF, also in new lines", () => {
    const document = conf("port 1\r\n# maxmemory <bytes>\r\nbind 127.0.0.1").set("port", ["0"]);
    expect(textOf(document.set("maxmemory", ["1mb"]).set("tls-port", ["1"]))).toBe(
      "port 0\r\n# maxmemory <bytes>\r\nmaxmemory 1mb\r\nbind 127.0.0.1\r\n\r\n# Set by redkeep\r\ntls-port 1\r\n",
    );
  });

  it("refuses a value with a line break", () => {
    expect(() => conf("").set("dir", ["/tmp\nrequirepass x"])).toThrow("dir: should be one line");
  });
});

describe("setSave", () => {
  it("replaces all lines where the first one stands", () => {
    const document = conf("save 900 1\nport 1\nsave 300 10\n");
    expect(
      textOf(
        document.setSave([
          [3600, 1],
          [60, 10000],
        ]),
      ),
    ).toBe("save 3600 1\nsave 60 10000\nport 1\n");
    expect(textOf(document.setSave([]))).toBe('save ""\nport 1\n');
  });

  it.each([
    "save 3600 1 300 100\n",
    "save 300 100\nsave 3600 1\n",
    'save 1 1\nsave ""\nsave 3600 1\nsave 300 100\n',
  ])("leaves %j alone when it means the same", (text) => {
    const document = conf(text);
    expect(
      document.setSave([
        [3600, 1],
        [300, 100],
      ]),
    ).toBe(document);
  });

  it("resets the points of an included file, which would add up", () => {
    const document = conf("save 900 1\ninclude /a.conf\n", { path: "/a.conf", text: "save 60 1\n" });
    const changed = document.setSave([[3600, 1]]);
    expect(changed.get("save")).toEqual(["3600", "1"]);
    expect(textOf(changed)).toBe('include /a.conf\n\n# Set by redkeep\nsave ""\nsave 3600 1\n');
    expect(document.setSave([]).get("save")).toEqual([""]);
  });
});

// Measured on Redis 7.0.15, 8.0.2 and Valkey 8.1.1; Redis 6.0.16 adds all of them up.
describe("save lines behind an include, since Redis 7.0", () => {
  const include = { path: "/a.conf", text: "save 300 10\n" };
  const since7 = (text: string) => parseConfig({ path: "/redis.conf", text }, [include], "/", true);

  it.each([
    ["include /a.conf\nsave 900 1\n", "900 1"],
    ["include /a.conf\nsave 900 1\nsave 60 5\n", "60 5"],
    ["include /a.conf\nsave 900 1 60 5\n", "900 1 60 5"],
    ["save 900 1\nsave 800 2\ninclude /a.conf\nsave 700 3\n", "700 3"],
    ["save 900 1\ninclude /a.conf\n", "900 1 300 10"],
    ['include /a.conf\nsave ""\n', ""],
  ])("replace those before them: %j", (text, running) => {
    expect(since7(text).get("save")?.join(" ")).toBe(running);
  });

  it("are written as one line, so that no point replaces another", () => {
    for (const text of [
      "include /a.conf\n",
      "include /a.conf\nsave 900 1\n",
      "save 1 1\ninclude /a.conf\n",
    ]) {
      const changed = since7(text).set("save", ["3600", "1", "60", "10"]);
      expect(changed.get("save")).toEqual(["3600", "1", "60", "10"]);
      expect(changed.files()[0]?.text).toContain("\nsave 3600 1 60 10\n");
      expect(changed.set("save", ["60", "10", "3600", "1"])).toBe(changed);
    }
    expect(since7("include /a.conf\n").setSave([]).get("save")).toEqual([""]);
  });

  it("add up in older versions, and are written one for each point", () => {
    const document = parseConfig({ path: "/redis.conf", text: "include /a.conf\nsave 900 1\n" }, [include]);
    expect(document.get("save")?.join(" ")).toBe("300 10 900 1");
    expect(document.set("save", ["3600", "1", "60", "10"]).files()[0]?.text).toContain(
      "save 3600 1\nsave 60 10\n",
    );
  });
});

it("a save point without its count is refused", () => {
  expect(() => conf("").set("save", ["3600"])).toThrow(
    'save: should be pairs of seconds and changes, found "3600"',
  );
});

describe("setRename", () => {
  it("changes the one line that Redis takes for a command, whatever its case and file", () => {
    const document = conf("include /a.conf\n", { path: "/a.conf", text: "rename-command config old\n" });
    const changed = document.setRename("CONFIG", "new");
    expect(changed.changedFiles()).toEqual([{ path: "/a.conf", text: "rename-command CONFIG new\n" }]);
  });

  it("adds a line beside the others, and none when it is there", () => {
    const document = conf('rename-command keys ""\nport 1\n');
    expect(document.setRename("KEYS", "")).toBe(document);
    expect(textOf(document.setRename("DEBUG", ""))).toBe(
      'rename-command keys ""\nrename-command DEBUG ""\nport 1\n',
    );
  });

  it("removes the line when the command gets its own name back", () => {
    expect(textOf(conf("rename-command CONFIG x\nport 1\n").setRename("CONFIG", "config"))).toBe("port 1\n");
  });

  it("leaves one line where Redis refuses two", () => {
    expect(textOf(conf('rename-command KEYS ""\nRENAME-COMMAND keys x\n').setRename("KEYS", ""))).toBe(
      'rename-command KEYS ""\n',
    );
  });
});

describe("remove, for lines of redis.conf", () => {
  it("removes whole lines that match, also in included files, and no others", () => {
    const document = conf("user default on nopass\nport 1\nuser app on >x\ninclude /a.conf\n", {
      path: "/a.conf",
      text: "# keep\r\nuser other on\r\n",
    });
    expect(document.remove("user").files()).toEqual([
      { path: MAIN, text: "port 1\ninclude /a.conf\n" },
      { path: "/a.conf", text: "# keep\r\n" },
    ]);
    const others = document.remove("user", ({ args }) => args[0] === "default");
    expect(others.all("user").map(({ args }) => args[0])).toEqual(["app", "other"]);
    expect(document.all("user")).toHaveLength(3);
  });

  it("changes nothing where no line matches", () => {
    expect(conf("port 1").remove("user").changedFiles()).toEqual([]);
  });
});

describe("merge", () => {
  const rendered =
    'bind 127.0.0.1 -::1\nmaxmemory 512mb\nsave 3600 1\nsave 60 5\nrename-command KEYS ""\nrename-command DEBUG ""\n';

  it("gives every setting of a rendered text its value, and changes nothing the second time", () => {
    const once = conf(stock).merge(rendered, "limits.ejs");
    expect(once.get("maxmemory")).toEqual(["512mb"]);
    expect(once.get("save")).toEqual(["3600", "1", "60", "5"]);
    expect(once.all("rename-command").map(({ args }) => args)).toEqual([
      ["KEYS", ""],
      ["DEBUG", ""],
    ]);
    expect(once.merge(rendered, "limits.ejs")).toBe(once);
    expect(
      parseConfig({ path: MAIN, text: textOf(once) ?? "" })
        .merge(rendered, "x")
        .changedFiles(),
    ).toEqual([]);
  });

  it("names the template whose text cannot be read", () => {
    expect(() => conf("").merge('dir "a', "limits.ejs")).toThrow(/limits\.ejs:1 {2}the quotes/);
  });
});

describe("a file that CONFIG REWRITE of Redis 7.0.15 wrote", () => {
  const before = conf(fixture("redis-7.0.15/rewrite-before.conf"));
  const after = conf(fixture("redis-7.0.15/rewrite-after.conf"));

  it("means what it meant, so that nothing is planned", () => {
    const names = new Set(before.directives.map(({ name }) => name));
    for (const name of names) {
      if (name === "rename-command" || name === "client-output-buffer-limit") continue;
      expect(after.set(name, before.get(name) ?? []), name).toBe(after);
    }
    expect(after.setRename("keys", "")).toBe(after);
  });

  it("is read with the open default user that it holds", () => {
    expect(after.all("user").map(({ args }) => args.join(" "))).toEqual(["default on nopass ~* &* +@all"]);
  });
});

describe("any text of a redis.conf", () => {
  /** Pieces that the reader treats specially, put together at random but the same way in every run. */
  const pieces = [
    "port",
    "save",
    " ",
    "\t",
    "\n",
    "\r\n",
    "\r",
    "#",
    '"',
    "'",
    "\\",
    "\0",
    "\ufeff",
    "é",
    "😀",
    "include",
    "*",
    "1",
  ];
  const texts = Array.from({ length: 500 }, (_, seed) => {
    let state = seed + 1;
    const next = () => {
      state = (state * 48271) % 2147483647;
      return state;
    };
    return Array.from({ length: next() % 40 }, () => pieces[next() % pieces.length]).join("");
  });

  it("is written back byte for byte", () => {
    for (const text of [...texts, stock]) {
      const document = conf(text);
      expect(document.files()).toEqual([{ path: MAIN, text }]);
      expect(document.changedFiles()).toEqual([]);
    }
  });

  it("has the value that was set, and setting it again changes nothing", () => {
    for (const text of texts) {
      const document = conf(text)
        .set("port", ["6380"])
        .setSave([[60, 1]])
        .setRename("KEYS", "");
      expect(document.get("port"), JSON.stringify(text)).toEqual(["6380"]);
      expect(document.get("save"), JSON.stringify(text)).toEqual(["60", "1"]);
      const again = conf(textOf(document) ?? "");
      expect(
        again
          .set("port", ["6380"])
          .setSave([[60, 1]])
          .setRename("KEYS", ""),
      ).toBe(again);
    }
  });
});
