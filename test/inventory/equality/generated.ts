/** A random number generator that gives the same for the same seed (mulberry32). */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** An integer from 0 to `below` - 1. */
  roll(below: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4294967296) * below);
  }

  pick<T>(from: readonly T[]): T {
    const picked = from[this.roll(from.length)];
    if (picked === undefined) throw new Error("nothing to pick from");
    return picked;
  }

  times<T>(most: number, make: () => T): T[] {
    return Array.from({ length: this.roll(most + 1) }, make);
  }
}

const ATOMS = [
  ..."0123456789abxjeEfNuU.,:;_+-*/%()[]{}'\"\\# \t=é€\u00a0".split(""),
  ..."True False None true yes set() 0x1F 0o17 0b11 1_000 007 1.5 1e3 .5 1. 2j ... 'a' \"b\" b'c' r'\\d' u'e' f'g'".split(
    " ",
  ),
  ..."'it''s' '\\n' '\\x41' '\\u00e9' '\\101' '\\q' ''' \"\"\" redis 10.0.0.1 {{ }} -- lambda".split(" "),
  "1, 2",
  "'k': 'v'",
  "[1, [2, {'a': None}]]",
  "{'a': (1, 2), 'b': -1.0}",
];

/** Something that may be a Python literal, or almost one. */
export function randomValue(dice: Dice): string {
  return dice.roll(3) === 0
    ? randomLiteral(dice, 3)
    : Array.from({ length: 1 + dice.roll(6) }, () => dice.pick(ATOMS)).join(dice.pick(["", "", " "]));
}

function randomLiteral(dice: Dice, depth: number): string {
  const inner = () => randomLiteral(dice, depth - 1);
  const comma = dice.pick([",", ", ", " ,"]);
  const last = dice.pick(["", "", ","]);
  switch (depth === 0 ? 0 : dice.roll(6)) {
    case 1:
      return `[${dice.times(3, inner).join(comma)}]`;
    case 2:
      return `(${dice.times(3, inner).join(comma)}${last})`;
    case 3:
      return `{${dice.times(3, () => `'${dice.roll(1000)}': ${inner()}`).join(comma)}}`;
    case 4:
      return `${inner()}${comma}${inner()}${last}`;
    default:
      return dice.pick([
        "1",
        "-2",
        "+3.0",
        "1e16",
        "1e-7",
        "0x0f",
        "'a'",
        '"b c"',
        "True",
        "None",
        "r'\\x'",
        "'é'",
        "''",
      ]);
  }
}

const LINE = [..."abc=:'\"\\# \t{}[];,$`é\u00a0".split(""), "a=1", "x='y z'", 'p="q#r"', "\\ ", "#c", "''"];

/** Something like the line of a host. */
export function randomLine(dice: Dice): string {
  return Array.from({ length: 1 + dice.roll(12) }, () => dice.pick(LINE)).join("");
}

/** An INI inventory of groups that hold each other, in any order of sections. Most are ones that Ansible reads. */
export function randomIni(dice: Dice): string {
  const groups = [
    "all",
    "ungrouped",
    ...dice.pick([["a"], ["web", "db"], ["z", "m", "a", "b-1", "g.x", "9g"]]),
  ];
  const section = (): string => {
    const group = dice.pick(groups);
    const kind = dice.roll(8);
    if (kind < 2) return [`[${group}:vars]`, ...dice.times(3, () => variableLine(dice))].join("\n");
    if (kind < 4 && group !== "ungrouped") {
      const below = groups.slice(groups.indexOf(group) + 1).filter((name) => name !== "ungrouped");
      return [`[${group}:children]`, ...(below.length > 0 ? dice.times(3, () => dice.pick(below)) : [])].join(
        "\n",
      );
    }
    return [dice.pick([`[${group}]`, `[${group}] # hosts`]), ...dice.times(4, () => hostLine(dice))].join(
      "\n",
    );
  };
  const sections = Array.from({ length: 1 + dice.roll(8) }, section);
  return `always\n${dice.times(2, () => hostLine(dice)).join("\n")}\n${sections.join(dice.pick(["\n", "\n\n", "\r\n"]))}\n`;
}

const VALUES = [
  "1",
  "'x'",
  "True",
  "yes",
  "1.0",
  "[1,2]",
  "1,2",
  "a b",
  "'a b'",
  "{{ x }}",
  "0755",
  "None",
  "",
  "8080 # port",
  "~/.ssh/id",
];

function variableLine(dice: Dice): string {
  const sign = dice.pick(["=", " = "]);
  if (dice.roll(6) === 0)
    return `ansible_group_priority${sign}${dice.pick(["3", "'10'", "-1", "high", "[1]", ""])}`;
  return `${dice.pick(["x", "y", "ansible_port", "ansible_user"])}${sign}${dice.pick(VALUES)}`;
}

const HOSTS = ["h1", "h2", "r[01:03]", "r[1:3]", "n[a:c].example.com", "10.0.0.[9:11]", "h3.example.com"];

function hostLine(dice: Dice): string {
  if (dice.roll(6) === 0) return dice.pick(["", "; none", "# none"]);
  const words = dice.times(3, () => {
    const value = dice.pick(VALUES);
    return `${dice.pick(["x", "y", "ansible_host", "ansible_user"])}=${value.includes(" ") ? `"${value}"` : value}`;
  });
  return [dice.pick(HOSTS), ...words, ...dice.pick([[], ["# comment"]])].join(" ");
}
