import { type Attributes, describeAttributes, ownerMode } from "../lib/attributes.ts";
import { type Draft, type FileContent, type Kind, lines } from "./kind.ts";
import { setLive } from "./setting.ts";

declare module "./kind.ts" {
  interface Kinds {
    file: {
      wants: {
        path: string;
        content: FileContent;
        attributes: Attributes;
        /** False where the content on the host already does. */
        differs: boolean;
        /** For people; never the content. */
        before: string | null;
        after: string;
        /** How a running server takes it up: by this `CONFIG SET` of unchanged paths, or only by a restart. */
        reload?: readonly string[];
      };
      does: { files: FileAction[] };
    };
  }
}

interface FileAction {
  path: string;
  content: FileContent;
  attributes: Attributes;
}

/**
 * A file with all that it holds. redis.conf, the ACL file, the unit's drop-in and ufw's files are written by this kind's action
 * too.
 *
 * The way back puts the copy that the host took first into its place, or takes away a file that was new.
 */
export const file: Kind<"file"> = {
  differ: ({ differs, path, content, attributes, before, after, reload = [] }, draft) => {
    if (!differs) return [];
    draft.actions.files.push({ path, content, attributes });
    const { running } = draft.server;
    // The server holds the old content under the same paths: setting them to themselves makes it read them again.
    const isHeld =
      running !== undefined &&
      reload.some((value, index) => index % 2 === 1 && running.get(reload[index - 1] ?? "") === value);
    if (isHeld)
      for (let i = 0; i + 1 < reload.length; i += 2) setLive(draft, reload[i] ?? "", reload[i + 1] ?? "");
    return [
      {
        address: `file:${path}`,
        action: before === null ? "create" : "update",
        before,
        after: `${after}, ${describeAttributes(attributes)}`,
        restart: false,
      },
    ];
  },

  settle: (draft) => {
    const { files } = draft.actions;
    for (const { path } of files) refuseOdd(path, draft);
    for (const { path } of files) refuseBlank(path, draft);
    return [];
  },

  none: () => ({ files: [] }),

  program: ({ files }, { textOf }) => ({
    parts: [
      [
        "files",
        lines(files.map(({ path, attributes }, index) => `${index + 1} ${path} ${ownerMode(attributes)}`)),
      ],
      ...files.map(({ content }, index): [string, string] => [`new/${index + 1}`, textOf(content)]),
    ],
  }),

  writes: ({ files }) => files.map(({ path }) => path),
};

/** True where something else than a plain file or directory stands in the way: then the host is refused. */
export function refuseOdd(path: string, { facts, refuse }: Pick<Draft, "facts" | "refuse">): boolean {
  const found = facts.files.paths.get(path);
  const what =
    found?.kind === "link"
      ? "is a symbolic link"
      : found?.kind === "other"
        ? "is no regular file"
        : found?.kind === "file" && found.links > 1
          ? "has a second name (hard link)"
          : undefined;
  if (what === undefined) return false;
  refuse({
    guard: null,
    found: `${path} ${what}`,
    remedy: "put a plain file there: redkeep follows no links",
  });
  return true;
}

/** The lists of the host's program keep words apart by blanks. */
export function refuseBlank(path: string, { refuse }: Pick<Draft, "refuse">): void {
  if (!/\s/.test(path)) return;
  refuse({
    guard: null,
    found: `${JSON.stringify(path)} has a blank in its name`,
    remedy: "give it a name without blanks",
  });
}
