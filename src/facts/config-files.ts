import { shellProgram } from "../shell/program.ts";
import type { Fact } from "./fact.ts";

export interface ConfigFilesFact {
  main: { path: string; text: string } | undefined;
  /** Files that `include` brings in, at any depth, in the order of their reading. */
  includes: readonly { path: string; text: string }[];
  /** The ACL file that the configuration names, or that the playbook will use where it exists already. */
  aclFiles: ReadonlyMap<string, string>;
  /** redkeep's own drop-in of the unit. */
  dropIn: string | undefined;
  /**
   * Files that exist, or may exist, and were not read: this login may not read them, or root refuses to, since they are too
   * large or another user put something else in their place.
   */
  unreadable: ReadonlySet<string>;
}

export const configFilesFact: Fact<ConfigFilesFact> = {
  // SETTINGS are the active lines, names in lower case. conf_get puts into VALUE what Redis would take for a scalar: the
  // last line wins. It only serves to find the way in, and is the shell's own work: a process costs more than all of it.
  script: ({ paths }) =>
    shellProgram("probe/config-files.sh", { ACL_PATHS: paths.filter((path) => path.endsWith(".acl")) }),
  parse: ({ seen: sections }) => {
    const [main, ...includes] = [...sections.startingWith("config")].map(([path, text]) => ({ path, text }));
    return {
      main,
      includes,
      aclFiles: new Map(sections.startingWith("acl-file")),
      dropIn: sections.text("drop-in"),
      unreadable: new Set([
        ...sections.lines("unreadable"),
        ...[...sections.unread].flatMap((title) => /^(?:config|acl-file) (.*)$/.exec(title)?.[1] ?? []),
      ]),
    };
  },
};
