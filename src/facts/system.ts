import { shellProgram } from "../shell/program.ts";
import type { Fact } from "./fact.ts";

/** What the host around Redis is like. Each part is undefined where it was not asked for or could not be read. */
export interface SystemFact {
  kernel:
    | {
        /** vm.overcommit_memory: 0 by guess, 1 always, 2 never beyond what is there. */
        overcommit: number | undefined;
        /** `always`, `madvise` or `never`. */
        hugePages: string | undefined;
        somaxconn: number | undefined;
        fips: boolean;
        corePattern: string | undefined;
      }
    | undefined;
  /** Swap areas in use, with whether they hold clear text: not in compressed memory, and not known as encrypted. */
  swaps: readonly { name: string; isClear: boolean }[] | undefined;
  /** The package that the server's program belongs to; null for none. Undefined also where the host has no dpkg. */
  package: { name: string; version: string; isHeld: boolean } | null | undefined;
  /** CVE ids that the package's own changelog names as mended. */
  mended: ReadonlySet<string>;
  /** The process runs a program that was replaced on disk since its start. */
  isReplaced: boolean;
  /**
   * Where a known password of Redis, or redis-cli with a password among its arguments, was found: paths only. Undefined also
   * where none was found and not every place could be searched to its end.
   */
  openSecrets: readonly string[] | undefined;
}

/** Kernel, swap, package and stray passwords. Passwords never stand among arguments, and only paths leave the host. */
export const systemFact: Fact<SystemFact> = {
  script: ({ login }) => shellProgram("probe/system.sh", { PASSWORD: login?.password.reveal() ?? "" }),
  parse: ({ seen: sections }) => {
    const setting = (path: string) => sections.fileLines(path)[0]?.trim();
    const number = (path: string) => {
      const text = setting(path);
      return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
    };
    const openSecrets = [...new Set(sections.lines("open-secrets"))];
    const [status = "", version = "", name = ""] = (sections.text("package") ?? "").trim().split(/\s+/);
    return {
      kernel: !sections.lines("lines").some((line) => /^\/(?:proc\/)?sys\//.test(line))
        ? undefined
        : {
            overcommit: number("/proc/sys/vm/overcommit_memory"),
            hugePages: /\[(\w+)\]/.exec(setting("/sys/kernel/mm/transparent_hugepage/enabled") ?? "")?.[1],
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            fips: setting("/proc/sys/crypto/fips_enabled") === "1",
            corePattern: setting("/proc/sys/kernel/core_pattern"),
          },
      swaps:
        sections.text("swaps") === undefined
          ? undefined
          : sections.lines("swaps").map((line) => {
              const [clear, swap] = wordAndRest(line);
              return { name: swap, isClear: clear !== "no" };
            }),
      package:
        status === "none"
          ? null
          : name === ""
            ? undefined
            : { name, version, isHeld: status.startsWith("h") },
      mended: new Set(sections.lines("mended")),
      isReplaced: (sections.text("program") ?? "").trim().endsWith(" (deleted)"),
      openSecrets:
        openSecrets.length === 0 && sections.text("open-secrets-end") === undefined ? undefined : openSecrets,
    };
  },
};

function wordAndRest(line: string): [string, string] {
  const at = line.indexOf(" ");
  return at < 0 ? [line, ""] : [line.slice(0, at), line.slice(at + 1).trim()];
}
