import { X509Certificate } from "node:crypto";
import type { PathFact } from "../facts/files.ts";
import { attributesIn, digestIn } from "../facts/kept-runs.ts";
import type { HostFacts } from "../facts/probe.ts";
import { type DefaultPolicy, openings } from "../firewall/evaluate.ts";
import { parseBeforeRules, parseKernelRules } from "../firewall/kernel-rules.ts";
import type { FirewallPlan } from "../firewall/plan.ts";
import { describeEntry, describeRule, isAnywhere, parseRules, type UfwEntry } from "../firewall/ufw-rules.ts";
import { type Attributes, describeAttributes } from "../lib/attributes.ts";
import { contains, isLoopback, normalizeSubnet } from "../lib/network.ts";
import { Secret } from "../lib/secret.ts";
import type { ChangeRecord, Impact } from "../record/record.ts";
import { describeUser } from "../redis/acl-in-words.ts";
import { type AclUser, hashPassword, renderAclUser } from "../redis/acl-user.ts";
import { type ConfigDocument, parseConfig } from "../redis/config-document.ts";
import { foundUsers, storedUsers } from "../redis/found-users.ts";
import { parseAclFile, parseAclUser } from "../redis/parse-acl.ts";
import type { Server } from "../redis/server.ts";
import { sameSetting } from "../redis/setting.ts";
import { splitWords } from "../redis/words.ts";
import { noActions } from "../resources/kinds.ts";
import { impactOf } from "./impact.ts";
import type { Destination, KeptState } from "./kept-state.ts";
import { memoryOnlyUsers } from "./memory-only.ts";
import type { HostPlan } from "./plan.ts";
import { type RulesOfOthers, ruleInWords, rulesOfOthers, UFW_RULES } from "./rules-of-others.ts";
/** What a host becomes when it goes back to a state that it keeps. */
export interface GiveBack {
  changes: ChangeRecord[];
  impact: Impact[];
  restart: boolean;
  config: ConfigDocument;
  users: ReadonlyMap<string, AclUser>;
  /** What becomes of ufw. */
  firewall: "disable" | "load" | undefined;
  policy: { before: DefaultPolicy; after: DefaultPolicy } | undefined;
  /** Rules of ufw that others added or took away since, and that this would undo. */
  others: readonly RulesOfOthers[];
  /** What has to be done, by path. */
  files: KeptState["files"];
  modes: KeptState["modes"];
}

export interface GiveBackInput {
  facts: HostFacts;
  server: Server;
  state: KeptState;
  /** The last run knows what it changed on the running server; of several together only their files are known. */
  destination: Destination;
  /** A file's signature as it stands now. */
  signatureOf: (path: string) => string;
}

const UFW_DEFAULTS = "/etc/default/ufw";
/** Settings whose values are secrets. */
const SECRET_SETTINGS = new Set(
  "requirepass masterauth primaryauth tls-key-file-pass tls-client-key-file-pass".split(" "),
);
const MASK = "••••";

/** Whether the text of a path's backup is read for the plan: what people can read, and no private key. */
export function isShown(path: string, server: Server): boolean {
  return (
    /\.(conf|acl|crt|rules)$/.test(path) ||
    path === UFW_DEFAULTS ||
    path === server.config.get("aclfile")?.[0] ||
    server.config.files().some((file) => file.path === path)
  );
}

/** Facts and a kept state in, plan of the way back out: pure. */
export function planGiveBack(input: GiveBackInput): GiveBack {
  const { facts, state, signatureOf } = input;
  const files = state.files.filter(({ path, state: then }) => signatureOf(path) !== then);
  const modes = state.modes.filter(({ path, attributes }) => {
    const found = facts.files.paths.get(path);
    return found !== undefined && describeAttributes(found) !== describeAttributes(attributes);
  });
  const back = new Back({ ...input, state: { ...state, files, modes } });
  return { ...back.plan(), files, modes };
}

