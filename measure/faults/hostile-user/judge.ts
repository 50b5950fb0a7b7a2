/** What a run has done to a host, judged from outside: by what root saw before and after, and by what redkeep told. */
import type { HostRecord } from "../../../src/record/record.ts";

/** Of everything on a host, by path: kind, owner, mode and content, as manifest.py prints it. */
export type Manifest = ReadonlyMap<string, string>;

export function parseManifest(text: string): Manifest {
  return new Map(
    text
      .split("\n")
      .filter(Boolean)
      .map((line) => {
        const [path = "", ...found] = JSON.parse(line) as string[];
        return [path, found.join(" ")];
      }),
  );
}

/** The service user's own: what stands there is not redkeep's doing alone. */
const ITS_OWN = [
  "/var/lib/redis",
  "/var/log/redis",
  "/run/redis",
  "/tmp",
  "/var/tmp",
  "/dev/shm",
  "/run/shm",
  "/canary",
];
const CONFIGURATION = "/etc/redis";
const DROP_INS = "/etc/systemd/system/redis-server.service.d";

/** Where redkeep writes for itself, whatever the plan holds. */
const REDKEEPS = [
  "/var/lib/redkeep",
  "/etc/systemd/system/redkeep-recover.service",
  "/etc/systemd/system/multi-user.target.wants/redkeep-recover.service",
];
/** Written by the host itself as it goes on: logins, logs, Docker's files. Their rights do not change for that. */
const NOT_OURS =
  /^\/(?:var\/log\/(?!redis)|run\/(?!redkeep)|var\/lib\/(?:systemd|dbus|private)\/|etc\/(?:hosts|resolv\.conf|hostname|mtab|machine-id)$|usr\/lib\/python3|usr\/local\/lib\/python)/;
/** Of ufw, and of the rules' loading. */
const FIREWALL = ["/etc/ufw", "/etc/default/ufw", "/lib/ufw", "/usr/lib/ufw"];

const isBelow = (path: string, folder: string): boolean => path === folder || path.startsWith(`${folder}/`);

/** Places that a change in the record speaks of. */
export function shownPlaces({ tasks }: Pick<HostRecord, "tasks">): string[] {
  return tasks
    .flatMap(({ changes }) => changes)
    .flatMap(({ address }) => {
      const [kind = "", ...rest] = address.split(":");
      switch (kind) {
        case "file":
          return [rest.join(":")];
        case "redis.conf":
        case "users.acl":
          return [CONFIGURATION];
        case "unit":
          return [DROP_INS];
        case "ufw":
          return FIREWALL;
        default:
          return [];
      }
    });
}

/** Where a plan has business: a path of root's does not become redkeep's because a record names it. */
export const PLANNABLE: readonly string[] = [CONFIGURATION, DROP_INS, ...FIREWALL];

export interface Touched {
  /** `PATH: BEFORE -> AFTER`, of what is neither the service user's own nor a plan's place. */
  outside: string[];
  /** The same, of a plan's places, where the record shows no change. */
  unshown: string[];
}

/**
 * Compares what stood on the host before a run and after it.
 * @param places of which the record shows changes; where nobody was told, all that a plan may hold
 * @param own folders that were the service user's own before the run, beside its data, its logs and its runtime directory
 */
export function touched(
  before: Manifest,
  after: Manifest,
  places: readonly string[],
  own: readonly string[],
): Touched {
  const result: Touched = { outside: [], unshown: [] };
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const [was, is] = [before.get(path), after.get(path)];
    if (was === is) continue;
    if (NOT_OURS.test(path) && (was === undefined || is === undefined || rightsOf(was) === rightsOf(is)))
      continue;
    if ([...ITS_OWN, ...REDKEEPS, ...own].some((folder) => isBelow(path, folder))) continue;
    const line = `${path}: ${was ?? "absent"} -> ${is ?? "absent"}`;
    if (!PLANNABLE.some((folder) => isBelow(path, folder))) result.outside.push(line);
    else if (!places.some((place) => isBelow(path, place) || isBelow(place, path))) result.unshown.push(line);
  }
  return result;
}

/** Kind, owner and mode. */
const rightsOf = (found: string): string => found.split(" ").slice(0, 3).join(" ");

/** Programs of the attacker's that somebody else ran: lines of the canary, `UID COMMAND LINE OF ITS PARENT`. */
export function runsByOthers(canary: readonly string[], serviceUid: number): string[] {
  return canary.filter((line) => Number.parseInt(line, 10) !== serviceUid);
}

/** What root can look at itself; the others rest on the server's word, which a server that was taken over may break. */
const SEEN_BY_ROOT = /^(?:ss|stat|systemctl|ip6?tables|nft|passwd|grep|dpkg|\/)/;

type Checked = HostRecord["checks"][number];
const nameOf = ({ control, source }: Checked): string => `${control} (${source})`;

/**
 * What fails for root's own eyes, of a verify that nobody disturbed: control by control, with where it was seen.
 * @param own folders whose files say what their owner, the attacker, has them say: it may well mend what it finds there.
 */
export function violations({ checks }: Pick<HostRecord, "checks">, own: readonly string[]): string[] {
  const isSeen = (source: string): boolean =>
    SEEN_BY_ROOT.test(source) &&
    !/CONFIG|INFO|ACL/.test(source) &&
    !own.some((folder) => isBelow(source, folder));
  return [
    ...new Set(checks.filter(({ outcome, source }) => outcome === "fail" && isSeen(source)).map(nameOf)),
  ];
}

/** Of these, what passes now. */
export function turned({ checks }: Pick<HostRecord, "checks">, violated: readonly string[]): string[] {
  return violated.flatMap((name) => {
    const found = checks.filter((check) => nameOf(check) === name);
    const isPass = found.length > 0 && found.every(({ outcome }) => outcome === "pass");
    return isPass ? [`${name}: ${found.map(({ observed }) => observed).join("; ")}`] : [];
  });
}
