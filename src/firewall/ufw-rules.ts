import { contains, type Family, family as familyOf, normalizeSubnet } from "../lib/network.ts";

export type UfwAction = "allow" | "deny" | "reject" | "limit";

/** What one ufw rule says, in the terms of its `### tuple ###` line. */
export interface UfwRuleFields {
  family: Family;
  action: UfwAction;
  log: "" | "log" | "log-all";
  /** "any", "tcp", "udp", "esp", … */
  protocol: string;
  /** "any", a port, or a list of ports and ranges such as "80,443,6000:7000". */
  destinationPorts: string;
  /** A normalised subnet; "0.0.0.0/0" or "::/0" for any. */
  destination: string;
  sourcePorts: string;
  source: string;
  /** Names of application profiles, "" for none. ufw resolves them when the rule is added: the ports stand beside. */
  destinationApp: string;
  sourceApp: string;
  direction: "in" | "out";
  interfaceIn: string;
  interfaceOut: string;
  /** Rules of `ufw route`, for packets that the host forwards. */
  route: boolean;
  comment: string;
}

export interface UfwRule extends UfwRuleFields {
  kind: "rule";
  /** The rule's text in the file, with the blank line before it. */
  raw: string;
}

/**
 * Lines among the rules that are not what ufw writes: a tuple that cannot be read, or whose iptables lines say
 * something else. They are kept as they stand, and may allow or deny anything.
 */
export interface UnknownRule {
  kind: "unknown";
  family: Family;
  reason: string;
  raw: string;
}

export type UfwEntry = UfwRule | UnknownRule;

/** /etc/ufw/user.rules or user6.rules: `head`, the entries' texts and `tail` put together are the file. */
export interface UfwRulesFile {
  family: Family;
  head: string;
  entries: readonly UfwEntry[];
  tail: string;
  /** Why the file cannot be trusted to hold all user rules, in sentences. */
  problems: readonly string[];
}

const ANYWHERE = { 4: "0.0.0.0/0", 6: "::/0" } as const;
const TUPLE = "### tuple ###";

/** Whether an address of a rule is "any". */
export function isAnywhere(subnet: string): boolean {
  return subnet === ANYWHERE[4] || subnet === ANYWHERE[6];
}

