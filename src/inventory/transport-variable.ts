import { TRANSPORTS, type WantedTransport } from "../connection/settings.ts";
import { InputError } from "../lib/errors.ts";
import type { Variables } from "./inventory.ts";
import { OWN_VARIABLES } from "./own-variables.ts";
import { refuseUnrendered } from "./unrendered.ts";

/** What is to carry the host's scripts; undefined where the inventory does not say. @throws InputError */
export function wantedTransport(host: string, variables: Variables): WantedTransport | undefined {
  const name = OWN_VARIABLES.transport;
  const variable = variables.get(name);
  if (variable === undefined || variable.value === null) return undefined;
  refuseUnrendered(variable, name, host);
  const wanted = TRANSPORTS.find((transport) => transport === variable.value);
  if (wanted !== undefined) return wanted;
  throw new InputError({
    place: variable.place,
    key: `${name} of ${host}`,
    message: `expected auto, ssh2 or openssh, found ${JSON.stringify(variable.value)?.slice(0, 80)}`,
  });
}
