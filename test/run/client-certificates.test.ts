import { X509Certificate } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { issueClientCertificate, type KeyPair, makeAuthority } from "../../src/pki/issue.ts";
import type { HostStatus } from "../../src/record/statuses.ts";
import { ClientCertificates } from "../../src/run/client-certificates.ts";
import type { Host } from "../../src/run/host.ts";
import type { HostSecrets } from "../../src/run/secrets.ts";
import type { WantedClients } from "../../src/run/wanted-clients.ts";
import { State } from "../../src/state/state.ts";
import type { TlsParams } from "../../src/tasks/tls/parameters.ts";
import { directoryWith } from "../inventory/inventory-on-disk.ts";
import { ending, hostNamed } from "../support/hosts.ts";
import { hostTask } from "../support/plan-tasks.ts";

let ca: KeyPair;
let other: KeyPair;
beforeAll(async () => {
  [ca, other] = [await makeAuthority(), await makeAuthority()];
});

const NOTHING: ReadonlySet<string> = new Set();
/** Days of a certificate that has ended half an hour ago: one begins an hour before it is issued. */
const ENDED = 0.02;

interface Given {
  host?: string;
  clients?: string[];
  authority?: KeyPair | undefined;
  makesCa?: boolean;
  status?: HostStatus;
  users?: [name: string, isGenerated: boolean][];
  logsInBy?: string;
  params?: Partial<TlsParams>;
}

/** A host that was asked, and whose tls task lists these clients. */
function hostWith({
  host = "redis-01",
  clients = ["app"],
  authority = ca,
  makesCa = false,
  status = "unchanged",
  users = [],
  logsInBy,
  params = {},
}: Given = {}): Host {
  const task = hostTask("tls", { clients, ...params });
  const signer = makesCa ? undefined : authority;
  const secrets = { ca: signer, caCertificate: signer?.certificate } as HostSecrets;
  const made = hostNamed(host, {
    tasks: () => ({ tasks: [], skipped: [], needsFacts: true }),
    secrets: async () => ({ ...secrets, ca: authority, caCertificate: authority.certificate }),
  });
  const wanted = {
    task,
    tls: task.params as TlsParams,
    ca: signer,
    makesCa,
    trusted: signer?.certificate,
    users: new Map(users),
    logsInBy,
  } satisfies WantedClients;
  return { ...made, outcome: ending(status), clients: wanted };
}

function certificatesOf(
  state: State,
  hosts: readonly Host[],
  rotate: ReadonlySet<string>,
): Promise<ClientCertificates> {
  return ClientCertificates.of({ state, options: { rotate } }, hosts);
}

/** A state with certificates of these clients, in days. */
async function stateWith(clients: Record<string, number>, signer = ca): Promise<State> {
  const state = await State.open(await directoryWith({}), undefined, "/");
  for (const [name, days] of Object.entries(clients)) {
    const { certificate, key } = await issueClientCertificate(signer, name, days);
    await state.write(`pki/clients/${name}.crt`, certificate);
    await state.write(`pki/clients/${name}.key`, key.reveal());
  }
  return state;
}

const planned = (all: ClientCertificates) =>
  all.record()?.changes.map(({ address, action, before }) => `${action} ${address}: ${before}`);

