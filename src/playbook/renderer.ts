import { hostVariables, type Inventory } from "../inventory/inventory.ts";
import { OMIT, Rendering } from "../inventory/rendering.ts";
import type { Variable } from "../inventory/variable.ts";
import { didYouMean, InputError, type Problem } from "../lib/errors.ts";
import { evaluate, TemplateError } from "../lib/template.ts";
import { VaultText, type YamlPath } from "../lib/yaml-node.ts";
import { needOpened } from "../vault/locked.ts";
import { type Play, placeIn, shown, type TaskEntry } from "./playbook.ts";

/** The facts of a host that a playbook may name, as `facts.NAME`. */
export type FactsForTemplates = Readonly<Record<string, unknown>>;

/** A value with every text rendered; where it `waits` for the facts, some texts are still as written. */
export interface Rendered {
  value: unknown;
  waits: boolean;
}

interface Scope {
  variables: ReadonlyMap<string, Variable>;
  /** The variables that the playbook sets. They are its own text, so they may be templates and name each other. */
  own: ReadonlySet<Variable>;
  /** Renders what the inventory sets. */
  inventory: Rendering;
}

type Location = Pick<Problem, "place" | "key">;

/** Renders the texts of one task entry with the variables of one host. Only the playbook's own texts are templates. */
export class Renderer {
  readonly #host: string;
  readonly #entry: TaskEntry;
  readonly #gather: () => Scope;
  #gathered: Scope | undefined;
  readonly #facts: FactsForTemplates | undefined;
  readonly #beingRendered: string[] = [];
  #waits = false;

  constructor(
    inventory: Inventory,
    host: string,
    play: Play,
    entry: TaskEntry,
    facts: FactsForTemplates | undefined,
  ) {
    this.#host = host;
    this.#entry = entry;
    this.#facts = facts;
    this.#gather = () => {
      const own = { playDefaults: play.defaults, playVars: play.vars, taskVars: entry.vars };
      const variables = hostVariables(inventory, host, own);
      return {
        variables,
        own: new Set(Object.values(own).flatMap((variables) => [...variables.values()])),
        inventory: new Rendering(host, variables, inventory, (name) => this.#forInventory(name)),
      };
    };
  }

