import type { PathFact } from "../../facts/files.ts";
import { attributesIn, digestIn } from "../../facts/kept-runs.ts";
import { type Attributes, describeAttributes } from "../../lib/attributes.ts";
import { dayOf, endOf } from "../../pki/certificate.ts";
import type { ChangeRecord } from "../../record/record.ts";
import { describeUser } from "../../redis/acl-in-words.ts";
import { renderAclUser } from "../../redis/acl-user.ts";
import type { ConfigDocument } from "../../redis/config-document.ts";
import { sameSetting } from "../../redis/setting.ts";
import { splitWords } from "../../redis/words.ts";
import { dropInPath, unitProperties } from "../../resources/drop-in.ts";
import { MASK, shownRename, shownValue } from "../../resources/setting.ts";
import { UFW_RULES } from "../rules-of-others.ts";
import { isGone, type NowAndThen, textAfter } from "./now-and-then.ts";

/** Settings whose values are secrets. */
const SECRET_SETTINGS = new Set(
  "requirepass masterauth primaryauth tls-key-file-pass tls-client-key-file-pass".split(" "),
);

export function settingChanges(way: NowAndThen): ChangeRecord[] {
  const [now, then] = [way.server.config, way.config];
  const names = [...new Set([...now.directives, ...then.directives].map(({ name }) => name))];
  const changes = names
    .filter((name) => name !== "user" && name !== "rename-command")
    .flatMap((name) => settingChange(way, name));
  return [...changes, ...renameChanges(way), ...textChanges(way)];
}

function settingChange(way: NowAndThen, name: string): ChangeRecord[] {
  const value = (document: ConfigDocument) => {
    const lines = document.all(name);
    return MANY.has(name) ? lines.map(({ args }) => args.join(" ")) : document.get(name);
  };
  const [before, after] = [value(way.server.config), value(way.config)];
  const [was, is] = [before?.length === 0 ? undefined : before, after?.length === 0 ? undefined : after];
  if (was === undefined && is === undefined) return [];
  if (was !== undefined && is !== undefined && sameSetting(name, is, was)) return [];
  const shown = (words: readonly string[] | undefined) =>
    words === undefined
      ? null
      : shownValue(words.join(MANY.has(name) ? "; " : " "), SECRET_SETTINGS.has(name));
  return [
    {
      address: `redis.conf:${name}`,
      action: was === undefined ? "create" : is === undefined ? "delete" : "update",
      before: shown(was),
      after: shown(is),
      restart: way.restart && !way.server.version.liveSettable(name),
    },
  ];
}

/** Commands whose names come back, or go again. */
function renameChanges(way: NowAndThen): ChangeRecord[] {
  const [now, then] = [renames(way.server.config), renames(way.config)];
  return [...new Set([...now.keys(), ...then.keys()])].flatMap((command): ChangeRecord[] => {
    const [before, after] = [now.get(command), then.get(command)];
    if (before === after) return [];
    const shown = (to: string | undefined) => (to === undefined ? null : shownRename(to));
    return [
      {
        address: `redis.conf:rename-command ${command}`,
        action: before === undefined ? "create" : after === undefined ? "delete" : "update",
        before: shown(before),
        after: shown(after),
        restart: way.restart,
      },
    ];
  });
}

function renames(document: ConfigDocument): Map<string, string> {
  return new Map(
    document.all("rename-command").map(({ args: [command = "", to = ""] }) => [command.toUpperCase(), to]),
  );
}

/** The same line by line, comments too, for `--diff`. Secrets are masked. */
function textChanges(way: NowAndThen): ChangeRecord[] {
  return way.server.config.files().flatMap(({ path, text }): ChangeRecord[] => {
    const then = textAfter(way, path);
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

export function userChanges(way: NowAndThen): ChangeRecord[] {
  const { before, after } = way.users;
  if (before === after) return [];
  const { capabilities } = way.server.version;
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
        restart: way.restart,
      },
    ];
  });
}

export function unitChanges(way: NowAndThen): ChangeRecord[] {
  const { facts, server } = way;
  const path = dropInPath(server.unit);
  const text = textAfter(way, path);
  if (!isGone(way, path) && text === undefined) return [];
  const [now, then] = [unitProperties(facts.configFiles.dropIn ?? ""), unitProperties(text ?? "")];
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
            restart: way.restart,
          },
        ];
  });
}

/** Files that come back or go whole: certificates, keys, the ACL file, the drop-in. */
export function fileChanges(way: NowAndThen): ChangeRecord[] {
  const { facts, server, state } = way;
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
        found === undefined ? null : `${describeFile(found)}${certificate(facts.certificates.pem.get(path))}`;
      return [change(path, found === undefined ? "create" : "update", before, after)];
    }
    return describeAttributes(found) === describeAttributes(attributes)
      ? []
      : [change(path, "update", describeAttributes(found), describeAttributes(attributes))];
  });
}

export function attributeChanges(way: NowAndThen): ChangeRecord[] {
  const { facts, state } = way;
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
  const end = pem?.includes("BEGIN CERTIFICATE") === true ? endOf(pem) : undefined;
  return end === undefined ? "" : `, certificate valid until ${dayOf(end)}`;
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