describe("a client's certificate", () => {
  it("is planned where the name is new, and issued once", async () => {
    const state = await stateWith({});
    const all = await certificatesOf(state, [hostWith()], NOTHING);
    expect(planned(all)).toEqual(["create pki:app: null"]);
    expect(await state.read("pki/clients/app.crt")).toBeUndefined();
    await all.issue();
    const certificate = new X509Certificate((await state.read("pki/clients/app.crt")) ?? "");
    const key = await state.read("pki/clients/app.key");
    expect(certificate.verify(new X509Certificate(ca.certificate).publicKey)).toBe(true);
    expect(key).toContain("PRIVATE KEY");
    expect(all.record()).toMatchObject({
      status: "changed",
      certificates: [{ name: "ca" }, { name: "client:app", state: "valid" }],
    });
    const again = await certificatesOf(state, [hostWith()], NOTHING);
    expect([again.isPending, planned(again)]).toEqual([false, []]);
  });

  it.each<[string, () => Promise<State>, string]>([
    ["ends within renew_before_days", () => stateWith({ app: 20 }), "ends in 19 days"],
    ["has ended", () => stateWith({ app: ENDED }), "ended \\d{4}-\\d\\d-\\d\\d"],
    ["is of another CA", () => stateWith({ app: 800 }, other), "is not signed by the present CA"],
    [
      "is of another key",
      async () => {
        const state = await stateWith({ app: 800, batch: 800 });
        await state.write("pki/clients/app.key", (await state.read("pki/clients/batch.key")) ?? "");
        return state;
      },
      "does not belong to the key beside it",
    ],
    [
      "is none",
      async () => {
        const state = await stateWith({});
        await state.write("pki/clients/app.crt", "no certificate");
        return state;
      },
      "is no certificate",
    ],
  ])("that %s is issued anew", async (_, given, found) => {
    const state = await given();
    const all = await certificatesOf(state, [hostWith()], NOTHING);
    expect(planned(all)).toEqual([expect.stringMatching(new RegExp(`^update pki:app: ${found}$`))]);
    await all.issue();
    expect((await certificatesOf(state, [hostWith()], NOTHING)).isPending).toBe(false);
  });

  it("whose key is no longer on the controller stays, and is never a pass", async () => {
    const state = await stateWith({ app: 800 });
    await state.remove("pki/clients/app.key");
    const host = hostWith();
    const all = await certificatesOf(state, [host], NOTHING);
    expect(all.isPending).toBe(false);
    expect(all.checkFor(host)).toMatchObject({
      outcome: "unknown",
      observed: "app stands here without its key",
    });
  });

  it("is planned also for a host that could not be reached", async () => {
    const asked = hostWith();
    const silent = hostNamed(asked.job.host, {
      tasks: () => ({ tasks: [hostTask("tls", { clients: ["app"] })], skipped: [], needsFacts: false }),
      secrets: async () => ({ ca, caCertificate: ca.certificate, missing: { ca: false } }) as HostSecrets,
    });
    const all = await certificatesOf(await stateWith({}), [silent], NOTHING);
    expect(planned(all)).toEqual(["create pki:app: null"]);
  });

  it("of a new CA is planned where a host gets that CA, and not where that host is refused", async () => {
    const state = await stateWith({});
    const fresh = hostWith({ makesCa: true, status: "would-change" });
    const all = await certificatesOf(state, [fresh], NOTHING);
    expect(planned(all)).toEqual(["create pki:app: null"]);
    await all.issue();
    expect(all.record()?.certificates).toContainEqual(
      expect.objectContaining({ name: "client:app", state: "valid" }),
    );
    const refused = hostWith({ makesCa: true, status: "refused" });
    const none = await certificatesOf(await stateWith({}), [refused], NOTHING);
    expect([none.isPending, planned(none)]).toEqual([false, []]);
    expect(none.checkFor(refused)).toMatchObject({ outcome: "unknown", observed: "app is not here" });
  });

  it("is the same one for runs that issue it at once", async () => {
    const state = await stateWith({});
    const runs = await Promise.all(
      Array.from({ length: 4 }, () => certificatesOf(state, [hostWith()], NOTHING)),
    );
    const after: (string | undefined)[] = [];
    await Promise.all(
      runs.map(async (run) => {
        await run.issue();
        after.push(await state.read("pki/clients/app.crt"));
      }),
    );
    expect(new Set(after).size).toBe(1);
  });

  it("that two CAs should issue is reported, since there is one file for it", async () => {
    const hosts = [hostWith(), hostWith({ host: "redis-09", authority: other })];
    const all = await certificatesOf(await stateWith({ app: 800 }), hosts, NOTHING);
    expect(all.isPending).toBe(false);
    expect(all.record()?.impact).toEqual([
      {
        kind: "client-of-two-authorities",
        detail: expect.stringContaining("it is of the CA of redis-01, and redis-09 will refuse it"),
      },
    ]);
    expect(hosts.map((host) => all.checkFor(host)?.outcome)).toEqual(["pass", "fail"]);
  });
});