  /** Gathered when a template needs them: most entries have no template. */
  get #scope(): Scope {
    this.#gathered ??= this.#gather();
    return this.#gathered;
  }

  /** Whether the entry applies; undefined where that waits for the facts. The first false condition decides. */
  condition(): boolean | undefined {
    const locate = () => placeIn(this.#entry, ["when"]);
    let waits = false;
    for (const condition of this.#entry.when) {
      const isBare = typeof condition === "string" && !condition.includes("<%");
      const rendered = this.#whole(isBare ? `<%= (${condition}) %>` : condition, locate);
      if (rendered.waits) waits = true;
      else if (rendered.value === false) return false;
      else if (rendered.value !== true) {
        const message = `should be true or false on ${this.#host}, found ${shownCondition(rendered.value)}`;
        throw new InputError({ ...locate(), message });
      }
    }
    return waits ? undefined : true;
  }

  params(): Rendered {
    const { params, task } = this.#entry;
    return this.#whole(params, (below) => placeIn(this.#entry, [task, ...below]));
  }

  /** Where the value of the parameter at `below` comes from, as the end of a sentence; "" where it stands in the playbook. */
  origin(below: YamlPath): string {
    let value = this.#entry.params;
    for (const part of below)
      if (typeof value === "object" && value !== null) value = Reflect.get(value, part);
    if (typeof value !== "string" || !value.includes("<%")) return "";
    const places = [...namesIn(value)].flatMap((name) => {
      const place = this.#scope.variables.get(name)?.place;
      return place === undefined ? [] : [`${name}: ${[place.file, place.line].filter(Boolean).join(":")}`];
    });
    return ` on ${this.#host}${places.length > 0 ? ` (${places.join(", ")})` : ""}`;
  }

  #whole(value: unknown, locate: (below: YamlPath) => Location): Rendered {
    this.#waits = false;
    return { value: this.#render(value, [], locate), waits: this.#waits };
  }

  #render(value: unknown, below: YamlPath, locate: (below: YamlPath) => Location): unknown {
    if (typeof value === "string") return this.#text(value, below, locate);
    if (Array.isArray(value))
      return value.map((item, index) => this.#render(item, [...below, index], locate));
    if (value instanceof VaultText) {
      needOpened(value, locate(below).key ?? "");
      return value.opened?.reveal();
    }
    if (typeof value !== "object" || value === null) return value;
    const result: Record<string, unknown> = Object.create(null);
    for (const [key, item] of Object.entries(value))
      result[key] = this.#render(item, [...below, key], locate);
    return result;
  }

  #text(text: string, below: YamlPath, locate: (below: YamlPath) => Location): unknown {
    if (!text.includes("<%")) {
      // A program that prints a secret may have a template language of its own.
      if (!/\{[{%]/.test(text) || below.includes("command")) return text;
      const message = `is a Jinja template (${shown(text)}); a playbook of redkeep takes <%= NAME %>`;
      throw new InputError({ ...locate(below), message });
    }
    const names = namesIn(text);
    const data: Record<string, unknown> = Object.create(null);
    const otherWaits = this.#waits;
    this.#waits = names.delete("facts") && this.#facts === undefined;
    data.facts = this.#facts;
    // A variable of the playbook may itself name the facts.
    for (const name of names) if (this.#scope.variables.has(name)) data[name] = this.#variable(name);
    const waits = this.#waits;
    this.#waits ||= otherWaits;
    if (waits) return text;
    try {
      return evaluate(text, data);
    } catch (error) {
      if (!(error instanceof TemplateError)) throw error;
      throw new InputError({
        ...locate(below),
        message: `${error.message} on ${this.#host}.${this.#hint(error)}`,
      });
    }
  }

  #variable(name: string): unknown {
    const variable = this.#scope.variables.get(name);
    if (variable === undefined) return undefined;
    if (!this.#scope.own.has(variable)) {
      const value = this.#scope.inventory.value(variable, name);
      return value === OMIT ? undefined : value;
    }
    const { place } = variable;
    if (this.#beingRendered.includes(name)) {
      const ring = [...this.#beingRendered.slice(this.#beingRendered.indexOf(name)), name].join(" → ");
      throw new InputError({ place, key: name, message: `names itself: ${ring}` });
    }
    this.#beingRendered.push(name);
    const value = this.#render(variable.value, [], () => ({ place, key: name }));
    this.#beingRendered.pop();
    return value;
  }

  /** An inventory's template may name a variable of the playbook, whose texts are the playbook's own templates. */
  #forInventory(name: string): { variable: Variable; isPlain?: boolean } | undefined {
    const variable = this.#scope.variables.get(name);
    if (variable === undefined || !this.#scope.own.has(variable)) return variable && { variable };
    const { node: _, ...rest } = variable;
    return { variable: { ...rest, value: this.#variable(name) }, isPlain: true };
  }

  #hint({ message, cause }: TemplateError): string {
    if (cause instanceof SyntaxError) return " Expressions are JavaScript: &&, || and ! for and, or and not";
    const missing = /^(\S+) is not defined$/.exec(message)?.[1];
    return missing === undefined ? "" : didYouMean(missing, [...this.#scope.variables.keys(), "facts"]);
  }
}

/** The names that a template's code uses, without names of properties. */
function namesIn(text: string): Set<string> {
  const code = text
    .split("<%")
    .slice(1)
    .map((part) => part.split("%>", 1)[0])
    .join(" ");
  return new Set(code.match(/(?<![\w$]|(?<!\.)\.)[A-Za-z_$][\w$]*/g));
}

/** As in Ansible, a condition may be a secret whose presence is tested. So only texts that look like true or false are shown. */
function shownCondition(value: unknown): string {
  return typeof value === "string" && !/^(?:|true|false|yes|no|on|off)$/i.test(value)
    ? "a text"
    : shown(value);
}
