import { didYouMean } from "../../lib/errors.ts";
import { excerpt } from "../../lib/secret.ts";
import type { ConfigDocument } from "../../redis/config-document.ts";
import type { Directive } from "../../redis/config-reader.ts";
import {
  KNOWN_SETTINGS,
  SETTINGS_OF_VALKEY,
  SETTINGS_SINCE_6_2,
  SETTINGS_SINCE_7_0,
  SETTINGS_SINCE_7_2,
  SETTINGS_SINCE_8_0,
} from "../../redis/known-names.ts";
import { settingName } from "../../redis/setting.ts";
import type { ServerVersion } from "../../redis/versions.ts";
import type { Report } from "../finding.ts";
import type { ConfigToLint } from "./settings.ts";

/** Settings that take several words. The value of any other with a blank in it has to be quoted. */
const SEVERAL_WORDS = new Set([
  ..."bind bind-source-addr save client-output-buffer-limit oom-score-adj-values rename-command user".split(
    " ",
  ),
  ..."loadmodule replicaof latency-tracking-info-percentiles sentinel rdma-bind".split(" "),
  ..."shutdown-on-sigint shutdown-on-sigterm".split(" "),
]);

export function lintLine(
  directive: Directive,
  config: ConfigToLint,
  isSentinel: boolean,
  report: Report,
): void {
  const { name, args } = directive;
  const text = config.textOf(directive);
  const place = { ...directive, column: text.search(/\S/) + 1 };
  const setting = settingName(name);
  const hasModules = config.document.all("loadmodule").length > 0;
  if (
    !KNOWN_SETTINGS.has(name) &&
    !KNOWN_SETTINGS.has(setting) &&
    !isSentinel &&
    !(hasModules && /[.-]/.test(name))
  ) {
    report(
      place,
      "RK-FILE-01",
      `"${excerpt(name, 40)}" is not a setting of Redis 6.0, 7.0, 8.0 or Valkey 8.1: none of them starts with it`,
      takeOut(didYouMean(name, KNOWN_SETTINGS)),
    );
    return;
  }
  lintVersion(setting, place, config.version, report);
  const comment = setting === "user" ? -1 : args.findIndex((arg, index) => index > 0 && arg.startsWith("#"));
  if (comment > 0) {
    report(
      { ...place, column: text.indexOf("#", text.indexOf(args[0] ?? "")) + 1 },
      "RK-FILE-01",
      "Redis takes a comment behind a value for more values, and does not start",
      "give the comment a line of its own",
    );
  } else if (args.length > 1 && !SEVERAL_WORDS.has(setting)) {
    report(
      place,
      "RK-FILE-01",
      `${name} takes one value, found ${args.length}: Redis does not start`,
      'put it in quotes: "… …"',
    );
  } else if (args.length === 0 && setting !== "save") {
    report(
      place,
      "RK-FILE-01",
      `${name} lacks its value: Redis does not start`,
      "give it one, or remove the line",
    );
  }
}

export function takeOut(suggestion: string): string {
  return `remove the line${suggestion === "" ? "" : `.${suggestion}`}`;
}

/** The settings that each line of Redis brought. */
const SINCE: readonly (readonly [line: string, settings: ReadonlySet<string>])[] = [
  ["6.2", SETTINGS_SINCE_6_2],
  ["7.0", SETTINGS_SINCE_7_0],
  ["7.2", SETTINGS_SINCE_7_2],
  ["8.0", SETTINGS_SINCE_8_0],
];

function lintVersion(
  setting: string,
  place: Directive,
  version: ServerVersion | undefined,
  report: Report,
): void {
  if (version === undefined) return;
  const isRedis = version.product === "redis";
  const isLater = SINCE.some(([since, settings]) => version.version < since && settings.has(setting));
  const refused = isRedis && (isLater || SETTINGS_OF_VALKEY.has(place.name));
  if (refused)
    report(
      place,
      "RK-FILE-01",
      `${version.name} has no ${place.name} and does not start with it`,
      "remove the line for this version",
    );
}

/** Lines of these add up, or are told elsewhere. */
const REPEATED = new Set([
  ..."include user rename-command loadmodule save client-output-buffer-limit sentinel".split(" "),
]);

export function lintDuplicates({ directives }: ConfigDocument, report: Report): void {
  const seen = new Map<string, Directive>();
  for (const directive of directives) {
    const setting = settingName(directive.name);
    if (REPEATED.has(setting)) continue;
    const key = JSON.stringify([directive.file, setting]);
    const before = seen.get(key);
    if (before !== undefined)
      report(
        before,
        "RK-FILE-02",
        `${setting} is set again on line ${directive.line}, which counts`,
        "remove one of the two",
      );
    seen.set(key, directive);
  }
}
