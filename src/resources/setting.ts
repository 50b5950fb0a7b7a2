import { configSet } from "../redis/config-set.ts";
import { sameSetting } from "../redis/setting.ts";
import { joinWords } from "../redis/words.ts";
import type { Draft, Kind, NoActions } from "./kind.ts";

declare module "./kind.ts" {
  interface Kinds {
    setting: {
      wants: { name: string; args: readonly string[]; secret?: boolean };
      /** `CONFIG SET` pairs for a server that is not restarted. */
      does: { liveSettings: [name: string, value: string][] };
    };
    /** The directive must not stand in redis.conf. `after` says what takes its place. */
    "no-setting": { wants: { name: string; secret?: boolean; after: string }; does: NoActions };
    /** `to` is "" for a command taken away, GENERATED where apply draws a name. */
    rename: { wants: { command: string; to: string }; does: NoActions };
  }
}

/** A name in a resource that stands for one that apply draws at random. */
export const GENERATED = "\u0000generated";

/** What reports show instead of a secret value. */
export const MASK = "••••";

/** Settings that a step of persistence puts in force on the running server. */
const THROUGH_SERVER = ["save", "appendonly"];

/**
 * A line of redis.conf and the value that the server runs with.
 *
 * The way back puts the old files into their places; a server that was not restarted gets its own old values by `CONFIG SET`.
 */
export const setting: Kind<"setting"> = {
  differ: ({ name, args, secret = false }, draft) => {
    const { server } = draft;
    const inFile = server.config.get(name);
    const running = server.running?.get(name);
    if (server.running !== undefined && running === undefined) {
      draft.refuse({
        guard: "unknown-setting",
        found: `${server.version.name} does not know the setting ${name}`,
        remedy: "leave the parameter out for this host",
      });
    }
    draft.config = draft.config.merge(joinWords(name, args), `${draft.task} task`);
    const fileHolds = inFile !== undefined && sameSetting(name, args, inFile);
    const runningHolds = running === undefined ? fileHolds : sameSetting(name, args, [running]);
    if (fileHolds && runningHolds) return [];
    const isLive = running !== undefined && server.version.liveSettable(name);
    const throughServer = THROUGH_SERVER.includes(name);
    if (throughServer) draft.throughServer.add(name);
    else if (!runningHolds && isLive) setLive(draft, name, args.join(" "));
    const before = runningHolds && !fileHolds ? inFile?.join(" ") : (running ?? inFile?.join(" "));
    const note = fileHolds
      ? " (in the file already: changed on the running server, or never loaded)"
      : runningHolds && running !== undefined
        ? " (as it runs: now in the file too)"
        : "";
    return [
      {
        address: `redis.conf:${name}`,
        action: before === undefined ? "create" : "update",
        before: before === undefined ? null : shownValue(before, secret),
        after: `${shownValue(args.join(" "), secret)}${note}`,
        restart: !runningHolds && !isLive && !throughServer,
      },
    ];
  },

  settle: (draft) => {
    writeConfig(draft);
    if (draft.actions.restart) draft.actions.liveSettings = [];
    return [];
  },

  none: () => ({ liveSettings: [] }),

  program: ({ liveSettings }, { server }) => ({
    live: configSet(liveSettings, server),
    undo: configSet(
      liveSettings.map(([name]) => [name, server.running?.get(name) ?? ""]),
      server,
    ),
  }),

  // redis.conf itself is one of `files`.
  writes: () => [],
};

export const noSetting: Kind<"no-setting"> = {
  differ: ({ name, secret = false, after }, draft) => {
    const found = draft.config.all(name);
    if (found.length === 0) return [];
    draft.config = draft.config.remove(name);
    return found.map(({ args }) => ({
      address: name === "user" ? `redis.conf:user ${args[0] ?? ""}` : `redis.conf:${name}`,
      action: "delete",
      before: secret ? MASK : args.join(" "),
      after: `gives way to ${after}`,
      restart: false,
    }));
  },
};

export const rename: Kind<"rename"> = {
  differ: ({ command, to }, draft) => {
    const { facts, server, drawName } = draft;
    const line = server.config.all("rename-command").find(({ args }) => args[0]?.toUpperCase() === command);
    const fileHolds = line !== undefined && line.args[1] === to;
    const isKnown = facts.redis.commands.get(command);
    if (fileHolds && isKnown !== true) return [];
    draft.config = draft.config.setRename(command, to === GENERATED ? drawName(command) : to);
    return [
      {
        address: `redis.conf:rename-command ${command}`,
        action: line === undefined ? "create" : "update",
        before:
          line === undefined
            ? null
            : fileHolds
              ? "in the file already, never loaded"
              : shownRename(line.args[1] ?? ""),
        after: shownRename(to),
        restart: true,
      },
    ];
  },
};

/** Has the running server take a value up, where nothing restarts it. */
export function setLive({ actions: { liveSettings } }: Draft, name: string, value: string): void {
  const known = liveSettings.find(([setting]) => setting === name);
  if (known === undefined) liveSettings.push([name, value]);
  else known[1] = value;
}

/** A value as people see it. */
export function shownValue(value: string, isSecret: boolean): string {
  return isSecret ? MASK : value || '""';
}

/** A command's other name as people see it. */
export function shownRename(to: string): string {
  return to === "" ? "taken away" : `renamed to ${MASK}`;
}

/** redis.conf and its includes, where their text changed, with the owner and mode that they have. */
function writeConfig({ facts, server, config, actions }: Draft): void {
  for (const { path, text } of config.changedFiles()) {
    const { owner, group, mode } = facts.files.paths.get(path) ?? {
      owner: "root",
      group: server.group,
      mode: 0o640,
    };
    actions.files.push({ path, content: { text, secret: true }, attributes: { owner, group, mode } });
  }
}
