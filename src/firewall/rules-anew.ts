import type { DefaultPolicy } from "./evaluate.ts";
import { defaultPolicy, shellValue, type UfwRulesFile } from "./ufw-rules.ts";

/** How much ufw logs: `LOGLEVEL` of /etc/ufw/ufw.conf. */
export type LogLevel = (typeof LEVELS)[number];
const LEVELS = ["off", "low", "medium", "high", "full"] as const;

const DIRECTIONS = ["input", "output", "forward"] as const;
type Direction = (typeof DIRECTIONS)[number];

/** What ufw's rule files depend on beside their rules. */
export interface RuleSettings {
  logLevel: LogLevel;
  policies: Record<Direction, DefaultPolicy>;
}

/**
 * From the texts of /etc/ufw/ufw.conf and /etc/default/ufw. Undefined where one of them is missing, or is none that ufw knows:
 * what ufw does then is left to ufw.
 */
export function ruleSettings(ufwConf: string, defaults: string): RuleSettings | undefined {
  const level = shellValue(ufwConf, "LOGLEVEL")?.toLowerCase();
  const logLevel = LEVELS.find((known) => known === level);
  const [input, output, forward] = DIRECTIONS.map((direction) =>
    defaultPolicy(shellValue(defaults, `DEFAULT_${direction.toUpperCase()}_POLICY`)),
  );
  if (logLevel === undefined || input === undefined || output === undefined || forward === undefined) return;
  return { logLevel, policies: { input, output, forward } };
}

/**
 * The file as `ufw enable` writes it anew: its rules as they stand, all around them in ufw's words of today. Loading it gives the
 * rules that `ufw enable` ends with (`_write_rules` and `_get_logging_rules` of ufw 0.36).
 */
export function renderAnew({ family, entries }: UfwRulesFile, settings: RuleSettings): string {
  const prefix = family === 4 ? "ufw" : "ufw6";
  const kinds = ["user", "before-logging", "user-logging", "after-logging"];
  const chains = [
    ...kinds.flatMap((kind) => DIRECTIONS.map((direction) => `${kind}-${direction}`)),
    ...["logging-deny", "logging-allow", "user-limit", "user-limit-accept"],
  ];
  const limitLog =
    settings.logLevel === "off"
      ? []
      : [`-A ${prefix}-user-limit -m limit --limit 3/minute -j LOG --log-prefix "[UFW LIMIT BLOCK] "`];
  const lines = (texts: readonly string[]) => texts.map((text) => `${text}\n`).join("");
  return [
    lines(["*filter", ...chains.map((chain) => `:${prefix}-${chain} - [0:0]`), "### RULES ###"]),
    ...entries.map(({ raw }) => raw),
    lines(["", "### END RULES ###", "", "### LOGGING ###", ...loggingLines(prefix, settings)]),
    lines(["### END LOGGING ###", "", "### RATE LIMITING ###", ...limitLog]),
    lines([`-A ${prefix}-user-limit -j REJECT`, `-A ${prefix}-user-limit-accept -j ACCEPT`]),
    lines(["### END RATE LIMITING ###", "COMMIT"]),
  ].join("");
}

function loggingLines(prefix: string, { logLevel, policies }: RuleSettings): string[] {
  if (logLevel === "off")
    return DIRECTIONS.map((direction) => `-I ${prefix}-user-logging-${direction} -j RETURN`);
  const level = LEVELS.indexOf(logLevel);
  const isAtLeast = (least: LogLevel) => level >= LEVELS.indexOf(least);
  const limit = " -m limit --limit 3/min --limit-burst 10";
  const unlessHigh = isAtLeast("high") ? "" : limit;
  const log = (words: string) => `-j LOG --log-prefix "[UFW ${words}] "`;
  return [
    ...DIRECTIONS.flatMap((direction) => {
      const chain = `${prefix}-after-logging-${direction}`;
      if (policies[direction] !== "allow") return [`-A ${chain} ${log("BLOCK")}${unlessHigh}`];
      return isAtLeast("medium") ? [`-A ${chain} ${log("ALLOW")}${unlessHigh}`] : [];
    }),
    isAtLeast("medium")
      ? `-A ${prefix}-logging-deny -m conntrack --ctstate INVALID ${log("AUDIT INVALID")}${unlessHigh}`
      : `-I ${prefix}-logging-deny -m conntrack --ctstate INVALID -j RETURN${unlessHigh}`,
    `-A ${prefix}-logging-deny ${log("BLOCK")}${unlessHigh}`,
    `-A ${prefix}-logging-allow ${log("ALLOW")}${unlessHigh}`,
    ...(isAtLeast("medium")
      ? DIRECTIONS.map((direction) => {
          const which = isAtLeast("high") ? "" : " -m conntrack --ctstate NEW";
          return `-I ${prefix}-before-logging-${direction} ${log("AUDIT")}${which}${isAtLeast("full") ? "" : limit}`;
        })
      : []),
  ];
}
