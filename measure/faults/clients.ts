/**
 * Clients of a lab host that notice what an application would: failed requests, lost connections, the time between two
 * replies.
 *
 *     await using clients = await Clients.start(host, { password, clients: [...] });
 *     await clients.noticed(); // forgets what was before
 *     …
 *     const { steady } = await clients.noticed();
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabHost } from "../../test/integration/support/lab.ts";
import { LabProgram } from "../../test/integration/support/lab-program.ts";
import type { Project } from "../../test/integration/support/project.ts";

export interface ClientSpec {
  name: string;
  /** Places that are tried in turn: a Unix socket, or `[host, port, with TLS?]`. */
  to: (string | [host: string, port: number, tls: boolean])[];
  everyMs: number;
  /** A new connection for each request. */
  anew?: boolean;
}

interface ClientSettings {
  /** Of user `app`, who logs in where the server asks for it. */
  password: string;
  /** PEM texts, for those with TLS. */
  tls?: { ca: string; cert: string; key: string };
  clients: ClientSpec[];
}

/** What one client has seen since it was asked last. */
export interface Noticed {
  replies: number;
  /** Between two successful replies, in milliseconds. */
  longestGapMs: number;
  /** Error replies and broken requests, in words. */
  failures: string[];
  /** Connections that ended without the client's will. */
  drops: number;
  /** The numbers of the writes that Redis has acknowledged: `app:NAME:N` is `N`. */
  acknowledged: number[];
}

const program = readFileSync(join(import.meta.dirname, "clients.py"), "utf8");

export class Clients implements AsyncDisposable {
  readonly #program: LabProgram;

  private constructor(program: LabProgram) {
    this.#program = program;
  }

  /** @param where a lab host, or in a container of their own that reaches it over Docker's bridge. */
  static async start(where: LabHost | "beside", settings: ClientSettings): Promise<Clients> {
    const running = new LabProgram(where, program);
    const clients = new Clients(running);
    running.tell(settings);
    // Until each of them was answered once.
    for (let seen: Noticed[] = []; seen.length === 0 || seen.some(({ replies }) => replies === 0); )
      seen = Object.values(await clients.noticed());
    return clients;
  }

  /** By the clients' names; what is told is forgotten. Throws where the program is gone. */
  async noticed(): Promise<Record<string, Noticed>> {
    return (await this.#program.ask(null)) as Record<string, Noticed>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#program[Symbol.asyncDispose]();
  }
}

/** How many acknowledged writes of one client a hardened host does not hold. */
export async function lostWrites(
  host: LabHost,
  project: Project,
  name: string,
  acknowledged: readonly number[],
): Promise<number> {
  const script = `local missing = {}
    for i = 1, ARGV[2] do
      if redis.call("GET", ARGV[1] .. i) ~= tostring(i) then missing[#missing + 1] = i end
    end
    return table.concat(missing, " ")`;
  const last = Math.max(0, ...acknowledged.slice(-1));
  const reply = await project.asAdmin(host, `EVAL '${script}' 0 app:${name}: ${last}`);
  if (!/^[\d ]*$/.test(reply)) throw new Error(reply);
  const missing = new Set(reply.split(" ").map(Number));
  return acknowledged.filter((number) => missing.has(number)).length;
}
