/** Parameters of a task as a playbook has them. */
export type RawParams = Record<string, unknown>;

declare const plain: unique symbol;

/** Parameters of which nothing, at any depth, is read as a template: only such ones may stand in a playbook that redkeep writes. */
export type PlainParams = RawParams & { readonly [plain]: true };

/** The marks of redkeep's templates and of Jinja's, in words. */
export const TEMPLATE_MARKS = "<%, %>, {{, {% or {#";

/**
 * Found values as a playbook may have them. A playbook is code: a key pattern `~<%= … %>` of somebody's user would run on
 * the controller. There is no escape that every reader of the file honours, so such a value has no words in it.
 *
 * @returns undefined where a text or a key of `params` holds the mark of a template.
 */
export function plainParams(params: RawParams): PlainParams | undefined {
  return isPlain(params) ? params : undefined;
}

function isPlain(params: RawParams): params is PlainParams {
  return !holdsTemplate(params);
}

function holdsTemplate(value: unknown): boolean {
  if (typeof value === "string") return /<%|%>|\{[{%#]/.test(value);
  if (typeof value !== "object" || value === null) return false;
  return Object.entries(value).some(([key, item]) => holdsTemplate(key) || holdsTemplate(item));
}
