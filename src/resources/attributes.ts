import { type Attributes, describeAttributes, ownerMode, sameAttributes } from "../lib/attributes.ts";
import { refuseBlank, refuseOdd } from "./file.ts";
import { type Kind, lines } from "./kind.ts";

declare module "./kind.ts" {
  interface Kinds {
    attributes: {
      /** What is left out stays, or is another task's. */
      wants: { path: string; attributes: Partial<Attributes> };
      does: { attributes: { path: string; attributes: Attributes; before: Attributes }[] };
    };
  }
}

/**
 * Owner and mode of something that is there; nothing is created.
 *
 * The way back gives what was there before, which has to be there still when the program begins.
 */
export const attributes: Kind<"attributes"> = {
  differ: ({ path, attributes: wanted }, draft) => {
    const found = draft.facts.files.paths.get(path);
    if (found === undefined || refuseOdd(path, draft)) return [];
    const { owner, group, mode } = found;
    const planned = draft.actions.attributes.find((action) => action.path === path);
    const now = planned?.attributes ?? { owner, group, mode };
    const next = { ...now, ...wanted };
    if (sameAttributes(now, next)) return [];
    if (planned === undefined)
      draft.actions.attributes.push({ path, attributes: next, before: { owner, group, mode } });
    else planned.attributes = next;
    return [
      {
        address: `file:${path}`,
        action: "update",
        before: describeAttributes(now),
        after: describeAttributes(next),
        restart: false,
      },
    ];
  },

  /** A file that is written gets its owner and mode with the new content, in one step. */
  settle: (draft) => {
    const { files, attributes } = draft.actions;
    for (const file of files)
      file.attributes = attributes.find(({ path }) => path === file.path)?.attributes ?? file.attributes;
    draft.actions.attributes = attributes.filter(({ path }) => !files.some((file) => file.path === path));
    for (const { path } of draft.actions.attributes) refuseBlank(path, draft);
    return [];
  },

  none: () => ({ attributes: [] }),

  program: ({ attributes }) => ({
    parts: [
      ["modes", lines(attributes.map(({ path, attributes }) => `${path} ${ownerMode(attributes)}`))],
      ["expected-modes", lines(attributes.map(({ path, before }) => `${path} ${ownerMode(before)}`))],
    ],
  }),

  writes: ({ attributes }) => attributes.map(({ path }) => path),
};
