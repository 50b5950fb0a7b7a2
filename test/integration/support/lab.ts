/**
 * Lab hosts: containers that run systemd, sshd, Redis and ufw as a Debian machine does, and nothing that is mocked.
 *
 *     await using host = await startHost();
 *     const { inventory } = writeInventory(dir, { "redis-01": host });
 *     const run = await redkeep(["plan", "-i", inventory], { cwd: dir });
 *
 * `sh lab/setup.sh` makes the image and the key.
 */
import { execFile, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { isAbsolute, join, resolve } from "node:path";
import { promisify } from "node:util";
import { dump } from "js-yaml";
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers";
import type { RunRecord } from "../../../src/record/record.ts";

const repository = resolve(import.meta.dirname, "../../..");

/** The private key that lets root, deploy and operator in. */
export const labKey = join(repository, "lab/.cache/id_ed25519");
export const labImage = process.env.LAB_IMAGE ?? "redkeep-lab:bookworm";
/**
 * The Docker network of hosts that ask for none. A container that restarts gets the next free address of its network: test
 * files that run beside each other need one each, or they hand each other their hosts' addresses.
 */
const labNetwork = networkOf(process.env.VITEST_POOL_ID);
/** `deploy` has sudo without a password, `operator` needs this one. */
export const operatorPassword = "operator-test-password";

/** The label of containers and networks: the process that cleans up after them (see sweep.ts). */
function owner(): string {
  return process.env.REDKEEP_LAB_PID ?? String(process.pid);
}

// What Node compiles of a package that is built for one run goes with it.
if (process.env.REDKEEP_LAB_PACKAGE !== undefined)
  process.env.NODE_COMPILE_CACHE = join(process.env.REDKEEP_LAB_PACKAGE, "compiled");

// Ryuk, the library's own cleaner, is an image to be pulled. sweep() does its work.
process.env.TESTCONTAINERS_RYUK_DISABLED ??= "true";

export interface Finished {
  /** Exit status. Null where a signal ended the process. */
  status: number | null;
  stdout: string;
  stderr: string;
}

/** The network of a worker of vitest's, which global-setup.ts makes; Docker's bridge for other programs. */
export function networkOf(worker: string | undefined): string {
  return worker === undefined ? "bridge" : `redkeep-lab-${owner()}-${worker}`;
}

export interface HostOptions {
  /** Default: LAB_IMAGE, else redkeep-lab:bookworm. */
  image?: string;
  /** From startNetwork(). Default: that of the test's worker, else Docker's bridge. */
  network?: LabNetwork;
  /** The name other hosts of the network reach this one by, and its host name. */
  alias?: string;
  /** /etc and the folders of Redis and redkeep are on a disk of their own: see CUT_POWER. */
  disk?: boolean;
  /** The shell command that succeeds inside once the host is up. Default: ssh and redis-server are active. */
  ready?: string;
  /** Beside those that systemd and iptables need, without CAP_. */
  capabilities?: string[];
  /** Instead of systemd: a host without it, which needs a `ready` of its own. */
  command?: string[];
}

export interface LabNetwork extends AsyncDisposable {
  name: string;
  /** CIDR. */
  subnet: string;
  gateway: string;
  /** The same over IPv6, where it was asked for; else empty. */
  subnet6: string;
  gateway6: string;
}

class SystemdHost extends GenericContainer {
  constructor(options: HostOptions) {
    super(options.image ?? labImage);
    this.withAddedCapabilities("SYS_ADMIN", "NET_ADMIN", ...(options.capabilities ?? []))
      .withSecurityOpt("seccomp=unconfined", "apparmor=unconfined")
      .withTmpFs({ "/run": "rw", "/run/lock": "rw", "/tmp": "rw" })
      .withExposedPorts(22)
      .withLabels({ "redkeep.lab": owner() })
      .withEnvironment({ LAB_AUTHORIZED_KEY: readFileSync(`${labKey}.pub`, "utf8").trim() })
      .withWaitStrategy(Wait.forSuccessfulCommand("true"));
    // CgroupnsMode is missing from the types. Ports would be published on 0.0.0.0.
    Object.assign(this.hostConfig, {
      CgroupnsMode: "private",
      PortBindings: { "22/tcp": [{ HostIp: "127.0.0.1", HostPort: "0" }] },
    });
    if (options.disk) {
      Object.assign(this.hostConfig, { DeviceCgroupRules: ["b 7:* rmw", "c 10:237 rmw"] });
      this.withCommand(["sh", "-c", BOOT_WITH_DISK]);
    }
    if (options.command !== undefined) this.withCommand(options.command);
    if (options.alias !== undefined) this.withHostname(options.alias);
    this.withNetworkMode(options.network?.name ?? labNetwork);
    if (options.network !== undefined) {
      // withNetworkAliases() would attach the default bridge as a second network.
      if (options.alias !== undefined) {
        this.createOpts.NetworkingConfig = {
          EndpointsConfig: { [options.network.name]: { Aliases: [options.alias] } },
        };
      }
    }
  }
}

/** An ext4 file system in a file, mounted before systemd starts. Its journal's old entries are replayed after a cut. */
const BOOT_WITH_DISK = `set -e
[ -e /dev/loop-control ] || mknod /dev/loop-control c 10 237
for number in $(seq 0 255); do [ -e /dev/loop$number ] || mknod /dev/loop$number b 7 $number; done
mkdir -p /disk /var/lib/redkeep
if [ ! -e /disk.img ]; then
  truncate -s 128M /disk.img; mkfs.ext4 -q /disk.img; mount -o loop /disk.img /disk
  cp -a /etc /disk/etc; cp -a /var/lib/redis /disk/redis; mkdir -m 700 /disk/redkeep; sync -f /disk
else
  # Another number than before, as a machine with several disks may give it: those are tried from above.
  for number in $(seq 255 -1 0); do ! mount -o loop=/dev/loop$number /disk.img /disk 2>/dev/null || break; done
fi
for folder in /etc /var/lib/redis /var/lib/redkeep; do mount --bind /disk/$(basename $folder) $folder; done
exec /sbin/init`;

/**
 * A shell command: EXT4_IOC_SHUTDOWN without a flush. From now on nothing gets to the disk any more, and what was written and not
 * synchronised is lost.
 */
export const CUT_POWER = `python3 -c 'import fcntl, os, struct
fcntl.ioctl(os.open("/disk", os.O_RDONLY), 0x8004587D, struct.pack("I", 2))'`;

/** A running lab host. Everything here looks from inside, by `docker exec`, and owes nothing to redkeep's SSH. */
export class LabHost implements AsyncDisposable {
  readonly id: string;
  /** CIDR of the Docker network the host is in. */
  readonly subnet: string;
  /** As in /etc/ssh/ssh_host_ed25519_key.pub, without the comment. */
  readonly hostKey: string;
  readonly #container: StartedTestContainer;
  readonly #network: string;
  readonly #ready: string;

  constructor(
    container: StartedTestContainer,
    network: string,
    subnet: string,
    hostKey: string,
    ready: string,
  ) {
    this.#container = container;
    this.#network = network;
    this.#ready = ready;
    this.id = container.getId();
    this.subnet = subnet;
    this.hostKey = hostKey;
  }

  /** Where redkeep and ssh reach it. */
  get address(): string {
    return "127.0.0.1";
  }

  /** Another one after each restart. */
  get sshPort(): number {
    return this.#container.getMappedPort(22);
  }

  /** In the Docker network: the private address of the host. */
  get ip(): string {
    return this.#container.getIpAddress(this.#network);
  }

  /** A line for known_hosts. */
  get hostKeyLine(): string {
    return `[${this.address}]:${this.sshPort} ${this.hostKey}`;
  }

  /** Runs a script with `sh -c` as root. Never throws for an exit status. */
  async sh(script: string, input?: string): Promise<Finished> {
    if (input !== undefined) return run("docker", ["exec", "-i", this.id, "sh", "-c", script], { input });
    const { exitCode, stdout, stderr } = await this.#container.exec(["sh", "-c", script]);
    return { status: exitCode, stdout, stderr };
  }

  /**
   * What redis-cli prints for a command, without the last newline: Redis' own errors too. Throws where redis-cli cannot
   * reach Redis.
   */
  async redis(...args: string[]): Promise<string> {
    const { exitCode, stdout, stderr } = await this.#container.exec(["redis-cli", ...args]);
    if (exitCode !== 0) throw new Error(`redis-cli ${args.join(" ")}: ${stdout}${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  async readFile(path: string): Promise<string> {
    const { status, stdout, stderr } = await this.sh(`cat -- ${quote(path)}`);
    if (status !== 0) throw new Error(stderr);
    return stdout;
  }

  /** Replaces a file, its parents made as needed. `mode` as for chmod, `owner` as for chown. */
  async writeFile(path: string, content: string, mode = "0644", owner = "root:root"): Promise<void> {
    const file = quote(path);
    const { status, stderr } = await this.sh(
      `mkdir -p -- "$(dirname -- ${file})" && cat > ${file} && chown ${quote(owner)} ${file} && chmod ${quote(mode)} ${file}`,
      content,
    );
    if (status !== 0) throw new Error(`${path}: ${stderr}`);
  }

  /** An orderly reboot; after kill(), the boot that follows a power cut. /run and /tmp are empty then. */
  async restart(ready = this.#ready): Promise<void> {
    await this.#container.restart({ timeout: 10_000 });
    await waitUntilReady(this.#container, ready);
  }

  /** Power cut: every process is killed and the host stays down. */
  async kill(): Promise<void> {
    await docker("kill", this.id);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await docker("rm", "-f", "-v", this.id);
  }
}

/** The lab's image with firewalld in the place of ufw: made once, which takes half a minute. */
export async function firewalldImage(): Promise<string> {
  const suite = /:([a-z]+)/.exec(labImage)?.[1] ?? "bookworm";
  const { status, stdout, stderr } = await run("sh", [join(repository, "lab/setup.sh"), suite, "firewalld"]);
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}

/** Starts a lab host and waits until sshd and Redis answer: about a second. */
export async function startHost(options: HostOptions = {}): Promise<LabHost> {
  const network = options.network?.name ?? labNetwork;
  const subnet = options.network?.subnet ?? (await subnetOf(network)).subnet;
  const ready = options.ready ?? "systemctl is-active -q ssh && systemctl is-active -q redis-server";
  const container = await new SystemdHost(options).start();
  try {
    await waitUntilReady(container, ready);
    const key = await container.exec(["cut", "-d", " ", "-f", "1,2", "/etc/ssh/ssh_host_ed25519_key.pub"]);
    return new LabHost(container, network, subnet, key.stdout.trim(), ready);
  } catch (error) {
    await docker("rm", "-f", "-v", container.getId());
    throw error;
  }
}

/** Throws after 30 s, with what systemd has to say. No health check: Docker would run it for as long as the host lives. */
async function waitUntilReady(container: StartedTestContainer, ready: string): Promise<void> {
  const script = `
    tries=0
    until ${ready}; do
      tries=$((tries + 1))
      if [ $tries -gt 300 ]; then
        systemctl list-jobs; systemctl status --failed; journalctl -b -n 30 --no-pager; exit 1
      fi
      sleep 0.1
    done 2>&1`;
  const { exitCode, output } = await container.exec(["sh", "-c", script]);
  if (exitCode !== 0) throw new Error(`A lab host did not come up: ${ready}\n${output}`);
}

/** Arguments of `docker` for a Python program in a container beside the lab's hosts, which goes with its end. */
export function besideHosts(program: string): string[] {
  const label = `redkeep.lab=${owner()}`;
  const run = ["run", "--rm", "-i", "--label", label, "--network", labNetwork];
  return [...run, "--entrypoint", "/usr/bin/python3", labImage, "-c", program];
}

/** A network of its own, for tests in which one client is let in and another is not. */
export async function startNetwork({ ipv6 = false } = {}): Promise<LabNetwork> {
  const id = randomBytes(6).toString("hex");
  const name = `redkeep-lab-${id}`;
  const prefix6 = `fd${id.slice(0, 2)}:${id.slice(2, 6)}:${id.slice(6, 10)}::`;
  const options = ipv6 ? ["--ipv6", "--subnet", `${prefix6}/64`] : [];
  await docker("network", "create", "--label", `redkeep.lab=${owner()}`, ...options, name);
  const remove = async (): Promise<void> => {
    await docker("network", "rm", name);
  };
  return {
    name,
    ...(await subnetOf(name)),
    subnet6: ipv6 ? `${prefix6}/64` : "",
    gateway6: ipv6 ? `${prefix6}1` : "",
    [Symbol.asyncDispose]: remove,
  };
}

async function subnetOf(network: string): Promise<{ subnet: string; gateway: string }> {
  const config = await docker("network", "inspect", "-f", "{{json (index .IPAM.Config 0)}}", network);
  const { Subnet: subnet, Gateway: gateway } = JSON.parse(config);
  return { subnet, gateway };
}

export interface WrittenInventory {
  inventory: string;
  knownHosts: string;
}

/**
 * Writes `inventory.yml` and `known_hosts` into a folder: the hosts in group `redis`, reached as root with the lab's
 * key, each with its `private_ip` and `app_subnet`.
 * @param vars for the group; they replace these connection variables too
 * @param hostVars for single hosts, by name
 */
export function writeInventory(
  dir: string,
  hosts: Record<string, LabHost>,
  vars: Record<string, unknown> = {},
  hostVars: Record<string, Record<string, unknown>> = {},
): WrittenInventory {
  const inventory = join(dir, "inventory.yml");
  const knownHosts = join(dir, "known_hosts");
  const entries = Object.entries(hosts).map(([name, host]) => [
    name,
    {
      ansible_host: host.address,
      ansible_port: host.sshPort,
      private_ip: host.ip,
      app_subnet: host.subnet,
      ...hostVars[name],
    },
  ]);
  const group = {
    hosts: Object.fromEntries(entries),
    vars: {
      ansible_user: "root",
      ansible_ssh_private_key_file: labKey,
      ansible_ssh_common_args: `-o UserKnownHostsFile=${knownHosts}`,
      ...vars,
    },
  };
  writeFileSync(inventory, dump({ all: { children: { redis: group } } }));
  writeFileSync(
    knownHosts,
    `${Object.values(hosts)
      .map((host) => host.hostKeyLine)
      .join("\n")}\n`,
  );
  chmodSync(labKey, 0o600);
  return { inventory, knownHosts };
}

export interface RunOptions {
  cwd?: string;
  /** The folder of the sources of another redkeep. Default: the one that is tested. */
  product?: string | undefined;
  /** Beside the environment of the tests; undefined takes a variable away. */
  env?: Record<string, string | undefined>;
  input?: string;
  /** Interrupts the process as Ctrl-C does. */
  interrupt?: AbortSignal;
  /** Called with each piece of stdout and stderr as it comes. */
  onOutput?: (text: string) => void;
}

/**
 * The program that Node starts: of the redkeep whose sources are in that folder; else the package that global-setup.ts built, as its users
 * have it, or the sources here where nothing was built. The package starts in little more than half the time.
 */
export function programOf(product?: string): string {
  const built = process.env.REDKEEP_LAB_PACKAGE;
  return product === undefined && built !== undefined
    ? join(built, "dist/cli.js")
    : join(product ?? repository, "src/cli.ts");
}

/** Runs the CLI as a child process. `record` is the run record, where `--json` asked for one and it was written. */
export async function redkeep(
  args: string[],
  options: RunOptions = {},
): Promise<Finished & { record?: RunRecord }> {
  const node = join(repository, "node_modules/.bin/node");
  const finished = await run(node, [programOf(options.product), ...args], {
    ...options,
    env: { NO_COLOR: "1", FORCE_COLOR: undefined, ...options.env },
  });
  const target = args.includes("--json") ? args[args.indexOf("--json") + 1] : undefined;
  if (target === undefined) return finished;
  if (target === "-")
    return finished.stdout === "" ? finished : { ...finished, record: JSON.parse(finished.stdout) };
  const path = isAbsolute(target) ? target : join(options.cwd ?? process.cwd(), target);
  return existsSync(path) ? { ...finished, record: JSON.parse(readFileSync(path, "utf8")) } : finished;
}

/** Runs a program to its end. Throws only where it cannot be started. */
function run(program: string, args: string[], options: RunOptions = {}): Promise<Finished> {
  return new Promise((done, failed) => {
    const child = spawn(program, args, { cwd: options.cwd, env: { ...process.env, ...options.env } });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      options.onOutput?.(text);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
      options.onOutput?.(text);
    });
    const interrupt = (): boolean => child.kill("SIGINT");
    options.interrupt?.addEventListener("abort", interrupt, { once: true });
    child.on("error", failed);
    child.on("close", (status) => {
      options.interrupt?.removeEventListener("abort", interrupt);
      done({ status, stdout, stderr });
    });
    // A program that ends before it read its input closes the pipe: its exit status tells the story.
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

async function docker(...args: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)("docker", args);
  return stdout.trim();
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
