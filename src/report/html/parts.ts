import { type Html, html } from "./html.ts";

/** `2026-11-24`. */
export function day(time: string): string {
  return time.slice(0, 10);
}

/** `2026-11-24 06:30 UTC`. */
export function minute(time: string): string {
  return `${day(time)} ${time.slice(11, 16)} UTC`;
}

export function region(label: string, body: Html): Html {
  return html`<div class="scroll" role="region" aria-label="${label}" tabindex="0">${body}</div>`;
}
