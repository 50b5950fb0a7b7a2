import type { Attributes } from "../facts/files.ts";
import type { HostFacts } from "../facts/probe.ts";
import { renderAnew, ruleSettings } from "../firewall/rules-anew.ts";
import { parseDefaults, renderRules, type UfwRulesFile } from "../firewall/ufw-rules.ts";
import { excerpt } from "../lib/secret.ts";
import type { TemplateData } from "../lib/template.ts";
import type { ChangeRecord, TaskRecord } from "../record/record.ts";
import { describeUser } from "../redis/acl-in-words.ts";
import { type AclUser, renderAclUser } from "../redis/acl-user.ts";
import type { ConfigDocument } from "../redis/config-document.ts";
import { diffUsers } from "../redis/diff-users.ts";
import { foundUsers } from "../redis/found-users.ts";
import { parseAclFile } from "../redis/parse-acl.ts";
import type { Server } from "../redis/server.ts";
import { sameSetting } from "../redis/setting.ts";
import { joinWords } from "../redis/words.ts";
import { type HostTask, PHASES, paramsOf, type TaskContext } from "../tasks/task.ts";
import type { Controller } from "./controller.ts";
import { GENERATED, type Refusal, type Resource } from "./desired.ts";
import { endpointOf, endpointRefusals } from "./endpoint.ts";
import { memoryOnlyUsers } from "./memory-only.ts";
import { placeRefusals } from "./places.ts";
import { type Actions, type After, changesOf, type HostPlan } from "./plan.ts";
import { keepsKeysInMemoryOnly, loadTime, restartRefusals, saveRefusals } from "./restart.ts";

export interface PlanInput {
  facts: HostFacts;
  server: Server;
  tasks: readonly HostTask[];
  /** Tasks that `when` or tags leave out on this host, with the reason. */
  skipped: readonly { task: string; name: string; reason: string; index: number }[];
  controller: Controller;
  accepted: ReadonlySet<string>;
  render: (name: string, data: TemplateData) => string;
  /** A new name for a command that is to be renamed and has none yet. */
  drawName: (command: string) => string;
}

/** Facts and playbook in, plan out: pure. */
export function buildPlan(input: PlanInput): HostPlan {
  const builder = new PlanBuilder(input);
  const phaseOf = ({ definition }: HostTask) => PHASES.indexOf(definition.phase);
  const inPhaseOrder = [...input.tasks].sort((a, b) => phaseOf(a) - phaseOf(b));
  for (const task of inPhaseOrder) builder.add(task);
  return builder.finish();
}

/** The context in which a host's task plans and checks. */
export function taskContext(
  input: Omit<PlanInput, "skipped" | "accepted" | "drawName">,
  task: HostTask,
  config: ConfigDocument,
): TaskContext<unknown> {
  return {
    params: task.params,
    facts: input.facts,
    server: input.server,
    config,
    controller: input.controller,
    render: input.render,
    others: paramsOf(input.tasks),
  };
}

const OURS = "redkeep.conf";
/** Properties of a unit's own section, by which it waits for another. */
const START_ORDER = ["Wants", "After"];

