import type { Kind } from "./kind.ts";

declare module "./kind.ts" {
  interface Kinds {
    "closed-data": {
      wants: { directory: string };
      /** A data directory whose files are closed to others after the restart too; empty for none. */
      does: { closedData: string };
    };
  }
}

/** Files that the server writes when it stops are closed to others too. That is no change of its own, and none to put back. */
export const closedData: Kind<"closed-data"> = {
  differ: ({ directory }, { actions }) => {
    actions.closedData = directory;
    return [];
  },

  none: () => ({ closedData: "" }),

  program: ({ closedData }, { restart }) => ({ env: { TIGHTEN: restart ? closedData : "" } }),

  // Redis writes its data itself.
  writes: () => [],
};
