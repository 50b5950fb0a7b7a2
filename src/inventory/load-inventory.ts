import { join, resolve } from "node:path";
import { InputError } from "../lib/errors.ts";
import { packageDirectory } from "../lib/package.ts";
import { noVault, type Vault } from "../vault/vault.ts";
import { type Combine, combined, merging, replacing } from "./combining.ts";
import { parseExtraVars } from "./extra-vars.ts";
import { parseHostKey } from "./host-name.ts";
import type { Group, Host, Inventory } from "./inventory.ts";
import {
  type DraftGroup,
  type DraftHost,
  groupsAbove,
  hostsBelow,
  InventoryBuilder,
  namesBelow,
} from "./inventory-builder.ts";
import { compareBytes } from "./order.ts";
import { type ReadContext, readInventoryFile } from "./readers.ts";
import { resolveSource, type Source } from "./sources.ts";
import type { Variable } from "./variable.ts";
import { readVariableFiles, type VariableFiles } from "./variable-files.ts";
import { maskValues, type VariablePart, VaultedFile } from "./vaulted.ts";

const PROGRAM_SECONDS = 30;

export interface InventoryOptions {
  /** As -i gives them: files, directories, lists such as `a,b,`; later ones win. */
  sources: readonly string[];
  /** Where the playbook lies: its group_vars and host_vars count too. */
  playbookDir?: string;
  /** The arguments of -e. */
  extraVars?: readonly string[];
  /** Opens what is encrypted. */
  vault?: Vault;
  /** Whether mappings of one name are merged, as `hash_behaviour = merge` asks for. */
  mergesMappings?: boolean;
  /** What relative paths count from. */
  cwd: string;
  /** Ends the inventory programs that are running. */
  interrupted?: AbortSignal;
  /** How long an inventory program may take for one answer. */
  programSeconds?: number;
  /** The environment, for templates that look something up in it. */
  env?: NodeJS.ProcessEnv;
}

/**
 * Reads a whole inventory as Ansible does, with its group_vars, host_vars and extra variables.
 *
 * @throws InputError for every problem, including those that Ansible ignores, and when there is no host.
 */
export async function loadInventory({
  sources: given,
  playbookDir,
  extraVars = [],
  vault = noVault(),
  mergesMappings = false,
  cwd,
  interrupted,
  programSeconds = PROGRAM_SECONDS,
  env = {},
}: InventoryOptions): Promise<Inventory> {
  const [firstSource] = given;
  if (firstSource === undefined) throw new InputError({ message: "no inventory: give one with -i" });
  const warnings: string[] = [];
  const sources: Source[] = [];
  for (const source of given) sources.push(await resolveSource(source, cwd, warnings));
  const combine = mergesMappings ? merging() : replacing;
  const builder = new InventoryBuilder({ file: firstSource }, combine);
  for (const source of sources) {
    await readSource(source, builder, { sources: given, cwd, interrupted, programSeconds, vault });
  }
  builder.finish();
  warnings.push(...builder.warnings);

  const files = await readAllVariableFiles(sources, playbookDir, builder, cwd, warnings);
  const drafts = [...hostsBelow(groupNamed(builder, "all"))];
  const isName = (text: string) => builder.hosts.has(text) || builder.groups.has(text);
  const extra = await parseExtraVars(extraVars, cwd, vault, combine);
  for (const { variables } of [...builder.groups.values(), ...builder.hosts.values(), { variables: extra }])
    maskValues(variables.values(), isName);
  const below = new Map<DraftGroup, readonly string[]>();
  const groups = new Map([...builder.groups].map(([name, group]) => [name, finishedGroup(group, below)]));
  const surroundings = { cwd, playbookDir: isShipped(playbookDir, cwd) ? undefined : playbookDir, env };
  // What was opened so far: the inventories that `unlock` gives share it, and each has what was open when it was made.
  const open = new Map<VaultedFile, ReadonlyMap<string, Variable>>();
  const finished = (locked?: Inventory): Inventory => {
    const opened = open.size;
    const inventory: Inventory = {
      hosts: new Map(drafts.map((host) => [host.name, finishedHost(host, builder, files, open, combine)])),
      groups,
      extraVars: extra,
      warnings,
      combine,
      surroundings,
      unlock: async (hosts, vault) => {
        const wanted = new Set(hosts);
        for (const host of drafts.filter(({ name }) => wanted.has(name)))
          for (const part of partsOf(host, files))
            if (part instanceof VaultedFile && !open.has(part))
              open.set(part, await part.open(vault, isName));
        return open.size === opened ? inventory : finished(locked ?? inventory);
      },
      ...(locked === undefined ? {} : { locked }),
    };
    return inventory;
  };
  return finished();
}

/** redkeep's own playbooks are in no fleet's repository: as for Ansible without a playbook, the current folder counts. */
function isShipped(playbookDir: string | undefined, cwd: string): boolean {
  return playbookDir !== undefined && resolve(cwd, playbookDir) === join(packageDirectory, "playbooks");
}

