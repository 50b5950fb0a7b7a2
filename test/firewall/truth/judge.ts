/** Judges rule sets by packets on a lab host, and by what redkeep reads of them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { SaidTexts, SeenTexts } from "../../../src/facts/fact.ts";
import { firewallFact } from "../../../src/facts/firewall.ts";
import { NOTHING_ASKED } from "../../../src/facts/probe-input.ts";
import { type Numbers, numbers } from "../../../src/firewall/packets.ts";
import { readFirewall, type Seen } from "../../../src/firewall/reachability.ts";
import { type Passage, verdictOf } from "../../../src/firewall/walk/passage.ts";
import { sourcesOf, strangersTo } from "../../../src/firewall/walk/senders.ts";
import { walk } from "../../../src/firewall/walk.ts";
import type { Family } from "../../../src/lib/network.ts";
import type { LabHost } from "../../integration/support/lab.ts";
import { onHost } from "../../integration/support/observe.ts";
import { ALLOWED, PRELUDE, type RuleSet } from "./sets.ts";

const judge = readFileSync(join(import.meta.dirname, "judge.py"), "utf8");
const PORT = 6380;
/** Longer than a connection takes that is let in. Where that may have been too short, patient clients ask again. */
const [BRIEFLY, PATIENTLY] = [1, 10];

/** The addresses of judge.py's clients, and the interface that they come in by. */
const CLIENTS = {
  inside: { sources: ["10.77.1.9", "fd77:1::9"], interface: "eth0" },
  outside: { sources: ["10.77.2.9", "fd77:2::9"], interface: "eth0" },
  eth1: { sources: ["10.77.3.9", "fd77:3::9"], interface: "eth1" },
} as const;
type Client = keyof typeof CLIENTS;

const ADDRESSES = [
  ...["10.77.1.1/24", "10.77.2.1/24", "fd77:1::1/64", "fd77:2::1/64"].map((text) => ["eth0", text] as const),
  ...["10.77.3.1/24", "fd77:3::1/64"].map((text) => ["eth1", text] as const),
  ...["172.17.0.1/16", "fd17::1/64"].map((text) => ["docker0", text] as const),
].map(([name, text]) => {
  const [address = "", prefix] = text.split("/");
  return { interface: name, address, prefix: Number(prefix) };
});

/** One question about one rule set: whether a client gets to Redis over a family. */
export interface Judged {
  set: string;
  client: Client | "strangers";
  family: Family;
  /** What the packet met. For strangers: whether one of those that asked got in. */
  isIn: boolean;
  said: ReturnType<typeof verdictOf>;
  /** The rules that were named. */
  by: string;
}

/** Whether packets met what was said, or nothing was said. */
export function isTrue({ client, isIn, said }: Judged): boolean {
  if (said === "unknown") return true;
  // Strangers are all the world: one of them may get in even where those who asked do not.
  if (client === "strangers") return said === "open" || !isIn;
  return (said === "open") === isIn;
}

/** Installs what a real ufw makes of the networks allowed, for sets that begin with it. */
export async function prepare(host: LabHost): Promise<void> {
  await onHost(
    host,
    `ufw allow 22/tcp; for n in ${ALLOWED.join(" ")}; do ufw allow from $n to any port ${PORT} proto tcp; done
     mkdir -p /run/truth/legacy; for n in iptables ip6tables iptables-save ip6tables-save; do ln -sf "$(command -v xtables-legacy-multi)" /run/truth/legacy/$n; done
     ufw --force enable; mkdir -p /run/truth; iptables-save >/run/truth/ufw4; ip6tables-save >/run/truth/ufw6; ufw disable`,
  );
}

export async function judgeSets(host: LabHost, sets: readonly RuleSet[]): Promise<Judged[]> {
  const first = await judgeOnce(host, sets, BRIEFLY);
  // A busy machine may keep a packet longer than a second.
  const late = sets.filter(({ name }) => first.some((one) => one.set === name && !isTrue(one)));
  if (late.length === 0) return first;
  const again = await judgeOnce(host, late, PATIENTLY);
  return [...first.filter(({ set }) => !late.some(({ name }) => name === set)), ...again];
}

/** What the probe asks, with words for those of its own that this piece uses. */
const COLLECT = `
section() { printf '\\n@@ %s\\n' "$*"; }
has() { command -v "$1" >/dev/null; }
is_active() { false; }
show_files() { :; }
first_word() { VALUE=; { read -r VALUE REST <"$1"; } 2>/dev/null; }
${firewallFact.script(NOTHING_ASKED)}`;

async function judgeOnce(host: LabHost, sets: readonly RuleSet[], seconds: number): Promise<Judged[]> {
  const asked = {
    workers: 8,
    prelude: PRELUDE,
    collect: COLLECT,
    sets: sets.map(({ name, script, isLegacy }) => ({
      name,
      script,
      seconds,
      ...(isLegacy ? { path: "/run/truth/legacy" } : {}),
    })),
  };
  const { status, stdout, stderr } = await host.sh(
    `python3 -c '${judge.replaceAll("'", `'\\''`)}'`,
    JSON.stringify(asked),
  );
  if (status !== 0) throw new Error(stderr);
  const results: { name: string; error?: string; text: string; seen: Record<string, boolean> }[] =
    JSON.parse(stdout);
  const broken = results.filter(({ error }) => error !== undefined);
  if (broken.length > 0) throw new Error(broken.map(({ name, error }) => `${name}: ${error}`).join("\n"));
  return results.flatMap(({ name, text, seen }) => {
    return judgeOne(name, text, (client, family) =>
      ["6380", "8080"].some((port) => seen[`${client} ${family} ${port}`]),
    );
  });
}

function judgeOne(set: string, text: string, isIn: (client: Client, family: Family) => boolean): Judged[] {
  const seen: Seen = {
    firewall: firewallFact.parse({ seen: sectionsOf(text), said: new SaidTexts() }, NOTHING_ASKED),
    host: { addresses: ADDRESSES, uid: 0, tools: new Set(["iptables"]) },
  };
  return ([4, 6] as const).flatMap((family) => {
    const { rulesets, host } = readFirewall(seen)[family];
    const ask = (client: Judged["client"], sources: Numbers, interfaces: readonly string[]): Judged => {
      const passage = walk(rulesets, { ...host, interfaces }, { family, sources, port: PORT });
      const truth =
        client === "strangers" ? isIn("outside", family) || isIn("eth1", family) : isIn(client, family);
      return { set, client, family, isIn: truth, said: verdictOf(passage), by: namesOf(passage) };
    };
    return [
      ...(Object.keys(CLIENTS) as Client[]).map((client) =>
        ask(client, numbers(sourcesOf(family, CLIENTS[client].sources)), [CLIENTS[client].interface]),
      ),
      ask("strangers", strangersTo(family, ALLOWED), host.interfaces),
    ];
  });
}

const namesOf = ({ openings, doubts }: Passage): string =>
  [...openings.map(({ rule }) => rule.text), ...doubts.map(({ text }) => text)].join("; ");

function sectionsOf(text: string): SeenTexts {
  const parts = text.split(/^@@ (.*)\n/m).slice(1);
  const texts = new Map<string, string>();
  for (let i = 0; i < parts.length; i += 2) texts.set(parts[i] ?? "", parts[i + 1] ?? "");
  return new SeenTexts(texts);
}
