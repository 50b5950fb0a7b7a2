import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { issueClientCertificate, issueServerCertificate } from "../../src/pki/issue.ts";
import { type LabHost, startHost } from "./support/lab.ts";
import { onHost, redisProcess } from "./support/observe.ts";
import { openProject, type Project } from "./support/project.ts";

const TLS = "/etc/redis/tls";
const LISTEN = { name: "listen", bind: { addresses: ["127.0.0.1", "<%= private_ip %>"] } };
const USERS = {
  name: "users",
  acl: { users: [{ name: "admin", preset: "admin", password: { generate: true } }] },
};

describe("a server's certificate", () => {
  let host: LabHost;
  let project: Project;
  let playbook: string;
  beforeAll(async () => {
    host = await startHost();
    project = openProject({ "redis-01": host });
    playbook = project.playbook("tls.yml", [LISTEN, USERS, { name: "encrypt", tls: { clients: ["app"] } }]);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.status, run.stdout + run.stderr).toBe(0);
  }, 180_000);
  afterAll(async () => {
    project?.[Symbol.dispose]();
    await host?.[Symbol.asyncDispose]();
  });

  /** What a Redis answers to whoever shows it the certificate of this one. */
  const shown = async (): Promise<string> => {
    const files = `--cacert ${TLS}/redkeep-ca.crt --cert ${TLS}/redkeep-server.crt --key ${TLS}/redkeep-server.key`;
    return (await host.sh(`redis-cli -h 127.0.0.1 -p 6380 --tls ${files} PING 2>&1 || true`)).stdout;
  };

  it("opens no other server as a client's certificate, and passes all checks", async () => {
    expect(await shown()).not.toMatch(/NOAUTH|PONG/);
    const { checks } = (await project.run("verify", playbook)).host("redis-01");
    const told = checks.filter(({ control }) => /^RK-(TLS|ACL)-/.test(control));
    expect(told.filter(({ outcome }) => outcome === "fail" || outcome === "unknown")).toEqual([]);
    const again = await project.run("apply", playbook, "--yes");
    expect(again.record.summary).toMatchObject({ unchanged: 1, changes: 0 });
  });

  it("that is a client's too, from an earlier version, is issued anew without a restart", async () => {
    const pki = (name: string) => readFileSync(project.path(`.redkeep/pki/${name}`), "utf8");
    const ca = { certificate: pki("ca.crt"), key: new Secret(pki("ca.key")) };
    const names = {
      dns: [await onHost(host, "hostname"), "localhost"],
      ip: ["127.0.0.1", "::1", host.ip],
    };
    const { certificate, key } = await issueServerCertificate(ca, "redis-01", names, 825, true);
    await host.writeFile(`${TLS}/redkeep-server.crt`, certificate, "0640", "root:redis");
    await host.writeFile(`${TLS}/redkeep-server.key`, key.reveal(), "0640", "root:redis");
    await project.asAdmin(host, `CONFIG SET tls-cert-file ${TLS}/redkeep-server.crt`);
    expect(await shown()).toMatch(/NOAUTH/);
    const process = await redisProcess(host);
    const run = await project.run("apply", playbook, "--yes");
    expect(run.status, run.stdout + run.stderr).toBe(0);
    expect(run.host("redis-01").tasks.flatMap(({ changes }) => changes)).toContainEqual(
      expect.objectContaining({
        address: `file:${TLS}/redkeep-server.crt`,
        before: "it is a client's too, so that it opens other servers",
        after: "issued for 825 days, for serving alone, 0640 root:redis",
      }),
    );
    expect(await redisProcess(host)).toBe(process);
    expect(await shown()).not.toMatch(/NOAUTH|PONG/);
  });

  /** A playbook with these clients, and the files of their certificates. */
  const withClients = (...clients: string[]) =>
    project.playbook(`${clients.join("-")}.yml`, [LISTEN, USERS, { name: "encrypt", tls: { clients } }]);
  const clientFile = (name: string) => project.path(`.redkeep/pki/clients/${name}`);
  const pair = (name: string): [certificate: string, key: string] => [
    readFileSync(clientFile(`${name}.crt`), "utf8"),
    readFileSync(clientFile(`${name}.key`), "utf8"),
  ];
  const authority = () => {
    const pki = (name: string) => readFileSync(project.path(`.redkeep/pki/${name}`), "utf8");
    return { certificate: pki("ca.crt"), key: new Secret(pki("ca.key")) };
  };
  /** Puts a client's certificate of so many days into the state. */
  const keepClient = async (name: string, days: number) => {
    const { certificate, key } = await issueClientCertificate(authority(), name, days);
    writeFileSync(clientFile(`${name}.crt`), certificate);
    writeFileSync(clientFile(`${name}.key`), key.reveal());
  };
  /** What Redis answers to whoever comes with this certificate and its key. */
  const answerTo = async (certificate: string, key: string): Promise<string> => {
    await host.writeFile("/root/client.crt", certificate, "0600", "root:root");
    await host.writeFile("/root/client.key", key, "0600", "root:root");
    const files = `--cacert ${TLS}/redkeep-ca.crt --cert /root/client.crt --key /root/client.key`;
    return (await host.sh(`redis-cli -h 127.0.0.1 -p 6380 --tls ${files} PING 2>&1 || true`)).stdout;
  };

  it("of a new client is issued by apply without a change to any host", async () => {
    const wider = withClients("app", "batch");
    const planned = await project.run("plan", wider);
    expect(planned.status, planned.stdout).toBe(2);
    expect(planned.record.summary).toMatchObject({ unchanged: 1, wouldChange: 0 });
    expect(planned.record.controller).toMatchObject({
      status: "would-change",
      changes: [{ address: "pki:batch", action: "create" }],
    });
    expect(planned.stdout).toMatch(/On this controller.*1 change, no host is touched/);
    expect(existsSync(clientFile("batch.crt"))).toBe(false);

    const before = await onHost(host, "find /var/lib/redkeep /etc/redis -newermt @0 | xargs stat -c '%n %Z'");
    const applied = await project.run("apply", wider, "--yes");
    expect(applied.status, applied.stdout + applied.stderr).toBe(0);
    expect(applied.record.summary).toMatchObject({ unchanged: 1, changed: 0 });
    expect(applied.record.controller).toMatchObject({ status: "changed" });
    expect(await onHost(host, "find /var/lib/redkeep /etc/redis -newermt @0 | xargs stat -c '%n %Z'")).toBe(
      before,
    );
    expect(await answerTo(...pair("batch"))).toMatch(/NOAUTH/);

    const again = await project.run("plan", wider);
    expect(again.status, again.stdout).toBe(0);
  });

  it("of a client is issued anew before it ends, and verify tells when each ends", async () => {
    const wider = withClients("app", "batch");
    await keepClient("batch", 10);
    const warned = await project.run("verify", wider);
    expect(warned.record.controller).toMatchObject({ status: "unchanged", changes: [] });
    expect(warned.stdout).toMatch(/! +clients +batch ends in 9 days/);
    expect(warned.record.controller?.certificates).toContainEqual(
      expect.objectContaining({ name: "client:batch", state: "ending" }),
    );
    expect(warned.host("redis-01").checks).toContainEqual(
      expect.objectContaining({ control: "RK-TLS-10", outcome: "pass" }),
    );
    expect(warned.host("redis-01").certificates).toEqual([
      expect.objectContaining({ name: "server", state: "valid", ends: expect.any(String) }),
      expect.objectContaining({ name: "ca", state: "valid" }),
    ]);

    await keepClient("batch", 0.02);
    const ended = await project.run("verify", wider);
    expect(ended.host("redis-01").checks).toContainEqual(
      expect.objectContaining({ control: "RK-TLS-10", outcome: "fail" }),
    );
    const planned = await project.run("plan", wider);
    expect(planned.status).toBe(2);
    expect(planned.record.controller?.changes).toEqual([
      expect.objectContaining({ address: "pki:batch", action: "update" }),
    ]);
    expect((await project.run("apply", wider, "--yes")).status).toBe(0);
    expect((await project.run("verify", wider)).record.controller?.certificates).toContainEqual(
      expect.objectContaining({ name: "client:batch", state: "valid" }),
    );
  });

  it("of a client whose key leaked is replaced alone, and apply says that the old one stays valid", async () => {
    const old = pair("app");
    const run = await project.run("apply", withClients("app", "batch"), "--yes", "--rotate", "client:app");
    expect(run.status, run.stdout + run.stderr).toBe(0);
    expect(run.record.controller?.changes.map(({ address }) => address)).toEqual(["pki:app"]);
    expect(run.stdout.replace(/\s+/g, " ")).toMatch(
      /old certificate of app stays valid until \d{4}-\d\d-\d\d/,
    );
    expect(run.stdout).toContain("--rotate ca");
    expect(pair("app")).not.toEqual(old);
    expect(await answerTo(...old)).toMatch(/NOAUTH/);
    expect(await answerTo(...pair("app"))).toMatch(/NOAUTH/);
  });

  it("of another controller is refused with the files to copy, and only then the advice to --rotate", async () => {
    const run = await project.run("plan", playbook, "--state", "laptop");
    const { error } = run.host("redis-01");
    expect(error?.remedy).toMatch(/laptop\/secrets\.yml[\s\S]*--rotate admin/);
    expect(error?.remedy).toMatch(
      /laptop\/pki\/ca\.crt[\s\S]*laptop\/pki\/ca\.key[\s\S]*laptop\/pki\/clients[\s\S]*--rotate ca/,
    );
    expect(run.record.controller?.changes ?? []).toEqual([]);
    expect(existsSync(project.path("laptop/pki"))).toBe(false);
  });
});
