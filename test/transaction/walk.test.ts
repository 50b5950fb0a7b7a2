/** Root does not walk where others can write: the functions of transaction.sh that touch files, and that nothing goes round them. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { transactionProgram } from "../../src/shell/program.ts";

// Some do a thing a hundred times over in a shell, beside a process that races them: minutes on a busy machine.
vi.setConfig({ testTimeout: 180_000 });

/** Programs that follow a path, or act on what it leads to, with their words. */
const TOUCHING =
  /(?<=^|[;&|({!]|\b(?:then|else|do|until|while|if|command)\b|\bas_owner "[^"]*"|\bdropped \S+ "[^"]*" --\w+-groups|\btimeout \S+)\s*(chown|chmod|cp|mv|rm|ln|mkdir|rmdir|stat|cat|head|tail|sed|grep|sha256sum|dd|readlink|install|touch|find|cmp|sort|sync|ls|tee|truncate)(?=\s)((?:"[^"]*"|'[^']*'|[^;&|()\n"'])*)/gm;

/** Folders that only root can write, with all above them: redkeep's own (`$d`, `$s`, `$root`), ufw's, systemd's, the kernel's. */
const ROOTS_OWN =
  /^"?(\$d\b|\$\{?d\}?\/|\$s\/|\$root\b|\$run\b|\$unit\b|\$link\b|\$\{unit%|\$\{link%|\$\{?patience|\/etc\/ufw\b|\/etc\/default\/ufw|\/etc\/systemd\/|\/proc\/|\/dev\/(zero|null)|\/lib\/ufw\/|\/run\/systemd\/)/;

/** The functions that stand in a folder that was walked to, and the few on which they are built. */
const isWalked = (name: string) =>
  name.endsWith("_here") || ["step", "walk", "draw", "sign", "find_strangers"].includes(name);

/** Those that are given only files of redkeep's own, of ufw's, or a program of root's. */
const GIVEN_OWN = [
  "first",
  "rules",
  "swap",
  "release",
  "stage",
  "send",
  "install_recovery",
  "log_tail",
  "is_roots_program",
];

/** The program's functions by name; `(main)` is what stands outside of them. */
function functionsOf(program: string): Map<string, string> {
  const functions = new Map<string, string>([["(main)", ""]]);
  let current = "(main)";
  let depth = 0;
  for (const line of program.split("\n")) {
    // Within quotes a command has quotes of its own.
    const code = line
      .replace(/(^|\s)#.*$/, "")
      .replaceAll('"$(', " $( ")
      .replaceAll(')"', ") ");
    const [, name] = /^([a-z_]+)\(\) \{/.exec(line) ?? [];
    if (name !== undefined) current = name;
    const body = name === undefined ? code : code.slice(code.indexOf("{") + 1);
    functions.set(current, `${functions.get(current) ?? ""}${body}\n`);
    // Nothing is indented in what a host gets: a brace closes what was opened last.
    if (line.startsWith("}")) depth--;
    if (/\{$/.test(line)) depth++;
    if (depth === 0) current = "(main)";
  }
  return functions;
}

/** Functions that run a program with another's rights, and not by `dropped`. */
function directDrops(program: string): string[] {
  const found = [...functionsOf(program)].filter(([, body]) => /\b(setpriv|runuser|su|sudo)\b/.test(body));
  return found.map(([name]) => name).filter((name) => name !== "dropped");
}

/** Where a function goes round the walk, as sentences. */
function detours(program: string): string[] {
  const found: string[] = [];
  for (const [name, body] of functionsOf(program)) {
    if (isWalked(name)) continue;
    for (const [, callee = ""] of body.matchAll(
      /(?<!\b(?:at|within|each_data|each_folder|visit) (?:"[^"]*" )?)\b([a-z_]+_here)\b/g,
    ))
      if (!["here_is_roots"].includes(callee))
        found.push(`${name} calls ${callee} where it may stand anywhere`);
    if (GIVEN_OWN.includes(name)) continue;
    for (const [, program = "", words = ""] of body.matchAll(TOUCHING)) {
      const given = words.replace(/ -e "\$MASK"/, "").match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
      // The first word of these is what they look for, or whom they give a file to.
      const others = given.filter((word) => !word.startsWith("-"));
      for (const word of others.slice(["grep", "sed", "chown", "chmod"].includes(program) ? 1 : 0)) {
        const isPath = /^"?(\$[a-z1-9@{]|\/)/i.test(word);
        if (isPath && !ROOTS_OWN.test(word)) found.push(`${name}: ${program} ${word}`);
      }
    }
    for (const [, word = ""] of body.matchAll(/[<>]\s*("?\$[a-z1-9{][^\s;)]*)/gi))
      if (!ROOTS_OWN.test(word)) found.push(`${name}: a redirection to ${word}`);
  }
  return found;
}

describe("transaction.sh names no file where others may write", () => {
  it("outside of the functions that walked to its folder", () => {
    expect(detours(transactionProgram())).toEqual([]);
  });

  it.each([
    ['x() { chown redis "$p"; }', 'x: chown "$p"'],
    ["x() { if true; then rm -f $DATA/dump.rdb; fi; }", "x: rm $DATA/dump.rdb"],
    ['x() {\n  read -r a <"$p"\n}', 'x: a redirection to "$p"'],
    ['x() { echo a >>"$CONF"; }', 'x: a redirection to "$CONF"'],
    ['x() { as_owner "$u" chmod 640 "$p"; }', 'x: chmod "$p"'],
    ['x() { dropped 5 "$u" --init-groups cat "$p"; }', 'x: cat "$p"'],
    ["x() { set -- a; own_here root:root 640; }", "x calls own_here where it may stand anywhere"],
    ['x() { (timeout 5 cat "$LOG"); }', 'x: cat "$LOG"'],
    ["x() { cp /var/lib/redis/dump.rdb $d/x; }", "x: cp /var/lib/redis/dump.rdb"],
  ])("and the search would report %s", (code, finding) => {
    expect(detours(`${transactionProgram()}\n${code}\n`).map((each) => each.toUpperCase())).toEqual([
      finding.toUpperCase(),
    ]);
  });
});

it("transaction.sh drops root's rights in one function, which closes what root holds open", () => {
  expect(directDrops(transactionProgram())).toEqual([]);
  expect(directDrops(`${transactionProgram()}\nx() { setpriv --reuid=redis true; }\n`)).toEqual(["x"]);
});

const SHELLS = ["dash", "bash"].filter((shell) => existsSync(`/bin/${shell}`));
const SERVICE = "nobody";
const uid = Number(execFileSync("id", ["-u", SERVICE], { encoding: "utf8" }));
const gid = Number(execFileSync("id", ["-g", SERVICE], { encoding: "utf8" }));
const group = execFileSync("id", ["-gn", SERVICE], { encoding: "utf8" }).trim();

let top: string;
/** The transaction's own folder, one of the service user's, and what stands for /etc. */
let folder: string;
let data: string;
let etc: string;

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), "redkeep-walk-"));
  chmodSync(top, 0o755);
  [folder, data, etc] = [join(top, "20260101T000000Z-0badcafe"), join(top, "data"), join(top, "etc")];
  for (const each of [folder, data, etc]) mkdirSync(each);
  for (const name of ["journal", "expected-modes", "modes", "files"]) writeFileSync(join(folder, name), "");
  writeFileSync(join(folder, "transaction.sh"), transactionProgram());
  env({});
  chownSync(data, uid, gid);
});
afterEach(() => rmSync(top, { recursive: true }));

/** Redis' own user, and its folder, unless the test has others. */
function env(more: Record<string, string>): void {
  const values = {
    CAP: "5",
    DUMP: "dump.rdb",
    AOF: "appendonly.aof",
    AOFDIR: "appendonlydir",
    DATA: data,
    HANDOVER: "",
    RESTART: "1",
    CONF: join(etc, "redis.conf"),
    UNIT: "redis-server.service",
    RUNUSER: SERVICE,
    RUNGROUP: group,
    OLDUSER: SERVICE,
    OLDGROUP: group,
    ...more,
  };
  const text = Object.entries(values).map(([name, value]) => `${name}='${value}'\n`);
  writeFileSync(join(folder, "env"), text.join(""));
}

/** The service user's file: 0666 unless the test says more. */
function theirs(path: string, text = "x", mode = 0o666): string {
  writeFileSync(path, text);
  chownSync(path, uid, gid);
  chmodSync(path, mode);
  return path;
}
/** As /etc/shadow. */
function precious(name = "shadow"): string {
  writeFileSync(join(etc, name), "precious");
  chmodSync(join(etc, name), 0o640);
  return join(etc, name);
}
const look = (path: string) => {
  const { uid, gid, mode, nlink } = lstatSync(path);
  return `${uid}:${gid} ${(mode & 0o7777).toString(8)} ${nlink}`;
};

function run(
  shell: string,
  script: string,
  timeout = 120_000,
): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(shell, [join(folder, "transaction.sh"), "eval", script], {
    encoding: "utf8",
    input: "",
    timeout,
  });
  return { status, out: stdout.trimEnd(), err: stderr };
}

/** Lines, without the descriptors that the test's own caller left open: a shell's program has none above 9. */
const ownLines = (out: string) => out.split("\n").filter((line) => !/^\d\d+$/.test(line));

/** Exchanges two names as the service user, as often as it can, while the test does its work. */
async function exchanging<T>(one: string, other: string, work: () => T): Promise<T> {
  const attacker: ChildProcess = spawn(
    "setpriv",
    [
      `--reuid=${uid}`,
      `--regid=${gid}`,
      "--clear-groups",
      "/usr/bin/python3",
      "-c",
      `import ctypes, sys
rename = ctypes.CDLL(None).renameat2
print("ready", flush=True)
while True: rename(-100, sys.argv[1].encode(), -100, sys.argv[2].encode(), 2)`,
      one,
      other,
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const ended = once(attacker, "exit");
  try {
    if (attacker.stdout === null) throw new Error("no stdout");
    await once(attacker.stdout, "data");
    return work();
  } finally {
    attacker.kill("SIGKILL");
    await ended;
  }
}

describe.each(SHELLS)("as root, under %s,", (shell) => {
  it("a folder is reached through root's links, and through no other user's", () => {
    symlinkSync(etc, join(top, "rooted"));
    symlinkSync("../etc", join(data, "planted"));
    expect(run(shell, `walk '${top}/rooted' && pwd -P`).out).toBe(etc);
    const { status, err } = run(shell, `walk '${data}/planted'`);
    expect(status).toBe(2);
    expect(err).toContain("planted is a link of somebody's, and is not followed");
    expect(run(shell, `walk '${data}/none'`).status).toBe(1);
    expect(run(shell, `walk '${data}' && pwd -P`).out).toBe(data);
  });

  it("a folder in which only root may write is reached through its links, as /var/run is", () => {
    expect(run(shell, "walk /var/run && pwd -P").out).toBe("/run");
  });

  it("a program counts as root's only where its whole path has no other user's link or folder", () => {
    const roots = mkdtempSync("/run/redkeep-walk-");
    try {
      chmodSync(roots, 0o755);
      for (const name of ["bin", "theirs"]) mkdirSync(join(roots, name));
      writeFileSync(join(roots, "bin/server"), "", { mode: 0o755 });
      symlinkSync("server", join(roots, "bin/link"));
      symlinkSync("bin", join(roots, "sbin"));
      symlinkSync("../bin", join(roots, "theirs/bin"));
      symlinkSync("../bin/server", join(roots, "theirs/link"));
      symlinkSync("theirs/bin", join(roots, "through"));
      symlinkSync("theirs/link", join(roots, "end"));
      mkdirSync(join(roots, "theirs/own"));
      writeFileSync(join(roots, "theirs/own/server"), "", { mode: 0o755 });
      writeFileSync(join(roots, "bin/theirs"), "", { mode: 0o755 });
      for (const name of ["theirs", "bin/theirs"]) chownSync(join(roots, name), uid, gid);
      const isRoots = (path: string) => run(shell, `is_roots_program '${path}' && pwd`);
      for (const path of ["bin/server", "bin/link", "sbin/link", "bin/../sbin//server"])
        expect(isRoots(join(roots, path)), path).toMatchObject({ status: 0, out: "/" });
      for (const path of [
        "theirs/bin/server",
        "theirs/link",
        "through/server",
        "end",
        "theirs/own/server",
        "bin/theirs",
      ])
        expect(isRoots(join(roots, path)).err, path).toContain("others than root may write or exchange");
      for (const path of ["", "/", join(roots, "bin"), join(roots, "bin/none"), "bin/server"])
        expect(isRoots(path).status, path).toBe(1);
    } finally {
      rmSync(roots, { recursive: true });
    }
  });

  it.each([
    ["owner and mode", (at: string) => `own '${at}/shadow' ${SERVICE}:${group} 666`],
    ["content", (at: string) => `echo new >"$d/new"; swap "$d/new" '${at}/shadow' ${SERVICE}:${group} 666`],
    ["a name", (at: string) => `at '${at}/shadow' remove_here`],
    ["a folder", (at: string) => `at '${at}/made' make_folder_here`],
  ])("%s of a file behind a link stays while folder and link are swapped", async (_, action) => {
    const shadow = precious();
    const before = look(shadow);
    mkdirSync(join(data, "sub"));
    theirs(join(data, "sub/shadow"));
    chownSync(join(data, "sub"), uid, gid);
    symlinkSync(etc, join(data, "evil"));
    await exchanging(join(data, "sub"), join(data, "evil"), () => {
      run(shell, `i=0; while [ $i -lt 150 ]; do ${action(join(data, "sub"))}; i=$((i + 1)); done`);
    });
    expect(look(shadow)).toBe(before);
    expect(readFileSync(shadow, "utf8")).toBe("precious");
    expect(readdirSync(etc)).toEqual(["shadow"]);
  });

  it("a file that is swapped for a hard link to root's file leaves root's mode unchanged", async () => {
    const shadow = precious();
    linkSync(shadow, join(data, "evil"));
    const before = look(shadow);
    const file = theirs(join(data, "dump.rdb"));
    await exchanging(file, join(data, "evil"), () => {
      run(
        shell,
        `i=0; while [ $i -lt 150 ]; do own '${file}' ${SERVICE}:${group} 600; own '${file}' root:root 666; i=$((i + 1)); done`,
      );
    });
    expect(look(shadow)).toBe(before);
  });

  it("a hard link in a folder of root's is reported, and not changed", () => {
    const shadow = precious();
    linkSync(shadow, join(top, "redis.conf"));
    writeFileSync(join(folder, "expected-modes"), `${top}/redis.conf root:root 640\n`);
    const { status, err } = run(shell, `own '${top}/redis.conf' root:${group} 666`);
    expect(status).not.toBe(0);
    expect(err).toContain("has other names, which would change with it");
    expect(look(shadow)).toBe("0:0 640 2");
  });

  it("a file of root's in the service user's folder is left, and reported", () => {
    const file = join(data, "old.rdb");
    writeFileSync(file, "x");
    const { status, err } = run(shell, `own '${file}' ${SERVICE}:${group} 600`);
    expect(status).not.toBe(0);
    expect(err).toContain("in a folder that others may write");
    expect(look(file)).toBe("0:0 644 1");
  });

  it("a configuration in the service user's folder is closed while the folder is root's for a moment", async () => {
    env({ CONF: join(data, "redis.conf") });
    const shadow = precious();
    linkSync(shadow, join(data, "evil"));
    const file = theirs(join(data, "redis.conf"));
    expect(run(shell, `own '${file}' root:${group} 640`).status).toBe(0);
    expect([look(file), look(data).replace(/ \d+$/, "")]).toEqual([`0:${gid} 640 1`, `${uid}:${gid} 755`]);
    await exchanging(file, join(data, "evil"), () => {
      run(
        shell,
        `i=0; while [ $i -lt 60 ]; do own '${file}' ${SERVICE}:${group} 666; own '${file}' root:root 600; i=$((i + 1)); done`,
      );
    });
    expect(look(shadow)).toBe("0:0 640 2");
    expect(look(data).replace(/ \d+$/, "")).toBe(`${uid}:${gid} 755`);
  });

  it("a FIFO in the place of a file hangs nothing", () => {
    const fifo = join(data, "redis.conf");
    execFileSync("mkfifo", [fifo]);
    expect(run(shell, `name='${fifo}'; draw "$name" | wc -c`, 5000).out.trim()).toBe("0");
    expect(run(shell, `sign '${fifo}'; printf %s "$signatures"`, 5000).out).toBe("unusual");
    expect(run(shell, `each_data tighten_here`, 5000).status).toBe(0);
  });

  it("a link that is planted for the temporary file is not opened", () => {
    const shadow = precious();
    symlinkSync(shadow, join(data, ".redkeep.20260101T000000Z-0badcafe"));
    expect(run(shell, `at '${data}/x' flush_here './.redkeep.20260101T000000Z-0badcafe'`).status).not.toBe(0);
    writeFileSync(join(folder, "new"), "new");
    expect(run(shell, `swap "$d/new" '${data}/redis.conf' root:root 640`).status).toBe(0);
    expect(readFileSync(shadow, "utf8")).toBe("precious");
    expect(readFileSync(join(data, "redis.conf"), "utf8")).toBe("new");
    expect(readdirSync(data)).toEqual(["redis.conf"]);
  });

  it("data files are files that Redis saves, without links, names with a line break, and folders behind a link", () => {
    for (const name of ["dump.rdb", "keys", "appendonly.aof", "-n b.rdb", "notes.txt", "a\nb.rdb"])
      theirs(join(data, name));
    symlinkSync("/etc/passwd", join(data, "passwd.rdb"));
    mkdirSync(join(data, "appendonlydir"));
    theirs(join(data, "appendonlydir/appendonly.aof.manifest"));
    env({ DUMP: "keys" });
    const list = `say() { printf '%s\\n' "$PWD" "$@"; }; each_data say`;
    expect(run(shell, list).out.split("\n")).toEqual([
      data,
      "./-n b.rdb",
      "./dump.rdb",
      "./appendonly.aof",
      "./keys",
      join(data, "appendonlydir"),
      "./appendonly.aof.manifest",
    ]);
    rmSync(join(data, "appendonlydir"), { recursive: true });
    symlinkSync(etc, join(data, "appendonlydir"));
    precious("passwd");
    expect(run(shell, list).out).not.toContain("passwd");
  });

  it("data files are not looked for in a folder that does not belong to the service user", () => {
    env({ DATA: etc });
    precious("secrets.rdb");
    const { status, out, err } = run(shell, "each_data echo");
    expect([status, out]).toEqual([1, ""]);
    expect(err).toContain(`${etc} is no folder of the service user's`);
  });

  it("data is closed to others with its owner's rights, and opened again as it was", () => {
    const [open, closed] = [
      theirs(join(data, "dump.rdb"), "x", 0o664),
      theirs(join(data, "b.rdb"), "x", 0o640),
    ];
    const roots = join(data, "c.rdb");
    writeFileSync(roots, "x");
    const odd = theirs(join(data, "x\\n00666 \\0057etc.rdb"), "x", 0o604);
    expect(run(shell, "each_data tighten_here").status).toBe(0);
    expect([open, closed, roots].map(look)).toEqual([
      `${uid}:${gid} 640 1`,
      `${uid}:${gid} 640 1`,
      "0:0 644 1",
    ]);
    expect(readFileSync(join(folder, "tightened"), "utf8")).toBe(`00664 ${open}\n00604 ${odd}\n`);
    expect(run(shell, `at '${open}' loosen_here 00664`).status).toBe(0);
    expect(look(open)).toBe(`${uid}:${gid} 664 1`);
  });

  it("a dump is moved within the data folder alone", () => {
    const dump = theirs(join(data, "dump.rdb"));
    expect(run(shell, `dump_file dump.rdb mv "$d/kept"`).status).toBe(0);
    expect(existsSync(dump)).toBe(false);
    expect(run(shell, `dump_file dump.rdb back "$d/kept"`).status).toBe(0);
    expect(readFileSync(dump, "utf8")).toBe("x");
    expect(run(shell, "dump_file dump.rdb rm").status).toBe(0);
    expect(existsSync(dump)).toBe(false);
    const shadow = precious();
    env({ DATA: etc });
    expect(run(shell, "dump_file shadow rm").status).not.toBe(0);
    expect(existsSync(shadow)).toBe(true);
    symlinkSync(etc, join(data, "link"));
    env({ DATA: join(data, "link") });
    expect(run(shell, `dump_file shadow mv "$d/kept"`).status).not.toBe(0);
    expect(existsSync(shadow)).toBe(true);
  });

  it.each([
    ["another folder", "/etc", "dump.rdb"],
    ["a name that leads out", "DATA", "../../etc/shadow"],
    ["a folder as its dump", "DATA", ".."],
  ])("a server that names %s is not believed", (_, dir, name) => {
    const reply = `config_get() { case $2 in dir) value='${dir === "DATA" ? data : dir}';; *) value='${name}';; esac; }; dump_name old`;
    expect(run(shell, reply).status).not.toBe(0);
    expect(readFileSync(join(folder, "journal"), "utf8")).toContain("which is not in");
  });

  it("data is set aside as second names in a folder of root's, also the AOF's files", () => {
    theirs(join(data, "dump.rdb"));
    mkdirSync(join(data, "appendonlydir"));
    theirs(join(data, "appendonlydir/appendonly.aof.1.incr.aof"));
    expect(run(shell, "set_aside new").status).toBe(0);
    const aside = join(data, ".redkeep.20260101T000000Z-0badcafe.new");
    expect(statSync(aside).mode & 0o777).toBe(0o700);
    expect(readdirSync(aside).sort()).toEqual(["appendonly.aof.1.incr.aof", "dump.rdb"]);
    expect(run(shell, "drop_aside").status).toBe(0);
    expect(existsSync(aside)).toBe(false);
  });

  it("nothing is set aside behind a link while the AOF's folder and the link are swapped", async () => {
    const shadow = precious();
    mkdirSync(join(data, "appendonlydir"));
    theirs(join(data, "appendonlydir/shadow"));
    chownSync(join(data, "appendonlydir"), uid, gid);
    symlinkSync(etc, join(data, "evil"));
    await exchanging(join(data, "appendonlydir"), join(data, "evil"), () => {
      run(
        shell,
        `i=0; while [ $i -lt 100 ]; do set_aside new; drop_aside; rm -f "$d/aside.new"; i=$((i + 1)); done`,
      );
    });
    expect(look(shadow)).toBe("0:0 640 1");
    expect(readdirSync(etc)).toEqual(["shadow"]);
  });

  it("a hand-over from root reaches what root saved, and nothing that a link or a second name leads to", async () => {
    const shadow = precious();
    env({ OLDUSER: "root", OLDGROUP: "root", HANDOVER: data });
    chmodSync(data, 0o750);
    mkdirSync(join(data, "appendonlydir"));
    for (const name of ["dump.rdb", "appendonlydir/a.aof"]) writeFileSync(join(data, name), "x");
    expect(run(shell, "hand_over new").status).toBe(0);
    const all = ["dump.rdb", "appendonlydir", "appendonlydir/a.aof", "."].map((name) => join(data, name));
    expect(all.map((path) => statSync(path).uid)).toEqual([uid, uid, uid, uid]);
    expect(statSync(data).mode & 0o777).toBe(0o750);
    expect(run(shell, "hand_over old").status).toBe(0);
    // The data folder was the new user's before.
    expect(all.map((path) => statSync(path).uid)).toEqual([0, 0, 0, uid]);
    chownSync(join(data, "appendonlydir"), uid, gid);
    linkSync(shadow, join(data, "evil.rdb"));
    expect(run(shell, "hand_over new").status).not.toBe(0);
    rmSync(join(data, "evil.rdb"));
    symlinkSync(etc, join(data, "evil"));
    await exchanging(join(data, "appendonlydir"), join(data, "evil"), () => {
      run(shell, "i=0; while [ $i -lt 60 ]; do hand_over new; hand_over old; i=$((i + 1)); done");
    });
    expect(look(shadow)).toBe("0:0 640 1");
  });

  describe("a folder of root's under the name of one of the service user's", () => {
    const aof = () => join(data, "appendonlydir");
    const own = (owner: string, mode: string) => run(shell, `own '${aof()}' ${owner} ${mode}`);
    /** Root's backups, where the plan saw a folder of the service user's. */
    const exchanged = () => {
      mkdirSync(join(data, "backups"), { mode: 0o700 });
      renameSync(join(data, "backups"), aof());
      writeFileSync(join(folder, "expected-modes"), `${aof()} ${SERVICE}:${group} 755\n`);
    };

    it("is not given to that user", () => {
      exchanged();
      const { status, err } = own(`${SERVICE}:${group}`, "750");
      expect(status).not.toBe(0);
      expect(err).toContain(`${aof()} belongs to root:root (mode 700), as nobody expected`);
      expect(look(aof())).toMatch(/^0:0 700 /);
    });

    it("is given to that user where the plan saw it there", () => {
      mkdirSync(aof());
      writeFileSync(join(folder, "expected-modes"), `${aof()} root:root 755\n`);
      expect(own(`${SERVICE}:${group}`, "750").status).toBe(0);
      expect(look(aof())).toMatch(`${uid}:${gid} 750 `);
    });

    it("is given back where the transaction made it root's, and no other folder in its place", () => {
      mkdirSync(aof());
      chownSync(aof(), uid, gid);
      writeFileSync(join(folder, "expected-modes"), `${aof()} ${SERVICE}:${group} 755\n`);
      expect(own(`root:${group}`, "750").status).toBe(0);
      renameSync(aof(), join(data, "taken"));
      exchanged();
      expect(own(`${SERVICE}:${group}`, "755").status).not.toBe(0);
      rmSync(aof(), { recursive: true });
      renameSync(join(data, "taken"), aof());
      expect(own(`${SERVICE}:${group}`, "755").status).toBe(0);
      expect(look(aof())).toMatch(`${uid}:${gid} 755 `);
    });

    it("is given to that user where the transaction made it anew", () => {
      expect(run(shell, `at '${aof()}' make_folder_here`).status).toBe(0);
      expect(own(`${SERVICE}:${group}`, "750").status).toBe(0);
    });

    it("is treated alike where it is a file, also while the folder is root's for a moment", () => {
      env({ CONF: join(data, "redis.conf") });
      const secret = join(data, "redis.conf");
      writeFileSync(secret, "root's", { mode: 0o600 });
      writeFileSync(join(folder, "expected-modes"), `${secret} ${SERVICE}:${group} 644\n`);
      expect(run(shell, `own '${secret}' ${SERVICE}:${group} 640`).status).not.toBe(0);
      expect(look(secret)).toBe("0:0 600 1");
    });
  });

  it("a folder of root's under the service user's name is not opened to the server's group either", () => {
    mkdirSync(join(data, "conf"), { mode: 0o700 });
    writeFileSync(join(folder, "expected-modes"), `${data}/conf ${SERVICE}:${group} 755\n`);
    expect(run(shell, `own '${data}/conf' root:${group} 750`).status).not.toBe(0);
    expect(look(join(data, "conf"))).toMatch(/^0:0 700 /);
    // Nor a file, in a folder that was the service user's until now.
    const secret = join(etc, "redis.conf");
    writeFileSync(secret, "root's", { mode: 0o600 });
    writeFileSync(join(folder, "expected-modes"), `${secret} ${SERVICE}:${group} 644\n`);
    expect(run(shell, `own '${secret}' root:${group} 640`).status).not.toBe(0);
    expect(look(secret)).toBe("0:0 600 1");
  });

  it("an inode number that is reused does not pass for a file that the transaction made root's", () => {
    const file = theirs(join(etc, "redis.conf"));
    expect(run(shell, `own '${file}' root:${group} 640`).status).toBe(0);
    const { ino } = lstatSync(file);
    rmSync(file);
    const others = Array.from({ length: 200 }, (_, index) => join(etc, `backup-${index}`));
    for (const path of others) mkdirSync(path, { mode: 0o700 });
    const again = others.find((path) => lstatSync(path).ino === ino) ?? others[0] ?? "";
    renameSync(again, file);
    expect(run(shell, `own '${file}' ${SERVICE}:${group} 755`).status).not.toBe(0);
    expect(look(file)).toMatch(/^0:0 700 /);
  });

  it("a configuration that becomes root's cannot be written by a process that had it open", () => {
    const file = theirs(join(etc, "redis.conf"), "as it was");
    const open = openSync(file, "r+");
    expect(run(shell, `own '${file}' root:${group} 640`).status).toBe(0);
    writeSync(open, "EVIL", 0);
    closeSync(open);
    expect(readFileSync(file, "utf8")).toBe("as it was");
    expect(look(file)).toBe(`0:${gid} 640 1`);
    expect(run(shell, `own '${file}' ${SERVICE}:${group} 644`).status).toBe(0);
  });

  it("data that was set aside is removed, and no folder of root's that took its name", () => {
    theirs(join(data, "dump.rdb"));
    const aside = join(data, ".redkeep.20260101T000000Z-0badcafe.new");
    expect(run(shell, "set_aside new").status).toBe(0);
    renameSync(aside, join(data, "gone"));
    mkdirSync(aside, { mode: 0o700 });
    writeFileSync(join(aside, "b.tgz"), "root's");
    expect(run(shell, "drop_aside").status).toBe(0);
    expect(readFileSync(join(aside, "b.tgz"), "utf8")).toBe("root's");
    rmSync(aside, { recursive: true });
    renameSync(join(data, "gone"), aside);
    expect(run(shell, "drop_aside").status).toBe(0);
    expect(readdirSync(data)).toEqual(["dump.rdb"]);
  });

  it("nothing is set aside into a folder of root's that took the name at the last moment", () => {
    theirs(join(data, "dump.rdb"), "evil");
    mkdirSync(join(data, "backups"), { mode: 0o700 });
    writeFileSync(join(data, "backups/..dump.rdb"), "good");
    const exchange = `mkdir() { command mkdir "$@" && mv "$1" ./away && mv ./backups "$1"; }`;
    expect(run(shell, `${exchange}; set_aside new`).status).not.toBe(0);
    expect(readdirSync(join(data, ".redkeep.20260101T000000Z-0badcafe.new"))).toEqual(["..dump.rdb"]);
  });

  it("a folder under redkeep's temporary name is moved out of the way at once, whatever is in it", () => {
    mkdirSync(join(data, ".redkeep.x/deep/deeper"), { recursive: true });
    expect(run(shell, `within '${data}' clear_here ./.redkeep.x`).status).toBe(0);
    const [left = ""] = readdirSync(data);
    expect(left).toMatch(/^\.redkeep\.x\.others\.\d+$/);
    expect(existsSync(join(data, left, "deep/deeper"))).toBe(true);
  });

  it("a dump on a disk of its own is read with its owner's rights, up to its size at that moment", () => {
    theirs(join(data, "dump.rdb"), "keys", 0o640);
    const elsewhere = "ln() { return 1; }";
    expect(run(shell, `${elsewhere}; dump_file dump.rdb mv "$d/kept"`).status).toBe(0);
    expect(readFileSync(join(folder, "kept"), "utf8")).toBe("keys");
    expect(readdirSync(data)).toEqual([]);
    // Exchanged for a folder behind the look at it: nothing of it is read, and it stays.
    theirs(join(data, "dump.rdb"), "keys", 0o640);
    mkdirSync(join(data, "folder"));
    const exchange = `stat() { command stat "$@"; mv ./dump.rdb ./away; mv ./folder ./dump.rdb; }`;
    expect(
      run(shell, `${elsewhere}; is_theirs() { :; }; ${exchange}; dump_file dump.rdb mv "$d/other"`).status,
    ).not.toBe(0);
    expect(existsSync(join(folder, "other"))).toBe(false);
    expect(lstatSync(join(data, "dump.rdb")).isDirectory()).toBe(true);
  });

  it("a mode change with the service user's rights does not set setgid for another group", () => {
    const file = theirs(join(data, "b.rdb"), "x", 0o755);
    chownSync(file, uid, 4);
    expect(run(shell, `at '${file}' loosen_here 2755; own '${file}' ${SERVICE}:${group} 2755`).status).toBe(
      0,
    );
    expect(statSync(file).mode & 0o7000).toBe(0);
  });

  it("a program with the service user's rights gets no output of root's unless its answer is read", () => {
    const open = "readlink /proc/self/fd/2";
    expect(run(shell, `as_owner ${SERVICE} ${open}`).out).toBe("/dev/null");
    theirs(join(data, "dump.rdb"));
    const count = "drops=0; as_owner() { if [ /dev/fd/1 -ef /dev/null ]; then drops=$((drops + 1)); fi; }";
    const file = join(data, "dump.rdb");
    const calls = `each_data tighten_here; at '${file}' loosen_here 640; own '${file}' ${SERVICE}:${group} 640`;
    expect(run(shell, `${count}; ${calls}; echo $drops`).out).toBe("3");
  });

  it("a file that grows without end is not backed up, and does not hang the program", () => {
    const file = theirs(join(etc, "redis.conf"));
    truncateSync(file, 2 ** 40);
    expect(run(shell, `sign '${file}' '${etc}/none'; printf %s "$signatures"`).out).toBe("unusual\nabsent");
    const theirsToo = theirs(join(data, "redis.conf"));
    truncateSync(theirsToo, 2 ** 40);
    expect(run(shell, `sign '${theirsToo}'; printf %s "$signatures"`).out).toBe("unusual");
  });

  it("a rollback restores access before it touches a folder that was another user's", () => {
    const order = run(
      shell,
      `mine() { :; }; lock() { :; }; systemctl() { :; }; let_in() { echo let in; }; release() { echo release; exit; }; enter() { :; }; state() { state=applied; }; rollback win`,
    ).out;
    expect(order).toBe("let in\nrelease");
  });

  it("a folder that a killed run left as root's is given back, and no other folder of root's in its place", () => {
    mkdirSync(join(data, "conf"));
    chownSync(join(data, "conf"), uid, gid);
    expect(run(shell, `within '${data}/conf' take_here`).status).toBe(0);
    renameSync(join(data, "conf"), join(data, "away"));
    mkdirSync(join(data, "conf"), { mode: 0o700 });
    const back = (path: string) =>
      run(shell, `within '${path}' give_back_here '00755 ${SERVICE}:${group}'`).status;
    expect(back(join(data, "conf"))).not.toBe(0);
    expect(look(join(data, "conf"))).toMatch(/^0:0 700 /);
    expect(back(join(data, "away"))).toBe(0);
    expect(look(join(data, "away"))).toMatch(`${uid}:${gid} 755 `);
  });

  it("a hand-over between two users gives neither of them a folder of root's", () => {
    env({ RUNUSER: "games", RUNGROUP: "games", HANDOVER: data });
    mkdirSync(join(data, "appendonlydir"), { mode: 0o700 });
    expect(run(shell, "hand_over new").status).not.toBe(0);
    expect(look(join(data, "appendonlydir"))).toMatch(/^0:0 700 /);
  });

  it("a file that takes the place of a dump at the last moment does not stay among root's files", () => {
    const dump = theirs(join(data, "dump.rdb"));
    const exchange = `ln() { if [ -f ./dump.rdb ]; then rm -f ./dump.rdb; mkfifo ./dump.rdb; fi; command ln "$@"; }`;
    expect(run(shell, `${exchange}; dump_file dump.rdb mv "$d/kept"`).status).not.toBe(0);
    expect(existsSync(join(folder, "kept"))).toBe(false);
    expect(lstatSync(dump).isFIFO()).toBe(true);
  });

  it("an undo looks for a password's hash only in the files that it puts back, and no FIFO beside them hangs it", () => {
    const source = join(top, "txn/source");
    mkdirSync(join(source, "old"), { recursive: true });
    mkdirSync(join(source, "new"));
    mkdirSync(join(folder, "new"));
    const acl = join(etc, "users.acl");
    writeFileSync(acl, "new");
    const signed = run(shell, `sign '${acl}'; printf %s "$signatures"`).out;
    writeFileSync(join(source, "files"), `1 ${acl} root:root 644\n`);
    writeFileSync(join(source, "old/1"), "user admin on #bbbb ~* +@all\n");
    writeFileSync(join(source, "old/1.signature"), "root:root 644 x\n");
    writeFileSync(join(source, "new/1.signature"), `${signed}\n`);
    for (const name of ["expected-modes", "undo", "live"]) writeFileSync(join(source, name), "");
    execFileSync("mkfifo", [join(source, "old/stale.rdb")]);
    writeFileSync(join(folder, "login.admin"), "aaaa AUTH first\nbbbb AUTH second\ncccc AUTH third\n");
    env({
      BEFORE_AUTH: "admin",
      BEFORE_ENDPOINT: "",
      BEFORE_CONFIG: "CONFIG",
      FIREWALL: "",
      POLICY: "",
      RESTART: "",
    });
    expect(run(shell, `root='${top}'; undo source`, 10_000).status).toBe(0);
    expect(readFileSync(join(folder, "login.new"), "utf8")).toContain("AUTH second");
  });

  it("a program that another user may write is not run as root", () => {
    const program = join(data, "redis-server");
    writeFileSync(program, `#!/bin/sh\ntouch ${etc}/ran\n`, { mode: 0o755 });
    const unit = `systemctl() { echo '{ path=${program} ; argv[]=${program} /etc/redis/redis.conf ; ignore_errors=no }'; }`;
    env({ RUNUSER: "root", OLDUSER: "root" });
    const { status, err } = run(shell, `${unit}; find_binary`);
    expect(status).not.toBe(0);
    expect(err).toContain("others than root may write");
    const roots = "systemctl() { echo '{ path=/bin/true ; argv[]=/bin/true ; }'; }";
    expect(run(shell, `${roots}; find_binary && echo "$BIN"`)).toMatchObject({ out: "/bin/true", err: "" });
  });

  it("a program with the service user's rights holds nothing of root's open, the lock least of all", () => {
    const open = "sh -c 'ls /proc/self/fd'";
    const script = `root='${top}'; lock 0; exec 5<"$d"; as_owner ${SERVICE} ${open}; BIN='${data}/server'; ask_version`;
    theirs(join(data, "server"), "#!/bin/sh\nls /proc/self/fd\n", 0o755);
    // 3 is the folder that \`ls\` itself reads.
    expect(ownLines(run(shell, script).out)).toEqual(["0", "1", "2", "3", "0", "1", "2", "3"]);
  });

  it("a stopped program of the service user's is ended, and a child that keeps its output open is not waited for", () => {
    const pid = join(data, "pid");
    theirs(
      join(data, "server"),
      `#!/bin/sh\nsleep 600 & echo 7.0; echo $$ >'${pid}'; kill -STOP $$\n`,
      0o755,
    );
    // Its time is over once it is stopped: \`timeout\` hears that by SIGALRM.
    const script = `{ until grep -qs '^State:.T' "/proc/$(cat '${pid}')/status"; do :; done
        kill -ALRM "$(sed -n 's/^PPid:.//p' "/proc/$(cat '${pid}')/status")"; } >/dev/null 2>&1 &
      dropped 60 ${SERVICE}:${group} --clear-groups '${data}/server' | hear 60 1000`;
    expect(run(shell, script)).toMatchObject({ status: 0, out: "7.0" });
  });

  describe("the password of the server goes", () => {
    /** What `ask` makes of an endpoint, where redis-cli would tell who it is and all that it is told. */
    const asked = (endpoint: string, before = ":") => {
      writeFileSync(join(folder, "login.old"), `${endpoint}\nAUTH secret\nCONFIG\n\n`);
      writeFileSync(join(etc, "cli"), "#!/bin/sh\nid -un; ls /proc/self/fd; cat\n", { mode: 0o755 });
      return ownLines(
        run(shell, `${before}; CLI='${etc}/cli'; lock() { :; }; ask old PING; printf '%s' "$reply"`).out,
      );
    };
    const TOLD = [SERVICE, "0", "1", "2", "3", "AUTH secret", "PING"];
    /** A socket of a user's. */
    const socketOf = (user: number, path: string) => {
      const bind = "import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])";
      execFileSync("setpriv", [`--reuid=${user}`, "--clear-groups", "/usr/bin/python3", "-c", bind, path]);
      return path;
    };

    it("to a socket that the service user made, with that user's rights", () => {
      expect(asked(`-s ${socketOf(uid, join(data, "redis.sock"))}`)).toEqual(TOLD);
    });

    it("to no socket behind a link into a folder that is closed to that user", () => {
      const closed = join(top, "closed");
      mkdirSync(closed);
      chownSync(closed, 1, 1);
      chmodSync(closed, 0o700);
      symlinkSync(socketOf(1, join(closed, "redis.sock")), join(data, "redis.sock"));
      const link = join(data, "redis.sock");
      const refused = `Could not connect: ${link} is no socket of the service user`;
      expect(asked(`-s ${link}`)).toEqual([refused, refused]);
    });

    it("to no socket of another user in the server's place", () => {
      chmodSync(data, 0o1777);
      const path = socketOf(1, join(data, "redis.sock"));
      expect(asked(`-s ${path}`)[0]).toContain("is no socket of the service user");
    });

    it("to no other listener at the server's port while it is down", async () => {
      const code = `import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1], flush=True); s.accept()`;
      const squatter = spawn("setpriv", [`--reuid=${uid}`, "--clear-groups", "/usr/bin/python3", "-c", code]);
      const ended = once(squatter, "exit");
      try {
        const [port] = await once(squatter.stdout, "data");
        const endpoint = `-h 127.0.0.1 -p ${String(port).trim()}`;
        const refused = `Could not connect: redis-server.service does not listen at ${endpoint}`;
        expect(asked(endpoint)).toEqual([refused, refused]);
        expect(run(shell, 'send old /dev/null; echo "$refusal"').out).toBe(refused);
      } finally {
        squatter.kill("SIGKILL");
        await ended;
      }
    });

    const GROUP = "cgroup:/system.slice/redis-server.service";
    const OURS = `uid:101 ino:1 sk:1 ${GROUP} <->`;
    const OTHERS = "uid:65534 ino:2 sk:2 cgroup:/user.slice/user-1000.slice/session-1.scope <->";
    it.each([
      ["the unit's port", "127.0.0.1", [`127.0.0.1:6379 0.0.0.0:* ${OURS}`], true],
      ["the unit's port on every address", "127.0.0.1", [`0.0.0.0:6379 0.0.0.0:* ${OURS}`], true],
      ["the unit's port on every address of both kinds", "::1", [`*:6379 *:* ${OURS} v6only:0`], true],
      [
        "the unit's, beside another's on every address",
        "10.0.0.1",
        [`10.0.0.1:6379 0.0.0.0:* ${OURS}`, `*:6379 *:* ${OTHERS}`],
        true,
      ],
      [
        "the unit's, beside another's at another address",
        "10.0.0.1",
        [`10.0.0.1:6379 0.0.0.0:* ${OURS}`, `10.0.0.2:6379 0.0.0.0:* ${OTHERS}`],
        true,
      ],
      [
        "the unit's on every address, and another's at this one",
        "10.0.0.1",
        [`0.0.0.0:6379 0.0.0.0:* ${OURS}`, `10.0.0.1:6379 0.0.0.0:* ${OTHERS}`],
        false,
      ],
      [
        "another's with the unit's at the same address",
        "10.0.0.1",
        [`10.0.0.1:6379 0.0.0.0:* ${OURS}`, `10.0.0.1:6379 0.0.0.0:* ${OTHERS}`],
        false,
      ],
      [
        "the unit's under a name",
        "redis.lan",
        [`10.0.0.1:6379 0.0.0.0:* ${OURS}`, `[::1]:6379 [::]:* ${OURS}`],
        true,
      ],
      [
        "a name, where another's listens too",
        "redis.lan",
        [`10.0.0.1:6379 0.0.0.0:* ${OURS}`, `[::1]:6379 [::]:* ${OTHERS}`],
        false,
      ],
      [
        "a unit whose name ends alike",
        "127.0.0.1",
        [`127.0.0.1:6379 0.0.0.0:* ${OURS.replace("redis-server", "x-redis-server")}`],
        false,
      ],
      [
        "a group of the unit's name in one that is another user's own",
        "127.0.0.1",
        [
          "127.0.0.1:6379 0.0.0.0:* uid:101 ino:1 sk:1 cgroup:/user.slice/user-1000.slice/user@1000.service/app.slice/redis-server.service <->",
        ],
        false,
      ],
      [
        "a group whose name holds the unit's group",
        "127.0.0.1",
        [`127.0.0.1:6379 0.0.0.0:* uid:101 ino:1 sk:1 cgroup:/user.slice/x ${GROUP} <->`],
        false,
      ],
      [
        "another user in the unit's group",
        "127.0.0.1",
        [`127.0.0.1:6379 0.0.0.0:* uid:1010 ino:1 sk:1 ${GROUP} <->`],
        false,
      ],
      ["root in the unit's group", "127.0.0.1", [`127.0.0.1:6379 0.0.0.0:* ino:1 sk:1 ${GROUP} <->`], false],
      ["nobody", "127.0.0.1", [], false],
    ])("to the server alone, with the listener: %s", (_, host, sockets, goes) => {
      const ss = `ss() { printf '%s\\n' ${sockets.map((each) => `'LISTEN 0 511 ${each}'`).join(" ")}; }`;
      const server = `setpriv --reuid=101 --clear-groups sleep 30 >/dev/null & trap "kill $!" EXIT; server=$!`;
      // The process is not another user's before setpriv has run.
      const is101 = `until grep -q '^Uid:.101' /proc/$server/status; do :; done`;
      const shown = `systemctl() { printf 'MainPID=%s\\nControlGroup=/system.slice/redis-server.service\\n' $server; }`;
      const refused = /^Could not connect/;
      const [first = ""] = asked(`-h ${host} -p 6379`, [ss, server, is101, shown].join("\n"));
      expect(first).toMatch(goes ? SERVICE : refused);
    });

    it("to root's own server, for whose sockets the kernel names no user", () => {
      const ss = `ss() { echo 'LISTEN 0 511 127.0.0.1:6379 0.0.0.0:* ino:1 sk:1 ${GROUP} <->'; }`;
      const shown = `systemctl() { printf 'MainPID=%s\\nControlGroup=/system.slice/redis-server.service\\n' $$; }`;
      expect(asked("-h 127.0.0.1 -p 6379", `${ss}\n${shown}`)[0]).toBe(SERVICE);
    });

    it.each([
      ["before the change, where the key is still the old user's alone", "1:1", "daemon"],
      ["after it, where the key is the new user's alone", `${uid}:${gid}`, SERVICE],
    ])("over TLS with the rights of a user who can read the key: %s", (_, owner, asks) => {
      env({ OLDUSER: "daemon", OLDGROUP: "daemon" });
      writeFileSync(join(etc, "key"), "", { mode: 0o400 });
      execFileSync("chown", [owner, join(etc, "key")]);
      const endpoint = `-h 127.0.0.1 -p 6379 --tls --cacert ca --cert c --key ${etc}/key`;
      expect(asked(endpoint, "listens() { :; }")[0]).toBe(asks);
    });
  });

  it("access is restored even where somebody holds the lock, unless the transaction ended well", () => {
    const busy = `lock() { return 1; }; mine() { :; }; systemctl() { :; }; let_in() { echo "let in"; }`;
    const states = ["applied", "applying", "rolling_back", "committed", "rolled_back"];
    const told = states.map((state) => {
      writeFileSync(join(folder, "state"), `${state}\n`);
      return run(shell, `${busy}; rollback asked`);
    });
    expect(told.map(({ out }) => out)).toEqual(["let in", "let in", "let in", "", ""]);
    expect(told.map(({ status }) => status)).toEqual([75, 75, 75, 75, 75]);
  });

  it("the installed server is asked for its version with the service user's rights", () => {
    const program = join(data, "redis-server");
    writeFileSync(program, "#!/bin/sh\nid -un\n", { mode: 0o755 });
    chownSync(program, uid, gid);
    expect(run(shell, `BIN='${program}'; ask_version`).out).toBe(SERVICE);
  });

  it("a folder that was root's for a moment is given back by the rollback where the run was cut off in it", () => {
    env({ OLDUSER: "root", OLDGROUP: "root" });
    const log = join(data, "redis.log");
    writeFileSync(log, "x");
    writeFileSync(join(folder, "expected-modes"), `${log} root:root 644\n`);
    expect(run(shell, `own '${log}' ${SERVICE}:${group} 640`).status).toBe(0);
    expect([log, data].map(look).map((each) => each.split(" ")[0])).toEqual([
      `${uid}:${gid}`,
      `${uid}:${gid}`,
    ]);
    expect(existsSync(join(folder, "taken"))).toBe(false);
  });
});
