import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { transactionProgram } from "../../src/shell/program.ts";
import { shellQuote } from "../../src/shell/quote.ts";

const SHELLS = ["sh", "dash", "bash"].filter((shell) => existsSync(`/bin/${shell}`));
const me = execFileSync("sh", ["-c", "echo $(id -un):$(id -gn)"], { encoding: "utf8" }).trim();

/** A transaction's folder as compileApply lays it down, and beside it what the tests change. */
let folder: string;
let etc: string;

beforeEach(() => {
  const directory = mkdtempSync(join(tmpdir(), "redkeep-transaction-"));
  folder = join(directory, "20260101T000000Z-0badcafe");
  etc = join(directory, "etc");
  mkdirSync(folder);
  mkdirSync(etc);
  writeFileSync(join(folder, "transaction.sh"), transactionProgram());
  writeFileSync(
    join(folder, "env"),
    `NONCE='right'\nCLI=cat\nCAP=1\nUNIT=redis-server.service\n${user("RUN")} ${user("OLD")}\n`,
  );
  for (const name of ["journal", "expected-modes"]) writeFileSync(join(folder, name), "");
});

afterEach(() => rmSync(join(folder, ".."), { recursive: true }));

/** The service's user, before or after. */
function user(when: "RUN" | "OLD", [name, group] = me.split(":")): string {
  return `${when}USER=${name} ${when}GROUP=${group}`;
}

/** Before what asks a server of the test's own, which no unit runs. */
const HEARD = "listens() { :; };";

/** Runs one function of the program, as the program itself would. */
function run(shell: string, ...words: string[]): { status: number | null; out: string } {
  const { status, stdout } = spawnSync(shell, [join(folder, "transaction.sh"), ...words], {
    encoding: "utf8",
    input: "",
  });
  return { status, out: stdout.trimEnd() };
}

/** What a function of the program leaves in a variable. */
function told(shell: string, variable: string, name: string, ...words: string[]): string {
  return run(shell, "eval", `${[name, ...words.map(shellQuote)].join(" ")}; printf '%s\\n' "$${variable}"`)
    .out;
}
const signature = (shell: string, ...paths: string[]) => told(shell, "signatures", "sign", ...paths);

const put = (name: string, text: string, mode = 0o644) => {
  const path = join(etc, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
};
const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);

