/** The runs of the figure: one command on one host, with one attack at one moment. */

/** What redkeep does meanwhile, and the host that it does it on. */
export const STAGES = [
  "verify",
  "verify a hardened host",
  "apply",
  "apply to a hardened host",
  "rollback",
  "recovery from a kill",
  "recovery at boot",
  "plan",
] as const;
export type Stage = (typeof STAGES)[number];

/** As attacker.py calls them. */
const ON_FILES = [
  "folder link",
  "folder link planted",
  "file link",
  "hard link",
  "odd kinds",
  "log link",
  "temporary files",
  "certificate folder",
  "modes and owners",
  "odd names",
  "many names",
  "configuration lines",
  "configuration replaced",
  "ACL file",
  "configuration folders",
  "processes",
  "killed server",
  "pid file",
  "own processes",
] as const;
/** Answers of a server in between, on the Unix socket or the port. */
const WAYS = [
  "sections",
  "late sections",
  "titles",
  "answers",
  "config",
  "hardened",
  "huge",
  "endless",
  "words",
  "process",
  "silent",
  "slow",
  "errors",
] as const;
const ON_SOCKET = WAYS.map((way) => `socket: ${way}`);
const ON_PORT = [...WAYS.slice(0, 5).map((way) => `port: ${way}`), "real settings"];

/** The port asks for TLS and a login on a hardened host: there its socket is the way. */
const STOCK: readonly Stage[] = ["plan", "verify", "apply", "recovery from a kill", "recovery at boot"];

const LOOKS: readonly Stage[] = ["plan", "verify", "verify a hardened host"];

export interface HostileCase {
  stage: Stage;
  attack: string;
  seed: number;
  /** Seconds after the attacker's start, for what is done once. 0: before redkeep starts. */
  moment: number;
}

/** So many runs, each attack in each stage before any comes with another seed; the same ones in every run. */
export function hostileCases(count: number): HostileCase[] {
  const round = STAGES.flatMap((stage) =>
    [...ON_FILES, ...ON_SOCKET, ...(STOCK.includes(stage) ? ON_PORT : [])].map((attack) => ({
      stage,
      attack,
    })),
  );
  const rounds = Math.ceil(count / round.length);
  const all = Array.from({ length: rounds }, (_, number) => {
    // A short last round takes them from all over the list.
    const wanted = Math.min(round.length, count - number * round.length);
    return round
      .map(({ stage, attack }, index) => {
        const seed = number * 101 + index;
        // What only looks is done in a second or two.
        const late = (seed * 0.37) % (LOOKS.includes(stage) ? 1.2 : 4);
        return { stage, attack, seed, moment: seed % 3 === 2 ? Number(late.toFixed(2)) : 0 };
      })
      .filter((_, index) => isDrawn(index, wanted, round.length));
  }).flat();
  // Runs of one stage share hosts.
  return STAGES.flatMap((stage) => all.filter((one) => one.stage === stage));
}

const isDrawn = (index: number, wanted: number, of: number): boolean =>
  Math.floor(((index + 1) * wanted) / of) > Math.floor((index * wanted) / of);
