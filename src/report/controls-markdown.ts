import { type CataloguedControl, controlGroups } from "../verify/catalogue.ts";
import { fixOf, methodsOf } from "./controls-text.ts";

/** The catalogue as docs/controls.md: all texts are redkeep's own. */
export function controlsMarkdown(): string {
  const groups = controlGroups();
  const all = groups.flatMap(({ controls }) => controls);
  const fixed = all.filter(({ fixedBy }) => fixedBy !== null).length;
  return [
    "# Controls",
    "",
    "Generated from the catalogue by `npm run controls`; `redkeep controls` prints the same.",
    "",
    `${all.length} controls: ${fixed} are set by a task of the playbook, ${all.length - fixed} are only reported, each with the reason. An id stays for ever. \`verify\` checks those of the playbook's tasks as the tasks' parameters want them, and the others on every host.`,
    ...groups.flatMap(({ title, controls }) => ["", `## ${title}`, ...controls.flatMap(entry)]),
    "",
  ].join("\n");
}

function entry(control: CataloguedControl): string[] {
  const { id, title, severity, why, note, references, tags } = control;
  return [
    "",
    `### ${id}: ${title}`,
    "",
    why,
    "",
    `- Severity: ${severity}`,
    `- Checked: ${methodsOf(control)}`,
    `- Set by: ${fixOf(control)}`,
    ...(note === undefined ? [] : [`- Note: ${note}`]),
    ...(references.length === 0 ? [] : [`- References: ${references.join(", ")}`]),
    `- Tags: ${tags.join(", ")}`,
  ];
}
