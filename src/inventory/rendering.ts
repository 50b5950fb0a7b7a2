import { dirname, resolve } from "node:path";
import { InputError, type Place } from "../lib/errors.ts";
import { VaultText } from "../lib/yaml-node.ts";
import { needOpened } from "../vault/locked.ts";
import type { Inventory, Surroundings, Variables } from "./inventory.ts";
import { type Expression, isTemplate, JinjaError, parseTemplate } from "./jinja-syntax.ts";
import {
  Container,
  type Content,
  entriesOf,
  Float,
  HostVars,
  isTrue,
  itemsOf,
  type Look,
  lookIn,
  mayBePython,
  OMIT,
  otherScope,
  partOf,
  placeOf,
  printed,
  type Raw,
  rawOf,
  type Scalar,
  Scope,
  Undefined,
  type Value,
} from "./jinja-values.ts";
import type { Variable } from "./variable.ts";

export { OMIT };

/** What rendering one value may cost: each template can double the one before it. */
const MOST_STEPS = 10_000;
const MOST_CHARACTERS = 262_144;
const MOST_DEPTH = 30;

/** Python's own names below a dot: Jinja finds them before a key of that name. */
const METHODS = new Set(
  "append clear copy count extend fromkeys get index insert items keys pop popitem remove reverse setdefault sort update values".split(
    " ",
  ),
);

/**
 * Renders the variables of one host where redkeep uses them: templates that name other variables, as Ansible renders them
 * (`jinja2_native` off). Nothing is evaluated: what computes is refused.
 */
export class Rendering {
  readonly #scope: Scope;
  readonly #surroundings: Surroundings;
  /** The variables that are being rendered, outermost first, as `HOST NAME`: one that comes again names itself. */
  #beingRendered: string[] = [];
  #steps = 0;
  #characters = 0;
  #depth = 0;
  #fromVault = false;

  /**
   * @param inventory where it is missing, so is `hostvars`
   * @param look finds a variable, where some of them are rendered in another way
   */
  constructor(host: string, variables: Variables, inventory?: Inventory, look?: Look) {
    this.#scope = new Scope(host, look ?? lookIn(variables), inventory);
    this.#surroundings = inventory?.surroundings ?? { cwd: ".", env: {} };
  }

  /**
   * A variable of the host with its value rendered; undefined where it is not set.
   *
   * @throws as `value`
   */
  variable(name: string): Variable | undefined {
    const found = this.#scope.look(name)?.variable;
    if (found === undefined) return undefined;
    const value = this.value(found, name);
    if (value === OMIT) return undefined;
    return { ...found, value, place: this.#fromVault ? { ...found.place, fromVault: true } : found.place };
  }

  /** Whether a part of the last value came from a vault. */
  get fromVault(): boolean {
    return this.#fromVault;
  }

  /**
   * The value of a variable with every template in it rendered; `OMIT` where it says so.
   *
   * @throws InputError for a template that does more than name a value, and for a name that is not there.
   * @throws Locked for a `!vault` value that was not opened yet: see `unlocking`
   */
  value(variable: Variable, name: string): unknown {
    this.#steps = 0;
    this.#characters = 0;
    this.#depth = 0;
    this.#fromVault = variable.place.fromVault === true;
    this.#beingRendered = [`${this.#scope.host} ${name}`];
    const { host } = this.#scope;
    try {
      return this.#whole(rawOf(variable, this.#scope, false));
    } catch (error) {
      if (!(error instanceof RenderingError)) throw error;
      const place = error.place ?? variable.place;
      // What it names may be a part of a password.
      const reason = place.fromVault === true ? "that redkeep does not render" : error.message;
      const shown =
        error.template === undefined || /pass|secret|token/i.test(name)
          ? ""
          : ` (${JSON.stringify(error.template.slice(0, 80))})`;
      const message =
        error.template === undefined
          ? error.message
          : `is a Jinja template${shown} ${reason}${error.isBeyond ? "; redkeep renders templates that only name other variables" : ""}: write the value, or pass -e ${name}=…`;
      throw new InputError({
        place,
        key: `${name} of ${host}`,
        message: message.replaceAll("NAME", name),
      });
    }
  }

  /** With everything inside it rendered, as plain values. */
  #whole(raw: Raw): unknown {
    const value = this.#read(raw);
    if (value instanceof Float) return value.value;
    if (!(value instanceof Container)) return value;
    const { content, scope, isPlain } = value.raw;
    const inner = (part: Content) => {
      const item = this.#whole({ content: part, scope, isPlain });
      if (item === OMIT)
        throw new RenderingError("omits a part of a list or mapping: leave it out", undefined, placeOf(part));
      return item;
    };
    const items = itemsOf(content);
    if (items !== undefined) return items.map(inner);
    const result: Record<string, unknown> = Object.create(null);
    for (const [key, part] of entriesOf(content)) result[key] = inner(part);
    return result;
  }

