import { z } from "zod";
import { isLoopback, isPublic, isWildcard, normalizeAddress, sameAddress } from "../lib/network.ts";
import { excerpt } from "../lib/secret.ts";
import type { Refusal } from "../resources/kind.ts";
import { settingsOf } from "../resources/rendered-settings.ts";
import { weakenable } from "../verify/allowance.ts";
import { check } from "../verify/controls.ts";
import { runningOr } from "../verify/running.ts";
import { defineTask, type TaskContext } from "./task.ts";

const address = z
  .string()
  .refine((text) => text === "" || text === "*" || normalizeAddress(text.replace(/^-/, "")) !== undefined, {
    error: ({ input }) =>
      `should be an IP address, with a leading "-" where it may be absent, found ${JSON.stringify(input)}`,
  });

const parameters = weakenable(
  {
    addresses: z.array(address).default(["127.0.0.1", "-::1"]),
    unix_socket: z
      .union([z.literal("auto"), z.null(), z.string().regex(/^\/[A-Za-z0-9._/-]+$/)], {
        error: "should be auto, null or an absolute path",
      })
      .default("auto"),
    protected_mode: z.boolean().default(true),
    wait_for_network: z.boolean().default(true),
  },
  {
    addresses: {
      controls: ["RK-NET-01"],
      weak: ({ addresses }) => addresses.filter(isOpenToAll).join(", ") || undefined,
    },
    protected_mode: {
      controls: ["RK-NET-02"],
      weak: ({ protected_mode }) => (protected_mode ? undefined : "false"),
    },
  },
);

const params = parameters.schema;

/** Every address of the host, or one that the whole Internet can send to. */
function isOpenToAll(text: string): boolean {
  const address = text.replace(/^-/, "");
  return isWildcard(address) || isPublic(address);
}

type Params = z.output<typeof params>;
type Context = TaskContext<Params>;

declare module "./task.ts" {
  interface TaskParams {
    bind: Params;
  }
}

/** Listen only where it was declared, and on a Unix socket that root can always use. */
export default defineTask("bind", {
  params,
  leftOut: { addresses: ["127.0.0.1", "-::1", '<%= typeof private_ip === "undefined" ? "" : private_ip %>'] },
  facts: ["proofs"],
  phase: "settings",

  allowances: (params) => parameters.all(params, "bind"),

  desired: (context) => {
    const { params, server } = context;
    return {
      resources: [
        ...wantedSettings(context),
        ...(waitsForNetwork(context) ? [startAfterNetwork(context)] : []),
      ],
      refusals: [...addressRefusals(context)],
      notes:
        params.unix_socket === "auto" &&
        server.runtimeDirectory === undefined &&
        server.config.get("unixsocket") === undefined
          ? ["no Unix socket: systemd makes no runtime directory for the unit"]
          : [],
    };
  },

  checks: (context) => {
    const { facts, server, params } = context;
    const listening = facts.host.listeners.filter(
      ({ protocol, unit }) => protocol === "tcp" && unit === server.unit,
    );
    const wanted = wantedAddresses(context).map((text) => text.replace(/^-/, ""));
    const strange = listening.filter(({ address }) => !wanted.some((text) => sameAddress(text, address)));
    const socket = wantedSocket(context);
    const found = socket === undefined ? undefined : facts.files.paths.get(socket);
    const pings = [...facts.proofs.plainPings].filter(([where]) => where.endsWith(" 6379"));
    const allows = {
      by: parameters.by("addresses", params, "bind"),
      demand: "private addresses and loopback alone",
    };
    return [
      check(
        "RK-NET-01",
        {
          expected: `only ${wanted.join(", ")}`,
          observed:
            listening.map(({ address, port }) => `${address} port ${port}`).join(", ") || "nothing listens",
          source: "ss -Hltn",
          allows,
        },
        listening.length > 0 && strange.length === 0,
      ),
      runningOr(context, "RK-NET-01", "bind", wantedAddresses(context), { allows }),
      ...(waitsForNetwork(context) ? [networkCheck(context)] : []),
      runningOr(context, "RK-NET-02", "protected-mode", [params.protected_mode ? "yes" : "no"], {
        allows: { by: parameters.by("protected_mode", params, "bind"), demand: "protected-mode yes" },
      }),
      check(
        "RK-NET-03",
        {
          expected: "no answer without a login",
          observed:
            pings.map(([where, reply]) => `${where.replace(" ", ":")} ${firstLine(reply)}`).join("; ") ||
            "no port listens that could be asked",
          source: "PING without a login, from the host itself",
        },
        pings.length === 0
          ? { outcome: "unknown" }
          : pings.every(([, reply]) => /Connection refused|^NOAUTH|^DENIED|-DENIED/.test(reply)),
      ),
      check(
        "RK-NET-08",
        {
          expected: socket === undefined ? "no socket, or mode 0700" : `${socket} with mode 0700 or 0770`,
          observed: found === undefined ? "no such socket" : `mode 0${found.mode.toString(8)}`,
          source: "stat",
        },
        socket === undefined ? { outcome: "skip" } : found !== undefined && (found.mode & 0o007) === 0,
      ),
      ...wantedSettings(context).flatMap(({ name, args }) =>
        name.startsWith("unixsocket") ? [runningOr(context, "RK-NET-08", name, args)] : [],
      ),
    ];
  },
});

