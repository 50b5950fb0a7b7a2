import { SEVERITIES } from "../record/statuses.ts";
import {
  type CataloguedControl,
  controlGroups,
  GUIDE_STEPS,
  type Reference,
  SEVERITY_MEANS,
} from "../verify/catalogue.ts";
import { fixOf, guideStep, methodsOf } from "./controls-text.ts";

/** The catalogue as docs/controls.md: all texts are redkeep's own. */
export function controlsMarkdown(): string {
  const groups = controlGroups();
  const all = groups.flatMap(({ controls }) => controls);
  const fixed = all.filter(({ fixedBy }) => fixedBy !== null).length;
  return [
    "# Controls",
    "",
    "Every weakness that `verify` looks for: why it matters, how it is checked and what sets it. Generated from the catalogue by `npm run controls`; `redkeep controls` prints the same.",
    "",
    `${all.length} controls: ${fixed} are set by a task of the playbook, ${all.length - fixed} are only reported, each with the reason. An id stays for ever. \`verify\` checks those of the playbook's tasks as the tasks' parameters want them, and the others on every host.`,
    "",
    "## Severity",
    "",
    "| Severity | When |",
    "|---|---|",
    ...SEVERITIES.map((severity) => `| ${severity} | ${SEVERITY_MEANS[severity]} |`),
    "",
    "## The guide",
    "",
    "The steps of the hardening guide that the project began with. [Where redkeep departs from the guide](guide.md) says which of its lines redkeep does not follow, and why.",
    "",
    "| Step | Asks for |",
    "|---|---|",
    ...Object.entries(GUIDE_STEPS).map(
      ([step, [title, asks]]) => `| <a id="guide-step-${step}"></a>${step}. ${title} | ${asks} |`,
    ),
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
    ...(references.length === 0 ? [] : [`- References: ${references.map(linked).join(", ")}`]),
    `- Tags: ${tags.join(", ")}`,
  ];
}

function linked(reference: Reference): string {
  const found = guideStep(reference);
  return found === undefined ? reference : `[${reference}: ${found.title}](#guide-step-${found.step})`;
}
