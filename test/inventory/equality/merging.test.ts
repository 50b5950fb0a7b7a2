import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { inventoryList } from "../../../src/inventory/listing.ts";
import { loadInventory } from "../../../src/inventory/load-inventory.ts";
import { askAnsible } from "./ask-ansible.ts";
import type { Case } from "./case.ts";
import { Dice } from "./generated.ts";
import { lay } from "./lay.ts";

const WRITTEN: Record<string, Case & { extraVars?: string[] }> = {
  "mappings of all levels": {
    files: {
      "hosts.yml": `
all:
  vars: {redis: {port: 6379, tls: {enabled: no, ca: all}, bind: [a]}}
  children:
    prod:
      vars: {redis: {tls: {ca: prod}}}
      children:
        cache:
          hosts: {r1: {redis: {port: 6380}}, r2: }
          vars: {redis: {bind: [b, c], tls: {enabled: yes}}}
`,
      "group_vars/all.yml": "redis: {maxmemory: 1gb, tls: {ca: file}}\n",
      "group_vars/cache/a.yml": "redis: {a: 1}\n",
      "group_vars/cache/b.yml": "redis: {b: 2, tls: {enabled: !!str x}}\n",
      "host_vars/r1.yml": "redis: {tls: {key: mine}}\n",
    },
  },
  "a mapping over a text, a text over a mapping, and null": {
    files: {
      "hosts.yml":
        "all: {vars: {a: {x: 1}, b: t, c: {x: 1}, d: {x: {y: 1}}}}\ng: {hosts: {h: {a: {z: 3}, c: {}, d: {x: null}}}, vars: {a: t, b: {y: 2}}}\n",
      "group_vars/g/1.yml": "a: {p: 1}\n",
      "group_vars/g/2.yml": "a: 5\n",
      "group_vars/g/3.yml": "a: {q: 1}\n",
    },
  },
  "one host twice, in INI": {
    files: {
      hosts:
        "[a]\nh m=\"{'x': 1, 'l': [1]}\"\n[b]\nh m=\"{'y': 2, 'l': []}\"\n[b:vars]\nn={'k': 1}\nn={'j': 2}\n",
    },
  },
  "two sources": {
    sources: ["one/hosts", "two/hosts"],
    files: {
      "one/hosts": "[g]\nh\n",
      "one/group_vars/g.yml": "m: {x: {one: 1}}\n",
      "two/hosts": "[g]\nh\n[all:vars]\nm={'all': 1}\n",
      "two/group_vars/g.yml": "m: {x: {two: 2}}\n",
    },
  },
  "a !vault value and an anchor in it": {
    files: {
      "hosts.yml":
        'g:\n  vars:\n    m: &m {p: !vault "$ANSIBLE_VAULT;1.1;AES256\\n61\\n", q: 1}\n  hosts:\n    h: {m: {q: 2}, n: *m}\n',
      "host_vars/h.yml": "n: {r: {<<: {s: 1}}}\n",
    },
  },
  "-e": {
    files: { "hosts.yml": "g: {hosts: {h: {m: {x: 1, y: {z: 1}}}}}\n" },
    extraVars: ['{"m": {"y": {"w": 2}}}', '{"m": {"v": 3}}', "k=1"],
  },
};
const GENERATED = Object.fromEntries(
  Array.from({ length: 40 }, (_, seed) => [`generated ${seed}`, generated(new Dice(seed))] as const),
);

const root = mkdtempSync(join(tmpdir(), "redkeep-merging-"));
afterAll(() => rmSync(root, { recursive: true }));

const laid = Object.entries({ ...WRITTEN, ...GENERATED }).map(([title, one]) => ({
  title,
  extraVars: (one as { extraVars?: string[] }).extraVars ?? [],
  ...lay(one, root),
}));
const { inventories } = askAnsible(
  {
    inventories: laid.map(({ cwd, sources, extraVars }) => ({
      cwd,
      arguments: [
        [...sources.flatMap((one) => ["-i", one]), ...extraVars.flatMap((one) => ["-e", one]), "--list"],
      ],
    })),
  },
  { ANSIBLE_HASH_BEHAVIOUR: "merge" },
);

describe("where mappings are merged, inventory --list prints what ansible-inventory prints", () => {
  it.each(laid.map((one, index) => ({ ...one, list: inventories[index]?.[0] })))(
    "$title",
    async ({ cwd, sources, extraVars, list }) => {
      expect(list).toMatchObject({ status: 0 });
      const inventory = await loadInventory({ sources, extraVars, cwd, mergesMappings: true });
      expect(`${inventoryList(inventory)}\n`).toBe(list?.stdout);
    },
  );
});

/** Mappings, lists and texts of the same few names, wherever a host's variables may stand. */
function generated(dice: Dice): Case {
  const value = (depth = 0): unknown => {
    const kind = depth > 2 ? 5 : dice.roll(6);
    if (kind < 4)
      return Object.fromEntries(["x", "y"].slice(dice.roll(2)).map((key) => [key, value(depth + 1)]));
    return kind === 4 ? [dice.roll(9)] : dice.roll(9);
  };
  const variables = () => JSON.stringify({ a: value(), b: value() });
  const group = (inner: string) => `{vars: ${variables()}, ${inner}}`;
  const inner = group(`hosts: {h: ${variables()}, k: }`);
  const files: Record<string, string> = {
    "hosts.yml": `all: ${group(`children: {p: ${group(`children: {c: ${inner}}`)}, q: {hosts: {h: ${variables()}}}}`)}\n`,
  };
  for (const name of ["all", "p", "c/1", "c/2", "q"])
    if (dice.roll(2) === 0) files[`group_vars/${name}.yml`] = `${variables()}\n`;
  if (dice.roll(2) === 0) files["host_vars/h.yml"] = `${variables()}\n`;
  return { files };
}
