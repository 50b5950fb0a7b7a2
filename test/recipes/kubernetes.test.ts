import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { loadAll } from "js-yaml";
import { CronJob, Job } from "kubernetes-models/batch/v1";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { z } from "zod";
import {
  carry,
  type Fleet,
  readRecord,
  recipe,
  recipeDocuments,
  recipeFiles,
  recipeText,
  runShell,
  startFleet,
  type Workspace,
} from "./support.ts";

const name = z.string().regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);
const envVariable = z.union([
  z.strictObject({ name: z.string(), value: z.string() }),
  z.strictObject({
    name: z.string(),
    valueFrom: z.strictObject({ secretKeyRef: z.strictObject({ name, key: z.string() }) }),
  }),
]);
const container = z.strictObject({
  name,
  image: z.string(),
  workingDir: z.string().optional(),
  env: z.array(envVariable),
  command: z.tuple([z.literal("sh"), z.literal("-euc")]),
  args: z.tuple([z.string()]),
  resources: z.strictObject({
    requests: z.strictObject({ cpu: z.string(), memory: z.string() }),
    limits: z.strictObject({ memory: z.string() }),
  }),
  // The restricted profile of the pod security standards.
  securityContext: z.strictObject({
    allowPrivilegeEscalation: z.literal(false),
    readOnlyRootFilesystem: z.literal(true),
    capabilities: z.strictObject({ drop: z.tuple([z.literal("ALL")]) }),
  }),
  volumeMounts: z.array(
    z.strictObject({ name, mountPath: z.string().startsWith("/"), readOnly: z.literal(true).optional() }),
  ),
});
const volume = z.union([
  z.strictObject({
    name,
    configMap: z.strictObject({
      name,
      items: z.array(z.strictObject({ key: z.string().regex(/^[\w.-]+$/), path: z.string() })).optional(),
    }),
  }),
  z.strictObject({
    name,
    secret: z.strictObject({ secretName: name, defaultMode: z.literal(0o440) }),
  }),
  z.strictObject({ name, persistentVolumeClaim: z.strictObject({ claimName: name }) }),
]);
const podSpec = z.strictObject({
  restartPolicy: z.literal("Never"),
  automountServiceAccountToken: z.literal(false),
  terminationGracePeriodSeconds: z.int().optional(),
  securityContext: z.strictObject({
    runAsNonRoot: z.literal(true),
    runAsUser: z.int().min(1),
    runAsGroup: z.int().min(1),
    fsGroup: z.int().min(1),
    seccompProfile: z.strictObject({ type: z.literal("RuntimeDefault") }),
  }),
  containers: z.tuple([container]),
  volumes: z.array(volume),
});
const jobSpec = z.strictObject({
  completionMode: z.literal("Indexed").optional(),
  completions: z.int().optional(),
  parallelism: z.int().optional(),
  backoffLimit: z.literal(0).optional(),
  backoffLimitPerIndex: z.literal(0).optional(),
  activeDeadlineSeconds: z.int(),
  ttlSecondsAfterFinished: z.int(),
  template: z.strictObject({ spec: podSpec }),
});
const cronJob = z.strictObject({
  apiVersion: z.literal("batch/v1"),
  kind: z.literal("CronJob"),
  metadata: z.strictObject({ name }),
  spec: z.strictObject({
    schedule: z.string(),
    timeZone: z.literal("Etc/UTC"),
    concurrencyPolicy: z.literal("Forbid"),
    jobTemplate: z.strictObject({ spec: jobSpec }),
  }),
});
const job = z.strictObject({
  apiVersion: z.literal("batch/v1"),
  kind: z.literal("Job"),
  metadata: z.strictObject({ generateName: z.string() }),
  spec: jobSpec,
});

const [verify, report] = recipeDocuments("kubernetes/nightly.yaml", cronJob);
const applying = recipe("kubernetes/apply.yaml", job);
if (verify === undefined || report === undefined) throw new Error("nightly.yaml lacks a CronJob");
const verifySpec = verify.spec.jobTemplate.spec;
const reportSpec = report.spec.jobTemplate.spec;

// A night has some ten processes, which share a busy machine.
vi.setConfig({ testTimeout: 300_000 });

