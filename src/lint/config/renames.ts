import { didYouMean } from "../../lib/errors.ts";
import type { ConfigDocument } from "../../redis/config-document.ts";
import type { Directive } from "../../redis/config-reader.ts";
import { KNOWN_COMMANDS } from "../../redis/known-names.ts";
import type { Report } from "../finding.ts";
import { takeOut } from "./lines.ts";

/** Commands that an AOF may hold: one with a name that is gone stops the next start. */
const WRITTEN = new Set([
  ..."flushall flushdb swapdb restore migrate sort rename del expire eval".split(" "),
]);

export function lintRenames(document: ConfigDocument, report: Report): void {
  const [first, targets] = [new Map<string, Directive>(), new Map<string, Directive>()];
  const hasModules = document.all("loadmodule").length > 0;
  const hasAof = document.get("appendonly")?.[0]?.toLowerCase() === "yes";
  for (const directive of document.all("rename-command")) {
    const [from = "", to] = directive.args;
    const command = from.toLowerCase();
    const stop = (message: string, remedy: string) =>
      report(directive, "RK-CMD-03", `${message}: Redis does not start`, remedy);
    if (to === undefined) stop("rename-command needs a command and a name", 'disable a command with ""');
    const before = first.get(command);
    if (before !== undefined)
      stop(`${from} is renamed already, ${whereIs(before, directive)}`, "write each rename once");
    else if (!KNOWN_COMMANDS.has(command) && !hasModules)
      stop(`there is no command ${from}`, takeOut(didYouMean(command, KNOWN_COMMANDS)));
    if (to !== undefined && to !== "") {
      const name = to.toLowerCase();
      const taken = targets.get(name);
      if (taken !== undefined)
        stop(`two commands get one name, ${whereIs(taken, directive)}`, "give each a name of its own");
      else if (KNOWN_COMMANDS.has(name) && !first.has(name))
        stop("the new name is a command already", "use another name");
      targets.set(name, directive);
    }
    first.set(command, before ?? directive);
    if (command === "config" && to !== undefined)
      report(
        directive,
        "RK-CMD-03",
        "without CONFIG under its name a failover by Sentinel aborts, and monitoring goes blind",
        "deny it to the users instead: -config in their ACL rules",
        "info",
      );
    if (WRITTEN.has(command) && hasAof)
      report(
        directive,
        "RK-CMD-03",
        `an AOF that holds ${from.toUpperCase()} stops the next start, since its name is gone`,
        "run BGREWRITEAOF before the first start with this line, or deny the command by ACL",
        "medium",
      );
  }
}

const whereIs = (there: Directive, here: Directive) =>
  there.file === here.file ? `on line ${there.line}` : `in ${there.file}:${there.line}`;