class Back {
  readonly #input: GiveBackInput;
  readonly #config: ConfigDocument;
  readonly #users: { before: ReadonlyMap<string, AclUser>; after: ReadonlyMap<string, AclUser> };
  readonly #restart: boolean;
  readonly #goesOff: boolean;
  readonly #rules: Record<4 | 6, { before: readonly UfwEntry[]; after: readonly UfwEntry[] }>;
  readonly #policy: { before: DefaultPolicy; after: DefaultPolicy };
  readonly #isActive: boolean;
  readonly #others: readonly RulesOfOthers[];

  constructor(input: GiveBackInput) {
    this.#input = input;
    const { facts, server, state } = input;
    this.#config = this.#configAfter();
    this.#restart = input.destination === "last" ? state.restarted : this.#touchesRedis();
    const before = foundUsers({ facts, server });
    this.#users = { before, after: this.#usersAfter(before) };
    const kernel = parseKernelRules(facts.firewall.kernel4, 4);
    this.#isActive = kernel.active;
    this.#goesOff = state.firewall?.wasEnabled === false && kernel.active;
    const rules = (family: 4 | 6, now: string) => ({
      before: parseRules(now, family).entries,
      after: parseRules(this.#textAfter(UFW_RULES[family]) ?? now, family).entries,
    });
    this.#rules = { 4: rules(4, facts.firewall.rules4), 6: rules(6, facts.firewall.rules6) };
    const policy = kernel.defaultIncoming ?? "allow";
    this.#policy = { before: policy, after: state.policy ?? policy };
    this.#others = rulesOfOthers({ facts, state, ports: this.#ownPorts() }).filter(({ path }) =>
      state.files.some((file) => file.path === path),
    );
  }

  plan(): Omit<GiveBack, "files" | "modes"> {
    const changes = [
      ...this.#settingChanges(),
      ...this.#userChanges(),
      ...this.#unitChanges(),
      ...this.#fileChanges(),
      ...this.#attributeChanges(),
      ...this.#firewallChanges(),
    ];
    return {
      changes,
      impact: changes.length === 0 ? [] : this.#impact(changes),
      restart: this.#restart,
      config: this.#config,
      users: this.#users.after,
      // One that somebody switched off stays off, with its old files.
      firewall: this.#goesOff ? "disable" : this.#isActive && this.#hasNewRules() ? "load" : undefined,
      others: this.#others,
      policy: this.#goesOff || this.#policy.before === this.#policy.after ? undefined : this.#policy,
    };
  }

