declare const origin: unique symbol;

/**
 * Text that root's own look at the host gave: systemd's word, the kernel's, or a name in a folder. Only such text may decide
 * which program is run, which path is written and who owns what; text that the server said is a plain string, and does not fit.
 */
export type Seen = string & { readonly [origin]: "seen" };

/** Text that the playbook, the inventory or redkeep itself chose. */
export type Chosen = string & { readonly [origin]: "chosen" };

/** What root may act on. */
export type Actable = Seen | Chosen | "";

/** For parsers of what root saw, and for them alone. */
export function seen(text: string): Seen {
  return text as Seen;
}

/** For what a plan, a playbook or redkeep says. */
export function chosen(text: string): Chosen {
  return text as Chosen;
}

/** That one of the names root saw which the server means, if it is one: the server may point, and not name. */
export function pointedAt(names: Iterable<Seen>, said: string | undefined): Seen | undefined {
  for (const name of names) if (name === said) return name;
  return undefined;
}
