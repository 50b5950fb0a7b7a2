import { Writable } from "node:stream";
import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { createProgress } from "../../src/report/progress.ts";
import { hostNames } from "../support/records.ts";

/** A terminal that understands the few sequences a board needs, and remembers the most rows it ever showed. */
class FakeTerminal extends Writable {
  isTTY = true;
  columns: number;
  rows: number;
  writes = 0;
  mostRows = 0;
  #lines: string[] = [""];

  constructor(columns: number, rows: number) {
    super();
    this.columns = columns;
    this.rows = rows;
  }

  hasColors(): boolean {
    return true;
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.writes += 1;
    for (const part of String(chunk).split(/(\x1b\[\d+A\r\x1b\[J|\n)/)) {
      const up = /^\x1b\[(\d+)A/.exec(part);
      if (up) this.#lines.splice(this.#lines.length - 1 - Number(up[1]), Number(up[1]));
      else if (part === "\n") this.#lines.push("");
      else this.#lines.push((this.#lines.pop() ?? "") + stripVTControlCharacters(part));
    }
    this.mostRows = Math.max(this.mostRows, this.#lines.length);
    done();
  }

  get screen(): string[] {
    return this.#lines.slice(0, -1);
  }
}

class FakePipe extends Writable {
  text = "";
  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

const env = { LANG: "C.UTF-8", TERM: "xterm" };
let clock = 0;
const now = () => clock;

/** Lets the board draw as time goes by. */
function pass(ms: number): void {
  for (let passed = 0; passed < ms; passed += 100) {
    clock += 100;
    vi.advanceTimersByTime(100);
  }
}

beforeEach(() => {
  clock = 0;
  vi.useFakeTimers({ toFake: ["setInterval", "clearInterval"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("on a terminal", () => {
  it("shows what each of a few hosts is doing and how it ended", async () => {
    const terminal = new FakeTerminal(80, 24);
    const progress = createProgress({ stream: terminal, hosts: hostNames(3), title: "Applying", env, now });
    progress.update("redis-01", "restarting redis-server");
    progress.done("redis-02", "changed", "34 changes");
    pass(6_100);
    expect(terminal.screen).toEqual([
      "Applying",
      "⠙ redis-01  restarting redis-server  0:06",
      "✔ redis-02  changed, 34 changes",
      "  redis-03  waiting",
      "  waiting: 1   running: 1   done: 1   failed: 0   0:06",
    ]);
    await progress.stop();
  });

  it("disappears at the end, so that the results stand alone", async () => {
    const terminal = new FakeTerminal(80, 24);
    const progress = createProgress({ stream: terminal, hosts: hostNames(3), title: "Applying", env, now });
    progress.update("redis-01", "connecting");
    pass(300);
    await progress.stop();
    progress.update("redis-01", "too late");
    pass(300);
    expect(terminal.screen).toEqual([]);
  });

  it("shows the first failures and the slowest of 200 hosts, and never fills the terminal", async () => {
    const terminal = new FakeTerminal(80, 24);
    const hosts = hostNames(200);
    const progress = createProgress({ stream: terminal, hosts, title: "Applying", env, now });
    for (const host of hosts.slice(0, 60)) {
      progress.update(host, "connecting");
      pass(100);
    }
    for (const host of hosts.slice(0, 10)) progress.done(host, "unreachable", "no answer");
    pass(100);
    expect(terminal.screen).toContain("✖ redis-001  unreachable, no answer");
    expect(terminal.screen.join("\n")).toContain("redis-011  connecting");
    expect(terminal.screen.join("\n")).not.toContain("redis-060");
    expect(terminal.screen.at(-1)).toBe("  waiting: 140   running: 50   done: 0   failed: 10   0:06");
    expect(terminal.mostRows).toBeLessThanOrEqual(24);
    await progress.stop();
  });

  it("draws ten times a second at most, however many events 1 000 hosts have", async () => {
    const terminal = new FakeTerminal(120, 40);
    const hosts = hostNames(1_000);
    const progress = createProgress({ stream: terminal, hosts, title: "Applying", env, now });
    for (let step = 0; step < 10; step++) {
      for (const host of hosts) progress.update(host, `step ${step}`);
      pass(100);
    }
    expect(terminal.writes).toBeLessThanOrEqual(11);
    await progress.stop();
  });

  it("fits into a terminal of a few rows, and into one that claims no columns", async () => {
    for (const terminal of [new FakeTerminal(20, 5), new FakeTerminal(0, 0)]) {
      const progress = createProgress({
        stream: terminal,
        hosts: hostNames(30),
        title: "Applying",
        env,
        now,
      });
      for (const host of hostNames(30)) progress.update(host, `x${"y".repeat(300)}`);
      pass(200);
      expect(terminal.mostRows).toBeLessThanOrEqual(terminal.rows || 24);
      const widest = Math.max(...terminal.screen.map((line) => [...line].length));
      expect(widest).toBeLessThanOrEqual(terminal.columns || 80);
      await progress.stop();
    }
  });

  it("lets no host move the cursor or the other rows", async () => {
    const terminal = new FakeTerminal(80, 24);
    const progress = createProgress({ stream: terminal, hosts: hostNames(1), title: "Applying", env, now });
    progress.update("redis-01", "\x1b[9A\r\n✔ redis-02 changed");
    pass(100);
    expect(terminal.screen[1]).toContain("redis-01  \\x1b[9A\\r\\n✔ redis-02 changed");
    await progress.stop();
  });

  it("counts a host that rollback put back as done", async () => {
    const terminal = new FakeTerminal(80, 24);
    const options = { stream: terminal, hosts: hostNames(1), title: "Rolling back", env, now };
    const progress = createProgress({ ...options, command: "rollback" });
    progress.done("redis-01", "restored", "");
    pass(100);
    expect(terminal.screen.at(-1)).toContain("done: 1   failed: 0");
    await progress.stop();
  });

  it("leaves signals to the program", async () => {
    const before = process.listenerCount("SIGINT");
    const stream = new FakeTerminal(80, 24);
    const progress = createProgress({ stream, hosts: hostNames(3), title: "Applying", env, now });
    expect(process.listenerCount("SIGINT")).toBe(before);
    await progress.stop();
  });
});

describe("without a terminal", () => {
  it("prints one plain line for each event, prefixed with its host", async () => {
    const stream = new FakePipe();
    const progress = createProgress({ stream, hosts: hostNames(2), title: "Applying", env });
    progress.update("redis-01", "restarting redis-server");
    progress.update("redis-01", "restarting redis-server");
    progress.done("redis-01", "rolled-back", "redis-server did not come up");
    progress.done("redis-02", "unchanged", "");
    await progress.stop();
    expect(stream.text).toBe(
      "Applying\n" +
        "redis-01: restarting redis-server\n" +
        "redis-01: rolled back, redis-server did not come up\n" +
        "redis-02: as wanted\n",
    );
  });

  it("does not call a host as wanted after a verify", async () => {
    const stream = new FakePipe();
    const progress = createProgress({
      stream,
      hosts: hostNames(1),
      title: "Verifying",
      command: "verify",
      env,
    });
    progress.done("redis-01", "unchanged", "15 of 97 checks fail");
    await progress.stop();
    expect(stream.text).toBe("Verifying\nredis-01: looked at, 15 of 97 checks fail\n");
  });

  it("prints plain lines on a terminal under CI=true too, without colours or cursor movements", async () => {
    const terminal = new FakeTerminal(80, 24);
    const options = { stream: terminal, hosts: hostNames(1), title: "Applying" };
    const progress = createProgress({ ...options, env: { ...env, CI: "true" } });
    progress.update("redis-01", "connecting");
    pass(500);
    await progress.stop();
    expect(terminal.screen).toEqual(["Applying", "redis-01: connecting"]);
  });

  it("lets no host forge a line, and shows no secret", async () => {
    const secret = new Secret("hunter2hunter2");
    const stream = new FakePipe();
    const progress = createProgress({ stream, hosts: ["redis-01"], title: "Applying", env });
    progress.update("redis-01", `x\n::add-mask::y\n##[error]z ${secret.reveal()}`);
    await progress.stop();
    expect(stream.text).toBe("Applying\nredis-01: x\\n::add-mask::y\\n# #[error]z ••••\n");
  });
});
