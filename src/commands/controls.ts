import { didYouMean, InputError } from "../lib/errors.ts";
import { terminalOf } from "../report/colours.ts";
import { controlsJson, controlsText, controlText } from "../report/controls-text.ts";
import type { Environment } from "../run/options.ts";
import { controlGroups } from "../verify/catalogue.ts";

/**
 * Prints the catalogue of controls, or one of them with all that is known of it. Reaches no host.
 * @throws InputError for an id that there is not.
 */
export function controls(
  id: string | undefined,
  { json }: { json: boolean },
  environment: Environment,
): number {
  const { stdout, env } = environment;
  const all = controlGroups().flatMap((group) => group.controls);
  const wanted = id?.toUpperCase();
  const chosen = wanted === undefined ? all : all.filter((control) => control.id === wanted);
  const [one] = chosen;
  if (one === undefined)
    throw new InputError({
      message: `there is no control "${id}".${didYouMean(
        wanted ?? "",
        all.map((control) => control.id),
      )} redkeep controls lists them`,
    });
  const terminal = terminalOf(stdout, env);
  stdout.write(
    json ? controlsJson(chosen) : wanted === undefined ? controlsText(terminal) : controlText(one, terminal),
  );
  return 0;
}
