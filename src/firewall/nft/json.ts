/** What `nft -j list ruleset` prints, as libnftables-json(5) has it; only what is asked below is known of it. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** nft's own JSON is some ten levels deep. The readers here are recursive, so deeper JSON could exhaust the stack. */
export function isDeep(text: string): boolean {
  let depth = 0;
  for (const [sign] of text.matchAll(/[[{\]}]/g)) {
    depth += sign === "[" || sign === "{" ? 1 : -1;
    if (depth > 100) return true;
  }
  return false;
}

export const isObject = (value: Json | undefined): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value);
