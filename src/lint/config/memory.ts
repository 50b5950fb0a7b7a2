import { didYouMean } from "../../lib/errors.ts";
import { parseSize } from "../../redis/size.ts";
import type { Report } from "../finding.ts";
import type { Settings } from "./settings.ts";

const POLICIES = [
  ..."noeviction allkeys-lru allkeys-lfu allkeys-random volatile-lru volatile-lfu".split(" "),
  ..."volatile-random volatile-ttl".split(" "),
];

export function lintMemory(settings: Settings, report: Report): void {
  const given = settings.text("maxmemory");
  const bytes = given === "" ? 0 : parseSize(given);
  const place = settings.place("maxmemory");
  if (bytes === undefined)
    report(
      place,
      "RK-FILE-01",
      `maxmemory takes no "${given}": Redis does not start`,
      "write bytes, or a whole number with kb, mb or gb",
    );
  else if (bytes === 0 && settings.isWhole)
    report(
      place,
      "RK-LIM-01",
      "memory has no limit: the kernel kills the process that uses most",
      "set maxmemory below the memory of the host",
    );
  if (/[0-9](k|m|g)$/i.test(given))
    report(
      place,
      "RK-FILE-02",
      `${given} counts in thousands: ${given}b is ${/m$/i.test(given) ? "5" : /g$/i.test(given) ? "7" : "2"} per cent more`,
      "write kb, mb or gb",
    );
  const policy = settings.word("maxmemory-policy", "noeviction");
  if (!POLICIES.includes(policy))
    report(
      settings.place("maxmemory-policy"),
      "RK-FILE-01",
      `there is no policy "${policy}": Redis does not start`,
      `take one of ${POLICIES.join(", ")}.${didYouMean(policy, POLICIES)}`,
    );
  else if (bytes !== undefined && bytes > 0 && !settings.has("maxmemory-policy"))
    report(
      place,
      "RK-LIM-02",
      "without a maxmemory-policy writes fail once the memory is full",
      "set one: noeviction for data, allkeys-lru for a cache",
      "low",
    );
  if (policy.startsWith("allkeys-") && settings.word("appendonly") === "yes")
    report(
      settings.place("maxmemory-policy"),
      "RK-LIM-02",
      `${policy} evicts keys that appendonly is meant to keep`,
      "use noeviction for data, or turn the AOF off for a cache",
    );
}
