import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadInventory } from "../../src/inventory/load-inventory.ts";
import { Cancelled } from "../../src/lib/errors.ts";
import { Secret } from "../../src/lib/secret.ts";
import { directoryWith, refusal } from "./inventory-on-disk.ts";

/** The inventory of a shell program. */
async function fleet(body: string, options: { programSeconds?: number; interrupted?: AbortSignal } = {}) {
  const cwd = await directoryWith({ "fleet.sh": `#!/bin/sh\n${body}\n` });
  return { cwd, inventory: loadInventory({ sources: ["fleet.sh"], cwd, ...options }) };
}
const refused = async (...given: Parameters<typeof fleet>) => refusal((await fleet(...given)).inventory);

/** Whether the process whose id the program left in a file is still there. */
async function isAlive(cwd: string, file: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(join(cwd, file), "utf8"));
    // A killed process still answers as long as nobody has waited for it.
    return !/^State:\s+Z/m.test(await readFile(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const CLI = join(import.meta.dirname, "../../src/cli.ts");
const HANGING = "sleep 600 & echo $! >child; echo $$ >self; wait";

describe("a program that is an inventory", () => {
  it.each([
    ["fleet.sh", 0o777, "it"],
    [".", 0o777, "its folder"],
  ])("is not run where every user may write to %s", async (name, mode, what) => {
    const cwd = await directoryWith({ "fleet.sh": "#!/bin/sh\necho >ran; echo '{}'\n" });
    await chmod(join(cwd, name), mode);
    const message = await refusal(loadInventory({ sources: ["fleet.sh"], cwd }));
    expect(message).toContain(
      `fleet.sh  is not run, as every user may write to ${what}: say chmod o-w ${cwd}`,
    );
    await expect(readFile(join(cwd, "ran"))).rejects.toThrow("ENOENT");
  });

  it("is run in a folder such as /tmp, where nobody changes another's files", async () => {
    const cwd = await directoryWith({ "fleet.sh": `#!/bin/sh\necho '{"g": {"hosts": ["a"]}}'\n` });
    await chmod(cwd, 0o1777);
    expect((await loadInventory({ sources: ["fleet.sh"], cwd })).hosts.size).toBe(1);
  });

  it("is ended with its children when it does not answer in time", async () => {
    const { cwd, inventory } = await fleet(HANGING, { programSeconds: 2 });
    expect(await refusal(inventory)).toBe(
      "fleet.sh --list  expected an answer within 2 s, found none; the program was ended",
    );
    await expect.poll(() => isAlive(cwd, "child")).toBe(false);
    await expect.poll(() => isAlive(cwd, "self")).toBe(false);
  });

  it("is not waited for where a child that left its process group keeps its output open", async () => {
    const message = await refused("setsid sleep 20 & echo '{}'; exit 0", { programSeconds: 2 });
    expect(message).toContain("expected an answer within 2 s");
  });

  it("is ended with its children when the run is interrupted", async () => {
    const interrupt = new AbortController();
    const { cwd, inventory } = await fleet(HANGING, { interrupted: interrupt.signal });
    const end = expect(inventory).rejects.toThrow(Cancelled);
    await expect.poll(() => isAlive(cwd, "self")).toBe(true);
    interrupt.abort();
    await end;
    await expect.poll(() => isAlive(cwd, "child")).toBe(false);
    await expect.poll(() => isAlive(cwd, "self")).toBe(false);
  });

  it("is ended by a Ctrl-C to redkeep, which ends with 130", async () => {
    const cwd = await directoryWith({ "fleet.sh": `#!/bin/sh\n${HANGING}\n` });
    const redkeep = spawn(process.execPath, [CLI, "inventory", "-i", "fleet.sh", "--list"], {
      cwd,
      stdio: "ignore",
    });
    const ended = once(redkeep, "exit");
    await expect.poll(() => isAlive(cwd, "self")).toBe(true);
    redkeep.kill("SIGINT");
    expect(await ended).toEqual([130, null]);
    await expect.poll(() => isAlive(cwd, "child")).toBe(false);
  });

  it("does not start once the run is interrupted", async () => {
    const { inventory } = await fleet("exit 1", { interrupted: AbortSignal.abort() });
    await expect(inventory).rejects.toThrow(Cancelled);
  });

  it("is ended where it prints more than 32 MiB, and costs no more memory than that", async () => {
    const before = process.memoryUsage().rss;
    const message = await refused("head -c 100000000 /dev/zero; echo $? >status; sleep 600");
    expect(message).toBe(
      "fleet.sh --list  expected at most 32 MiB of JSON, found more; the program was ended",
    );
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
  });

  it("is refused with what it said last, secrets masked and without what a terminal obeys", async () => {
    new Secret("hunter2-hunter2");
    const message = await refused(
      "yes ':: noise' | head -n 100000 >&2; printf 'no \\033[2Jaccess for hunter2-hunter2\\n' >&2; exit 4",
    );
    expect(message).toContain("found exit status 4. It said: :: noise | ");
    expect(message).toContain("no \\x1b[2Jaccess for ••••");
    expect(message.length).toBeLessThan(1200);
  });

  it("shows nothing of a line of stderr that was cut: it may be half of a secret", async () => {
    const message = await refused("head -c 20000 /dev/zero | tr '\\0' x >&2; echo end >&2; exit 1");
    expect(message).toBe("fleet.sh --list  expected exit status 0, found exit status 1");
  });

  it("is refused where a signal ends it", async () => {
    expect(await refused("kill -SEGV $$")).toContain("found signal SIGSEGV");
  });

  it("is refused where the program of its first line does not exist", async () => {
    const cwd = await directoryWith({ "fleet.py": "#!/nonexistent/python\n" });
    expect(await refusal(loadInventory({ sources: ["fleet.py"], cwd }))).toBe(
      "fleet.py --list  cannot be run: the program that its first line names does not exist",
    );
  });

  it("is refused where it prints bytes that are no UTF-8", async () => {
    expect(await refused('printf \'{"a": ["\\377"]}\'')).toContain(
      "expected JSON in UTF-8, found other bytes",
    );
  });

  it("is refused where its answer is nested without end", async () => {
    const deep = "head -c 200000 /dev/zero | tr '\\0' [; head -c 200000 /dev/zero | tr '\\0' ]";
    expect(await refused(deep)).toMatch(/^fleet.sh --list:1:\d+ {2}nesting exceeded/);
  });

  it("shows nothing of an answer that is no JSON: it may hold a password", async () => {
    expect(await refused("echo '{\"a\": hunter2}'")).not.toContain("hunter2");
  });

  it("is named with the line of its answer in messages about a value", async () => {
    const answer = '{"g": {"hosts": ["h"]},\n "_meta": {"hostvars": {"h": 3}}}';
    expect(await refused(`cat <<'END'\n${answer}\nEND`)).toBe(
      "fleet.sh --list:2:30  h: expected the host's variables as an object, found the number 3",
    );
  });

  it("keeps names such as __proto__ as plain names", async () => {
    const { inventory } = await fleet(
      `echo '{"__proto__": {"hosts": ["h"], "vars": {"__proto__": {"x": 1}}}, "_meta": {"hostvars": {"__proto__": {"y": 1}}}}'`,
    );
    const { hosts } = await inventory;
    expect(Object.keys({})).toEqual([]);
    expect(hosts.get("h")?.groups).toEqual(["__proto__"]);
    expect(JSON.stringify(hosts.get("h")?.variables.get("__proto__")?.value)).toBe('{"x":1}');
  });

  it("is asked for no host that could pass for an option", async () => {
    const message = await refused(`case $1 in --list) echo '{"g": ["--help"]}' ;; *) touch asked ;; esac`);
    expect(message).toContain('"--help": a host name has only letters');
  });

  it("is run with the arguments that Ansible gives it, and with no others", async () => {
    const cwd = await directoryWith({
      "fleet.sh": '#!/bin/sh\necho "$*" >>asked\necho \'{"g": ["a", "b"]}\'\n',
    });
    await refusal(loadInventory({ sources: ["fleet.sh"], cwd }));
    expect(await readFile(join(cwd, "asked"), "utf8")).toBe("--list\n--host a\n--host b\n");
  });
});
