/** Settings that would stop Redis, open it, or lose its keys. Row C of the catalogue in measure/faults. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CA_EXTENSIONS, EC, Workshop } from "../pki/support.ts";
import { type LabHost, startHost } from "./support/lab.ts";
import { filesOf, fill, onHost } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";
import { applyInVain } from "./support/untouched.ts";

describe("a plan that would not work on its host", () => {
  let host: LabHost;
  let project: Project;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    await fill(host, "app", 20_000);
    await host.redis("SAVE");
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  it("is refused with each reason: an absent address, a taken port, too little memory, wrong users, an unknown setting", async () => {
    await onHost(
      host,
      `systemd-run -q --unit=other python3 -m http.server 6380
       until ss -Hltn | grep -q :6380; do :; done`,
    );
    project.write("playbooks/templates/limits.conf.ejs", "maxmemory 1mb\nmax-memory-policy noeviction\n");
    const playbook = project.playbook("playbooks/wrong.yml", [
      { bind: { addresses: ["127.0.0.1", "203.0.113.9"] } },
      {
        acl: {
          users: [
            { name: "app", preset: "application", allow: ["+@nonsense"], password: { env: "APP_PASSWORD" } },
            { name: "admin", preset: "admin", password: { generate: true } },
          ],
        },
      },
      { "rename-command": { commands: { FLUSHALLL: "disable" } } },
      { tls: {} },
      { limits: { maxmemory: "1mb", maxmemory_policy: "noeviction" } },
    ]);
    const { found, guards } = await applyInVain(host, project, "refused", playbook);
    await onHost(host, "systemctl stop other");
    expect(found).toContain("bind 203.0.113.9: the host has no such address");
    expect(found).toContain("port 6380 is taken by other.service");
    expect(found).toMatch(/maxmemory 1mb is below 1.1 times the .* in use/);
    expect(found).toContain("@nonsense");
    expect(found).toContain('has no such command. Did you mean "FLUSHALL"?');
    expect(found).toContain("does not know the setting max-memory-policy");
    expect(guards).toEqual(
      expect.arrayContaining(["bind-absent-address", "maxmemory-below-used", "unknown-setting"]),
    );
  });

  it("is refused where the next start would load something else, and each setting is named", async () => {
    await onHost(
      host,
      `redis-cli CONFIG SET save '60 1'; cp -p /etc/redis/redis.conf /root/; mkdir -p /srv/redis
       sed -i -e 's|^dir .*|dir /srv/redis|' -e 's/^appendonly .*/appendonly yes/' \\
         -e 's/^dbfilename .*/dbfilename other.rdb/' /etc/redis/redis.conf`,
    );
    const { found, guards } = await applyInVain(host, project, "refused");
    expect(guards).toEqual(["persistence-differs"]);
    for (const setting of ["save", "dbfilename", "dir", "appendonly"])
      expect(found).toMatch(new RegExp(`\\b${setting} is "[^"]*", the file`));
    await onHost(
      host,
      "mv /root/redis.conf /etc/redis/; redis-cli CONFIG SET save '3600 1 300 100 60 10000'",
    );
  });

  it("is refused while a save is in progress", async () => {
    await onHost(host, "redis-cli CONFIG SET rdb-key-save-delay 10000; redis-cli BGSAVE");
    const { found } = await applyInVain(host, project, "refused");
    expect(found).toContain("Redis is busy: rdb_bgsave_in_progress");
    await onHost(
      host,
      // The signal with which Redis itself ends a snapshot.
      `redis-cli CONFIG SET rdb-key-save-delay 0; pkill -USR1 -P "$(systemctl show -p MainPID --value redis-server)"
       until redis-cli INFO persistence | grep -q rdb_bgsave_in_progress:0; do :; done`,
    );
  });

  it("is refused where redis.conf names a file that is not there", async () => {
    await onHost(host, "echo 'include /etc/redis/gone.conf' >>/etc/redis/redis.conf");
    const { found } = await applyInVain(host, project, "refused");
    expect(found).toMatch(/^\/etc\/redis\/redis.conf:\d+: \/etc\/redis\/gone.conf is missing$/);
    await onHost(host, "sed -i '$d' /etc/redis/redis.conf");
  });

  it("is stopped by the candidate, in the same sandbox as the service", async () => {
    // The running server started without it.
    await host.writeFile(
      "/etc/systemd/system/redis-server.service.d/site.conf",
      "[Service]\nSystemCallFilter=~listen\n",
    );
    await onHost(host, "systemctl daemon-reload");
    const { where } = await applyInVain(host, project, "failed", "--tags", "network");
    expect(where).toBe("validate");
  });
});

/** Certificates that Redis starts with, and that a client would not take; and why. */
const ZOO: Record<string, RegExp> = {
  nameless: /it does not cover .*127\.0\.0\.1/,
  elsewhere: /it does not cover .*127\.0\.0\.1/,
  weak: /its RSA key has 1024 bits/,
  orphan: /it is not signed by the CA/,
  stranger: /it is not signed by the CA/,
  client: /it is no server certificate/,
  authority: /it is a CA's own certificate/,
  old: /it is an X\.509 v1 certificate/,
};

