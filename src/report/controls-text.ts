import { plural } from "../lib/words.ts";
import { SEVERITIES } from "../record/statuses.ts";
import {
  type CataloguedControl,
  controlGroups,
  GUIDE_STEPS,
  type Method,
  type Reference,
  SEVERITY_MEANS,
} from "../verify/catalogue.ts";
import { painter, type Terminal } from "./colours.ts";
import { hanging, pad } from "./layout.ts";

const METHODS: Record<Method, string> = {
  file: "the files of the server",
  running: "the running server",
  outside: "connections without a login",
  host: "the host around it",
  controller: "the controller's secrets",
};

/** Where a control's truth is read, in words. */
export function methodsOf({ how, isChecked }: CataloguedControl): string {
  return isChecked === false ? "not checked" : how.map((method) => METHODS[method]).join(", ");
}

/** What makes it so, in words. */
export function fixOf({ fixedBy }: CataloguedControl): string {
  return fixedBy === null ? "nothing: only reported" : `the task ${fixedBy}`;
}

/** What of a step of the guide; undefined for other references. */
export function guideStep(reference: Reference): { step: string; title: string; asks: string } | undefined {
  const found = Object.entries(GUIDE_STEPS).find(([step]) => reference === `guide step ${step}`);
  if (found === undefined) return undefined;
  const [step, [title, asks]] = found;
  return { step, title, asks };
}

/** A reference with where it stands, for people. */
export function referenceText(reference: Reference): string {
  const found = guideStep(reference);
  return found === undefined ? reference : `${reference} "${found.title}" (docs/controls.md, The guide)`;
}

/** The catalogue as a table, grouped. */
export function controlsText({ colour, width }: Terminal): string {
  const paint = painter(colour);
  const groups = controlGroups();
  const all = groups.flatMap(({ controls }) => controls);
  const fixed = all.filter(({ fixedBy }) => fixedBy !== null).length;
  const isWide = width >= 80;
  const lines = groups.flatMap(({ title, controls }) => [
    "",
    paint("bold", title),
    ...controls.flatMap((control) => {
      const task = control.fixedBy ?? (control.isChecked === false ? "not checked" : "reported");
      const first = `  ${pad(control.id, 11)}${pad(control.severity, 10)}${isWide ? pad(task, 16) : ""}`;
      return hanging(first, isWide ? control.title : `${control.title} (${task})`, width);
    }),
  ]);
  return [
    `${plural(all.length, "control")}: ${fixed} are set by a task of the playbook, ${all.length - fixed} are only reported.`,
    ...lines,
    "",
    ...SEVERITIES.flatMap((severity) => hanging(`  ${pad(severity, 10)}`, SEVERITY_MEANS[severity], width)),
    "",
    "redkeep controls ID says why, how it is checked and where to read on.",
    "",
  ]
    .join("\n")
    .replaceAll("\u00a0", " ");
}

/** One control with all that is known of it. */
export function controlText(control: CataloguedControl, { colour, width }: Terminal): string {
  const { id, title, severity, why, note, references, tags } = control;
  const rows: [string, string][] = [
    ["Severity", `${severity}: ${SEVERITY_MEANS[severity]}`],
    ["Why", why],
    ["Checked", methodsOf(control)],
    ["Set by", fixOf(control)],
    ["Note", note ?? ""],
    ["References", references.map(referenceText).join(", ")],
    ["Tags", tags.join(", ")],
  ];
  return [
    ...hanging(`${painter(colour)("bold", id)}  `, title, width),
    ...rows.flatMap(([name, text]) => (text === "" ? [] : hanging(`  ${pad(name, 12)}`, text, width))),
    "",
  ].join("\n");
}

/** For programs: a list of controls, one object each. */
export function controlsJson(controls: readonly CataloguedControl[]): string {
  const list = controls.map(({ note = null, isChecked = true, ...control }) => ({
    ...control,
    note,
    isChecked,
  }));
  return `${JSON.stringify({ schema: "redkeep.controls/1", controls: list }, null, 2)}\n`;
}
