import { X509Certificate } from "node:crypto";
import { expect, it } from "vitest";
import { createAuthority, readAuthority } from "../../src/pki/authority.ts";
import { State } from "../../src/state.ts";
import { directoryWith, refusal } from "../inventory/inventory-on-disk.ts";

const openAt = (directory: string) => State.open(directory, undefined, "/");
const serialOf = async (state: State) =>
  new X509Certificate((await readAuthority(state))?.certificate ?? "").serialNumber;

it("is not there, and nothing is created, before it is asked for", async () => {
  expect(await readAuthority(await openAt(await directoryWith({})))).toBeUndefined();
});

it("is made once and stays, unless it is to be replaced", async () => {
  const directory = await directoryWith({});
  await createAuthority(await openAt(directory), false);
  const first = await serialOf(await openAt(directory));
  await createAuthority(await openAt(directory), false);
  expect(await serialOf(await openAt(directory))).toBe(first);
  await createAuthority(await openAt(directory), true);
  expect(await serialOf(await openAt(directory))).not.toBe(first);
});

it("is one and whole where many runs make it at once", async () => {
  const directory = await directoryWith({});
  const states = await Promise.all(Array.from({ length: 5 }, () => openAt(directory)));
  const serials = await Promise.all(
    states.map(async (state) => {
      await createAuthority(state, false);
      return await serialOf(state);
    }),
  );
  expect(new Set(serials).size).toBe(1);
});

it("is refused where key and certificate are not a pair", async () => {
  const [one, two] = [await openAt(await directoryWith({})), await openAt(await directoryWith({}))];
  await createAuthority(one, false);
  await createAuthority(two, false);
  await one.write("pki/ca.key", (await two.read("pki/ca.key")) ?? "");
  expect(await refusal(readAuthority(one))).toBe(
    `${one.directory}/pki/ca.key  is not the key of ca.crt beside it: ` +
      "bring back the pair, or replace it with --rotate ca",
  );
  await one.write("pki/ca.key", "no key");
  expect(await refusal(readAuthority(one))).toContain("is not the key of ca.crt");
});