class PlanBuilder {
  readonly #input: PlanInput;
  #config: ConfigDocument;
  readonly #records = new Map<HostTask, TaskRecord>();
  readonly #refusals: (Refusal & { task: string })[] = [];
  readonly #unit = new Map<string, string>();
  readonly #throughServer = new Set<string>();
  readonly #liveSettings = new Map<string, string>();
  readonly #liveAcl: string[][] = [];
  readonly #after: Omit<After, "config" | "memoryOnly"> = {
    users: undefined,
    listed: [],
    unknownPasswords: [],
    firewall: undefined,
  };
  #removesUnlisted = false;
  readonly #actions: Actions = {
    persistence: [],
    directories: [],
    files: [],
    attributes: [],
    closedData: "",
    daemonReload: false,
    liveSettings: [],
    liveAcl: [],
    restart: false,
    keepKeys: false,
    firewall: undefined,
  };

  constructor(input: PlanInput) {
    this.#input = input;
    this.#config = input.server.config;
  }

  add(task: HostTask): void {
    const context = taskContext(this.#input, task, this.#config);
    const record: TaskRecord = { task: task.task, name: task.name, status: "ok", reason: null, changes: [] };
    this.#records.set(task, record);
    const { resources, refusals = [], notes = [] } = task.definition.desired(context);
    for (const resource of resources) record.changes.push(...this.#diff(resource, task.task));
    for (const refusal of refusals) this.#refuse(refusal, task.task);
    if (record.changes.length > 0) record.status = "would-change";
    if (notes.length > 0) record.reason = notes.join("; ");
  }

  finish(): HostPlan {
    const { facts, server, tasks, skipped } = this.#input;
    const [first] = tasks;
    let needsRestart = [...this.#records.values()].some(({ changes }) =>
      changes.some(({ restart }) => restart),
    );
    const memoryOnly = memoryOnlyUsers(
      { facts, server },
      { next: this.#after.users, restarts: needsRestart, removesUnlisted: this.#removesUnlisted },
    );
    if (needsRestart && first !== undefined) {
      const record = this.#records.get(first);
      for (const resource of loadTime(facts, server))
        record?.changes.push(...this.#diff(resource, first.task));
      for (const refusal of restartRefusals(facts, server, this.#config, this.#throughServer, memoryOnly))
        this.#refuse(refusal, "restart");
    }
    this.#writeConfig();
    this.#writeDropIn();
    this.#mergeAttributes();
    if (needsRestart || this.#actions.persistence.some((step) => step !== "rewrite-aof"))
      for (const refusal of saveRefusals(facts, server)) this.#refuse(refusal, "restart");
    this.#refuseOddPaths();
    if ([...this.#records.values()].some(({ changes }) => changes.length > 0)) {
      for (const refusal of placeRefusals(facts.files, this.#actions)) this.#refuse(refusal, "files");
      for (const words of [facts.redis.endpoint, endpointOf(server, this.#config)])
        for (const refusal of endpointRefusals(words)) this.#refuse(refusal, "login");
    }
    const records = tasks.map((task) => this.#records.get(task)).filter((record) => record !== undefined);
    for (const { task, name, reason, index } of [...skipped].sort((a, b) => a.index - b.index)) {
      records.splice(Math.min(index, records.length), 0, {
        task,
        name,
        status: "skipped",
        reason,
        changes: [],
      });
    }
    const plan: HostPlan = {
      tasks: records,
      refusals: this.#refusals,
      actions: this.#actions,
      after: {
        ...this.#after,
        users: needsRestart ? this.#after.users : this.#withUntouched(this.#after.users),
        memoryOnly,
        config: this.#config,
      },
      restartFor: [],
      impact: [],
    };
    plan.restartFor = changesOf(plan)
      .filter(({ restart }) => restart)
      .map(({ address }) => address);
    needsRestart = plan.restartFor.length > 0;
    this.#actions.restart = needsRestart;
    this.#actions.keepKeys = needsRestart && keepsKeysInMemoryOnly(server);
    if (!needsRestart) {
      this.#actions.liveSettings = [...this.#liveSettings];
      this.#actions.liveAcl = this.#liveAcl;
    }
    return plan;
  }

  #refuse(refusal: Refusal, task: string): void {
    if (refusal.guard !== null && this.#input.accepted.has(refusal.guard)) return;
    if (!this.#refusals.some(({ found }) => found === refusal.found))
      this.#refusals.push({ ...refusal, task });
  }

  #diff(resource: Resource, task: string): ChangeRecord[] {
    switch (resource.kind) {
      case "setting":
        return this.#setting(resource.name, resource.args, resource.secret ?? false, task);
      case "no-setting":
        return this.#noSetting(resource.name, resource.secret ?? false, resource.after);
      case "rename":
        return this.#rename(resource.command, resource.to);
      case "acl-file":
        return this.#aclFile(resource);
      case "file":
        return this.#file(resource);
      case "directory":
        return this.#directory(resource.path, resource.attributes);
      case "attributes":
        return this.#attributes(resource.path, resource.attributes, task);
      case "closed-data":
        this.#actions.closedData = resource.directory;
        return [];
      case "unit":
        return this.#unitProperty(resource, task);
      case "start-after":
        return this.#startAfter(resource);
      case "persistence":
        this.#actions.persistence.push(...resource.steps);
        for (const step of resource.steps) {
          // A rewrite leaves the AOF as it is: on here and off in the file would still lose what it holds.
          if (step !== "rewrite-aof") this.#throughServer.add(step.startsWith("rdb") ? "save" : "appendonly");
        }
        return [];
      case "firewall":
        return this.#firewall(resource);
    }
  }

  #setting(name: string, args: readonly string[], isSecret: boolean, task: string): ChangeRecord[] {
    const { server } = this.#input;
    const inFile = server.config.get(name);
    const running = server.running?.get(name);
    if (server.running !== undefined && running === undefined) {
      this.#refuse(
        {
          guard: "unknown-setting",
          found: `${server.version.name} does not know the setting ${name}`,
          remedy: "leave the parameter out for this host",
        },
        task,
      );
    }
    this.#config = this.#config.merge(joinWords(name, args), `${task} task`);
    const fileHolds = inFile !== undefined && sameSetting(name, args, inFile);
    const runningHolds = running === undefined ? fileHolds : sameSetting(name, args, [running]);
    if (fileHolds && runningHolds) return [];
    const isLive = running !== undefined && server.version.liveSettable(name);
    const throughServer = name === "save" || name === "appendonly";
    if (throughServer) this.#throughServer.add(name);
    else if (!runningHolds && isLive) this.#liveSettings.set(name, args.join(" "));
    const before = runningHolds && !fileHolds ? inFile?.join(" ") : (running ?? inFile?.join(" "));
    const shown = (value: string | undefined) =>
      value === undefined ? null : isSecret ? "••••" : value || '""';
    const after = shown(args.join(" "));
    const note = fileHolds
      ? " (in the file already: changed on the running server, or never loaded)"
      : runningHolds && running !== undefined
        ? " (as it runs: now in the file too)"
        : "";
    return [
      {
        address: `redis.conf:${name}`,
        action: before === undefined ? "create" : "update",
        before: shown(before),
        after: `${after}${note}`,
        restart: !runningHolds && !isLive && !throughServer,
      },
    ];
  }

  #noSetting(name: string, isSecret: boolean, after: string): ChangeRecord[] {
    const found = this.#config.all(name);
    if (found.length === 0) return [];
    this.#config = this.#config.remove(name);
    return found.map(({ args }) => ({
      address: name === "user" ? `redis.conf:user ${args[0] ?? ""}` : `redis.conf:${name}`,
      action: "delete",
      before: isSecret ? "••••" : args.join(" "),
      after: `gives way to ${after}`,
      restart: false,
    }));
  }

  #rename(command: string, to: string): ChangeRecord[] {
    const { facts, server, drawName } = this.#input;
    const line = server.config.all("rename-command").find(({ args }) => args[0]?.toUpperCase() === command);
    const fileHolds = line !== undefined && line.args[1] === to;
    const isKnown = facts.redis.commands.get(command);
    if (fileHolds && isKnown !== true) return [];
    this.#config = this.#config.setRename(command, to === GENERATED ? drawName(command) : to);
    const describe = (target: string) => (target === "" ? "taken away" : "renamed to ••••");
    return [
      {
        address: `redis.conf:rename-command ${command}`,
        action: line === undefined ? "create" : "update",
        before:
          line === undefined
            ? null
            : fileHolds
              ? "in the file already, never loaded"
              : describe(line.args[1] ?? ""),
        after: describe(to),
        restart: true,
      },
    ];
  }

  /** What no task writes or removes goes on as it runs, until a restart. */
  #withUntouched(inFile: After["users"]): After["users"] {
    const { facts, server } = this.#input;
    if (inFile === undefined || this.#removesUnlisted || facts.redis.aclUsers === undefined) return inFile;
    const isUnlisted = (name: string) => name !== "default" && !this.#after.listed.includes(name);
    const running = [...foundUsers({ facts, server })].filter(([name]) => isUnlisted(name));
    return new Map([...inFile, ...running]);
  }

  #aclFile({
    path,
    users,
    kept = [],
    removesUnlisted = false,
    listed = [],
    generated,
    unknownPasswords = [],
    refused = [],
    attributes,
  }: Resource & { kind: "acl-file" }): ChangeRecord[] {
    const { facts, server } = this.#input;
    const inNewFile = new Map([...users, ...kept].map((user) => [user.name, user]));
    this.#after.users = inNewFile;
    this.#after.listed = listed;
    this.#after.unknownPasswords = unknownPasswords;
    this.#removesUnlisted = removesUnlisted;
    const content = facts.configFiles.aclFiles.get(path);
    const parsed = content === undefined ? undefined : parseAclFile(content, path);
    const inFile = new Map(parsed?.users.map(({ user }) => [user.name, user]));
    const running = facts.redis.aclUsers === undefined ? undefined : foundUsers({ facts, server });
    const isLoaded = server.running?.get("aclfile") === path;
    const changes: ChangeRecord[] = [];
    for (const user of users) {
      const [there, loaded] = [inFile.get(user.name), running?.get(user.name)];
      const fileHolds =
        there !== undefined && !generated.includes(user.name) && this.#permitsTheSame(user, there);
      const runningHolds =
        running === undefined
          ? fileHolds && !refused.includes(user.name)
          : loaded !== undefined && !generated.includes(user.name) && this.#permitsTheSame(user, loaded);
      if (fileHolds && runningHolds) continue;
      const before = loaded ?? there;
      if (!runningHolds && isLoaded) this.#liveAcl.push(...liveUser(user, loaded, server));
      const isGenerated = generated.includes(user.name);
      if (
        before !== undefined &&
        !runningHolds &&
        before.passwords.size > 0 &&
        this.#permitsTheSame({ ...user, passwords: before.passwords }, before)
      ) {
        changes.push({
          address: `users.acl:${user.name}`,
          action: "update",
          before: "password ••••",
          after: `another password ••••${isGenerated ? ", generated at apply" : ""}`,
          restart: !isLoaded,
        });
        continue;
      }
      const made = isGenerated ? "; password ••••, generated at apply" : "";
      const after = `${describeUser(user)}${made}`;
      const note =
        before !== undefined && describeUser(before) === after
          ? runningHolds
            ? " (in memory only: written to the file)"
            : before.passwords.size > 0
              ? " (changed)"
              : ""
          : "";
      changes.push({
        address: `users.acl:${user.name}`,
        action: before === undefined ? "create" : "update",
        before: before === undefined ? null : describeUser(before),
        after: `${after}${note}`,
        restart: !runningHolds && !isLoaded,
      });
    }
    for (const user of kept) {
      const there = inFile.get(user.name);
      if (there !== undefined && this.#permitsTheSame(user, there)) continue;
      changes.push({
        address: `users.acl:${user.name}`,
        action: there === undefined ? "create" : "update",
        before: there === undefined ? null : describeUser(there),
        after: `${describeUser(user)} (not in the playbook: kept as ${server.config.all("user").some(({ args }) => args[0] === user.name) ? "redis.conf" : "its file"} has it)`,
        restart: false,
      });
    }
    for (const [name, user] of new Map([...inFile, ...(running ?? [])])) {
      // Who lives only in memory is not of the file: it goes where the playbook says so, and is never written.
      if (inNewFile.has(name) || (!removesUnlisted && !inFile.has(name))) continue;
      if (isLoaded) this.#liveAcl.push(["ACL", "DELUSER", name]);
      changes.push({
        address: `users.acl:${name}`,
        action: "delete",
        before: describeUser(user),
        after: null,
        restart: !isLoaded,
      });
    }
    const isSound = parsed !== undefined && parsed.problems.length === 0 && !/(^|\s)>/m.test(content ?? "");
    if (changes.length === 0 && !isSound) {
      const found = parsed?.problems[0]?.message ?? (parsed === undefined ? null : "passwords in clear text");
      changes.push({
        address: `file:${path}`,
        action: parsed === undefined ? "create" : "update",
        before: found,
        after: "one line for each user, passwords as hashes",
        restart: false,
      });
    }
    if (changes.length > 0) {
      const lines = [...inNewFile.values()].map((user) => renderAclUser(user, server.version.capabilities));
      this.#actions.files.push({
        path,
        content: { text: this.#input.render("users.acl.ejs", { lines }), secret: true },
        attributes,
      });
    }
    return changes;
  }

  /** By what they permit where the server's commands are known, else word by word. */
  #permitsTheSame(wanted: AclUser, found: AclUser): boolean {
    const { server } = this.#input;
    if (server.commands !== undefined) return diffUsers(wanted, found, server.commands).length === 0;
    const { capabilities } = server.version;
    return renderAclUser(wanted, capabilities) === renderAclUser(found, capabilities);
  }

  #file(resource: Resource & { kind: "file" }): ChangeRecord[] {
    if (!resource.differs) return [];
    const { path, content, attributes, before, after, reload } = resource;
    this.#actions.files.push({ path, content, attributes });
    const { running } = this.#input.server;
    const pairs = reload ?? [];
    // The server holds the old content under the same paths: setting them to themselves makes it read them again.
    const isHeld =
      running !== undefined &&
      pairs.some((value, index) => index % 2 === 1 && running.get(pairs[index - 1] ?? "") === value);
    if (isHeld)
      for (let i = 0; i + 1 < pairs.length; i += 2)
        this.#liveSettings.set(pairs[i] ?? "", pairs[i + 1] ?? "");
    return [
      {
        address: `file:${path}`,
        action: before === null ? "create" : "update",
        before,
        after: `${after}, ${describeAttributes(attributes)}`,
        restart: false,
      },
    ];
  }

  #directory(path: string, attributes: Attributes): ChangeRecord[] {
    const found = this.#input.facts.files.paths.get(path);
    if (found !== undefined) return [];
    this.#actions.directories.push({ path, attributes });
    return [
      {
        address: `file:${path}`,
        action: "create",
        before: null,
        after: `directory, ${describeAttributes(attributes)}`,
        restart: false,
      },
    ];
  }

  #attributes(path: string, wanted: Partial<Attributes>, task: string): ChangeRecord[] {
    const found = this.#input.facts.files.paths.get(path);
    if (found === undefined || this.#isOdd(path, task)) return [];
    const { owner, group, mode } = found;
    const planned = this.#actions.attributes.find((action) => action.path === path);
    const now = planned?.attributes ?? { owner, group, mode };
    const attributes = { ...now, ...wanted };
    if (sameAttributes(now, attributes)) return [];
    if (planned === undefined)
      this.#actions.attributes.push({ path, attributes, before: { owner, group, mode } });
    else planned.attributes = attributes;
    return [
      {
        address: `file:${path}`,
        action: "update",
        before: describeAttributes(now),
        after: describeAttributes(attributes),
        restart: false,
      },
    ];
  }

  /** True where something else than a plain file or directory stands in the way: then the host is refused. */
  #isOdd(path: string, task: string): boolean {
    const found = this.#input.facts.files.paths.get(path);
    const what =
      found?.kind === "link"
        ? "is a symbolic link"
        : found?.kind === "other"
          ? "is no regular file"
          : found?.kind === "file" && found.links > 1
            ? "has a second name (hard link)"
            : undefined;
    if (what === undefined) return false;
    this.#refuse(
      { guard: null, found: `${path} ${what}`, remedy: "put a plain file there: redkeep follows no links" },
      task,
    );
    return true;
  }

  #unitProperty(
    { property, value, loaded, process }: Resource & { kind: "unit" },
    task: string,
  ): ChangeRecord[] {
    this.#unit.set(property, value);
    if (loaded === value && process === undefined) return [];
    if (loaded !== value) this.#refuseOverruled(property, value, task);
    const note = loaded === value ? ` (loaded, but the process still has ${process})` : "";
    return [
      {
        address: `unit:${property}`,
        action: "update",
        before: loaded || "not set",
        after: `${value}${note}`,
        restart: true,
      },
    ];
  }

  /** A drop-in whose name comes after ours has the last word: what it sets otherwise would stay as it is. */
  #refuseOverruled(property: string, value: string, task: string): void {
    if (property === "ReadWritePaths") return; // each drop-in adds to the list
    const last = this.#input.facts.service.dropIns.findLast((line) => line.property === property);
    if (last === undefined || last.value === value || (last.path.split("/").at(-1) ?? "") <= OURS) return;
    this.#refuse(
      {
        guard: null,
        found: `${last.path} sets ${property}=${excerpt(last.value, 60)}, and systemd reads it after ${OURS}: ${property}=${value} would have no effect`,
        remedy: `take the line out, or give the file a name that comes before ${OURS}`,
      },
      task,
    );
  }

  #startAfter({ unit, loaded }: Resource & { kind: "start-after" }): ChangeRecord[] {
    if (loaded) return [];
    for (const property of START_ORDER) this.#unit.set(property, unit);
    return [{ address: "unit:After", action: "update", before: "not set", after: unit, restart: false }];
  }

  #firewall({ plan }: Resource & { kind: "firewall" }): ChangeRecord[] {
    this.#after.firewall = plan;
    if (plan.changes.length === 0) return [];
    const { firewall } = this.#input.facts;
    const attributes: Attributes = { owner: "root", group: "root", mode: 0o640 };
    const write = (path: string, text: string, before: string, keep: Attributes) => {
      if (text !== before)
        this.#actions.files.push({ path, content: { text, secret: false }, attributes: keep });
    };
    const enable = plan.changes.some(({ address }) => address === "ufw:status");
    const { defaultPolicy, storedDefault = enable ? defaultPolicy?.after : undefined } = plan;
    let { defaults } = firewall;
    if (storedDefault !== undefined) {
      const word = { deny: "DROP", reject: "REJECT" }[storedDefault];
      defaults = defaults.replace(/^DEFAULT_INPUT_POLICY=.*$/m, `DEFAULT_INPUT_POLICY="${word}"`);
    }
    // In the words in which ufw would write them as it is switched on. With IPV6=no nothing reads user6.rules.
    const settings = enable ? ruleSettings(firewall.ufwConf, defaults) : undefined;
    const render = (rules: UfwRulesFile, isRead = true) =>
      settings === undefined || !isRead ? renderRules(rules) : renderAnew(rules, settings);
    write("/etc/ufw/user.rules", render(plan.rules4), firewall.rules4, attributes);
    const { ipv6Enabled } = parseDefaults(defaults);
    write("/etc/ufw/user6.rules", render(plan.rules6, ipv6Enabled), firewall.rules6, attributes);
    write("/etc/default/ufw", defaults, firewall.defaults, { ...attributes, mode: 0o644 });
    this.#actions.firewall = {
      enable,
      loadOnly: settings !== undefined && /^ENABLED=/m.test(firewall.ufwConf),
      defaultPolicy: enable ? undefined : defaultPolicy,
    };
    return plan.changes.map(({ address, action, before, after, reason }) => ({
      address,
      action,
      // The address is the rule in ufw's own words; what is left to say of one that comes or goes is why.
      before: action === "delete" ? reason || before : before,
      after:
        after === null
          ? null
          : action === "create"
            ? reason || after
            : reason === ""
              ? after
              : `${after} (${reason})`,
      restart: false,
    }));
  }

  /** redis.conf and its includes, where their text changed, with the owner and mode that they have. */
  #writeConfig(): void {
    const { facts } = this.#input;
    for (const { path, text } of this.#config.changedFiles()) {
      const found = facts.files.paths.get(path);
      const attributes =
        found === undefined
          ? { owner: "root", group: this.#input.server.group, mode: 0o640 }
          : { owner: found.owner, group: found.group, mode: found.mode };
      this.#actions.files.push({ path, content: { text, secret: true }, attributes });
    }
  }

  /** Our drop-in: what it holds already and the tasks of this run did not name stays. */
  #writeDropIn(): void {
    const { facts, server, render } = this.#input;
    const before = facts.configFiles.dropIn ?? "";
    const settings = new Map(
      before.split("\n").flatMap((line) => {
        const [, property, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
        return property === undefined || value === undefined ? [] : [[property, value] as const];
      }),
    );
    for (const [property, value] of this.#unit) settings.set(property, value);
    if (settings.size === 0) return;
    const all = [...settings].map(([property, value]) => ({ property, value }));
    const isOrder = ({ property }: { property: string }) => START_ORDER.includes(property);
    const text = render("redkeep.conf.ejs", {
      order: all.filter(isOrder),
      settings: all.filter((setting) => !isOrder(setting)),
    });
    if (text === before) return;
    const path = `/etc/systemd/system/${server.unit}.d/${OURS}`;
    if (!facts.files.paths.has(path)) this.#ensureDirectory(`/etc/systemd/system/${server.unit}.d`);
    this.#actions.files.push({
      path,
      content: { text, secret: false },
      attributes: { owner: "root", group: "root", mode: 0o644 },
    });
    this.#actions.daemonReload = true;
    const records = [...this.#records.values()];
    // A drop-in that someone edited, while all its properties hold: still a change, so it has to be shown.
    if (!records.some(({ changes }) => changes.some(({ address }) => address.startsWith("unit:")))) {
      records[0]?.changes.push({
        address: `file:${path}`,
        action: before === "" ? "create" : "update",
        before: before === "" ? null : "edited",
        after: "as redkeep wrote it",
        restart: false,
      });
    }
  }

  /** What is written must be plain files, under names that the lists of the host's program can hold. */
  #refuseOddPaths(): void {
    const { files, directories, attributes } = this.#actions;
    for (const { path } of files) this.#isOdd(path, "files");
    for (const { path } of [...files, ...directories, ...attributes]) {
      if (/\s/.test(path)) {
        this.#refuse(
          {
            guard: null,
            found: `${JSON.stringify(path)} has a blank in its name`,
            remedy: "give it a name without blanks",
          },
          "files",
        );
      }
    }
  }

  #ensureDirectory(path: string): void {
    this.#actions.directories.push({ path, attributes: { owner: "root", group: "root", mode: 0o755 } });
  }

  /** A file that is written gets its owner and mode with the new content, in one step. */
  #mergeAttributes(): void {
    const { files, attributes } = this.#actions;
    for (const file of files) {
      const wanted = attributes.find(({ path }) => path === file.path);
      if (wanted !== undefined) file.attributes = wanted.attributes;
    }
    this.#actions.attributes = attributes.filter(({ path }) => !files.some((file) => file.path === path));
  }
}

