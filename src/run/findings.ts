import { auditChecks } from "../audit/audit.ts";
import type { TagSelection } from "../lib/tags.ts";
import type { TemplateData } from "../lib/template.ts";
import { endCondition } from "../pki/certificate.ts";
import { tlsPaths } from "../pki/server-files.ts";
import { taskContext } from "../plan/build-plan.ts";
import type { CertificateRecord, ServerRecord } from "../record/record.ts";
import { paramsOf } from "../tasks/task.ts";
import { accessOf } from "../verify/access.ts";
import { allowedRecords } from "../verify/allowance.ts";
import type { Check } from "../verify/controls.ts";
import { withoutRights } from "../verify/rights.ts";
import { isRoot, isStopped } from "./ask.ts";
import type { Findings, Observation } from "./host.ts";

/** What the playbook's tasks for this host leave unmet, and what runs there. */
export function baseFindings(observation: Observation): Findings {
  const allowances = observation.tasks.tasks.flatMap(({ definition, params }) =>
    definition.allowances(params),
  );
  return {
    checks: [],
    ...(allowances.length > 0 ? { allowed: allowedRecords(allowances) } : {}),
    server: serverRecord(observation),
  };
}

/** What only a look that proves asks for: what users can do, and when certificates end. */
export function provedFindings(observation: Observation): Pick<Findings, "access" | "certificates"> {
  const access = accessOf(observation);
  return { ...(access === undefined ? {} : { access }), ...certificateRecords(observation) };
}

/** When the server's certificate and its CA's end, by the files on the host. */
export function certificateRecords({
  facts,
  server,
  tasks,
}: Pick<Observation, "facts" | "server" | "tasks">): Pick<Findings, "certificates"> {
  const params = paramsOf(tasks.tasks).tls;
  if (params === undefined) return {};
  const paths = tlsPaths(server.configPath);
  const certificates = (["certificate", "ca"] as const).map((part): CertificateRecord => {
    const name = part === "ca" ? "ca" : "server";
    const pem = facts.certificates.pem.get(paths[part]);
    const end = pem === undefined ? undefined : endCondition(pem, facts.host.epoch, params.renew_before_days);
    // Who may not enter the folder cannot say that the file is not there.
    const isLacking = pem === undefined && isRoot(facts) && !facts.files.paths.has(paths[part]);
    return end === undefined
      ? { name, ends: null, state: "unknown", found: isLacking ? "is not there" : "cannot be read" }
      : { name, ends: end.ends.toISOString(), state: end.state, found: "" };
  });
  return { certificates };
}

function serverRecord({ facts, server }: Observation): ServerRecord {
  const { os } = facts.host;
  return {
    product: server.version.product === "valkey" ? "Valkey" : "Redis",
    version: server.version.version,
    system: os.prettyName || `${os.name} ${os.version}`.trim(),
    role: server.role ?? null,
    ...(isStopped(facts) ? { isStopped: true as const } : {}),
  };
}

/** The checks of verify: those of the tasks, and the controls that no task owns. */
export function auditedChecks(
  observation: Observation,
  render: (name: string, data: TemplateData) => string,
  selection: TagSelection,
): Check[] {
  const { facts, server, tasks, neighbours = [] } = observation;
  const params = paramsOf(tasks.tasks);
  const recoverUnit = render("redkeep-recover.service.ejs", { unit: server.unit });
  const checks = [
    ...checksFor(observation, render),
    ...auditChecks(
      { facts, server, tasks: params, neighbours, networks: tasks.networks, recoverUnit },
      selection,
    ),
  ];
  return isRoot(facts) ? checks : withoutRights(checks, facts);
}

export function checksFor(
  { facts, server, tasks, secrets }: Observation,
  render: (name: string, data: TemplateData) => string,
): (Check & { task: string })[] {
  return tasks.tasks.flatMap((task) => {
    const context = taskContext(
      { facts, server, tasks: tasks.tasks, controller: secrets, render },
      task,
      server.config,
    );
    return task.definition.checks(context).map((check) => ({ ...check, task: task.task }));
  });
}