async function readSource(source: Source, builder: InventoryBuilder, context: ReadContext): Promise<void> {
  if (source.kind === "list") {
    const place = { file: `-i ${source.given}` };
    const ungrouped = builder.addGroup("ungrouped", place);
    for (const item of source.hosts) {
      const { names, port } = parseHostKey(item, place);
      if (item.includes("[") && !item.startsWith(`[${names[0]}]`)) {
        throw new InputError({ place, key: item, message: "ranges are allowed only in inventory files" });
      }
      for (const name of names) builder.addHost(name, port, ungrouped, place);
    }
    return;
  }
  for (const file of source.files) await readInventoryFile(file, context, builder);
  for (const file of source.skipped)
    builder.foundEmpty(
      { file },
      `is not read: of a folder Ansible takes no .ini and no .cfg. Name the file itself: -i ${file}`,
    );
}

/** group_vars and host_vars beside the sources, in their order, and beside the playbook. */
interface AllVariableFiles {
  inventoryGroups: VariableFiles[];
  inventoryHosts: VariableFiles[];
  playbookGroups: VariableFiles[];
  playbookHosts: VariableFiles[];
}

async function readAllVariableFiles(
  sources: readonly Source[],
  playbookDir: string | undefined,
  builder: InventoryBuilder,
  cwd: string,
  warnings: string[],
): Promise<AllVariableFiles> {
  const groups = new Set(builder.groups.keys());
  const hosts = new Set(builder.hosts.keys());
  const read = new Map<string, { groups: VariableFiles; hosts: VariableFiles }>();
  const readBeside = async (directory: string) => {
    const path = resolve(cwd, directory);
    const files = read.get(path) ?? {
      groups: await readVariableFiles(join(directory, "group_vars"), "group", groups, cwd, warnings),
      hosts: await readVariableFiles(join(directory, "host_vars"), "host", hosts, cwd, warnings),
    };
    read.set(path, files);
    return files;
  };
  const all: AllVariableFiles = {
    inventoryGroups: [],
    inventoryHosts: [],
    playbookGroups: [],
    playbookHosts: [],
  };
  for (const source of sources) {
    if (source.kind === "list") continue;
    const files = await readBeside(source.directory);
    all.inventoryGroups.push(files.groups);
    all.inventoryHosts.push(files.hosts);
  }
  if (playbookDir !== undefined) {
    const files = await readBeside(playbookDir);
    all.playbookGroups.push(files.groups);
    all.playbookHosts.push(files.hosts);
  }
  return all;
}

/** The files that a host has variables in. */
function partsOf(draft: DraftHost, files: AllVariableFiles): VariablePart[] {
  const groups = ["all", ...groupsAbove(draft).map(({ name }) => name)];
  const pick = (from: readonly VariableFiles[], names: readonly string[]) =>
    from.flatMap((one) => names.flatMap((name) => one.get(name) ?? []));
  return [
    ...pick([...files.inventoryGroups, ...files.playbookGroups], groups),
    ...pick([...files.inventoryHosts, ...files.playbookHosts], [draft.name]),
  ];
}

/** @param open the encrypted files that were opened; the others give no variables */
function finishedHost(
  draft: DraftHost,
  builder: InventoryBuilder,
  files: AllVariableFiles,
  open: ReadonlyMap<VaultedFile, ReadonlyMap<string, Variable>>,
  combine: Combine,
): Host {
  const groups = groupsAbove(draft);
  const groupNames = groups.map(({ name }) => name);
  const variablesOf = (part: VariablePart): Iterable<[string, Variable]> =>
    part instanceof VaultedFile ? (open.get(part) ?? []) : part;
  const inFiles = (from: VariableFiles[], names: readonly string[]) =>
    combined(
      from.map((one) =>
        combined(
          names.flatMap((name) => (one.get(name) ?? []).map(variablesOf)),
          combine,
        ),
      ),
      combine,
    );
  const variables = combined(
    [
      groupNamed(builder, "all").variables,
      combined(
        groups.map((group) => group.variables),
        combine,
      ),
      inFiles(files.inventoryGroups, ["all"]),
      inFiles(files.playbookGroups, ["all"]),
      inFiles(files.inventoryGroups, groupNames),
      inFiles(files.playbookGroups, groupNames),
      draft.variables,
      inFiles(files.inventoryHosts, [draft.name]),
      inFiles(files.playbookHosts, [draft.name]),
    ],
    combine,
  );
  return { name: draft.name, place: draft.place, groups: groupNames.sort(compareBytes), variables };
}

/** @param below the hosts of the groups that were asked for theirs: of thousands of nested ones, few are */
function finishedGroup(draft: DraftGroup, below: Map<DraftGroup, readonly string[]>): Group {
  return {
    name: draft.name,
    children: [...draft.children.keys()].map((child) => child.name),
    hosts: [...draft.hosts].map((host) => host.name),
    get allHosts() {
      return namesBelow(draft, below);
    },
  };
}

function groupNamed(builder: InventoryBuilder, name: string) {
  const group = builder.groups.get(name);
  if (group === undefined) throw new Error(`no group ${name}`);
  return group;
}
