import { z } from "zod";
import { everybodyIn } from "../../firewall/everybody.ts";
import { family as familyOf, normalizeSubnet } from "../../lib/network.ts";
import { weakenable } from "../../verify/allowance.ts";
import type { TaskContext } from "../task.ts";

export const subnet = z.string().refine((text) => text === "" || normalizeSubnet(text) !== undefined, {
  error: ({ input }) =>
    `should be an address or a subnet such as 10.0.0.0/24, found ${JSON.stringify(input)}`,
});

export const parameters = weakenable(
  {
    backend: z
      .enum(["ufw", "none"], {
        error:
          'should be "ufw", the only firewall that redkeep manages, or "none" to leave the rules to another',
      })
      .default("ufw"),
    allow: z.array(subnet).default([]),
    default: z.enum(["deny", "reject"]).default("deny"),
    other_ports: z.enum(["refuse", "keep", "close"]).default("refuse"),
  },
  {
    backend: { controls: ["RK-NET-04"], weak: ({ backend }) => (backend === "none" ? backend : undefined) },
    allow: {
      controls: ({ allow }) => [
        ...new Set(everybodyIn(allow).map((text) => (familyOf(text) === 4 ? "RK-NET-04" : "RK-NET-06"))),
      ],
      weak: ({ allow }) => inShort(everybodyIn(allow)) || undefined,
    },
  },
);

export const params = parameters.schema;

/** A list may cut everybody up into hundreds of subnets. */
export function inShort(subnets: readonly string[]): string {
  const more = subnets.length - 4;
  return more <= 0 ? subnets.join(", ") : `${subnets.slice(0, 4).join(", ")} and ${more} more`;
}

export type Params = z.output<typeof params>;
export type Context = TaskContext<Params>;

export function allowedSubnets({ allow }: Params): string[] {
  return allow.flatMap((text) => normalizeSubnet(text)?.subnet ?? []);
}
