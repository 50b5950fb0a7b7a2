import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CATALOGUE, catalogueText, GROUPS } from "../../../measure/faults/catalogue.ts";

const repository = join(import.meta.dirname, "../../..");
const gate = CATALOGUE.filter((row) => row.gate);

describe("the catalogue of faults", () => {
  it("has every row once, 70 of 118 in the first gate", () => {
    const perGroup = Object.keys(GROUPS).map(
      (letter) => CATALOGUE.filter(({ id }) => id.startsWith(letter)).length,
    );
    expect(perGroup).toEqual([12, 15, 24, 10, 8, 9, 12, 12, 8, 8]);
    expect(new Set(CATALOGUE.map(({ id }) => id)).size).toBe(118);
    expect(gate).toHaveLength(70);
  });

  it("names tests and figures that are there", () => {
    const texts = new Map<string, string>();
    const missing = CATALOGUE.flatMap(({ id, proof }) =>
      proof
        .filter(({ file, title }) => {
          const text = texts.get(file) ?? readFileSync(join(repository, file), "utf8");
          texts.set(file, text);
          return !text.includes(title);
        })
        .map(({ file, title }) => `${id}: ${file}: ${title}`),
    );
    expect(missing).toEqual([]);
  });

  it("leaves no row without proof or reason", () => {
    const silent = CATALOGUE.filter(({ proof, open }) => proof.length === 0 && open === undefined);
    expect(silent.map(({ id }) => id)).toEqual([]);
    expect(gate.filter(({ proof }) => proof.length === 0).map(({ id }) => id)).toEqual([]);
  });

  it("is written down as it stands; `npm run catalogue` does that", () => {
    expect(readFileSync(join(import.meta.dirname, "../../../measure/faults/README.md"), "utf8")).toBe(
      catalogueText(),
    );
  });
});
