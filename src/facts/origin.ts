declare const origin: unique symbol;

/**
 * Text that root itself read on the host: from systemd, the kernel or a folder. Only such text may decide which program runs,
 * which path is written and who owns what. Text from the server is a plain string, so the types refuse it here.
 */
export type Seen = string & { readonly [origin]: "seen" };

/** Text that the playbook, the inventory or redkeep itself chose. */
export type Chosen = string & { readonly [origin]: "chosen" };

/** What root may act on. */
export type Actable = Seen | Chosen | "";

/** Only for parsers of what root observed. */
export function seen(text: string): Seen {
  return text as Seen;
}

/** For what a plan, a playbook or redkeep says. */
export function chosen(text: string): Chosen {
  return text as Chosen;
}

/** The name among those root saw that the server means, if any: the server may choose a name, but not introduce one. */
export function pointedAt(names: Iterable<Seen>, said: string | undefined): Seen | undefined {
  for (const name of names) if (name === said) return name;
  return undefined;
}
