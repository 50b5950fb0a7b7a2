import { type Attributes, describeAttributes, ownerMode } from "../lib/attributes.ts";
import { refuseBlank } from "./file.ts";
import { type Kind, lines } from "./kind.ts";

declare module "./kind.ts" {
  interface Kinds {
    directory: {
      wants: { path: string; attributes: Attributes };
      does: { directories: { path: string; attributes: Attributes }[] };
    };
  }
}

/**
 * A directory that has to be there. One that is there stays as it is: its owner and mode are `attributes`.
 *
 * The way back takes away what the run made, where it is empty.
 */
export const directory: Kind<"directory"> = {
  differ: ({ path, attributes }, { facts, actions }) => {
    if (facts.files.paths.has(path)) return [];
    actions.directories.push({ path, attributes });
    return [
      {
        address: `file:${path}`,
        action: "create",
        before: null,
        after: `directory, ${describeAttributes(attributes)}`,
        restart: false,
      },
    ];
  },

  settle: (draft) => {
    for (const { path } of draft.actions.directories) refuseBlank(path, draft);
    return [];
  },

  none: () => ({ directories: [] }),

  program: ({ directories }) => ({
    parts: [
      ["directories", lines(directories.map(({ path, attributes }) => `${path} ${ownerMode(attributes)}`))],
    ],
  }),

  writes: ({ directories }) => directories.map(({ path }) => path),
};
