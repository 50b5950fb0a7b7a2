import type { MergedRuns } from "../history/merge.ts";
import type { CheckRecord, HostRecord } from "../record/record.ts";
import { OUTCOMES, SEVERITIES } from "../record/statuses.ts";
import { changeCount, isAllowed } from "../record/summary.ts";

type Labels = Record<string, string>;
type Sample = readonly [Labels, number];

/**
 * The text format of Prometheus for node_exporter's textfile collector: gauges alone, without times of their own, and
 * no series twice.
 */
export function prometheusReport({ record, lookedAt }: MergedRuns): string {
  const { hosts } = record;
  const perHost = (value: (host: HostRecord) => number): Sample[] =>
    hosts.map((host) => [{ host: host.host }, value(host)]);
  const { version, command } = record;
  return [
    metric("run_info", "The run that this file tells of.", [[{ command, version }, 1]]),
    metric("run_timestamp_seconds", "When the run began.", [[{}, epoch(record.startedAt)]]),
    metric("run_duration_seconds", "How long the run took.", [[{}, record.durationMs / 1000]]),
    metric("run_exit_code", "The exit code of the run.", [[{}, record.exitCode]]),
    metric("host_up", "Whether the host could be asked.", perHost(isUp)),
    metric("host_looked_at_timestamp_seconds", "When the run that looked at the host began.", [
      ...perHost(({ host }) => epoch(lookedAt.get(host) ?? record.startedAt)),
    ]),
    metric(
      "host_status",
      "How the host ended: the label status, always 1.",
      hosts.map(({ host, status }) => [{ host, status }, 1]),
    ),
    metric("host_changes", "Changes that the run made on the host, or would make.", perHost(changeCount)),
    metric(
      "host_restart_pending",
      "Settings that the file has and only a restart or a reload makes true.",
      perHost(({ checks }) => checks.filter(({ setting }) => setting?.pending).length),
    ),
    metric("checks", "Checks by outcome and severity.", hosts.flatMap(checkSamples)),
    metric(
      "check_failed",
      "Failing checks of a control, only where there are some.",
      hosts.flatMap((host) => controlSamples(host, ({ outcome }) => outcome === "fail")),
    ),
    metric(
      "check_allowed",
      "Checks of a control whose demand the playbook leaves unmet, only where there are some.",
      hosts.flatMap((host) => controlSamples(host, isAllowed)),
    ),
    metric(
      "allowed_until_timestamp_seconds",
      "When something that the playbook allows begins to count as a failure.",
      hosts.flatMap(untilSamples),
    ),
    metric(
      "certificate_ends_timestamp_seconds",
      "When a certificate ends: server and ca of a host; client:NAME and ca of the controller, whose host is empty.",
      certificateSamples(record),
    ),
    metric("waiver_expires_timestamp_seconds", "When the last day of a waiver ends.", waiverSamples(record)),
  ].join("");
}

function isUp({ status }: HostRecord): number {
  return status === "unreachable" || status === "not-started" ? 0 : 1;
}

/** Failing checks of each severity also where there are none, so that an alert has something to compare. */
function checkSamples({ host, checks }: HostRecord): Sample[] {
  return SEVERITIES.flatMap((severity) =>
    OUTCOMES.flatMap((outcome): Sample[] => {
      const count = checks.filter((check) => check.severity === severity && check.outcome === outcome).length;
      return count > 0 || outcome === "fail" ? [[{ host, outcome, severity }, count]] : [];
    }),
  );
}

/** How many checks of a control are such. */
function controlSamples({ host, checks }: HostRecord, isSuch: (check: CheckRecord) => boolean): Sample[] {
  const controls = Map.groupBy(checks.filter(isSuch), ({ control, severity }) =>
    JSON.stringify([control, severity]),
  );
  return [...controls.values()].flatMap((same): Sample[] => {
    const [first] = same;
    if (first === undefined) return [];
    return [[{ host, control: first.control, severity: first.severity }, same.length]];
  });
}

function untilSamples({ host, allowed = [] }: HostRecord): Sample[] {
  const samples = new Map<string, Sample>();
  for (const { parameter, until = "" } of allowed) {
    const time = epoch(`${until}T00:00:00Z`);
    if (!Number.isNaN(time)) samples.set(parameter, [{ host, parameter }, time]);
  }
  return [...samples.values()];
}

function waiverSamples({ waivers = [] }: MergedRuns["record"]): Sample[] {
  const samples = new Map<string, Sample>();
  for (const { control, hosts, owner, expires } of waivers) {
    const end = epoch(`${expires}T23:59:59Z`);
    const labels = { control, hosts, owner };
    const key = JSON.stringify(labels);
    const [, known = Number.POSITIVE_INFINITY] = samples.get(key) ?? [];
    if (!Number.isNaN(end)) samples.set(key, [labels, Math.min(known, end)]);
  }
  return [...samples.values()];
}

function certificateSamples({ hosts, controller }: MergedRuns["record"]): Sample[] {
  const samples = new Map<string, Sample>();
  for (const { host, certificates = [] } of [...hosts, { host: "", ...controller }]) {
    for (const { name, ends } of certificates) {
      const key = JSON.stringify([host, name]);
      const [, known = Number.POSITIVE_INFINITY] = samples.get(key) ?? [];
      if (ends !== null) samples.set(key, [{ host, name }, Math.min(known, epoch(ends))]);
    }
  }
  return [...samples.values()];
}

/** Seconds since 1970. */
function epoch(time: string): number {
  return Date.parse(time) / 1000;
}

function metric(name: string, help: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(([labels, value]) => {
    const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeLabel(text)}"`);
    return `redkeep_${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}\n`;
  });
  return `# HELP redkeep_${name} ${help}\n# TYPE redkeep_${name} gauge\n${lines.join("")}`;
}

function escapeLabel(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}