  /** A scalar with its template rendered, or a list or mapping as it stands. */
  #read({ content, scope, isPlain }: Raw): Value {
    if (++this.#steps > MOST_STEPS) throw new RenderingError(`takes more than ${MOST_STEPS} steps to render`);
    if (content.kind === "sequence" || content.kind === "mapping")
      return new Container({ content, scope, isPlain });
    const { value } = content;
    if (placeOf(content)?.fromVault === true) this.#fromVault = true;
    if (value instanceof VaultText) {
      this.#fromVault = true;
      needOpened(value, this.#beingRendered[0]?.replace(/^(\S+) (.*)$/, "$2 of $1") ?? "");
      // What was encrypted is no template.
      return value.opened?.reveal() ?? "";
    }
    if (content.kind === "scalar" && content.type === "float") return new Float(Number(value));
    const isText = content.kind === "plain" || content.type === "text";
    if (typeof value === "string")
      return isText && !isPlain && isTemplate(value) ? this.#render(value, scope, content) : value;
    if (typeof value === "object" && value !== null) return new Container({ content, scope, isPlain });
    return value as Scalar;
  }

  #render(text: string, scope: Scope, content: Content): Value {
    if (++this.#depth > MOST_DEPTH)
      throw new RenderingError(
        `that leads through more than ${MOST_DEPTH} templates`,
        text,
        placeOf(content),
      );
    try {
      const template = parseTemplate(text);
      const [only, ...others] = template;
      if (typeof only === "object" && others.length === 0) {
        const value = this.#known(this.#evaluate(only, scope));
        if (value instanceof Container || value === OMIT) return value;
        // Jinja prints a value, and Ansible reads what Jinja printed. Only a name alone keeps a number, a boolean or null as it is.
        if (only.kind === "name" && typeof scope.look(only.name)?.variable.value !== "string") return value;
        return this.#asAnsibleReads(printed(value));
      }
      let result = "";
      for (const part of template) {
        const value = typeof part === "string" ? part : this.#known(this.#evaluate(part, scope));
        if (value instanceof Container) throw new JinjaError("that puts a list or mapping into a text");
        if (value === OMIT) throw new JinjaError("that puts omit into a text");
        result += printed(value);
        this.#characters += result.length;
        if (this.#characters > MOST_CHARACTERS)
          throw new JinjaError(`whose text would have more than ${MOST_CHARACTERS} characters`);
      }
      return this.#asAnsibleReads(result);
    } catch (error) {
      if (!(error instanceof JinjaError)) throw error;
      throw new RenderingError(error.message, text, placeOf(content), !(error instanceof NameError));
    } finally {
      this.#depth--;
    }
  }

  /** What Ansible makes of a rendered text: True and False become booleans, Python's lists and mappings are read. */
  #asAnsibleReads(text: string): Value {
    if (text === "True" || text === "False") return text === "True";
    if (mayBePython(text)) throw new JinjaError("whose text Ansible may read as a list or mapping");
    return text;
  }

  #known(value: Value): Scalar | Container | typeof OMIT {
    if (value instanceof Undefined) throw new NameError(`that names ${value.name}, which is not set`);
    if (value instanceof Scope || value instanceof HostVars)
      throw new JinjaError("that names all variables of a host");
    return value;
  }

