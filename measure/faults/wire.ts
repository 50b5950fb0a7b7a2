/** The way from the controller to a lab host's SSH port, as the network between them could break it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type LabHost, labImage } from "../../test/integration/support/lab.ts";

/**
 * Drops packets in both directions and sends no reset. It stands outside of the host, in the network of the machine that
 * the container runs on: what the host says of its own firewall stays as it was.
 */
export class Wire implements AsyncDisposable {
  readonly #child;
  readonly #replies;

  private constructor(port: number) {
    // A network namespace of the machine is root's: a container is the way there for whoever may use Docker.
    const args = ["run", "-i", "--rm", "--net=host", "--cap-add=NET_ADMIN", "--entrypoint=sh", labImage];
    this.#child = spawn("docker", [...args, "-c", PROGRAM, "wire", `${port}`], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#replies = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Takes about a second, so that a cut takes none. */
  static async to(host: LabHost): Promise<Wire> {
    const wire = new Wire(host.sshPort);
    await wire.#ask("open");
    return wire;
  }

  /** What is connected now falls silent for ever; new connections work. */
  async dropConnected(): Promise<void> {
    await this.#ask("connected");
  }

  /** Nothing gets through until open(). */
  async dropAll(): Promise<void> {
    await this.#ask("all");
  }

  async open(): Promise<void> {
    await this.#ask("open");
  }

  async #ask(word: string): Promise<void> {
    this.#child.stdin.write(`${word}\n`);
    const { value } = await this.#replies.next();
    if (value !== word) throw new Error(`the network cannot be cut: ${value ?? "no answer"}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await once(this.#child, "close");
  }
}

/** Ends, and leaves no rule behind, with its standard input: also where the tests are killed. */
const PROGRAM = `
port=$1
drop() { iptables -w 10 -I INPUT -i lo -p tcp "$@" -m comment --comment redkeep-lab-$port -j DROP; }
open() {
  iptables -w 10 -S INPUT | grep -- " redkeep-lab-$port " | while read -r add rule; do
    eval "iptables -w 10 -D $rule"
  done
}
while read -r word; do
  case $word in
    all) drop --dport $port && drop --sport $port;;
    connected) ss -Htn state established "dport = :$port" | while read -r _ _ local _; do
        drop --sport "\${local##*:}" --dport $port && drop --sport $port --dport "\${local##*:}" || exit 1
      done;;
    open) open;;
  esac && echo "$word" || echo failed
done
open
`;
