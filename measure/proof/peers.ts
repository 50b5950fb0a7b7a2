/** What others notice of the same mutations: Lynis, and the checklist at the end of the guide, both run on the host as root. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { LabHost } from "../../test/integration/support/lab.ts";
import { onHost } from "../../test/integration/support/observe.ts";
import type { Scene } from "./mutations.ts";

export interface Peer {
  name: string;
  /** Why it cannot be run here. */
  missing: () => string | undefined;
  install: (host: LabHost) => Promise<unknown>;
  /** A second, so that it can be asked again and again. */
  isQuick: boolean;
  /** What it has to say of the host: a line each. */
  findings: (scene: Scene) => Promise<string[]>;
}

/** Of Debian's package, which is one shell script with its tests. */
const LYNIS = ["/etc/lynis", "/usr/share/lynis", "/usr/sbin/lynis"];
/** The tests that could concern any of the mutations; those of packages and kernel take most of a run. */
const LYNIS_GROUPS =
  "authentication boot_services crypto databases file_permissions firewalls hardening insecure_services logging memory_processes networking ssh system_integrity";

const checklist = readFileSync(join(import.meta.dirname, "checklist.sh"), "utf8");

export const PEERS: readonly Peer[] = [
  {
    name: "Lynis",
    isQuick: false,
    missing: () =>
      LYNIS.every((path) => existsSync(path)) ? undefined : "Debian's package lynis is not installed",
    install: async (host) => {
      const archive = execFileSync("tar", ["-C", "/", "-c", ...LYNIS.map((path) => path.slice(1))], {
        maxBuffer: 64 * 1024 * 1024,
      });
      const { status, stderr } = spawnSync("docker", ["cp", "-", `${host.id}:/`], { input: archive });
      if (status !== 0) throw new Error(stderr.toString());
    },
    findings: async ({ host }) =>
      lines(
        await onHost(
          host,
          `rm -f /var/log/lynis-report.dat
           lynis audit system --quick --quiet --no-colors --tests-from-group "${LYNIS_GROUPS}" >/dev/null 2>&1 || true
           grep -E '^(warning|suggestion)\\[' /var/log/lynis-report.dat`,
        ),
      ),
  },
  {
    name: "the guide's checklist",
    isQuick: true,
    missing: () => undefined,
    install: async () => {},
    findings: async ({ host, project }) => {
      const passwords = `${project.password("admin", host)}\n${project.appPassword}\n`;
      // A restart lists a user's rules in another order.
      return lines(await onHost(host, checklist, passwords)).map((line) => line.split(" ").sort().join(" "));
    },
  },
];

const lines = (text: string): string[] => text.split("\n").filter(Boolean);

/** Lines that only one of two looks has: what it says now and did not before, and the other way round. */
export function differences(before: ReadonlySet<string>, now: ReadonlySet<string>): string[] {
  return [...now, ...before].filter((line) => !(before.has(line) && now.has(line)));
}