  #touchesRedis(): boolean {
    const isUfws = (path: string) => path.startsWith("/etc/ufw/") || path === UFW_DEFAULTS;
    return this.#input.state.files.some(({ path }) => !isUfws(path));
  }

  /** Those that a rule of redkeep's may name: of Redis, now and then, and of sshd. */
  #ownPorts(): number[] {
    const { facts, server } = this.#input;
    const redis = [server.config, this.#config].flatMap((document) => [
      this.#port(document, "port"),
      this.#port(document, "tls-port"),
    ]);
    const ssh = [...facts.host.sshPorts, facts.host.sshPeer?.localPort ?? 0];
    return [...redis, ...ssh].filter((port) => port > 0);
  }

  #hasNewRules(): boolean {
    return this.#input.state.files.some(({ path }) => path === UFW_RULES[4] || path === UFW_RULES[6]);
  }

  /** The text that a path gets back; undefined where it stays, goes or is not shown. */
  #textAfter(path: string): string | undefined {
    const file = this.#input.state.files.find((one) => one.path === path);
    return file === undefined ? undefined : this.#input.facts.kept.backups.get(file.backup);
  }

  #isGone(path: string): boolean {
    return this.#input.state.files.some((file) => file.path === path && file.state === "absent");
  }

  #configAfter(): ConfigDocument {
    const { facts, server } = this.#input;
    const [main, ...includes] = server.config.files().map(({ path, text }) => ({
      path,
      text: this.#isGone(path) ? "" : (this.#textAfter(path) ?? text),
    }));
    const known = new Set([main, ...includes].map((file) => file?.path));
    const others = this.#input.state.files.flatMap(({ path, backup }) => {
      const text = path.endsWith(".conf") && !known.has(path) ? facts.kept.backups.get(backup) : undefined;
      return text === undefined || path.startsWith("/etc/systemd/") ? [] : [{ path, text }];
    });
    if (main === undefined) return server.config;
    return parseConfig(
      main,
      [...includes, ...others],
      "/",
      server.version.capabilities.saveResetsAfterInclude,
    );
  }

  #usersAfter(before: ReadonlyMap<string, AclUser>): ReadonlyMap<string, AclUser> {
    const { facts, server } = this.#input;
    const [path, now] = [this.#config.get("aclfile")?.[0], server.config.get("aclfile")?.[0]];
    const requirepass = this.#config.get("requirepass")?.[0];
    const isSame =
      path === now &&
      requirepass === server.config.get("requirepass")?.[0] &&
      (path === undefined || (this.#textAfter(path) === undefined && !this.#isGone(path)));
    if (isSame) return before;
    const options = { allChannelsByDefault: server.running?.get("acl-pubsub-default") === "allchannels" };
    const text =
      path === undefined || this.#isGone(path)
        ? ""
        : (this.#textAfter(path) ?? facts.configFiles.aclFiles.get(path) ?? "");
    const users = [
      ...this.#config.all("user").map(({ args }) => parseAclUser(["user", ...args], options)),
      ...parseAclFile(text, path ?? "", options).users.map(({ user }) => user),
    ];
    const after = new Map(users.map((user) => [user.name, user]));
    // Without a restart, who lives only in memory lives on.
    const inFile = facts.configFiles.aclFiles.get(path ?? "") ?? "";
    if (!this.#restart)
      for (const [name, user] of before)
        if (!after.has(name) && !inFile.includes(`user ${name} `)) after.set(name, user);
    if (!after.has("default")) {
      const login =
        requirepass === undefined || requirepass === ""
          ? "nopass"
          : `#${hashPassword(new Secret(requirepass))}`;
      after.set("default", parseAclUser(["user", "default", "on", login, "~*", "&*", "+@all"]));
    }
    return after;
  }

  #settingChanges(): ChangeRecord[] {
    const [now, then] = [this.#input.server.config, this.#config];
    const names = [...new Set([...now.directives, ...then.directives].map(({ name }) => name))];
    const changes = names
      .filter((name) => name !== "user" && name !== "rename-command")
      .flatMap((name) => this.#settingChange(name));
    return [...changes, ...this.#renameChanges(), ...this.#textChanges()];
  }

  #settingChange(name: string): ChangeRecord[] {
    const value = (document: ConfigDocument) => {
      const lines = document.all(name);
      return MANY.has(name) ? lines.map(({ args }) => args.join(" ")) : document.get(name);
    };
    const [before, after] = [value(this.#input.server.config), value(this.#config)];
    const [was, is] = [before?.length === 0 ? undefined : before, after?.length === 0 ? undefined : after];
    if (was === undefined && is === undefined) return [];
    if (was !== undefined && is !== undefined && sameSetting(name, is, was)) return [];
    const shown = (words: readonly string[] | undefined) =>
      words === undefined
        ? null
        : SECRET_SETTINGS.has(name)
          ? MASK
          : words.join(MANY.has(name) ? "; " : " ") || '""';
    return [
      {
        address: `redis.conf:${name}`,
        action: was === undefined ? "create" : is === undefined ? "delete" : "update",
        before: shown(was),
        after: shown(is),
        restart: this.#restart && !this.#input.server.version.liveSettable(name),
      },
    ];
  }

  /** Commands whose names come back, or go again. */
  #renameChanges(): ChangeRecord[] {
    const [now, then] = [this.#renames(this.#input.server.config), this.#renames(this.#config)];
    return [...new Set([...now.keys(), ...then.keys()])].flatMap((command): ChangeRecord[] => {
      const [before, after] = [now.get(command), then.get(command)];
      if (before === after) return [];
      const shown = (to: string | undefined) =>
        to === undefined ? null : to === "" ? "taken away" : `renamed to ${MASK}`;
      return [
        {
          address: `redis.conf:rename-command ${command}`,
          action: before === undefined ? "create" : after === undefined ? "delete" : "update",
          before: shown(before),
          after: shown(after),
          restart: this.#restart,
        },
      ];
    });
  }

  #renames(document: ConfigDocument): Map<string, string> {
    return new Map(
      document.all("rename-command").map(({ args: [command = "", to = ""] }) => [command.toUpperCase(), to]),
    );
  }

  /** The same line by line, comments too, for `--diff`. Secrets are masked. */
  #textChanges(): ChangeRecord[] {
    return this.#input.server.config.files().flatMap(({ path, text }): ChangeRecord[] => {
      const then = this.#textAfter(path);
      if (then === undefined) return [];
      const [now, later] = [text.split("\n"), then.split("\n")];
      const [ours, theirs] = [new Set(now), new Set(later)];
      const gone = now.filter((line) => !theirs.has(line)).map(withoutSecrets);
      const back = later.filter((line) => !ours.has(line)).map(withoutSecrets);
      if (gone.length + back.length === 0) return [];
      return [
        {
          address: `file:${path}`,
          action: "update",
          before: `${gone.join("\n")}\n`,
          after: `${back.join("\n")}\n`,
          restart: false,
        },
      ];
    });
  }

  #userChanges(): ChangeRecord[] {
    const { before, after } = this.#users;
    if (before === after) return [];
    const { capabilities } = this.#input.server.version;
    return [...new Set([...before.keys(), ...after.keys()])].flatMap((name): ChangeRecord[] => {
      const [now, then] = [before.get(name), after.get(name)];
      if (
        now !== undefined &&
        then !== undefined &&
        renderAclUser(now, capabilities) === renderAclUser(then, capabilities)
      )
        return [];
      const shown = [now, then].map((user) => (user === undefined ? null : describeUser(user)));
      const [was = null, is = null] = shown;
      const isPassword = was !== null && was === is;
      return [
        {
          address: `users.acl:${name}`,
          action: now === undefined ? "create" : then === undefined ? "delete" : "update",
          before: isPassword ? `password ${MASK}` : was,
          after: isPassword ? `the password from before the run, ${MASK}` : is,
          restart: this.#restart,
        },
      ];
    });
  }

  #unitChanges(): ChangeRecord[] {
    const { facts, server } = this.#input;
    const path = `/etc/systemd/system/${server.unit}.d/redkeep.conf`;
    const [isGone, text] = [this.#isGone(path), this.#textAfter(path)];
    if (!isGone && text === undefined) return [];
    const [now, then] = [properties(facts.configFiles.dropIn ?? ""), properties(text ?? "")];
    return [...new Set([...now.keys(), ...then.keys()])].flatMap((property): ChangeRecord[] => {
      const [before = null, after = null] = [now.get(property), then.get(property)];
      return before === after
        ? []
        : [
            {
              address: `unit:${property}`,
              action: before === null ? "create" : after === null ? "delete" : "update",
              before,
              after,
              restart: this.#restart,
            },
          ];
    });
  }

  /** Files that come back or go whole: certificates, keys, the ACL file, the drop-in. */
  #fileChanges(): ChangeRecord[] {
    const { facts, server, state } = this.#input;
    const spoken = new Set<string>([
      ...server.config.files().map(({ path }) => path),
      ...Object.values(UFW_RULES),
    ]);
    return state.files.flatMap(({ path, backup, state: then }): ChangeRecord[] => {
      const found = facts.files.paths.get(path);
      const attributes = attributesIn(then);
      if (attributes === undefined)
        return [
          change(
            path,
            "delete",
            `${describeFile(found)}${certificate(facts.certificates.pem.get(path))}`,
            null,
          ),
        ];
      const isContent = digestIn(then) !== facts.files.digests.get(path);
      if (found === undefined || (isContent && !spoken.has(path))) {
        const after = `as before the run, ${describeAttributes(attributes)}${certificate(facts.kept.backups.get(backup))}`;
        const before =
          found === undefined
            ? null
            : `${describeFile(found)}${certificate(facts.certificates.pem.get(path))}`;
        return [change(path, found === undefined ? "create" : "update", before, after)];
      }
      return describeAttributes(found) === describeAttributes(attributes)
        ? []
        : [change(path, "update", describeAttributes(found), describeAttributes(attributes))];
    });
  }

  #attributeChanges(): ChangeRecord[] {
    const { facts, state } = this.#input;
    return [
      ...state.modes.flatMap(({ path, attributes }) => {
        const found = facts.files.paths.get(path);
        return found === undefined
          ? []
          : [change(path, "update", describeAttributes(found), describeAttributes(attributes))];
      }),
      ...state.created.flatMap((path) => {
        const found = facts.files.paths.get(path);
        return found?.kind === "directory"
          ? [change(path, "delete", `directory, ${describeAttributes(found)}; goes where it is empty`, null)]
          : [];
      }),
    ];
  }

  #firewallChanges(): ChangeRecord[] {
    const words = (entries: readonly UfwEntry[]) => new Set(entries.map(describeEntry));
    const rule = (
      action: "create" | "delete",
      { text, isOthers }: { text: string; isOthers: boolean },
    ): ChangeRecord => ({
      address: `ufw:${text}`,
      action,
      before: action === "delete" ? `goes${isOthers ? "; no run that the host keeps wrote it" : ""}` : null,
      after: action === "create" ? `comes back${isOthers ? "; somebody took it away" : ""}` : null,
      restart: false,
    });
    const steps = ([4, 6] as const).flatMap((family) => {
      const { before, after } = this.#rules[family];
      const [now, then] = [words(before), words(after)];
      const others = this.#others.find((one) => one.family === family);
      const stepsOf = (action: "create" | "delete", from: readonly UfwEntry[], known: ReadonlySet<string>) =>
        from
          .filter((entry) => !known.has(describeEntry(entry)))
          .map((entry) => ({
            family,
            action,
            text: describeEntry(entry),
            isOthers:
              (action === "delete" ? others?.added : others?.gone)?.includes(ruleInWords(entry)) === true,
          }));
      return [...stepsOf("create", after, now), ...stepsOf("delete", before, then)];
    });
    // A rule for any address stands in both files, and is one rule to ufw's users: where one family alone changes, that is said.
    const rules = (action: "create" | "delete") => {
      const found = Map.groupBy(
        steps.filter((step) => step.action === action),
        ({ text }) => text,
      );
      return [...found].map(([text, [first, ...more]]) => {
        const other = first?.family === 4 ? 6 : 4;
        const { before, after } = this.#rules[other];
        const stays = [before, after].every((entries) => words(entries).has(text));
        const isOthers = [first, ...more].some((step) => step?.isOthers === true);
        return rule(action, { text: stays ? `${text} (v${first?.family})` : text, isOthers });
      });
    };
    const update = (address: string, before: string, after: string): ChangeRecord => ({
      address,
      action: "update",
      before,
      after,
      restart: false,
    });
    return [
      ...(this.#goesOff ? [update("ufw:status", "active", "inactive")] : []),
      ...(this.#policy.before === this.#policy.after || this.#goesOff
        ? []
        : [update("ufw:default incoming", this.#policy.before, this.#policy.after)]),
      ...rules("create"),
      ...rules("delete"),
    ];
  }

  /** Who will notice, the gravest first: doors that open, then who loses what. */
  #impact(changes: readonly ChangeRecord[]): Impact[] {
    const { facts, server } = this.#input;
    return [
      ...this.#othersImpacts(),
      ...this.#portImpacts(),
      ...this.#defaultUserImpacts(),
      ...this.#tlsImpacts(),
      ...this.#passwordImpacts(),
      ...this.#ruleImpacts(),
      ...this.#commandImpacts(changes),
      ...impactOf(this.#asPlan(changes), facts, server),
    ];
  }

  *#othersImpacts(): Iterable<Impact> {
    for (const { family, added, gone } of this.#others) {
      for (const text of added)
        yield {
          kind: "rule-lost",
          detail: `ufw's rule ${text} (v${family}) goes, and no run that the host keeps wrote it: what it lets in or keeps out may be somebody else's.`,
        };
      for (const text of gone)
        yield {
          kind: "rule-lost",
          detail: `ufw's rule ${text} (v${family}) comes back, although somebody took it away since redkeep's last run.`,
        };
    }
  }

  #port(document: ConfigDocument, name: "port" | "tls-port"): number {
    return Number(document.get(name)?.[0] ?? (name === "port" ? "6379" : "0"));
  }

  /** Who gets to a port, in words; none where nobody from elsewhere does. */
  #reach(when: "before" | "after", port: number): string[] {
    const document = when === "before" ? this.#input.server.config : this.#config;
    const isHeard = (["port", "tls-port"] as const).some((name) => this.#port(document, name) === port);
    const bound = (document.get("bind") ?? ["*"]).map((address) => address.replace(/^-/, ""));
    if (!isHeard || port === 0 || bound.every((address) => isLoopback(address))) return [];
    if (!this.#isActive || (when === "after" && this.#goesOff)) return ["everybody"];
    return this.#letIn(when, port);
  }

  #letIn(when: "before" | "after", port: number): string[] {
    const { firewall } = this.#input.facts;
    const entries = ([4, 6] as const).flatMap((family) => [
      ...parseBeforeRules(firewall.before, family),
      ...this.#rules[family][when],
    ]);
    const found = openings(entries, this.#policy[when], port).map(({ rule }) => {
      if (rule === "default") return "everybody (ufw lets in what no rule names)";
      const text = rule.kind === "rule" ? describeRule(rule, { comment: false }) : describeEntry(rule);
      const isOpen = rule.kind === "rule" && isAnywhere(rule.source);
      return isOpen ? `everybody (ufw: ${text})` : rule.kind === "rule" ? rule.source : text;
    });
    return [...new Set(found)].sort();
  }

  *#portImpacts(): Iterable<Impact> {
    const { facts } = this.#input;
    if (this.#goesOff) {
      const others = [
        ...new Set(
          facts.host.listeners
            .filter(({ address, protocol }) => protocol === "tcp" && !isLoopback(address))
            .map(({ port }) => port),
        ),
      ].sort((a, b) => a - b);
      yield {
        kind: "firewall-off",
        detail: `the firewall goes off: whoever reaches this host reaches every port that listens${others.length === 0 ? "" : `, now ${others.join(", ")}`}.`,
      };
    }
    const now = this.#input.server.config;
    const ports = new Set(
      [now, this.#config].flatMap((document) =>
        (["port", "tls-port"] as const).map((name) => this.#port(document, name)),
      ),
    );
    const tlsGoes = this.#port(this.#config, "tls-port") === 0;
    for (const port of [...ports].sort((a, b) => a - b)) {
      const [before, after] = [this.#reach("before", port), this.#reach("after", port)];
      const open = `now it is open to ${before.join(", ")}`;
      if (after.length === 0) {
        // That of TLS is told with what goes with it.
        if (before.length > 0 && !(tlsGoes && port === this.#port(now, "tls-port")))
          yield { kind: "port-closes", detail: `port ${port} closes; ${open}.` };
        continue;
      }
      if (after.every((who) => isAmong(who, before))) {
        if (!before.every((who) => isAmong(who, after)))
          yield {
            kind: "port-closes",
            detail: `port ${port} is left open to ${after.join(", ")} alone; ${open}.`,
          };
        continue;
      }
      const plain = port === this.#port(this.#config, "port") ? ", in plain" : ", with TLS";
      yield {
        kind: "port-opens",
        detail: `port ${port} opens to ${after.join(", ")}${plain}; ${before.length === 0 ? "now nobody gets there from elsewhere" : open}.`,
      };
    }
  }

  *#defaultUserImpacts(): Iterable<Impact> {
    const [now, then] = [this.#users.before.get("default"), this.#users.after.get("default")];
    const isOpen = (user: AclUser | undefined) => user?.enabled === true && user.nopass;
    if (!isOpen(then) || isOpen(now)) return;
    const isProtected = (this.#config.get("protected-mode")?.[0] ?? "yes").toLowerCase() !== "no";
    const who = isProtected
      ? "whoever is on this host (protected mode turns others away)"
      : "whoever reaches its port";
    yield {
      kind: "no-password",
      detail: `user default comes back without a password: ${who} may do all that it may.`,
    };
  }

  *#tlsImpacts(): Iterable<Impact> {
    const [now, then] = [this.#input.server.config, this.#config].map((document) =>
      this.#port(document, "tls-port"),
    );
    if (now !== 0 && then === 0)
      yield {
        kind: "tls-goes",
        detail: `TLS goes: port ${now} closes, and commands and passwords travel in plain again.`,
      };
    const auth = [this.#input.server.config, this.#config].map(
      (document) => document.get("tls-auth-clients")?.[0] ?? "yes",
    );
    if (then !== 0 && now !== 0 && auth[0] === "yes" && auth[1] !== "yes")
      yield { kind: "tls-goes", detail: `port ${then} asks clients for no certificate any more.` };
    if (then !== 0 && now !== 0 && auth[0] !== "yes" && auth[1] === "yes")
      yield {
        kind: "certificate-asked",
        detail: `port ${then} asks clients for a certificate again: who has none of the CA's is refused.`,
      };
  }

  *#passwordImpacts(): Iterable<Impact> {
    const { before, after } = this.#users;
    const back = [...after.values()].filter(({ name, passwords, enabled }) => {
      const now = before.get(name);
      return enabled && [...passwords].some((hash) => now?.passwords.has(hash) !== true);
    });
    for (const { name } of back) {
      const isNew = before.get(name)?.enabled !== true;
      yield {
        kind: "password-back",
        detail: isNew
          ? `user ${name} comes back with the password from before the run: whoever knows it gets in again.`
          : `the password of user ${name} from before the run comes back: whoever knows it gets in again, and who has only the one of now is refused.`,
      };
    }
  }

  *#ruleImpacts(): Iterable<Impact> {
    const { before, after } = this.#users;
    const changed = [...after.values()].filter((user) => {
      const now = before.get(user.name);
      return (
        now?.enabled === true &&
        user.enabled &&
        describeUser({ ...user, passwords: now.passwords, nopass: now.nopass }) !== describeUser(now)
      );
    });
    for (const user of changed)
      yield {
        kind: "rules-back",
        detail: `user ${user.name} gets its rules from before the run back: ${describeUser(user)}.`,
      };
  }

  *#commandImpacts(changes: readonly ChangeRecord[]): Iterable<Impact> {
    const names = changes
      .filter(
        ({ address, action }) => action === "delete" && address.startsWith("redis.conf:rename-command "),
      )
      .map(({ address }) => address.split(" ")[1] ?? "");
    if (names.length > 0)
      yield { kind: "commands-back", detail: `${names.sort().join(", ")} answer to their own names again.` };
  }

  /** As a plan of tasks is compared with who is connected. */
  #asPlan(changes: ChangeRecord[] | readonly ChangeRecord[]): HostPlan {
    const { after, before } = this.#users;
    const listed = [...after.values()].filter(({ enabled }) => enabled).map(({ name }) => name);
    const { firewall } = this.#input.facts;
    const stays: FirewallPlan | undefined =
      this.#isActive && !this.#goesOff && this.#hasNewRules()
        ? {
            rules4: parseRules(this.#textAfter(UFW_RULES[4]) ?? firewall.rules4, 4),
            rules6: parseRules(this.#textAfter(UFW_RULES[6]) ?? firewall.rules6, 6),
            changes: [{ address: "ufw:rules", action: "update", before: null, after: null, reason: "" }],
            problems: [],
            notes: [],
          }
        : undefined;
    return {
      tasks: [{ task: "rollback", name: "", status: "would-change", reason: null, changes: [...changes] }],
      refusals: [],
      actions: {
        ...noActions(),
        liveSettings: this.#restart
          ? []
          : changes.flatMap(({ address, after }): [string, string][] =>
              address.startsWith("redis.conf:") && after !== null
                ? [[address.slice("redis.conf:".length), after]]
                : [],
            ),
        restart: this.#restart,
      },
      after: {
        config: this.#config,
        users: after === before ? undefined : after,
        listed,
        unknownPasswords: [],
        firewall: stays,
        isGivenBack: true,
        // Users that the file has now and will lack are changes of the plan.
        memoryOnly: memoryOnlyUsers(this.#input, {
          next: new Map([...storedUsers(this.#input), ...after]),
          restarts: this.#restart,
        }),
      },
      restartFor: [],
      impact: [],
    };
  }
}

/** Directives that add up, a line each. */
const MANY = new Set(["include", "loadmodule", "client-output-buffer-limit"]);

function change(
  path: string,
  action: ChangeRecord["action"],
  before: string | null,
  after: string | null,
): ChangeRecord {
  return { address: `file:${path}`, action, before, after, restart: false };
}

function describeFile(found: PathFact | Attributes | undefined): string {
  return found === undefined ? "there" : describeAttributes(found);
}

/** `, valid until 2029-03-04`, of a certificate's text. */
function certificate(pem: string | undefined): string {
  if (pem?.includes("BEGIN CERTIFICATE") !== true) return "";
  try {
    return `, certificate valid until ${new Date(new X509Certificate(pem).validTo).toISOString().slice(0, 10)}`;
  } catch {
    return "";
  }
}

/** Properties of a drop-in. */
function properties(text: string): Map<string, string> {
  return new Map(
    [...text.matchAll(/^([A-Za-z]+)=(.*)$/gm)].map(([, name = "", value = ""]) => [name, value]),
  );
}

/** Whether those who get in, in the words of `#reach`, are among others who do. */
function isAmong(who: string, others: readonly string[]): boolean {
  const subnet = normalizeSubnet(who)?.subnet;
  return others.some((other) => {
    const outer = normalizeSubnet(other)?.subnet;
    const isInside = subnet !== undefined && outer !== undefined && contains(outer, subnet);
    return other.startsWith("everybody") || other === who || isInside;
  });
}

/** A line of a configuration without what it keeps secret, be it commented out. */
function withoutSecrets(line: string): string {
  const [, hash = "", rest = ""] = /^(\s*#?\s*)(.*)$/.exec(line) ?? [];
  const [name = "", ...words] = splitWords(rest) ?? rest.split(/\s+/);
  const setting = name.toLowerCase();
  if (SECRET_SETTINGS.has(setting) && words.length > 0) return `${hash}${name} ${MASK}`;
  if (setting === "rename-command" && words.length > 1)
    return `${hash}${name} ${words[0]} ${words[1] === "" ? '""' : MASK}`;
  if (setting === "user")
    return `${hash}${name} ${words.map((word) => (/^[<>#!]/.test(word) ? MASK : word)).join(" ")}`;
  return line;
}