let fleet: Fleet;
let records: Workspace;
beforeEach(async () => {
  fleet = await startFleet();
  records = fleet.checkout();
});
afterEach(async () => await fleet[Symbol.asyncDispose]());

/** Which file of the repository a key of the config map `redkeep-fleet` holds. */
const FLEET_FILES: Record<string, string> = {
  "hosts.yml": "inventory/hosts.yml",
  "harden.yml": "playbooks/harden.yml",
  known_hosts: "inventory/known_hosts",
  "waivers.yml": "inventory/waivers.yml",
};

/** A path below a mount point as it is here; any other text as it stands. */
function mounted(value: string, places: ReadonlyMap<string, string>): string {
  for (const [mountPath, place] of places)
    if (value === mountPath || value.startsWith(`${mountPath}/`))
      return place + value.slice(mountPath.length);
  return value;
}

/** Starts a pod's container: its volumes are folders here, and what its variables say of mount points follows them. */
async function runPod({ template }: z.infer<typeof jobSpec>, more: Record<string, string> = {}) {
  const [container] = template.spec.containers;
  const root = fleet.checkout();
  const places = new Map<string, string>();
  for (const { name, mountPath } of container.volumeMounts) {
    const source = template.spec.volumes.find((volume) => volume.name === name);
    if (source === undefined) throw new Error(`there is no volume ${name}`);
    const place = join(root.path, "mnt", name);
    if ("configMap" in source) {
      const folder = { "redkeep-fleet": "", "redkeep-state": "inventory/.redkeep" }[source.configMap.name];
      if (folder === undefined) throw new Error(`unknown to this test: ${source.configMap.name}`);
      const items = source.configMap.items ?? [{ key: "secrets.yml", path: "secrets.yml" }];
      for (const { key, path } of items) {
        const file = folder === "" ? (FLEET_FILES[key] ?? "") : join(folder, key);
        if (folder === "") expect(path).toBe(file);
        carry(join(root.path, file), join(place, path));
      }
    } else if ("secret" in source) {
      const [file, text] = {
        "redkeep-ssh": ["id_ed25519", fleet.secrets.key] as const,
        "redkeep-vault": ["password", fleet.secrets.vaultPassword] as const,
      }[source.secret.secretName] ?? ["", ""];
      root.write(`mnt/${name}/${file}`, text);
    }
    places.set(mountPath, "persistentVolumeClaim" in source ? records.path : place);
  }
  const env = Object.fromEntries(
    container.env.map((variable) => [
      variable.name,
      "value" in variable ? mounted(variable.value, places) : "k5Tq8vWz2RbN7mXc",
    ]),
  );
  const [program, flags] = container.command;
  // A run at midnight must not begin on one day and end on the next.
  root.write("bin/date", '#!/bin/sh\necho "2026-11-27"\n', 0o755);
  root.write("bin/redkeep", `#!/bin/sh\nexec ${join(root.path, "redkeep/redkeep.sh")} "$@"\n`, 0o755);
  const path = `${join(root.path, "bin")}:${process.env.PATH}`;
  return await runShell([program, flags, ...container.args], {
    cwd: container.workingDir === undefined ? root.path : (places.get(container.workingDir) ?? ""),
    env: { ...env, ...more, PATH: path },
  });
}

async function runShards() {
  const { completions = 0 } = verifySpec;
  return await Promise.all(
    Array.from({ length: completions }, (_, index) =>
      runPod(verifySpec, { JOB_COMPLETION_INDEX: `${index}` }),
    ),
  );
}

/** A folder from which the packages of this repository are found. */
class DisposableFolder implements Disposable {
  readonly path: string;

