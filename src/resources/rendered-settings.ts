import { parseConfig } from "../redis/config-document.ts";
import type { Resource } from "./kind.ts";

/** The settings in a piece of redis.conf that a template rendered. */
export function settingsOf(text: string, template: string): Extract<Resource, { kind: "setting" }>[] {
  return parseConfig({ path: `/${template}`, text }).directives.map(({ name, args }) => ({
    kind: "setting",
    name,
    args,
  }));
}