function wantedSettings(context: Context) {
  const { params, render } = context;
  const text = render("bind.conf.ejs", {
    addresses: wantedAddresses(context).join(" "),
    protectedMode: params.protected_mode,
    unixSocket: wantedSocket(context) ?? null,
  });
  return settingsOf(text, "bind.conf.ejs");
}

/** What the version can take: before 6.2 the dash is part of a host name, and an absent address is only ignored. */
function wantedAddresses({ params, facts, server }: Context): string[] {
  const addresses = params.addresses.filter((text) => text !== "");
  if (server.version.capabilities.bindOptionalPrefix) return addresses;
  return addresses
    .filter((text) => !text.startsWith("-") || isPresent(facts, text))
    .map((text) => text.replace(/^-/, ""));
}

function isPresent(facts: Context["facts"], text: string): boolean {
  const wanted = text.replace(/^-/, "");
  return facts.host.addresses.some(({ address }) => sameAddress(address, wanted));
}

const NETWORK_ONLINE = "network-online.target";

/**
 * Redis does not start where an address that it is to listen on is not there yet, and systemd gives up after a few tries
 * (reliability.md, bind). Loopback is there from the beginning, and a dash says that the address may be absent.
 */
function waitsForNetwork(context: Context): boolean {
  return (
    context.params.wait_for_network &&
    wantedAddresses(context).some((text) => !text.startsWith("-") && !isLoopback(text) && !isEverywhere(text))
  );
}

function startAfterNetwork({ facts }: Context) {
  const { properties } = facts.service;
  const loaded = ["Wants", "After"].every((name) =>
    (properties.get(name) ?? "").split(" ").includes(NETWORK_ONLINE),
  );
  return { kind: "start-after", unit: NETWORK_ONLINE, loaded } as const;
}

function networkCheck(context: Context) {
  const { loaded } = startAfterNetwork(context);
  return check(
    "RK-NET-01",
    {
      expected: "starts once its addresses are there",
      observed: loaded
        ? `after ${NETWORK_ONLINE}`
        : `${context.server.unit} does not wait for ${NETWORK_ONLINE}`,
      source: "systemctl show",
    },
    loaded,
  );
}

function isEverywhere(text: string): boolean {
  return text === "*" || isWildcard(text.replace(/^-/, ""));
}

function wantedSocket({ params, server }: Context): string | undefined {
  if (params.unix_socket !== "auto") return params.unix_socket ?? undefined;
  const [existing = ""] = server.config.get("unixsocket") ?? [];
  if (existing !== "") return existing;
  return server.runtimeDirectory && `${server.runtimeDirectory}/redis.sock`;
}

function* addressRefusals({ params, facts, server }: Context): Iterable<Refusal> {
  const addresses = params.addresses.filter((text) => text !== "");
  if (addresses.length === 0) {
    yield { guard: null, found: "bind.addresses is empty", remedy: "name at least 127.0.0.1" };
  }
  const wildcard = addresses.find(isEverywhere);
  if (wildcard !== undefined) {
    yield {
      guard: "bind-everywhere",
      found: `bind ${wildcard} lets Redis listen on every address of the host`,
      remedy: "name the private address instead",
    };
  }
  for (const text of addresses) {
    if (text.startsWith("-") || text === "*" || isWildcard(text) || isPresent(facts, text)) continue;
    // Loopback of a family that the host does not have is no mistake of the operator's: the dash says what is meant.
    yield {
      guard: "bind-absent-address",
      found: `bind ${text}: the host has no such address, Redis would ${server.version.capabilities.absentAddressStopsStart ? "not start" : "start without it"}`,
      remedy: isLoopback(text)
        ? `write it as -${text}, which may be absent`
        : `the host has ${facts.host.addresses.map(({ address }) => address).join(", ")}: correct private_ip or bind.addresses`,
    };
  }
}

function firstLine(text: string): string {
  return excerpt(text.split("\n")[0] ?? "", 120);
}