  constructor() {
    const cache = resolve(import.meta.dirname, "../../node_modules/.cache/redkeep-tests");
    mkdirSync(cache, { recursive: true });
    this.path = mkdtempSync(join(cache, "kubernetes-"));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

describe("the Kubernetes manifests", () => {
  it("split the fleet into as many shards as there are pods, and ask none of them twice", () => {
    const { completions, parallelism, completionMode, backoffLimitPerIndex } = verifySpec;
    expect({ completionMode, backoffLimitPerIndex }).toEqual({
      completionMode: "Indexed",
      backoffLimitPerIndex: 0,
    });
    expect(parallelism).toBe(completions);
    const [{ env }] = verifySpec.template.spec.containers;
    expect(env).toContainEqual({ name: "SHARDS", value: `${completions}` });
    expect([reportSpec, applying.spec].map(({ backoffLimit }) => backoffLimit)).toEqual([0, 0]);
  });

  it("mount the volumes that they name, read-only where nothing is written", () => {
    for (const { template } of [verifySpec, reportSpec, applying.spec]) {
      const [{ volumeMounts, workingDir, args }] = template.spec.containers;
      expect(volumeMounts.map(({ name }) => name)).toEqual(template.spec.volumes.map(({ name }) => name));
      const writable = volumeMounts.filter(({ readOnly }) => readOnly !== true).map(({ name }) => name);
      expect(writable).toEqual(["records"]);
      if (workingDir !== undefined)
        expect(volumeMounts.map(({ mountPath }) => mountPath)).toContain(workingDir);
      // Every other place is named by a variable.
      expect(args[0]).not.toMatch(/(?:^|[\s=])["']?\/\w/);
    }
  });

  it("have each host once in the report, and compare with the night before", async () => {
    const shards = await runShards();
    expect(shards.map(({ status }) => status)).toContain(6);
    expect(readFileSync(join(records.path, "state/secrets.yml"), "utf8")).toMatch(/^\$ANSIBLE_VAULT;/);
    const merging = await runPod(reportSpec);
    expect(merging).toEqual({ status: 6, output: "" });
    const night = join(records.path, "2026-11-27");
    expect(readRecord(join(night, "run.json")).hosts.map(({ host }) => host)).toEqual(fleet.hosts);
    expect(readdirSync(night)).toEqual(expect.arrayContaining(["report.html", "junit.xml", "summary.md"]));
    const told = (await runShards()).map(({ output }) => output).join("");
    expect(told).toMatch(/✖ RK-LIM-01 .*: .*known|known\s+since\s+[\d-]+:[^✖?]*RK-LIM-01/);
    expect(told).not.toMatch(/RK-LIM-01 [^✖?]*wanted/);
    fleet.mend();
    const clean = [...(await runShards()), await runPod(reportSpec)];
    expect(clean.map(({ status }) => status)).toEqual([0, 0, 0, 0]);
  });

  it("apply without a question from redkeep", async () => {
    await fleet[Symbol.asyncDispose]();
    fleet = await startFleet("acting");
    records = fleet.checkout();
    const { status } = await runPod(applying.spec);
    expect(status).toBe(0);
    const [record = ""] = readdirSync(records.path).filter((name) => /^apply-.*\.json$/.test(name));
    const { hosts } = readRecord(join(records.path, record));
    expect(hosts.map(({ host, status }) => `${host} ${status}`)).toEqual(
      fleet.hosts.map((host) => `${host} changed`),
    );
    expect(existsSync(join(records.path, "state/runs"))).toBe(true);
  });
});

it.each([
  ["nightly.yaml", "CronJob"],
  ["apply.yaml", "Job"],
] as const)("the API of a current Kubernetes takes %s", async (file, kind) => {
  const documents = loadAll(recipeText(`kubernetes/${file}`)) as never[];
  for (const document of documents) new ({ CronJob, Job })[kind](document).validate();
  // What validate does not tell: a field that the API does not know.
  using folder = new DisposableFolder();
  const lines = documents.map(
    (document, index) => `export const made${index}: I${kind} = ${JSON.stringify(document)};\n`,
  );
  const script = join(folder.path, "made.ts");
  writeFileSync(script, `import type { I${kind} } from "kubernetes-models/batch/v1";\n${lines.join("")}`);
  const options = ["--noEmit", "--strict", "--module", "nodenext", "--types", "", "--ignoreConfig"];
  const result = await runShell(["tsc", ...options, script], { cwd: folder.path, env: {} });
  expect(result).toEqual({ status: 0, output: "" });
});

it("every recipe checks host keys by the file in the repository", () => {
  for (const file of recipeFiles()) {
    const text = recipeText(file);
    expect(text).not.toMatch(/keyscan|StrictHostKeyChecking|accept-new|UserKnownHostsFile/i);
    const runs = text.match(/redkeep (?:verify|apply) -i/g) ?? [];
    expect(text.match(/--known-hosts inventory\/known_hosts/g) ?? [], file).toHaveLength(runs.length);
  }
});
