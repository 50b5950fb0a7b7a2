import { shellProgram } from "../shell/program.ts";
import { type Fact, type SaidTexts, type SeenTexts, splitOnce } from "./fact.ts";
import { groupName } from "./groups.ts";

/** A server of Redis' kind on the host, whatever its name, beside the one that is looked at. */
export interface OtherServer {
  pid: number;
  /** The unit, or other control group, that it belongs to, as `groupName` says it. */
  group: string;
  /** Where it listens in the host's own network, `address port`, and what it said there to PING without a login. */
  listens: readonly { at: string; reply: string }[];
}

/** What root's own look at the running processes finds. */
export interface OthersFact {
  /** Undefined where it was not looked for, or the login may not. */
  servers: readonly OtherServer[] | undefined;
  /** Processes whose programs could not be looked at. */
  unclear: readonly { pid: number; group: string }[];
  /** The search took too long and was stopped. */
  isCut: boolean;
}

/** Other servers, by what their programs hold: a name, a unit or a container hides none. */
export const othersFact: Fact<OthersFact> = {
  // Where root may not look into other users' processes, as in a container, their own rights do.
  script: ({ prove }) => (prove ? shellProgram("probe/others.sh") : ""),
  parse: ({ seen, said }) => ({
    servers: seen.text("others") === undefined ? undefined : serversOf(seen, said),
    unclear: seen.lines("others-unclear").flatMap((line) => {
      const [pid, group] = splitOnce(line, " ");
      return pid === "cut" ? [] : [{ pid: Number(pid), group: groupName(group) }];
    }),
    isCut: seen.lines("others-unclear").includes("cut"),
  }),
};

function serversOf(seen: SeenTexts, said: SaidTexts): OtherServer[] {
  const replies = said.lines("other-replies").map((line) => {
    const [pid = "", at = "", ...words] = line.split(" ");
    return { pid, at, reply: words.join(" ") };
  });
  const byProcess = Map.groupBy(replies, ({ pid }) => pid);
  const groups = new Map(seen.lines("others").map((line) => splitOnce(line, " ")));
  return [...groups].map(([pid, group]) => ({
    pid: Number(pid),
    group: groupName(group),
    listens: (byProcess.get(pid) ?? []).map(({ at, reply }) => ({ at, reply })),
  }));
}
