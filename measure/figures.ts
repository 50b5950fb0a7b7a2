import { readdirSync } from "node:fs";
import { join } from "node:path";
import type { Figure, Measured } from "./faults/figure.ts";

/** What was measured, by the figures' names. */
export type Figures = Record<string, Measured & Pick<Figure, "title" | "target">>;

/** The figures of a folder: a module for each, named as it is. */
export function figureNames(folder: string): string[] {
  return readdirSync(folder)
    .map((file) => file.replace(/\.ts$/, ""))
    .toSorted();
}

/**
 * Measures one figure into `figures` and tells how far it is. Returns why it could not be measured, if so.
 * @param count of its cases, instead of its own
 */
export async function measure(
  folder: string,
  name: string,
  count: string | undefined,
  figures: Figures,
): Promise<string | undefined> {
  console.log(`\n${name}`);
  delete figures[name];
  try {
    const { figure } = (await import(join(folder, `${name}.ts`))) as { figure: Figure };
    const measured = await figure.run({
      ...(count === undefined ? {} : { count: Number(count) }),
      log: (line) => console.log(`  ${line}`),
    });
    figures[name] = { title: figure.title, target: figure.target, ...measured };
    console.log(`${figure.title}: ${measured.measured} (${figure.target})${measured.ok ? "" : ", missed"}`);
    return undefined;
  } catch (error) {
    return `${name}: not measured: ${(error as Error).message}`;
  }
}
