import { family as familyOf } from "../../lib/network.ts";
import type { Effect, Verdict } from "../ruleset.ts";
import type { Options } from "./matches.ts";
import type { Table } from "./tables.ts";

type Target = { effects?: Effect[]; verdict?: Verdict | undefined };

/** Targets that pass packets on to the next rule, and change nothing that a later rule here can see. */
const PASSING = new Set(
  "LOG NFLOG ULOG AUDIT TRACE TCPOPTSTRIP CLASSIFY CHECKSUM SET RATEEST LED IDLETIMER TEE SECMARK CONNSECMARK".split(
    " ",
  ),
);

/** Targets that change what `trait` matches ask for: the packet's header, or its length. */
const UNSETTLING = new Set(["TTL", "HL", "TOS", "DSCP", "ECN", "TCPMSS"]);

/** What `-j NAME` or `-g NAME` does with a packet that matches. */
export function readTarget(
  name: string | undefined,
  isGoto: boolean,
  options: Options,
  { name: table, policies }: Pick<Table, "name" | "policies">,
): Target {
  const value = (option: string) => options.get(option)?.values[0];
  if (name === undefined) return {};
  if (isGoto) return { verdict: { kind: "goto", chain: name } };
  // A chain may be named like a target that this iptables does not have.
  if (policies.has(name)) return { verdict: { kind: "jump", chain: name } };
  if (PASSING.has(name)) return {};
  if (UNSETTLING.has(name)) return { effects: [{ kind: "unsettle" }] };
  switch (name) {
    case "ACCEPT":
      return { verdict: { kind: "accept" } };
    case "DROP":
    case "REJECT":
      return { verdict: { kind: "drop" } };
    case "RETURN":
      return { verdict: { kind: "return" } };
    case "NOTRACK":
      return { effects: [{ kind: "untrack" }] };
    case "CT":
      if (options.has("--notrack")) return { effects: [{ kind: "untrack" }] };
      return {};
    case "MARK":
      return { effects: [setMark("mark", options)] };
    case "CONNMARK":
      return { effects: [connmark(options)] };
    case "MASQUERADE":
    case "SNAT":
      return table === "nat" ? { verdict: { kind: "accept" } } : { verdict: { kind: "unknown" } };
    case "REDIRECT": {
      const port = value("--to-ports");
      if (port !== undefined && !/^\d{1,5}$/.test(port)) return { verdict: { kind: "unknown" } };
      return rewrite("host", port);
    }
    case "DNAT": {
      const [, four, six, bare, port] =
        /^(?:([\d.]+)|\[([0-9a-f:.]+)\]|([0-9a-f:]+))?(?::(\d{1,5}))?$/i.exec(
          value("--to-destination") ?? "",
        ) ?? [];
      const address = four ?? six ?? bare ?? "";
      // IPv6 without brackets has no port: all of it is the address.
      const whole = value("--to-destination") ?? "";
      if (familyOf(whole) === 6) return rewrite(whole, undefined);
      return familyOf(address) === undefined ? { verdict: { kind: "unknown" } } : rewrite(address, port);
    }
    default:
      // A name in capitals may be a target that is not known here. A missing chain is noticed when packets get to it.
      return { verdict: { kind: "jump", chain: name } };
  }
}

const rewrite = (address: string, port: string | undefined): Target => ({
  effects: [{ kind: "rewrite", address, port: port === undefined ? undefined : Number(port) }],
  verdict: { kind: "accept" },
});

/** `--set-xmark VALUE/MASK` is what iptables-save prints of all ways to set a mark. */
function setMark(field: "mark" | "connectionMark", options: Options): Effect {
  const text = options.get("--set-xmark")?.values[0] ?? "";
  const [, value = "", mask = "0xffffffff"] = /^(0x[0-9a-f]+|\d+)(?:\/(0x[0-9a-f]+|\d+))?$/i.exec(text) ?? [];
  if (value === "") return { kind: "mark", field };
  return { kind: "mark", field, keep: ~Number(mask) >>> 0, flip: Number(value) };
}

function connmark(options: Options): Effect {
  if (options.has("--set-xmark")) return setMark("connectionMark", options);
  const isWhole = ["--nfmask", "--ctmask"].every(
    (mask) => Number(options.get(mask)?.values[0] ?? 0xffffffff) === 0xffffffff,
  );
  const isSave = options.has("--save-mark");
  if (!isSave && !options.has("--restore-mark")) return { kind: "mark", field: "connectionMark" };
  if (!isWhole) return { kind: "mark", field: isSave ? "connectionMark" : "mark" };
  return { kind: "copyMark", from: isSave ? "mark" : "connectionMark" };
}
