/**
 * A hardened host and three places to look at it from: one that is let in, one that is not, and the controller. And single
 * changes to it, each of which has to be noticed from there.
 */
import { dump } from "js-yaml";
import type { CheckRecord } from "../../src/record/record.ts";
import { type LabHost, labKey, startHost, startNetwork } from "../../test/integration/support/lab.ts";
import { openProject, type Project, type ProjectRun } from "../../test/integration/support/project.ts";
import { acl, certificate, inFile, type Mutation, running, type Scene, shell, ufw } from "./mutations.ts";

export class OutsideScene implements Scene, AsyncDisposable {
  readonly host: LabHost;
  readonly app: LabHost;
  readonly bastion: LabHost;
  readonly project: Project;
  /** The controller's address as the hosts see it. */
  readonly gateway: string;
  readonly #stack: AsyncDisposableStack;

  private constructor(
    hosts: readonly [LabHost, LabHost, LabHost],
    project: Project,
    gateway: string,
    stack: AsyncDisposableStack,
  ) {
    [this.host, this.app, this.bastion] = hosts;
    this.project = project;
    this.gateway = gateway;
    this.#stack = stack;
  }

  static async open(): Promise<OutsideScene> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await startNetwork());
    const start = async () => stack.use(await startHost({ network }));
    const [host, app, bastion] = await Promise.all([start(), start(), start()]);
    const variables = {
      ansible_host: host.ip,
      ansible_port: 22,
      app_subnet: app.ip,
      redkeep_probe_allowed: ["app-01"],
      redkeep_probe_denied: ["bastion-01"],
    };
    const project = stack.use(openProject({ "redis-01": host }, {}, { "redis-01": variables }));
    writePlaces(project, { "app-01": app, "bastion-01": bastion }, host);
    const { status, stdout } = await project.run("apply", "--yes", "-i", "places.yml");
    if (status !== 0) throw new Error(stdout);
    return new OutsideScene([host, app, bastion], project, network.gateway, stack.move());
  }

  verify(...args: string[]): Promise<ProjectRun> {
    return this.project.run("verify", ...args, "-i", "places.yml");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** An inventory beside the other: the places to look from, reached as an ordinary user. */
function writePlaces(project: Project, places: Record<string, LabHost>, host: LabHost): void {
  const hosts = Object.fromEntries(
    Object.entries(places).map(([name, { ip }]) => [name, { ansible_host: ip }]),
  );
  const vars = {
    ansible_user: "deploy",
    ansible_ssh_private_key_file: labKey,
    ansible_ssh_common_args: `-o UserKnownHostsFile=${project.path("known_hosts")}`,
  };
  project.write("places.yml", dump({ all: { children: { places: { hosts, vars } } } }));
  const known = [host, ...Object.values(places)].map(({ ip, hostKey }) => `${ip} ${hostKey}\n`);
  project.write("known_hosts", known.join(""));
}

/** What was seen from a place of this name; "the controller" is one. */
export function seenFrom(place: string, { checks }: { checks: readonly CheckRecord[] }): CheckRecord[] {
  return checks.filter(({ source }) => source.endsWith(` from ${place}`) || source.endsWith(` on ${place}`));
}

/** A change, and the place from which the control has to fail. */
export interface OutsideMutation extends Mutation {
  place: "app-01" | "bastion-01";
}

const from = (place: OutsideMutation["place"], mutation: Mutation): OutsideMutation => ({
  ...mutation,
  place,
});

/** Several changes as one, taken back in the other order. */
function together(title: string, control: string, ...parts: readonly Mutation[]): Mutation {
  return {
    title,
    control,
    change: async (scene) => {
      for (const part of parts) await part.change(scene);
    },
    undo: async (scene) => {
      for (const part of parts.toReversed()) await part.undo(scene);
    },
  };
}

const plainPort = (control: string) => [
  running(control, "port", "6379"),
  ufw(control, "insert 1 allow 6379/tcp", "delete allow 6379/tcp"),
];

const TLS = "/etc/redis/tls";

export const OUTSIDE_MUTATIONS: readonly OutsideMutation[] = [
  from("bastion-01", ufw("RK-NET-04", "insert 1 allow 6380/tcp", "delete allow 6380/tcp")),
  from("bastion-01", ufw("RK-NET-04", "--force disable", "--force enable")),
  from(
    "bastion-01",
    shell(
      "RK-NET-04",
      "a rule of iptables before ufw's",
      "iptables -I INPUT -p tcp --dport 6380 -j ACCEPT",
      "iptables -D INPUT -p tcp --dport 6380 -j ACCEPT",
    ),
  ),
  from("app-01", ufw("RK-NET-04", "insert 1 deny 6380/tcp", "delete deny 6380/tcp")),
  from("app-01", running("RK-NET-04", "tls-port", "6390")),
  from(
    "app-01",
    together(
      "TLS 1.0 and 1.1, with the ciphers that they know",
      "RK-TLS-03",
      running("RK-TLS-03", "tls-ciphers", "DEFAULT@SECLEVEL=0"),
      running("RK-TLS-03", "tls-protocols", "TLSv1 TLSv1.1 TLSv1.2 TLSv1.3"),
    ),
  ),
  from("app-01", running("RK-TLS-03", "tls-protocols", "TLSv1.2")),
  from("app-01", running("RK-TLS-03", "tls-ciphers", "DEFAULT")),
  from("app-01", running("RK-TLS-03", "tls-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256")),
  from("app-01", running("RK-TLS-04", "tls-auth-clients", "no")),
  from("app-01", running("RK-TLS-04", "tls-auth-clients", "optional")),
  from(
    "app-01",
    certificate(
      "RK-TLS-05",
      "a certificate for another name",
      "-days 400",
      "subjectAltName=DNS:other\\nextendedKeyUsage=serverAuth,clientAuth\\n",
    ),
  ),
  from(
    "app-01",
    inFile(
      "RK-TLS-06",
      "another certificate on disk than the one served",
      `${TLS}/redkeep-server.crt`,
      `openssl req -x509 -key ${TLS}/redkeep-server.key -subj /CN=other -days 900 -addext subjectAltName=DNS:localhost >${TLS}/redkeep-server.crt`,
    ),
  ),
  from("app-01", together("a plain port beside TLS, let in", "RK-TLS-01", ...plainPort("RK-TLS-01"))),
  from(
    "bastion-01",
    together(
      "a plain port that answers everybody",
      "RK-NET-03",
      ...plainPort("RK-NET-03"),
      running("RK-NET-03", "protected-mode", "no"),
      acl("RK-NET-03", "SETUSER default on nopass +ping"),
    ),
  ),
];

export interface NoticedOutside {
  title: string;
  control: string;
  /** `CONTROL (place)` of what fails from outside. */
  failed: string[];
  isNoticed: boolean;
  /** What still fails or cannot be told from outside after the change was taken back. */
  afterwards: string[];
}

/** Makes a change, looks from outside, takes it back, and looks again. */
export async function tryOutside(scene: OutsideScene, mutation: OutsideMutation): Promise<NoticedOutside> {
  const { title, control, place } = mutation;
  await mutation.change(scene);
  const changed = (await scene.verify()).host("redis-01");
  await mutation.undo(scene);
  const mended = (await scene.verify()).host("redis-01");
  const places = ["app-01", "bastion-01", "the controller"];
  const open = (host: typeof changed, outcomes: readonly string[]) =>
    places.flatMap((name) =>
      seenFrom(name, host).flatMap(({ outcome, control, observed }) =>
        outcomes.includes(outcome) ? [{ control, name, observed }] : [],
      ),
    );
  const failed = open(changed, ["fail"]);
  return {
    title,
    control,
    failed: failed.map((one) => `${one.control} (${one.name}: ${one.observed})`),
    isNoticed: failed.some((one) => one.control === control && one.name === place),
    afterwards: open(mended, ["fail", "unknown"]).map(
      (one) => `${one.control} from ${one.name}: ${one.observed}`,
    ),
  };
}