/** Replaces a user's rules in one command, so that nobody sees a half-made user, and ends sessions that should not live on. */
function liveUser(user: AclUser, before: AclUser | undefined, { version }: Server): string[][] {
  const [, , ...rules] = renderAclUser(user, version.capabilities).split(" ");
  const commands = [["ACL", "SETUSER", user.name, "reset", ...joinSelectors(rules)]];
  const passwordGone =
    before !== undefined && [...before.passwords].some((hash) => !user.passwords.has(hash));
  const switchedOff = before?.enabled === true && !user.enabled;
  // Sockets that are logged in keep their rights through a new password or `off` (redis-hardening.md, 2). Those of a default
  // user who was off before have not logged in yet, and want to as somebody else.
  if (switchedOff || passwordGone || before?.nopass === true)
    commands.push(["CLIENT", "KILL", "USER", user.name, "SKIPME", "yes"]);
  return commands;
}

/** A selector in parentheses is one word of ACL SETUSER although it holds blanks. */
function joinSelectors(words: readonly string[]): string[] {
  const joined: string[] = [];
  let open: string[] | undefined;
  for (const word of words) {
    if (open !== undefined) open.push(word);
    else if (word.startsWith("(")) open = [word];
    else joined.push(word);
    if (open !== undefined && word.endsWith(")")) {
      joined.push(open.join(" "));
      open = undefined;
    }
  }
  return joined;
}

function sameAttributes(a: Attributes, b: Attributes): boolean {
  return a.owner === b.owner && a.group === b.group && a.mode === b.mode;
}

/** `0640 root:redis` */
export function describeAttributes({ owner, group, mode }: Attributes): string {
  return `${mode.toString(8).padStart(4, "0")} ${owner}:${group}`;
}