describe("a Redis that was built without TLS", () => {
  it("is refused with that reason, and goes on as it was", async () => {
    await using host = await startHost();
    using project = openProject({ "redis-01": host });
    // No such build is to be had as a package. This one knows none of the settings, and says so as such a build does.
    await onHost(
      host,
      'sed -i s/tls-/tlz-/g "$(readlink -f /usr/bin/redis-server)"; systemctl restart redis-server',
    );
    const said = await onHost(host, "redis-server --port 0 --tls-port 7000 2>&1 || true");
    expect(said).toContain("Bad directive");
    const { found, guards } = await applyInVain(host, project, "refused");
    expect(found).toBe("Redis 7.0.15 on this host was built without TLS");
    expect(guards).toEqual([]);
  });
});

describe("a certificate of the operator's own", () => {
  let host: LabHost;
  let project: Project;
  let workshop: Workshop;
  let playbook: string;
  beforeAll(async () => {
    host = await startHost();
    const hosts = ["good", ...Object.keys(ZOO)];
    project = openProject(
      Object.fromEntries(hosts.map((name) => [name, host])),
      {},
      Object.fromEntries(hosts.map((name) => [name, { own: `zoo/${name}` }])),
    );
    project.write("zoo/README", "made by openssl for these tests\n");
    workshop = new Workshop(project.path("zoo"));
    const names = `subjectAltName=DNS:localhost,DNS:${await onHost(host, "hostname")},IP:127.0.0.1,IP:::1,IP:${host.ip}`;
    const server = ["extendedKeyUsage=serverAuth,clientAuth", names];
    const RSA = (bits: number) => [`rsa:${bits}`];
    workshop.authority("ca", EC, CA_EXTENSIONS);
    workshop.authority("other", EC, CA_EXTENSIONS);
    workshop.issue("between", "ca", EC, CA_EXTENSIONS);
    workshop.issue("good", "ca", EC, server);
    workshop.issue("nameless", "ca", EC, server.slice(0, 1));
    workshop.issue("elsewhere", "ca", EC, [...server.slice(0, 1), "subjectAltName=DNS:redis.example.com"]);
    workshop.issue("weak", "ca", RSA(1024), server);
    workshop.issue("orphan", "between", EC, server);
    workshop.issue("stranger", "other", EC, server);
    workshop.issue("client", "ca", EC, ["extendedKeyUsage=clientAuth", names]);
    workshop.issue("authority", "ca", EC, [...CA_EXTENSIONS, names]);
    workshop.issue("old", "ca", EC, []);
    const file = (path: string) => ({ file: path });
    const ca = { cert: file(workshop.path("ca.crt")), key: file(workshop.path("ca.key")) };
    const certificate = { cert: file("<%= own %>.crt"), key: file("<%= own %>.key") };
    playbook = project.playbook("tls.yml", [{ tls: { ca, certificate, clients: [] } }]);
  });
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  it("that clients would not accept is refused before the change, with the reason", async () => {
    const before = await filesOf(host);
    const run = await project.run("apply", playbook, "--yes", "--limit", "!good");
    expect(run.status).toBe(3);
    for (const [name, reason] of Object.entries(ZOO)) {
      expect(run.host(name)).toMatchObject({ status: "refused", error: { guards: ["certificate"] } });
      expect(run.host(name).error?.found).toMatch(reason);
    }
    expect(await filesOf(host)).toBe(before);
  });

  it("is judged by the host's clock, and a wrong clock is reported", async () => {
    await onHost(
      host,
      `mv /usr/bin/date /usr/bin/date.real
       printf '#!/bin/sh\\nexec /usr/bin/date.real -d "$(cat /run/skew)" "$@"\\n' >/usr/bin/date; chmod 755 /usr/bin/date`,
    );
    for (const [skew, reason] of [
      ["+200 days", "it has expired"],
      ["-2 days", "it is not valid yet by the host's clock"],
    ]) {
      await host.writeFile("/run/skew", `${skew}\n`);
      const run = await project.run("apply", playbook, "--yes", "--limit", "good");
      expect(run.status).toBe(3);
      expect(run.host("good").error?.found).toBe(`tls.certificate: ${reason}`);
    }
    await onHost(host, "mv /usr/bin/date.real /usr/bin/date");
  });

  it("that is unreadable, or has another key, ends the run before any host is touched", async () => {
    workshop.write("mixed.crt", workshop.pair("good").certificate);
    workshop.write("mixed.key", workshop.pair("weak").key.reveal());
    workshop.write("broken.crt", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n");
    workshop.write("broken.key", workshop.pair("good").key.reveal());
    for (const name of ["mixed", "broken", "absent"]) {
      const run = project.run(
        "apply",
        playbook,
        "--yes",
        "--limit",
        "good",
        "-e",
        `own=${workshop.path(name)}`,
      );
      await expect(run, name).rejects.toThrow(/ended with 1: .*No host was touched/s);
    }
  });

  it("that clients accept is served", async () => {
    const run = await project.run("apply", playbook, "--yes", "--limit", "good");
    expect(run.host("good")).toMatchObject({ status: "changed", error: null });
    const served = await onHost(
      host,
      "openssl s_client -connect localhost:6380 </dev/null 2>/dev/null | openssl x509",
    );
    expect(served).toBe(workshop.pair("good").certificate.trim());
  });
});
