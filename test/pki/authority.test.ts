import { X509Certificate } from "node:crypto";
import { expect, it } from "vitest";
import { createAuthority, readAuthority } from "../../src/pki/authority.ts";
import { State } from "../../src/state/state.ts";
import { directoryWith, refusal } from "../inventory/inventory-on-disk.ts";

const openAt = (directory: string) => State.open(directory, undefined, "/");
const serialOf = async (state: State) =>
  new X509Certificate((await readAuthority(state))?.certificate ?? "").serialNumber;

it("reading redkeep's own CA creates none", async () => {
  expect(await readAuthority(await openAt(await directoryWith({})))).toBeUndefined();
});

it("redkeep's own CA is made once and stays, unless it is to be replaced", async () => {
  const directory = await directoryWith({});
  await createAuthority(await openAt(directory), false);
  const first = await serialOf(await openAt(directory));
  await createAuthority(await openAt(directory), false);
  expect(await serialOf(await openAt(directory))).toBe(first);
  await createAuthority(await openAt(directory), true);
  expect(await serialOf(await openAt(directory))).not.toBe(first);
});

it("redkeep's own CA is one and whole where many runs make it at once", async () => {
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

it.each(["ca.crt", "ca.key"])(
  "redkeep's own CA is not replaced where its %s is missing here",
  async (lacking) => {
    const state = await openAt(await directoryWith({}));
    await createAuthority(state, false);
    const kept = lacking === "ca.crt" ? "pki/ca.key" : "pki/ca.crt";
    const before = await state.read(kept);
    await state.remove(`pki/${lacking}`);
    expect(await refusal(createAuthority(state, false))).toContain(
      `pki/${lacking}  is not here, and its other half is: copy ${state.name}/pki/${lacking}, ${state.name}/pki/clients/`,
    );
    expect(await state.read(kept)).toBe(before);
    await createAuthority(state, true);
    expect(await readAuthority(state)).toBeDefined();
  },
);

it("redkeep's own CA is refused where key and certificate are not a pair", async () => {
  const [one, two] = [await openAt(await directoryWith({})), await openAt(await directoryWith({}))];
  await createAuthority(one, false);
  await createAuthority(two, false);
  await one.write("pki/ca.key", (await two.read("pki/ca.key")) ?? "");
  const { directory, name } = one;
  expect(await refusal(readAuthority(one))).toMatch(
    new RegExp(
      `^${directory}/pki/ca\\.key {2}is not the key of ca\\.crt beside it: copy ${name}/pki/ca\\.crt, .*Only where nobody has it: --rotate ca`,
    ),
  );
  await one.write("pki/ca.key", "no key");
  expect(await refusal(readAuthority(one))).toContain("is not the key of ca.crt");
});
