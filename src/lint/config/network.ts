import { isWildcard, normalizeAddress } from "../../lib/network.ts";
import type { Report } from "../finding.ts";
import type { Settings } from "./settings.ts";

export function lintNetwork(settings: Settings, report: Report): void {
  const { version, document } = settings;
  if (settings.isWhole && !settings.has("bind"))
    report(
      settings.start,
      "RK-NET-01",
      "without a bind line Redis listens on every address",
      "bind 127.0.0.1 -::1, and the address that clients use",
    );
  const bind = document.all("bind").at(-1);
  for (const given of bind?.args ?? []) {
    const place = settings.place("bind");
    const address = given.replace(/^-/, "");
    if (given.startsWith("#")) break;
    if (given === "*" || isWildcard(address))
      report(
        place,
        "RK-NET-01",
        `${given} is every address of the host`,
        "name the addresses that clients use",
      );
    else if (normalizeAddress(address) === undefined)
      report(
        place,
        "RK-NET-01",
        `"${given}" is no address: the start waits for DNS, and ends where it fails`,
        "write an IP address",
        "medium",
      );
    else if (version?.capabilities.bindOptionalPrefix === false && given.startsWith("-"))
      report(
        place,
        "RK-FILE-01",
        `${version.name} takes ${given} for a host name and does not start`,
        "write it without the dash",
      );
    else if (
      version?.capabilities.bindOptionalPrefix !== false &&
      !given.startsWith("-") &&
      given !== "127.0.0.1"
    )
      report(
        place,
        "RK-FILE-01",
        `Redis 7.0 and later do not start while the host lacks ${given}, as after a boot without the network or without IPv6`,
        `write -${given}`,
        "info",
      );
  }
  if (settings.word("protected-mode") === "no")
    report(
      settings.place("protected-mode"),
      "RK-NET-02",
      "protected mode is off: a server without a password answers everybody",
      "protected-mode yes",
    );
  if (
    settings.isWhole &&
    settings.plainPort === "0" &&
    !settings.hasTls &&
    settings.text("unixsocket") === ""
  )
    report(
      settings.place("port"),
      "RK-FILE-01",
      "there is no port, no tls-port and no unixsocket: Redis does not start",
      "set one of them",
    );
  const mode = settings.text("unixsocketperm");
  if (/^[0-7]{3,4}$/.test(mode) && (Number.parseInt(mode, 8) & 0o007) !== 0)
    report(
      settings.place("unixsocketperm"),
      "RK-NET-08",
      "every user of the host may connect by the Unix socket",
      "unixsocketperm 700, or 770 for a group",
    );
  if (settings.word("tcp-keepalive") === "0")
    report(
      settings.place("tcp-keepalive"),
      "RK-NET-09",
      "connections of clients that are gone stay open",
      "tcp-keepalive 300",
    );
}
