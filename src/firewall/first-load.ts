import type { Family } from "../lib/network.ts";
import { type RuleSettings, ruleSettings } from "./rules-anew.ts";
import { parseDefaults, shellValue } from "./ufw-rules.ts";

/**
 * SHA-256 of the /lib/ufw/ufw-init-functions whose loading this is: ufw 0.36 of Debian 11, 0.36.2 of Debian 12 and 13. Any other
 * is run itself.
 */
export const KNOWN_INITS = [
  "84622178903376b2a5fd86a729b2c68aa33fd94eed645553266979bb6b9386d7",
  "5865fbffc0c644d97e5fc6906c648ce6e4f23710ea0ff57c573ed680999d2cc4",
] as const;

/** What stands around ufw's own files where they are loaded into a kernel without its chains, for `iptables-restore --noflush`. */
export interface FirstLoad {
  /** Behind `*filter`, ahead of before.rules: its last line ends the step. */
  first: string;
  /** Behind user.rules: a step without its end. */
  last: string;
}

/**
 * Of both families. Undefined where ufw would do something else as well, or does not say what: with modules or built-in chains
 * in its care, kernel settings from another file, or without IPv6.
 */
export function firstLoads(ufwConf: string, defaults: string): Record<Family, FirstLoad> | undefined {
  const settings = ruleSettings(ufwConf, defaults);
  // Both are read as shell, this one later.
  const value = (name: string) => shellValue(`${defaults}\n${ufwConf}`, name);
  const isPlain =
    value("MANAGE_BUILTINS") === "no" &&
    (value("IPT_MODULES") ?? "") === "" &&
    value("IPT_SYSCTL") === "/etc/ufw/sysctl.conf" &&
    parseDefaults(defaults).ipv6Enabled === true;
  if (settings === undefined || !isPlain) return undefined;
  return { 4: firstLoad(4, settings), 6: firstLoad(6, settings) };
}

const HOOKS = ["before-logging", "before", "after", "after-logging", "reject", "track"] as const;
const PATHS = ["input", "output", "forward"] as const;
const TARGETS = { allow: "ACCEPT", deny: "DROP", reject: "REJECT" } as const;

function firstLoad(family: Family, { policies }: RuleSettings): FirstLoad {
  const prefix = family === 4 ? "ufw" : "ufw6";
  const each = (lines: (path: (typeof PATHS)[number]) => string[]) => PATHS.flatMap(lines);
  const chains = [
    ...each((path) => [...HOOKS, "skip-to-policy", "user", "user-logging"].map((kind) => `${kind}-${path}`)),
    ...["logging-deny", "logging-allow", "user-limit", "user-limit-accept"],
  ];
  const first = [
    ...chains.map((chain) => `:${prefix}-${chain} - [0:0]`),
    ...each((path) => HOOKS.map((hook) => `-A ${path.toUpperCase()} -j ${prefix}-${hook}-${path}`)),
    ...each((path) => [`-A ${prefix}-skip-to-policy-${path} -j ${TARGETS[policies[path]]}`]),
    "COMMIT",
  ];
  // What turns packets away comes with the rules that let them in.
  const last = [
    "*filter",
    ...each((path) => {
      const policy = policies[path];
      if (policy === "reject") return [`-A ${prefix}-reject-${path} -j REJECT`];
      if (policy === "deny") return [];
      return ["tcp", "udp"].map(
        (protocol) => `-A ${prefix}-track-${path} -p ${protocol} -m conntrack --ctstate NEW -j ACCEPT`,
      );
    }),
    ...each((path) => [
      `-A ${prefix}-before-${path} -j ${prefix}-user-${path}`,
      `:${path.toUpperCase()} ${policies[path] === "allow" ? "ACCEPT" : "DROP"} [0:0]`,
    ]),
  ];
  const text = (lines: readonly string[]) => lines.map((line) => `${line}\n`).join("");
  return { first: text(first), last: text(last) };
}
