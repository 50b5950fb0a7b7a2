import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { comparedWithBefore, type MergedRuns } from "../../history/merge.ts";
import { packageDirectory } from "../../lib/package.ts";
import { duration, plural } from "../../lib/words.ts";
import { controllerOf, headline, keyNumbers } from "../overview.ts";
import { accessOf } from "./access.ts";
import { certificatesOf } from "./certificates.ts";
import { changesOf, impactOf } from "./changes.ts";
import { controlsOf } from "./controls.ts";
import { evidenceOf } from "./evidence.ts";
import { allowedOf, expiredNote, waiversOf } from "./exceptions.ts";
import { fleetOf } from "./fleet.ts";
import { Html, html } from "./html.ts";
import { day, minute } from "./parts.ts";
import { picture } from "./picture.ts";
import { since } from "./since.ts";
import { toDo } from "./to-do.ts";

/**
 * One page that needs nothing else: no script, no picture, no font. Its policy lets it load nothing, so that even a
 * text that got past the escaping would do nothing.
 */
export function htmlReport(merged: MergedRuns): string {
  const { record, before, lookedAt } = merged;
  const comparison = comparedWithBefore(merged);
  const fleet = fleetOf(record.hosts, comparison?.differences ?? []);
  const evidence = evidenceOf(fleet, lookedAt, record.startedAt);
  const css = readFileSync(join(packageDirectory, "templates", "report.css"), "utf8");
  const style = `:root { --controls: ${fleet.controls.length}; }\n${css}`;
  const hash = createHash("sha256").update(style).digest("base64");
  const parts = [
    part("fleet", "The fleet", picture(fleet, evidence, comparison !== undefined)),
    part("first", "What to do first", toDo(record, fleet, evidence)),
    part("since", "Before and after", since(comparison)),
    part("access", "What users can do", accessOf(record.hosts)),
    part("changes", "Changes", changesOf(record, before)),
    part("impact", "Who will notice", impactOf([...record.hosts, ...controllerOf(record)])),
    part("allowed", "Allowed by the playbook", allowedOf(record.hosts)),
    part("certificates", "Certificates", certificatesOf(record)),
    part("waivers", "Waivers", waiversOf(record.waivers ?? [])),
    part("hosts", "Hosts", evidence.sections.length === 0 ? undefined : html`${evidence.sections}`),
    part("controls", "Controls", controlsOf(fleet, record.hosts)),
  ].flatMap((section) => section ?? []);
  const title = `redkeep ${record.command}, ${day(record.startedAt)}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
<a class="skip" href="#main">Skip to the report</a>
<header>
<p class="brand">redkeep <span>${record.command}</span></p>
<h1>${headline(record)}</h1>
<dl class="numbers">${keyNumbers(record).map(
    ({ value, label, bad }) =>
      html`<div${bad ? html` class="bad"` : undefined}><dt>${label}</dt><dd>${value}</dd></div>`,
  )}</dl>
${expiredNote(record.waivers ?? [])}
<p class="facts">Run of <time datetime="${record.startedAt}">${minute(record.startedAt)}</time> in ${duration(record.durationMs)} · redkeep ${record.version} · exit code ${record.exitCode}${
    before === undefined
      ? undefined
      : html` · compared with the ${before.command} of ${minute(before.startedAt)}`
  }</p>
</header>
<nav aria-label="Sections"><ul>${parts.map(({ id, title: name }) => html`<li><a href="#${id}">${name}</a></li>`)}</ul></nav>
<main id="main">
${parts.map(
  ({ id, title: name, body }) =>
    html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${name}</h2>
${body}
</section>
`,
)}</main>
<footer><p>Written by redkeep ${record.version} from ${plural(record.hosts.length, "host")} of run records. Each value was read on the host at the time named above.</p></footer>
</body>
</html>
`;
  return page.markup.replaceAll("\u00a0", "&nbsp;");
}

interface Part {
  id: string;
  title: string;
  body: Html;
}

function part(id: string, title: string, body: Html | undefined): Part | undefined {
  return body === undefined ? undefined : { id, title, body };
}
