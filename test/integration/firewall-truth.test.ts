import { expect, it } from "vitest";
import { isTrue, judgeSets, prepare } from "../firewall/truth/judge.ts";
import { SETS } from "../firewall/truth/sets.ts";
import { startHost } from "./support/lab.ts";

it("the verdict on each rule set is what real packets meet, or unknown", async () => {
  await using host = await startHost();
  await prepare(host);
  const judged = await judgeSets(host, SETS);
  const words = ({ set, client, family, isIn, said, by }: (typeof judged)[number]) =>
    `${set}: ${client} over IPv${family} ${isIn ? "gets in" : "stays out"}, "${said}" was said: ${by}`;
  expect(judged.filter((one) => !isTrue(one)).map(words)).toEqual([]);
  // What is ordinary is understood.
  const open = new Set(SETS.filter(({ isUnknown }) => isUnknown).map(({ name }) => name));
  expect(judged.filter(({ set, said }) => said === "unknown" && !open.has(set)).map(words)).toEqual([]);
});
