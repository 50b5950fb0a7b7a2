/** A service user and clients of Redis that turn what redkeep asks and reads against it, on real hosts. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LabHost, startHost } from "./support/lab.ts";
import { onHost } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

/** What the program of the attacker leaves where root runs it. */
const PWNED = "/tmp/pwned";

/**
 * Stands before Redis' socket, as whoever took the server over can: /run/redis is its own folder. To every line that redkeep
 * has a server ECHO it learns the word of the titles, and it ends the answer to INFO with parts of its own.
 */
const PROXY = String.raw`
import os, re, socket, threading
real, front = "/run/redis/real.sock", "/run/redis/redis.sock"
def forged(word):
    text = ""
    for title, body in (("client", "/var/lib/redis/evil"), ("listeners", "tcp LISTEN 0 511 127.0.0.1:6379 0.0.0.0:* uid:101 cgroup:/system.slice/redis-server.service <->")):
        text += "\r\n%s %s\n%s\n\n\"%s %s\"\n%s\n" % (word, title, body, word, title, body)
    return text.encode()
def serve(client):
    server = socket.socket(socket.AF_UNIX); server.connect(real)
    state = {"word": None}
    def up():
        while True:
            data = client.recv(65536)
            if not data: break
            found = re.search(rb"([0-9a-f]{24}) ", data)
            if found: state["word"] = found.group(1).decode()
            server.sendall(data)
        server.shutdown(socket.SHUT_WR)
    threading.Thread(target=up, daemon=True).start()
    buffered = b""
    while True:
        data = server.recv(65536)
        if not data: break
        found = re.search(rb"\$(\d+)\r\n(# Server\r\n)", data)
        if found and state["word"] and len(data) >= found.start(2) + int(found.group(1)):
            end = found.start(2) + int(found.group(1))
            more = forged(state["word"])
            data = data[:found.start(1)] + str(int(found.group(1)) + len(more)).encode() + data[found.end(1):end] + more + data[end:]
        client.sendall(data)
    client.close()
if os.path.exists(front): os.remove(front)
listening = socket.socket(socket.AF_UNIX); listening.bind(front); listening.listen(50)
open("/run/redis/ready", "w").close()
while True:
    client, _ = listening.accept()
    threading.Thread(target=serve, args=(client,), daemon=True).start()
`;

describe("a server that was taken over", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    await onHost(
      host,
      `sed -i 's/^bind .*/bind 0.0.0.0 -::1/' /etc/redis/redis.conf
       echo 'unixsocket /run/redis/redis.sock' >>/etc/redis/redis.conf; systemctl restart redis-server
       until [ -S /run/redis/redis.sock ]; do :; done; mv /run/redis/redis.sock /run/redis/real.sock
       printf '#!/bin/sh\\nid >>${PWNED}\\n' >/var/lib/redis/evil; chmod 755 /var/lib/redis/evil; chown redis: /var/lib/redis/evil`,
    );
    await host.sh("cat >/var/lib/redis/proxy.py; chmod 644 /var/lib/redis/proxy.py", PROXY);
    await onHost(
      host,
      `systemd-run -q --unit=proxy -p User=redis python3 /var/lib/redis/proxy.py; until [ -e /run/redis/ready ]; do :; done`,
    );
  });
  afterAll(async () => {
    project[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  });

  it("names no program that root runs, and makes no failed check pass", async () => {
    const verify = await project.run("verify");
    const checks = verify.host("redis-01").checks.filter(({ control }) => control === "RK-NET-01");
    expect(checks.filter(({ outcome }) => outcome === "pass")).toEqual([]);
    const apply = await project.run("apply", "--yes");
    expect(apply.status).not.toBe(0);
    expect(await onHost(host, `cat ${PWNED} 2>/dev/null; true`)).toBe("");
    // Nothing hides: the host says that somebody answers in Redis' place, or that it listens everywhere.
    expect(`${verify.host("redis-01").error?.found}${JSON.stringify(checks)}`).toMatch(
      /was not asked for|two answers|0\.0\.0\.0/,
    );
  });
});

