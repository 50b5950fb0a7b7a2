/** `--tags` and `--skip-tags`, already split at commas. No `only` means the default: everything but `never`. */
export interface TagSelection {
  only: readonly string[];
  skip: readonly string[];
}

/** Whether a task with these tags runs, as Ansible decides it (facts in its documentation of tags). */
export function isSelected(tags: readonly string[], { only, skip }: TagSelection): boolean {
  return isWanted(tags, only.length === 0 ? ["all"] : only) && !isSkipped(tags, skip);
}

function isWanted(tags: readonly string[], only: readonly string[]): boolean {
  if (tags.includes("always")) return true;
  if (tags.some((tag) => only.includes(tag))) return true;
  if (tags.includes("never")) return false;
  const isTagged = tags.length > 0;
  return (
    only.includes("all") || (only.includes("tagged") && isTagged) || (only.includes("untagged") && !isTagged)
  );
}

function isSkipped(tags: readonly string[], skip: readonly string[]): boolean {
  if (tags.some((tag) => skip.includes(tag))) return true;
  const isAlways = tags.includes("always");
  const isTagged = tags.length > 0;
  return (
    (skip.includes("all") && !isAlways) ||
    (skip.includes("tagged") && isTagged) ||
    (skip.includes("untagged") && !isTagged)
  );
}