describe("a rotation of one client", () => {
  const rotate = new Set(["client:app"]);
  const remains = async (given: Given, more: string[] = []) => {
    const state = await stateWith({ app: 800, batch: 800 });
    const all = await certificatesOf(
      state,
      [hostWith({ clients: ["app", "batch"], ...given })],
      new Set([...rotate, ...more]),
    );
    expect(planned(all)).toEqual([expect.stringMatching(/^update pki:app: valid until \d{4}-\d\d-\d\d$/)]);
    return all.record()?.impact.map(({ detail }) => detail)[0] ?? "";
  };

  it("replaces that one's certificate alone, once", async () => {
    const state = await stateWith({ app: 800, batch: 800 });
    const before = await state.read("pki/clients/app.crt");
    const kept = await state.read("pki/clients/batch.crt");
    const all = await certificatesOf(
      state,
      [hostWith({ clients: ["app", "batch"] }), hostWith({ host: "redis-02", clients: ["app"] })],
      rotate,
    );
    await all.issue();
    expect(await state.read("pki/clients/app.crt")).not.toBe(before);
    expect(await state.read("pki/clients/batch.crt")).toBe(kept);
  });

  it("says how long the old certificate is accepted, what stops its holder, and how to end it", async () => {
    const plain = await remains({});
    expect(plain).toMatch(
      /^the old certificate of app stays valid until \d{4}-\d\d-\d\d on every host that trusts this CA/,
    );
    expect(plain).toContain("Only a new CA makes it worthless (--rotate ca)");
    expect(plain).toContain("the passwords of the users that it logs in as");
    expect(await remains({ users: [["app", true]] })).toContain("make it anew by --rotate app.");
    expect(await remains({ users: [["app", true]] }, ["app"])).toContain("which this run makes anew.");
    expect(await remains({ users: [["app", false]] })).toContain("takes from elsewhere");
    expect(await remains({ logsInBy: "tls-auth-clients-user cn" })).toContain(
      "On redis-01 (tls-auth-clients-user cn) it may log in without any password.",
    );
  });

  it("says which clients are refused where the CA is replaced instead", async () => {
    const host = hostWith({ makesCa: true, status: "would-change", clients: ["app", "batch"] });
    const state = await stateWith({ app: 800, batch: 800 }, other);
    const all = await certificatesOf(state, [host], new Set(["ca"]));
    expect(planned(all)).toHaveLength(2);
    expect(all.record()?.impact.map(({ detail }) => detail)).toEqual([
      expect.stringContaining(
        "a changed host refuses each client until that has the new ca.crt and its new certificate",
      ),
    ]);
  });

  it("says nothing of an old certificate that has expired", async () => {
    const all = await certificatesOf(await stateWith({ app: ENDED }), [hostWith()], rotate);
    expect(all.record()?.impact).toEqual([]);
    expect(all.isPending).toBe(true);
  });
});

describe("the check of the clients of a host", () => {
  it("passes within renew_before_days, and says so", async () => {
    const host = hostWith();
    const all = await certificatesOf(await stateWith({ app: 20 }), [host], NOTHING);
    expect(all.checkFor(host)).toMatchObject({
      control: "RK-TLS-10",
      outcome: "pass",
      observed: "app ends in 19 days",
    });
  });

  it("fails where a certificate has expired, and stays short for fifty", async () => {
    const names = Array.from({ length: 50 }, (_, index) => `svc-${index}`);
    const state = await stateWith({ "svc-0": ENDED, "svc-1": 20, "svc-2": 800 });
    const host = hostWith({ clients: names });
    const all = await certificatesOf(state, [host], NOTHING);
    const found = all.checkFor(host);
    expect(found?.outcome).toBe("fail");
    expect(found?.observed).toMatch(
      /^svc-0 ended [\d-]{10}; svc-3 is not here; .*; 42 more like svc-7; svc-1 ends in 19 days; 1 more valid, the first until [\d-]{10}$/,
    );
    expect(found?.observed.length).toBeLessThan(250);
  });

  it("does not apply where the playbook lists no client", async () => {
    const host = hostWith({ clients: [] });
    const all = await certificatesOf(await stateWith({}), [host], NOTHING);
    expect(all.checkFor(host)).toMatchObject({ outcome: "skip" });
  });

  it("fails, and issues nothing, where the CA has expired", async () => {
    const host = hostWith({ authority: { ...ca, certificate: await endedAuthority() } });
    const all = await certificatesOf(await stateWith({}), [host], NOTHING);
    expect(all.isPending).toBe(false);
    expect(all.record()?.certificates).toContainEqual(
      expect.objectContaining({ name: "ca", state: "ended" }),
    );
  });
});

/** A certificate that has ended, in the place of a CA's. */
async function endedAuthority(): Promise<string> {
  return (await issueClientCertificate(ca, "old CA", ENDED)).certificate;
}