/** Reads user.rules (family 4) or user6.rules (family 6), as ufw 0.36 writes them or as the package installs them. */
export function parseRules(text: string, family: Family): UfwRulesFile {
  const lines = text.split("\n").map((line, i, all) => (i < all.length - 1 ? `${line}\n` : line));
  const start = lines.findIndex((line) => line.trimEnd() === "### RULES ###") + 1;
  if (start === 0) {
    return { family, head: "", entries: [], tail: text, problems: ['it has no line "### RULES ###"'] };
  }
  // The file that the package installs has no end marker; the rate limit or COMMIT follows at once.
  const isEnd = (line: string) => /^(### END RULES ###|-A ufw6?-user-limit|COMMIT$)/.test(line.trimEnd());
  const found = lines.findIndex((line, i) => i >= start && isEnd(line));
  let end = found < 0 ? lines.length : found;
  while (end > start && lines[end - 1]?.trim() === "") end--;

  const [head, tail] = [lines.slice(0, start), lines.slice(end)];
  const problems = found < 0 ? ["its rules have no end: the file is cut off"] : [];
  const stray = [...head, ...tail].find((line) => /^\s*-[A-Z]\s+ufw6?-user-input\b/.test(line));
  if (stray !== undefined) problems.push(`a rule stands outside its list of rules: ${printable(stray)}`);
  return {
    family,
    head: head.join(""),
    entries: splitEntries(lines.slice(start, end)).map((entry) => parseEntry(entry, family)),
    tail: tail.join(""),
    problems,
  };
}

/** The file with `entries` as its rules: those that were read keep their bytes. */
export function renderRules(file: UfwRulesFile, entries: readonly UfwEntry[] = file.entries): string {
  return file.head + entries.map((entry) => entry.raw).join("") + file.tail;
}

/** A rule with the text that ufw itself writes for it, from what `allFields` takes. */
export function makeRule(fields: GivenFields): UfwRule {
  const full = allFields(fields);
  return { kind: "rule", ...full, raw: `\n${[tupleLine(full), ...iptablesLines(full)].join("\n")}\n` };
}

type GivenFields = Pick<UfwRuleFields, "family" | "action"> & Partial<UfwRuleFields>;

/** What is not given is "any"; addresses may have host bits. */
export function allFields(fields: GivenFields): UfwRuleFields {
  return {
    log: "",
    protocol: "any",
    destinationPorts: "any",
    sourcePorts: "any",
    destinationApp: "",
    sourceApp: "",
    direction: "in",
    interfaceIn: "",
    interfaceOut: "",
    route: false,
    comment: "",
    ...fields,
    destination: requireSubnet(fields.destination ?? ANYWHERE[fields.family], fields.family),
    source: requireSubnet(fields.source ?? ANYWHERE[fields.family], fields.family),
  };
}

/** A rule's key: ufw keeps one rule for each. It is all of the rule except action, logging and comment. */
export function ruleKey(rule: UfwRuleFields): string {
  const { family, protocol, destinationPorts, destination, sourcePorts, source } = rule;
  const { destinationApp, sourceApp, direction, interfaceIn, interfaceOut, route } = rule;
  const match = [family, protocol, destinationPorts, destination, sourcePorts, source];
  return JSON.stringify([...match, destinationApp, sourceApp, direction, interfaceIn, interfaceOut, route]);
}

/** The rule in ufw's own words, as `ufw show added` prints it: "allow from 10.0.0.0/24 to any port 6380 proto tcp". */
export function describeRule(rule: UfwRuleFields, { comment = true } = {}): string {
  const app = (name: string) => (name.includes(" ") ? `'${name}'` : name);
  const words: string[] = [...(rule.route ? ["route"] : []), rule.action];
  const isShort =
    isAnywhere(rule.destination) &&
    isAnywhere(rule.source) &&
    rule.sourcePorts === "any" &&
    `${rule.sourceApp}${rule.interfaceIn}${rule.interfaceOut}` === "" &&
    rule.destinationPorts !== "any";
  if (isShort) {
    if (rule.direction === "out") words.push("out");
    if (rule.log !== "") words.push(rule.log);
    const protocol = rule.protocol === "any" ? "" : `/${rule.protocol}`;
    words.push(rule.destinationApp === "" ? rule.destinationPorts + protocol : app(rule.destinationApp));
  } else {
    if (rule.interfaceIn !== "") words.push("in on", rule.interfaceIn);
    if (rule.interfaceOut !== "") words.push("out on", rule.interfaceOut);
    else if (rule.direction === "out") words.push("out");
    if (rule.log !== "") words.push(rule.log);
    const ends = [
      ["from", rule.source, rule.sourcePorts, rule.sourceApp],
      ["to", rule.destination, rule.destinationPorts, rule.destinationApp],
    ] as const;
    const named = ends.filter(
      ([, subnet, ports, name]) => !isAnywhere(subnet) || ports !== "any" || name !== "",
    );
    for (const [word, subnet, ports, name] of named) {
      words.push(word, isAnywhere(subnet) ? "any" : subnet);
      if (name !== "") words.push("app", app(name));
      else if (ports !== "any") words.push("port", ports);
    }
    if (named.length === 0 && rule.interfaceIn === "" && rule.interfaceOut === "") words.push("to any");
    if (rule.protocol !== "any" && rule.destinationApp === "" && rule.sourceApp === "") {
      words.push("proto", rule.protocol);
    }
  }
  if (comment && rule.comment !== "") words.push(`comment '${printable(rule.comment)}'`);
  return words.join(" ");
}

/** An entry for people: a readable rule in ufw's words, another one by its first line. */
export function describeEntry(entry: UfwEntry): string {
  return entry.kind === "rule" ? describeRule(entry) : `unreadable rule "${printable(entry.raw)}"`;
}

/** `IPV6` and `DEFAULT_INPUT_POLICY` of /etc/default/ufw. Undefined where a value is missing or not one that ufw knows. */
export function parseDefaults(text: string): {
  ipv6Enabled: boolean | undefined;
  defaultIncoming: "allow" | "deny" | "reject" | undefined;
} {
  const ipv6 = shellValue(text, "IPV6")?.toLowerCase();
  return {
    ipv6Enabled: ipv6 === "yes" ? true : ipv6 === "no" ? false : undefined,
    defaultIncoming: defaultPolicy(shellValue(text, "DEFAULT_INPUT_POLICY")),
  };
}

/** A value of `DEFAULT_…_POLICY`. Undefined for one that ufw does not know. */
export function defaultPolicy(value: string | undefined): "allow" | "deny" | "reject" | undefined {
  const policies = { ACCEPT: "allow", DROP: "deny", REJECT: "reject" } as const;
  return policies[value?.toUpperCase() as keyof typeof policies];
}

/** The last assignment of a name in a file of shell assignments, unquoted, as a shell reads it. */
export function shellValue(text: string, name: string): string | undefined {
  const values = text
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith(`${name}=`))
    .map((line) => line.slice(name.length + 1).replace(/^(["']?)([A-Za-z]*)\1(\s+#.*)?$/, "$2"));
  return values.at(-1);
}

/** Each tuple with the lines up to the next blank line is one entry; so is each other run of lines. */
function splitEntries(lines: readonly string[]): string[][] {
  const entries: string[][] = [];
  let current: string[] = [];
  let hasText = false;
  for (const line of lines) {
    const isBlank = line.trim() === "";
    if (hasText && (isBlank || line.startsWith(TUPLE))) {
      entries.push(current);
      current = [];
      hasText = false;
    }
    current.push(line);
    hasText ||= !isBlank;
  }
  if (current.length > 0) entries.push(current);
  return entries;
}

function parseEntry(lines: readonly string[], family: Family): UfwEntry {
  const raw = lines.join("");
  const unknown = (reason: string): UnknownRule => ({ kind: "unknown", family, reason, raw });

  const [tuple = "", ...iptables] = lines
    .map((line) => line.replace(/\n$/, ""))
    .filter((line) => line.trim() !== "");
  if (!tuple.startsWith(TUPLE)) return unknown("lines that ufw did not write");
  const rule = parseTuple(tuple, family);
  if (rule === undefined) return unknown("a tuple that cannot be read");
  // The kernel gets the lines, not the tuple: where they differ, the tuple says nothing about what passes.
  if (iptables.join("\n") !== iptablesLines(withAddresses(rule, tuple)).join("\n")) {
    return unknown("iptables lines that do not follow from the tuple");
  }
  return { kind: "rule", ...rule, raw };
}

const WORD = {
  action: /^(route:)?(allow|deny|reject|limit)(?:_(log|log-all))?$/,
  protocol: /^(any|tcp|udp|ipv6|esp|ah|igmp|gre|vrrp)$/,
  interfaces: /^(?:(in|out)|(in|out)_([\w\-.+,=%@]{1,15})(?:!out_([\w\-.+,=%@]{1,15}))?)$/,
  app: /^(?:-|\w[\w \-.+%]{0,63})$/,
  comment: /^(?:[0-9a-f]{2})*$/,
};

/** `### tuple ### ACTION PROTOCOL DPORTS DST SPORTS SRC [DAPP SAPP] DIRECTION [comment=HEX]` */
function parseTuple(line: string, family: Family): UfwRuleFields | undefined {
  const [tuple = "", comment = "", ...more] = line.slice(TUPLE.length).split(" comment=");
  const words = tuple.trim().split(/\s+/);
  const [action, protocol, destinationPorts, destination, sourcePorts, source] = words;
  // Six and eight words are the old form, before ufw had directions.
  const [destinationApp, sourceApp] = words.length >= 8 ? words.slice(6, 8) : ["-", "-"];
  const [, route, verb, log] = WORD.action.exec(action ?? "") ?? [];
  const interfaces = WORD.interfaces.exec(words.length % 2 === 1 ? (words.at(-1) ?? "") : "in");
  if (words.length < 6 || words.length > 9 || more.length > 0 || verb === undefined || interfaces === null)
    return;
  const [, bare, prefix, name = "", second = ""] = interfaces;
  if (prefix === "out" && second !== "") return;

  const [to, from] = [parseAddress(destination, family), parseAddress(source, family)];
  if (!isPorts(destinationPorts) || !isPorts(sourcePorts) || to === undefined || from === undefined) return;
  if (protocol === undefined || !WORD.protocol.test(protocol) || !WORD.comment.test(comment.trim())) return;
  if (![destinationApp, sourceApp].every((app) => app !== undefined && WORD.app.test(app))) return;
  const app = (word: string | undefined) => (word === "-" ? "" : (word ?? "").replaceAll("%20", " "));
  return {
    family,
    action: verb as UfwAction,
    log: (log ?? "") as UfwRule["log"],
    protocol,
    destinationPorts,
    destination: to,
    sourcePorts,
    source: from,
    destinationApp: app(destinationApp),
    sourceApp: app(sourceApp),
    direction: (bare ?? prefix) as "in" | "out",
    interfaceIn: prefix === "in" ? name : "",
    interfaceOut: prefix === "out" ? name : second,
    route: route !== undefined,
    comment: Buffer.from(comment.trim(), "hex").toString("utf8"),
  };
}

/** The rule with its addresses as the tuple spells them: ufw leaves host bits in IPv6 subnets and repeats them below. */
function withAddresses(rule: UfwRuleFields, tuple: string): UfwRuleFields {
  const words = tuple.slice(TUPLE.length).trim().split(/\s+/);
  return { ...rule, destination: words[3] ?? "", source: words[5] ?? "" };
}

/** A subnet in normal form. Masks that are no prefix ("255.0.255.0") cannot be compared and count as unreadable. */
function parseAddress(text: string | undefined, family: Family): string | undefined {
  const subnet = normalizeSubnet(text ?? "")?.subnet;
  return subnet !== undefined && contains(ANYWHERE[family], subnet) ? subnet : undefined;
}

function isPorts(text: string | undefined): text is string {
  if (text === undefined || text.length > 200) return false;
  if (text === "any") return true;
  const isPort = (port: string) => /^[1-9]\d{0,4}$/.test(port) && Number(port) <= 65535;
  return text.split(",").every((part) => {
    const [low = "", high, ...rest] = part.split(":");
    return (
      rest.length === 0 && isPort(low) && (high === undefined || (isPort(high) && Number(low) < Number(high)))
    );
  });
}

function requireSubnet(text: string, family: Family): string {
  const subnet = normalizeSubnet(text)?.subnet;
  if (subnet === undefined || familyOf(subnet) !== family) {
    throw new RangeError(`not an IPv${family} address or subnet: ${JSON.stringify(text)}`);
  }
  return subnet;
}

function tupleLine(rule: UfwRuleFields): string {
  const action = `${rule.route ? "route:" : ""}${rule.action}${rule.log === "" ? "" : `_${rule.log}`}`;
  const apps = [rule.destinationApp, rule.sourceApp];
  const ends = [
    ...(rule.interfaceIn === "" ? [] : [`in_${rule.interfaceIn}`]),
    ...(rule.interfaceOut === "" ? [] : [`out_${rule.interfaceOut}`]),
  ];
  return [
    TUPLE,
    ...[action, rule.protocol, rule.destinationPorts, rule.destination, rule.sourcePorts, rule.source],
    ...(apps.join("") === "" ? [] : apps.map((name) => (name === "" ? "-" : name.replaceAll(" ", "%20")))),
    ends.length === 0 ? rule.direction : ends.join("!"),
    ...(rule.comment === "" ? [] : [`comment=${Buffer.from(rule.comment).toString("hex")}`]),
  ].join(" ");
}

/** The lines that ufw 0.36 writes for a rule (`UFWRule.format_rule` and `_get_rules_from_formatted` in its source). */
function iptablesLines(rule: UfwRuleFields): string[] {
  const prefix = rule.family === 4 ? "ufw" : "ufw6";
  const suffix = rule.route ? "forward" : rule.direction === "out" ? "output" : "input";
  const hasPorts = rule.destinationPorts !== "any" || rule.sourcePorts !== "any";
  const protocols = rule.protocol === "any" && hasPorts ? ["tcp", "udp"] : [rule.protocol];
  return protocols.flatMap((protocol) => {
    const match = matchWords(rule, protocol);
    const chain = `${prefix}-user-${suffix}`;
    const append = (to: string, ...words: string[]) => ["-A", to, ...match, ...words].join(" ");
    const decide = (...words: string[]) => append(chain, ...words, ...commentWords(rule));

    const lines: string[] = [];
    if (rule.log !== "") {
      const logging = `${prefix}-user-logging-${suffix}`;
      const label = rule.action === "allow" ? "ALLOW" : rule.action === "limit" ? "LIMIT" : "BLOCK";
      const onlyNew = rule.log === "log" ? ["-m conntrack --ctstate NEW"] : [];
      const limit = "-m limit --limit 3/min --limit-burst 10";
      lines.push(append(logging, ...onlyNew, limit, `-j LOG --log-prefix "[UFW ${label}] "`));
      lines.push(append(logging, "-j RETURN"), append(chain, `-j ${logging}`));
    }
    if (rule.action === "limit") {
      const recent = "-m conntrack --ctstate NEW -m recent";
      lines.push(decide(`${recent} --set`));
      lines.push(decide(`${recent} --update --seconds 30 --hitcount 6 -j ${prefix}-user-limit`));
      lines.push(decide(`-j ${prefix}-user-limit-accept`));
    } else if (rule.action === "reject") {
      lines.push(decide(protocol === "tcp" ? "-j REJECT --reject-with tcp-reset" : "-j REJECT"));
    } else {
      lines.push(decide(rule.action === "allow" ? "-j ACCEPT" : "-j DROP"));
    }
    return lines;
  });
}

function matchWords(rule: UfwRuleFields, protocol: string): string[] {
  const { destinationPorts: dports, sourcePorts: sports } = rule;
  const isMulti = /[,:]/.test(dports + sports);
  const words: string[] = [];
  if (rule.interfaceIn !== "") words.push("-i", rule.interfaceIn);
  if (rule.interfaceOut !== "") words.push("-o", rule.interfaceOut);
  if (protocol !== "any") words.push("-p", protocol);
  if (isMulti && dports !== "any") words.push("-m multiport --dports", dports);
  if (isMulti && sports !== "any") words.push("-m multiport --sports", sports);
  if (!isAnywhere(rule.destination)) words.push("-d", rule.destination);
  if (!isMulti && dports !== "any") words.push("--dport", dports);
  if (!isAnywhere(rule.source)) words.push("-s", rule.source);
  if (!isMulti && sports !== "any") words.push("--sport", sports);
  return words;
}

function commentWords({ destinationApp, sourceApp }: UfwRuleFields): string[] {
  const names = [destinationApp && `dapp_${destinationApp}`, sourceApp && `sapp_${sourceApp}`].filter(
    Boolean,
  );
  return names.length === 0 ? [] : [`-m comment --comment '${names.join(",").replaceAll(" ", "%20")}'`];
}

/** Text from a host for one line of a terminal: control characters become "?", long text is cut. */
function printable(text: string): string {
  const line = text.trim().replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
  return line.length > 120 ? `${line.slice(0, 119)}…` : line;
}