describe.each(SHELLS)("the host's program under %s", (shell) => {
  it("parses in this shell", () => {
    execFileSync(shell, ["-n", join(folder, "transaction.sh")]);
  });

  describe("signature", () => {
    it("changes with content, owner and mode, and not with time", () => {
      const path = put("redis.conf", "port 6379\n");
      const first = signature(shell, path);
      expect(first).toMatch(new RegExp(`^${me} 644 [0-9a-f]{64}$`));
      put("redis.conf", "port 6379\n");
      expect(signature(shell, path)).toBe(first);
      chmodSync(path, 0o640);
      expect(signature(shell, path)).not.toBe(first);
      put("redis.conf", "port 6380\n");
      expect(signature(shell, path)).not.toBe(first);
    });

    it("marks links and folders as no plain files, even a link to a plain file", () => {
      const path = put("redis.conf", "x");
      symlinkSync(path, join(etc, "link"));
      symlinkSync("/nowhere", join(etc, "dangling"));
      expect(signature(shell, join(etc, "link"))).toBe("link");
      expect(signature(shell, join(etc, "dangling"))).toBe("link");
      expect(signature(shell, etc)).toBe("unusual");
      expect(signature(shell, join(etc, "none"))).toBe("absent");
      linkSync(path, join(etc, "twin"));
      expect(signature(shell, path)).toBe("unusual");
    });

    it("of many paths has one line for each, in their order", () => {
      const one = put("one", "1");
      const two = put("two", "2", 0o600);
      symlinkSync(one, join(etc, "link"));
      const paths = [join(etc, "none"), two, join(etc, "link"), etc, one];
      expect(signature(shell, ...paths).split("\n")).toEqual(paths.map((path) => signature(shell, path)));
    });

    it("of a file that disappears meanwhile does not change those of others", () => {
      const [one, two] = [put("one", "1"), put("two", "2")];
      const alone = signature(shell, two);
      // In folders of root's many are looked at in one call.
      const going = `find_strangers() { strangers=$nl; }
        stat() { rm -f '${one}'; command stat "$@"; }; sign '${one}' '${two}'; echo "$signatures"`;
      expect(run(shell, "eval", going).out.split("\n")).toEqual(["unusual", alone]);
    });

    it("takes a hostile file name as a name alone", () => {
      const path = put("-n $(touch pwned) ;' \\", "x");
      expect(signature(shell, path)).toMatch(/^\S+ 644 [0-9a-f]{64}$/);
      expect(readdirSync(etc)).toHaveLength(1);
    });
  });

  describe("swap", () => {
    it("puts content, owner and mode in place in one step, and leaves no temporary file", () => {
      const from = put("new", "port 0\n");
      const to = put("redis.conf", "port 6379\n");
      expect(run(shell, "swap", from, to, me, "640").status).toBe(0);
      expect(readFileSync(to, "utf8")).toBe("port 0\n");
      expect(modeOf(to)).toBe("640");
      expect(readdirSync(etc).filter((name) => name.startsWith(".redkeep"))).toEqual([]);
    });

    it("writes beside a link, never through it", () => {
      const from = put("new", "port 0\n");
      const victim = put("victim", "precious");
      symlinkSync(victim, join(etc, "redis.conf"));
      symlinkSync(victim, join(etc, ".redkeep.20260101T000000Z-0badcafe"));
      run(shell, "swap", from, join(etc, "redis.conf"), me, "640");
      expect(readFileSync(victim, "utf8")).toBe("precious");
      expect(modeOf(victim)).toBe("644");
    });

    it("replaces a link that was planted for its temporary file, and writes nothing behind it", () => {
      const sudoers = join(etc, "sudoers.d");
      mkdirSync(sudoers);
      symlinkSync(sudoers, join(etc, ".redkeep.20260101T000000Z-0badcafe"));
      const to = put("redis.conf", "port 6379\n");
      expect(run(shell, "swap", put("new", "port 0\n"), to, me, "640").status).toBe(0);
      expect(readdirSync(sudoers)).toEqual([]);
      expect(readFileSync(to, "utf8")).toBe("port 0\n");
    });

    it("fails without touching the file where the new content is missing", () => {
      const to = put("redis.conf", "port 6379\n");
      expect(run(shell, "swap", join(etc, "none"), to, me, "640").status).not.toBe(0);
      expect(readFileSync(to, "utf8")).toBe("port 6379\n");
    });
  });

  it("has each change and its journal line on disk before it makes the next change", () => {
    mkdirSync(join(etc, "tls"));
    const script = `sync() { for at; do echo "sync $(readlink -f "$at")"; done; }; dd() { case "$*" in *fsync*) echo "flush $PWD";; esac; }
      mv() { command mv "$@"; echo "change $PWD/$3"; }; rm() { echo "change $PWD/$2"; }
      place '${put("one", "1")}' '${etc}/redis.conf' && place '${put("two", "2")}' '${etc}/tls/key' && at '${etc}/old' remove_here && settle`;
    const journal = `sync ${join(folder, "journal")}`;
    expect(run(shell, "eval", script).out.split("\n")).toEqual([
      `flush ${etc}`,
      journal,
      `sync ${folder}`,
      `change ${etc}/./redis.conf`,
      `flush ${etc}/tls`,
      journal,
      `sync ${etc}`,
      `change ${etc}/tls/./key`,
      journal,
      `sync ${etc}/tls`,
      `change ${etc}/./old`,
      journal,
      `sync ${etc}`,
    ]);
  });

  describe("own", () => {
    /** The folder as the plan saw it. */
    const seen = (mode: number) => {
      chmodSync(etc, mode);
      writeFileSync(join(folder, "expected-modes"), `${etc} ${me} ${mode.toString(8)}\n`);
    };

    it("clears setgid on a directory", () => {
      seen(0o2770);
      expect(run(shell, "own", etc, me, "750").status).toBe(0);
      expect(modeOf(etc)).toBe("750");
    });

    it("keeps setgid where the wanted mode has it", () => {
      seen(0o750);
      expect(run(shell, "own", etc, me, "2750").status).toBe(0);
      expect(modeOf(etc)).toBe("2750");
    });

    it("fails on a link that took the place of a file, and leaves its target unchanged", () => {
      const victim = put("victim", "x");
      symlinkSync(victim, join(etc, "redis.conf"));
      expect(run(shell, "own", join(etc, "redis.conf"), me, "777").status).not.toBe(0);
      expect(modeOf(victim)).toBe("644");
    });
  });

  it("owner_mode says absent for a missing file and for a link", () => {
    expect(told(shell, "owner_mode", "owner_mode", put("redis.conf", "x", 0o640))).toBe(`${me} 640`);
    symlinkSync("/etc", join(etc, "link"));
    expect(told(shell, "owner_mode", "owner_mode", join(etc, "link"))).toBe("absent");
    expect(told(shell, "owner_mode", "owner_mode", join(etc, "none"))).toBe("absent");
  });

  it("rules prints the rules of ufw's file alone", () => {
    const rules =
      "### tuple ### allow any 22 0.0.0.0/0 any 0.0.0.0/0 in\n-A ufw-user-input -p tcp --dport 22 -j ACCEPT\n";
    const path = put("user.rules", `*filter\n:ufw-user-input - [0:0]\n${rules}### END RULES ###\nCOMMIT\n`);
    expect(`${run(shell, "rules", path).out}\n`).toBe(rules);
  });

  it.each([
    [
      "two databases",
      "# Keyspace\r\ndb0:keys=10000,expires=12,avg_ttl=0\r\ndb15:keys=7,expires=7,avg_ttl=9\r\n",
      "10007 19",
    ],
    ["more fields, as newer servers print them", "db0:keys=5,expires=2,avg_ttl=0,subexpiry=1\r\n", "5 2"],
    ["none", "# Keyspace\r\n", "0 0"],
    [
      "sums and commands",
      "db0:keys=1+(d=5),expires=a[$(touch /tmp/pwned)]\r\ndb1:keys=7,expires=08\r\n",
      "7 0",
    ],
    ["a refusal", "NOAUTH Authentication required.\n", "0 0"],
  ])("keys are counted: %s", (_, reply, counted) => {
    // The client program is `cat`, and what it prints is this reply.
    writeFileSync(join(folder, "login.old"), `${put("reply", reply)}\n\nCONFIG\n\n`);
    const count = `${HEARD} ask old "INFO keyspace"; count_keys; echo "$keys $expiring"`;
    expect(run(shell, "eval", count).out).toBe(counted);
  });

  it.each([
    ["a number of keys", "OK\n12\n", "", 0],
    ["an error", "ERR unknown command\n", "", 1],
    ["silence", "", "", 1],
    ["a demand for a password that should have been given", "NOAUTH Authentication required.\n", "", 1],
    ["a demand for a password that nobody knows", "NOAUTH Authentication required.\n", "any", 0],
    ["a server that still loads", "LOADING Redis is loading the dataset in memory\n", "any", 1],
  ])("decides whether %s is an answer", (_, reply, known, status) => {
    writeFileSync(join(folder, "login.old"), `${put("reply", reply)}\n\nCONFIG\n${known}\n`);
    expect(run(shell, "eval", `${HEARD} answers old`).status).toBe(status);
  });

  describe("asked by a server that was taken over", () => {
    /** What a piece of the program prints within ten seconds of CPU, where redis-cli answers with this text. */
    const answered = (reply: string, script: string) => {
      writeFileSync(join(folder, "login.old"), `${put("reply", reply)}\n\nCONFIG\n\n`);
      const words = [join(folder, "transaction.sh"), "eval", `${HEARD} ${script}`];
      const bounded = ["-c", 'ulimit -t 10; exec "$0" "$@"', shell, ...words];
      const { stdout, signal } = spawnSync(shell, bounded, { encoding: "utf8", input: "" });
      return signal ?? stdout.trimEnd();
    };
    const MEGABYTE = 1024 * 1024;

    it("keeps a bounded part of an answer, whatever its size", () => {
      expect(answered("x".repeat(8 * MEGABYTE), 'ask old PING; echo "${#reply}"')).toBe("262144");
    });

    it.each([
      ["one long line", `role:master\n${"x".repeat(200_000)}`],
      ["a name behind a long line", `${"x".repeat(200_000)}\nrole:master`],
      ["short lines", `role:master\n${"a\n".repeat(100_000)}`],
      ["databases", `role:master\n${"db0:keys=1,expires=1\n".repeat(10_000)}`],
      ["one long database", `db0:keys=${"1".repeat(200_000)},expires=1\n`],
    ])("reads %s within seconds", (_, reply) => {
      const looks = "for _ in 1 2 3; do field role; setting role; count_keys; is_alive; done; echo done";
      expect(answered(reply, `ask old PING; ${looks}`)).toBe("done");
    });

    it("reports a refusal in one line of bounded length", () => {
      expect(answered(`OK\n12\nERR ${"x".repeat(MEGABYTE)}`, `send old /dev/null; echo "$refusal"`)).toBe(
        `ERR ${"x".repeat(996)}`,
      );
    });

    it("waits half as long the next time where it got no answer", () => {
      writeFileSync(join(folder, "login.old"), "1000\n\nCONFIG\n\n");
      // Who answers has a minute, since it may be a busy machine's.
      const script = `${HEARD} CLI=sleep; answer_within=2; ask old PING; echo "[$reply] $answer_within"
        CLI=echo; answer_within=60; ask old PING; echo "[$reply] $answer_within"`;
      expect(run(shell, "eval", script).out).toBe("[] 1\n[1000] 60");
    });

    it("bounds the memory of redis-cli", () => {
      const script = `${HEARD} client=${me}; CLI=dd; endpoint='if=/dev/zero of=/dev/null bs=1G count=1'; auth=; converse PING 1000`;
      expect(run(shell, "eval", script).out).toContain("memory exhausted");
    });
  });

  it.each([
    ["alone", ["-P INPUT ACCEPT"], "1"],
    [
      "behind those of others",
      ["-P INPUT ACCEPT", "-A INPUT -p tcp -j f2b-sshd", "-A INPUT -i wg0 -j ACCEPT"],
      "3",
    ],
    [
      "there already, and empty",
      ["-P INPUT ACCEPT", "-A INPUT -j f2b-x", "-A INPUT -j ufw-before-input", "-A INPUT -j ufw-track-input"],
      "2",
    ],
    ["of the other family", ["-P INPUT ACCEPT", "-A INPUT -j ufw6-before-input"], "1"],
    [
      "ahead of those of others",
      ["-P INPUT ACCEPT", "-A INPUT -j ufw-before-input", "-A INPUT -s 192.0.2.1/32 -j DROP"],
      "none",
    ],
    ["where others turn away what no rule names", ["-P INPUT DROP", "-A INPUT -i lo -j ACCEPT"], "none"],
  ])("finds the place for ufw's rules in a chain %s", (_situation, chain, place) => {
    const script = `iptables() { printf '%s\\n' ${chain.map(shellQuote).join(" ")}; }
      find_place iptables INPUT && echo "$place" || echo none`;
    expect(run(shell, "eval", script).out).toBe(place);
  });

  it("leaves to ufw a table that cannot be listed, as without IPv6 in the kernel", () => {
    expect(run(shell, "eval", "ip6tables() { return 3; }; find_place ip6tables INPUT || echo none").out).toBe(
      "none",
    );
  });

  it("is not rolled back by the cap while it waits for its confirmation", () => {
    writeFileSync(join(folder, "state"), "applied\n");
    expect(run(shell, "rollback", "cap").status).toBe(0);
    expect(readFileSync(join(folder, "state"), "utf8")).toBe("applied\n");
  });

  it("is not confirmed without the nonce", () => {
    writeFileSync(join(folder, "state"), "applied\n");
    const { status } = spawnSync(shell, [join(folder, "transaction.sh"), "confirm"], { input: "wrong\n" });
    expect(status).toBe(65);
    expect(readFileSync(join(folder, "state"), "utf8")).toBe("applied\n");
  });

  it("makes the missing folder of a file that is put back, without losing its place in the list", () => {
    const script = `n=7; RUNUSER=root; folder ${etc}/tls/x; at "$folder" make_folder_here; echo "$n"`;
    expect(run(shell, "eval", script).out).toBe("7");
    expect(existsSync(join(etc, "tls"))).toBe(true);
  });

  describe("keeps of past runs", () => {
    interface Past {
      state?: string;
      files?: string[];
      modes?: string[];
      undoes?: string;
      original?: true;
      unit?: string;
    }
    /** Keeps these runs, the oldest first, prunes, and says which are left. */
    function left(runs: Record<string, Past>): string[] {
      const root = join(folder, "../root");
      for (const [index, [id, past]] of Object.entries(runs).entries()) {
        const { state = "committed", files = [], modes = [], undoes, original, unit = "a" } = past;
        const at = join(root, "txn", id);
        for (const name of ["old", "new"]) mkdirSync(join(at, name), { recursive: true });
        const texts = {
          state: `${state}\n`,
          env: `UNIT='${unit}'\n`,
          files: files.map((path, n) => `${n + 1} ${path} root:root 640\n`).join(""),
          "expected-modes": modes.map((path) => `${path} root:root 640\n`).join(""),
          live: "secret\n",
          undo: "secret\n",
          "new/1": "secret\n",
          "new/1.signature": "absent\n",
          "old/1": "found\n",
          "old/stale.rdb": "data\n",
          ...(undoes === undefined ? {} : { undoes: `${undoes}\n` }),
          ...(original === undefined ? {} : { "to-original": "" }),
        };
        for (const [name, text] of Object.entries(texts)) writeFileSync(join(at, name), text);
        utimesSync(at, 1000 + index, 1000 + index);
      }
      const { status, out } = run(shell, "eval", `root=${root} DATA=/data; prune`);
      expect(out).toBe("");
      expect(status).toBe(0);
      return readdirSync(join(root, "txn")).sort();
    }
    const later = (names: string) =>
      Object.fromEntries([...names].map((name) => [name, { files: ["/conf"], modes: ["/data/x.aof"] }]));

    it("the last five, and those that touched a path first", () => {
      const runs = {
        a: { files: ["/conf"] },
        b: { files: ["/conf"] },
        c: { files: ["/conf"], modes: ["/tls"] },
      };
      expect(left({ ...runs, ...later("defghi") }).join("")).toBe("acefghi");
      const kept = join(folder, "../root/txn/a");
      expect(readdirSync(join(kept, "old"))).toEqual(["1"]);
      expect(readdirSync(join(kept, "new"))).toEqual(["1.signature"]);
      expect(readFileSync(join(kept, "live"), "utf8")).toBe("");
      expect(statSync(kept).mtimeMs).toBe(1_000_000);
      expect(existsSync(join(folder, "../root/txn/i/new/1"))).toBe(true);
    });

    it("those that need somebody's attention, but none that only found other data files", () => {
      const runs = { a: { files: ["/conf"] }, b: { state: "needs_human" }, c: { modes: ["/data/y.aof"] } };
      expect(left({ ...runs, ...later("defgh") }).join("")).toBe("abdefgh");
    });

    it("none that was undone, since the next run found the host as it was", () => {
      const runs = { a: { files: ["/conf"] }, b: { undoes: "a", files: ["/conf"] }, c: { files: ["/conf"] } };
      expect(left({ ...runs, ...later("defghi") }).join("")).toBe("cefghi");
    });

    it("none from before a rollback to the original, save those of other units", () => {
      const runs = {
        a: { files: ["/conf"] },
        b: { files: ["/other"], unit: "b" },
        c: { original: true as const, undoes: "a" },
        d: { files: ["/conf"] },
      };
      expect(left({ ...runs, ...later("efghij") }).join("")).toBe("bdfghij");
    });
  });
});
