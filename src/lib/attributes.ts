/** Owner, group and mode of a path; `mode` as a number, `0o640`. */
export interface Attributes {
  owner: string;
  group: string;
  mode: number;
}

export function sameAttributes(a: Attributes, b: Attributes): boolean {
  return a.owner === b.owner && a.group === b.group && a.mode === b.mode;
}

/** `0640 root:redis`, for people. */
export function describeAttributes({ owner, group, mode }: Attributes): string {
  return `${mode.toString(8).padStart(4, "0")} ${owner}:${group}`;
}

/** `root:redis 640`, as the host's own program says it. */
export function ownerMode({ owner, group, mode }: Attributes): string {
  return `${owner}:${group} ${mode.toString(8)}`;
}