  #evaluate(expression: Expression, scope: Scope): Value {
    switch (expression.kind) {
      case "constant":
        return expression.value;
      case "name":
        return this.#name(expression.name, scope);
      case "attribute": {
        const { name } = expression;
        const of = this.#evaluate(expression.of, scope);
        if (
          typeof name === "string" &&
          (name.startsWith("__") || (of instanceof Container && METHODS.has(name)))
        )
          throw new JinjaError(`that uses Python's own ${name}: write ['${name}'] for a key`);
        return this.#item(of, name);
      }
      case "item": {
        const of = this.#evaluate(expression.of, scope);
        const key = this.#known(this.#evaluate(expression.key, scope));
        if (typeof key !== "string" && typeof key !== "number")
          throw new JinjaError("whose key is no text or number");
        return this.#item(of, key);
      }
      case "default": {
        const value = this.#evaluate(expression.of, scope);
        const forFalse = expression.forFalse && this.#known(this.#evaluate(expression.forFalse, scope));
        const isMissing =
          value instanceof Undefined || (forFalse !== undefined && isTrue(forFalse) && !isTrue(value));
        return isMissing ? this.#evaluate(expression.otherwise, scope) : value;
      }
      case "env": {
        const name = this.#known(this.#evaluate(expression.variable, scope));
        const [word = ""] = typeof name === "string" ? name.trim().split(/\s+/) : [];
        if (word === "") throw new JinjaError("whose lookup of env names no variable");
        return Object.hasOwn(this.#surroundings.env, word) ? (this.#surroundings.env[word] ?? "") : "";
      }
    }
  }

  #name(name: string, scope: Scope): Value {
    if (name === "omit") return OMIT;
    if (name === "hostvars" && !scope.isOther && scope.inventory !== undefined) return new HostVars(scope);
    const found = scope.look(name);
    if (found === undefined) return this.#surrounding(name, scope);
    const step = `${scope.host} ${name}`;
    if (this.#beingRendered.includes(step)) {
      const names = [...this.#beingRendered.slice(this.#beingRendered.indexOf(step)), step].map((text) =>
        text.slice(text.indexOf(" ") + 1),
      );
      throw new NameError(`that names itself: ${names.join(" → ")}`);
    }
    this.#beingRendered.push(step);
    const value = this.#read(rawOf(found.variable, scope, found.isPlain === true));
    this.#beingRendered.pop();
    return value;
  }

  /** What Ansible itself sets. */
  #surrounding(name: string, scope: Scope): Value {
    const { cwd, playbookDir } = this.#surroundings;
    if (name === "playbook_dir") return resolve(cwd, playbookDir ?? ".");
    const place = scope.inventory?.hosts.get(scope.host)?.place;
    const isFile = place?.line !== undefined;
    if (name === "inventory_file" && place !== undefined) return isFile ? resolve(cwd, place.file) : null;
    if (name === "inventory_dir" && place !== undefined)
      return isFile ? dirname(resolve(cwd, place.file)) : null;
    return new Undefined(name);
  }

  #item(of: Value, key: string | number): Value {
    if (of instanceof Undefined) return new Undefined(`${of.name}.${key}`);
    if (of instanceof HostVars)
      return otherScope(of.scope, String(key)) ?? new Undefined(`hostvars['${key}']`);
    if (of instanceof Scope) return this.#name(String(key), of);
    if (!(of instanceof Container))
      throw new JinjaError(`that looks for ${key} in a value that has no parts`);
    const { content, scope, isPlain } = of.raw;
    const part = partOf(content, key);
    return part === undefined ? new Undefined(String(key)) : this.#read({ content: part, scope, isPlain });
  }
}

/** A template that cannot be rendered. `template` is missing where the value is no template. */
class RenderingError extends Error {
  readonly template: string | undefined;
  readonly place: Place | undefined;
  /** The template asks for more than redkeep renders. */
  readonly isBeyond: boolean;

  constructor(message: string, template?: string, place?: Place, isBeyond = true) {
    super(message);
    this.template = template;
    this.place = place;
    this.isBeyond = isBeyond;
  }
}

/** A template names what is not there, whoever renders it. */
class NameError extends JinjaError {}
