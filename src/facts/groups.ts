import type { SeenTexts } from "./fact.ts";

/**
 * Whose a socket or a process is, by its control group: only in this way does the probe distinguish the server's own from
 * those of others. Every user who logs in gets a group in which to make groups of any name, so names prove nothing: we
 * compare whole paths with the path that systemd has for the unit. `ss` and systemd both count paths from where the groups
 * are mounted.
 */

/**
 * What a control group is called: by its last name where systemd put it into slices and nothing else, for then it is a unit
 * of that name; by its whole path where another unit, or a container, had it made.
 */
export function groupName(path: string): string {
  const names = path.split("/").slice(1);
  const last = names.pop() ?? "";
  return last !== "" && names.every((name) => name.endsWith(".slice")) ? last : path;
}

/** A socket's group and user, in a line of `ss -e`. */
export interface SocketOwner {
  group: string;
  uid: number;
}

/** Undefined where the line names no group. */
export function socketOwner(line: string): SocketOwner | undefined {
  const at = line.indexOf(" cgroup:");
  if (at < 0) return undefined;
  const group = line
    .slice(at + " cgroup:".length)
    .trimEnd()
    .replace(/ [<-]-[->]$/, "")
    .replace(/ v6only:[01]$/, "");
  return { group, uid: Number(/ uid:(\d+)/.exec(line.slice(0, at))?.[1] ?? 0) };
}

/** The unit that is looked at, with the group that systemd keeps it in, and who makes its sockets. */
export interface UnitOwner extends SocketOwner {
  unit: string;
}

/** Undefined where it is not known: then no socket is the unit's. */
export function unitOwner(sections: SeenTexts): UnitOwner | undefined {
  const properties = new Map(
    sections.lines("properties").map((line) => {
      const at = line.indexOf("=");
      return [line.slice(0, at), line.slice(at + 1)];
    }),
  );
  const group = properties.get("ControlGroup") ?? "";
  const user = properties.get("User") || "root";
  const account = sections
    .lines("accounts")
    .map((line) => line.split(":"))
    .find(([name, , uid]) => name === user || uid === user)?.[2];
  const status = sections.fileLines(`/proc/${properties.get("MainPID") ?? 0}/status`).join("\n");
  const uid = userIn(status) ?? (user === "root" ? 0 : Number(account));
  return group === "" || Number.isNaN(uid) ? undefined : { unit: sections.word("unit"), group, uid };
}

/** The user of a process, by its status in /proc. */
export function userIn(status: string): number | undefined {
  const uid = /^Uid:\s*(\d{1,10})/m.exec(status)?.[1];
  return uid === undefined ? undefined : Number(uid);
}
