import { isLoopback, rangeOf } from "../../lib/network.ts";
import { numbers, type Packets, type RuleName } from "../packets.ts";
import type { Effect } from "../ruleset.ts";
import type { Host } from "./passage.ts";

/** The packets as an effect of a rule leaves them. */
export function apply(effect: Effect, packets: Packets, { text }: RuleName, host: Host): Packets {
  switch (effect.kind) {
    case "untrack":
      return packets.state === "INVALID" ? { ...packets, state: "UNTRACKED" } : packets;
    case "unsettle":
      return { ...packets, isUnsettled: true };
    case "copyMark":
      if (packets.state !== "NEW") return packets;
      return effect.from === "mark"
        ? { ...packets, connectionMark: packets.mark }
        : { ...packets, mark: packets.connectionMark };
    case "mark": {
      // A packet that is not tracked has no connection to mark.
      if (effect.field === "connectionMark" && packets.state !== "NEW") return packets;
      const before = packets[effect.field];
      const isKnown = effect.keep !== undefined && (before !== undefined || effect.keep === 0);
      const after = isKnown ? (((before ?? 0) & effect.keep) ^ effect.flip) >>> 0 : undefined;
      return { ...packets, [effect.field]: after };
    }
    case "rewrite": {
      const { family, port } = packets;
      const here = host.addresses.filter(
        ({ address, interface: name }) => rangeOf(address).family === family && packets.in.includes(name),
      );
      const { first, last } = effect.address === "host" ? { first: 0n, last: 0n } : rangeOf(effect.address);
      const own = here
        .map(({ address }) => rangeOf(address))
        .map((range) => [range.first, range.last] as const);
      const isLocal = effect.address === "host" || isOwn(effect.address, host);
      return {
        ...packets,
        destination:
          effect.address !== "host" ? [[first, last]] : own.length > 0 ? numbers(own) : packets.destination,
        port: effect.port === undefined ? port : [[BigInt(effect.port), BigInt(effect.port)]],
        isLocal,
        out: isLocal ? [] : waysTo(effect.address, host),
        rewritten: { rule: text, ports: port },
      };
    }
  }
}

export const isOwn = (address: string, host: Host): boolean =>
  isLoopback(address) ||
  host.addresses.some(
    (own) =>
      rangeOf(own.address).first === rangeOf(address).first &&
      rangeOf(own.address).family === rangeOf(address).family,
  );

/** The interface whose network has the address; all of them where the address is behind a router. */
function waysTo(address: string, host: Host): readonly string[] {
  const to = rangeOf(address);
  const near = host.addresses
    .filter((own) => {
      const { family, first, last } = rangeOf(`${own.address}/${own.prefix}`);
      return family === to.family && first <= to.first && to.first <= last;
    })
    .toSorted((a, b) => b.prefix - a.prefix);
  return near[0] === undefined ? host.interfaces : [near[0].interface];
}
