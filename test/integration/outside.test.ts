import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { problemsOf } from "../../measure/proof/mutations.ts";
import { OUTSIDE_MUTATIONS, OutsideScene, seenFrom, tryOutside } from "../../measure/proof/outside.ts";
import { lookFromController } from "../../src/outside/controller.ts";
import { onHost } from "./support/observe.ts";
import { notPassed } from "./support/project.ts";

/** One of each control: `npm run proof -- outside` tries them all. */
const TITLES = [
  "ufw insert 1 allow 6380/tcp",
  "TLS 1.0 and 1.1, with the ciphers that they know",
  "CONFIG SET tls-auth-clients no",
  "a certificate for another name",
  "a plain port that answers everybody",
];

const NO_TLS = { tlsPort: undefined, tls: undefined };

describe("verify of a hardened host, with an allowed and a denied host to look from", () => {
  let scene: OutsideScene;
  beforeAll(async () => {
    scene = await OutsideScene.open();
  });
  afterAll(() => scene?.[Symbol.asyncDispose]());

  it("gets the expected answer from each place, with one connection to each vantage host", async () => {
    const run = await scene.verify();
    const host = run.host("redis-01");
    expect(notPassed(host)).toEqual([]);
    expect(run.status).toBe(0);
    expect([host.connections, host.roundTrips]).toEqual([1, 1]);
    expect(run.record.vantages).toMatchObject(
      ["app-01", "bastion-01"].map((name) => ({
        host: name,
        targets: 1,
        connections: 1,
        roundTrips: 1,
        error: null,
      })),
    );
    const told = (place: string) =>
      seenFrom(place, host).map(({ control, observed }) => `${control} ${observed}`);
    const { ip } = scene.host;
    expect(told("app-01")).toEqual([
      `RK-NET-04 ${ip}: 6380 open`,
      `RK-NET-03 ${ip}: 6379 filtered`,
      `RK-TLS-01 ${ip}: 6379 filtered`,
      "RK-TLS-03 TLS 1.0 refused (protocol version), TLS 1.1 refused (protocol version)",
      "RK-TLS-03 TLS 1.2 taken (ECDHE-ECDSA-AES128-GCM-SHA256), TLS 1.3 taken (TLS_AES_256_GCM_SHA384)",
      "RK-TLS-03 TLS 1.2 with other ciphers refused (handshake failure), TLS 1.3 with other ciphers refused (handshake failure)",
      "RK-TLS-04 refused (certificate required)",
      `RK-TLS-05 signed by the CA, for ${ip}`,
      "RK-TLS-06 the same",
    ]);
    // The controller is nowhere in app_subnet.
    for (const place of ["bastion-01", "the controller"])
      expect(told(place)).toEqual([
        `RK-NET-04 ${ip}: 6379 filtered, 6380 filtered`,
        `RK-NET-03 ${ip}: 6379 filtered`,
      ]);
  });

  it("tries a client certificate from the controller where the controller is let in", async () => {
    const allow = `allow from ${scene.gateway} to any port 6380 proto tcp`;
    await onHost(scene.host, `ufw insert 1 ${allow}`);
    const denied = await scene.verify();
    expect(seenFrom("the controller", denied.host("redis-01"))).toContainEqual(
      expect.objectContaining({ control: "RK-NET-04", outcome: "fail" }),
    );
    const stated = await scene.verify("-e", "redkeep_probe_from_controller=allowed");
    const seen = seenFrom("the controller", stated.host("redis-01"));
    expect(seen.map(({ control, outcome }) => `${control} ${outcome}`)).toEqual([
      "RK-NET-04 pass",
      "RK-NET-03 pass",
      "RK-TLS-01 pass",
      "RK-TLS-03 pass",
      "RK-TLS-03 pass",
      "RK-TLS-03 pass",
      "RK-TLS-04 pass",
      "RK-ACL-01 pass",
      "RK-TLS-05 pass",
      "RK-TLS-06 pass",
    ]);
    expect(seen.find(({ control }) => control === "RK-ACL-01")?.observed).toMatch(/^-NOAUTH/);
    await scene.project.config(scene.host, "SET protected-mode no");
    await scene.project.asAdmin(scene.host, "ACL SETUSER default on nopass +ping");
    const open = await scene.verify("-e", "redkeep_probe_from_controller=allowed");
    expect(seenFrom("the controller", open.host("redis-01"))).toContainEqual(
      expect.objectContaining({ control: "RK-ACL-01", outcome: "fail", observed: "+PONG" }),
    );
    await scene.project.asAdmin(scene.host, "ACL LOAD");
    await scene.project.config(scene.host, "SET protected-mode yes");
    await onHost(scene.host, `ufw delete ${allow}`);
  });

  it("fails the right control from the right place after a change by hand, and none once it is undone", async () => {
    const missed: string[] = [];
    const chosen = OUTSIDE_MUTATIONS.filter(({ title }) => TITLES.includes(title));
    expect(chosen).toHaveLength(TITLES.length);
    for (const mutation of chosen) {
      missed.push(...problemsOf(await tryOutside(scene, mutation)));
    }
    expect(missed).toEqual([]);
  });

  it("does not take lost packets for a firewall", async () => {
    const { host } = scene;
    // The SSH port stands in for one that should be shut: ufw lets everybody to it.
    const rule = "INPUT -p tcp --dport 22 --syn -m statistic --mode nth --every 3 --packet 2";
    const target = { host: "redis-01", address: host.ip, plainPorts: [22], wantedPlainPorts: [], ...NO_TLS };
    await onHost(
      host,
      `iptables -I ${rule} -j ACCEPT && iptables -I INPUT 2 -p tcp --dport 22 --syn -j DROP`,
    );
    const { ports } = await lookFromController({ target, isAllowed: false }, undefined, 1);
    await onHost(host, `iptables -D ${rule} -j ACCEPT && iptables -D INPUT -p tcp --dport 22 --syn -j DROP`);
    expect(ports.get(22)).toMatchObject({ state: "open", reply: expect.stringMatching(/^SSH-2/) });
  });

  it("proves nothing from a stopped vantage host, and ends with exit code 3", async () => {
    await onHost(scene.bastion, "systemctl stop ssh");
    const run = await scene.verify();
    await onHost(scene.bastion, "systemctl start ssh");
    expect(run.status).toBe(3);
    const seen = seenFrom("bastion-01", run.host("redis-01"));
    expect(seen.map(({ outcome, blockedBy }) => `${outcome} ${blockedBy}`)).toEqual([
      "unknown vantage",
      "unknown vantage",
    ]);
    expect(seenFrom("app-01", run.host("redis-01")).every(({ outcome }) => outcome === "pass")).toBe(true);
  });
});