describe("what clients and the service user leave on a host", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
  });
  afterAll(async () => {
    project[Symbol.dispose]();
    await host[Symbol.asyncDispose]();
  });

  it("may be of any size: plan and verify still report everything else", async () => {
    await onHost(
      host,
      `python3 - <<'END'
import socket
s = socket.create_connection(("127.0.0.1", 6379))
def ask(*words):
    s.sendall(b"*%d\\r\\n" % len(words) + b"".join(b"$%d\\r\\n%s\\r\\n" % (len(w), w) for w in words)); return s.recv(100)
ask(b"ACL", b"SETUSER", b"small", b"on", b">Some-password-of-tests", b"+get", b"~a")
ask(b"SET", b"k" * (18 << 20), b"1")
ask(b"AUTH", b"small", b"Some-password-of-tests")
ask(b"GET", b"x" * (18 << 20))
END`,
    );
    const plan = await project.run("plan", "--accept", "memory-only-users");
    expect(plan.host("redis-01").error).toBeNull();
    expect(plan.host("redis-01").status).toBe("would-change");
    const verify = await project.run("verify");
    const record = verify.host("redis-01");
    expect(record.error).toBeNull();
    expect(
      record.checks.filter(({ control }) => control === "RK-NET-02").map(({ outcome }) => outcome),
    ).toEqual(["pass"]);
    await onHost(host, "redis-cli flushall; redis-cli acl deluser small; redis-cli acl log reset");
  });

  it("forges no fact by a name with line breaks", async () => {
    const name = "x.rdb\nregular file|root|root|640|1|5|/etc/redis/redis.conf";
    await host.sh(
      `read -r name; cd /var/lib/redis; name=$(printf "$name"); : >"$name"`,
      `${name.replaceAll("\n", "\\n")}\n`,
    );
    const verify = await project.run("verify");
    const modes = verify.host("redis-01").checks.filter(({ control }) => control === "RK-SYS-03");
    expect(modes.filter(({ outcome }) => outcome === "pass")).toEqual([]);
    await onHost(host, "rm -f /var/lib/redis/x.rdb*");
  });

  it("neither hangs the probe with a FIFO nor makes root read through a link swapped in at the last moment", async () => {
    await onHost(host, `cp -p /etc/redis/redis.conf /etc/redis/real; echo SHADOWMARKER >>/etc/shadow`);
    await onHost(
      host,
      `cat >/var/lib/redis/swap.py <<'END'
import os
os.chdir("/etc/redis")
while True:
    for make in (lambda: os.mkfifo("next"), lambda: os.symlink("/etc/shadow", "next"), lambda: os.link("real", "next"), lambda: os.symlink("/dev/zero", "next")):
        make(); os.rename("next", "redis.conf")
END
       systemd-run -q --unit=swap -p User=redis python3 /var/lib/redis/swap.py`,
    );
    for (let run = 0; run < 8; run++) {
      const plan = await project.run("plan", "--diff");
      expect(plan.stdout + plan.stderr + JSON.stringify(plan.record)).not.toContain("SHADOWMARKER");
      expect(plan.host("redis-01").error?.found).not.toEqual(expect.stringContaining("did not end within"));
    }
    await onHost(
      host,
      "systemctl stop swap; rm -f /etc/redis/next /etc/redis/redis.conf; mv /etc/redis/real /etc/redis/redis.conf",
    );
  });

  it("includes a server's program that others could have written, which root does not run", async () => {
    await onHost(
      host,
      `install -d -o redis /opt/redis; cp "$(readlink -f /usr/bin/redis-server)" /opt/redis/real
       printf '#!/bin/sh\\nid -u >>${PWNED}\\nexec /opt/redis/real "$@"\\n' >/opt/redis/redis-server
       chmod 755 /opt/redis/*; chown -R redis: /opt/redis
       mkdir -p /etc/systemd/system/redis-server.service.d
       printf '[Service]\\nExecStart=\\nExecStart=/opt/redis/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no\\nNoExecPaths=\\nExecPaths=\\n' >/etc/systemd/system/redis-server.service.d/opt.conf
       rm -f ${PWNED}; systemctl daemon-reload; systemctl restart redis-server`,
    );
    const verify = await project.run("verify");
    const checks = verify.host("redis-01").checks.filter(({ control }) => control === "RK-SYS-13");
    expect(checks.map(({ outcome, observed }) => `${outcome}: ${observed}`)).toEqual([
      "fail: /opt/redis/redis-server",
    ]);
    const apply = await project.run("apply", "--yes");
    expect(apply.host("redis-01")).toMatchObject({
      status: "refused",
      error: { found: expect.stringContaining("/opt/redis/redis-server") },
    });
    expect((await onHost(host, `cat ${PWNED}; true`)).split("\n")).not.toContain("0");
  });

  it("makes root run no program of the service user's, although its path is swapped at the last moment", async () => {
    const spy = `#!/bin/sh\nid -u >>${PWNED}\nexec /usr/bin/redis-server "$@"\n`;
    await host.writeFile("/srv/redis/evil/redis-server", spy, "0755", "redis:redis");
    await onHost(
      host,
      `rm -f ${PWNED}; mkdir -p /srv/redis/bin /etc/systemd/system/redis-server.service.d; cp "$(readlink -f /usr/bin/redis-server)" /srv/redis/bin/redis-server; chown -R redis:redis /srv/redis
       printf '[Service]\\nExecStart=\\nExecStart=/srv/redis/bin/redis-server /etc/redis/redis.conf --supervised systemd --daemonize no\\nExecPaths=/srv/redis\\n' >/etc/systemd/system/redis-server.service.d/opt.conf
       systemctl daemon-reload; systemctl restart redis-server
       cat >/var/lib/redis/turn.sh <<'END'
cd /srv/redis; mv bin real; ln -s /usr/bin bin; : >/var/lib/redis/turned
until pgrep -u redis -x redis-cli >/dev/null; do :; done
ln -sfn evil bin
END
       systemd-run -q --unit=turn -p User=redis sh /var/lib/redis/turn.sh; until [ -e /var/lib/redis/turned ]; do :; done`,
    );
    const verify = await project.run("verify");
    expect((await onHost(host, `readlink /srv/redis/bin; cat ${PWNED}; true`)).split("\n")).toEqual(["evil"]);
    const checks = verify.host("redis-01").checks.filter(({ control }) => control === "RK-SYS-13");
    expect(checks.map(({ outcome, observed }) => `${outcome}: ${observed}`)).toEqual([
      "fail: /srv/redis/bin/redis-server",
    ]);
    expect((await project.run("apply", "--yes")).host("redis-01")).toMatchObject({
      status: "refused",
      error: { found: expect.stringContaining("/srv/redis/bin/redis-server") },
    });
  });
});
