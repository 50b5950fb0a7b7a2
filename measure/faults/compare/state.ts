/** A host as a list of lines that are the same for every host of the lab, and what a tool changes in it. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { LabHost } from "../../../test/integration/support/lab.ts";
import { onHost } from "../../../test/integration/support/observe.ts";
import { observe } from "../host.ts";
import type { Bundle } from "./bundle.ts";
import type { Fault } from "./faults.ts";

/** What a tool took away and added in a run without a fault. */
export interface Delta {
  removed: string[];
  added: string[];
}

/** What is not as expected, a line each. */
export type Differences = string[];

/**
 * Files by digest, owner and mode, the lines of configuration and ACL, the running configuration and ACL, firewall, unit, and
 * whom Redis lets in. Throws where Redis does not answer.
 */
export async function linesOf(host: LabHost, bundle: Bundle): Promise<string[]> {
  const observed = await observe(host, (...command) => ask(host, bundle, command));
  const lines = Object.entries(observed).flatMap(([name, text]) =>
    text.split("\n").map((line) => `${name}: ${line}`),
  );
  const content = await onHost(
    host,
    `for file in /etc/redis/redis.conf /etc/redis/users.acl; do
       [ ! -e $file ] || sed -n "s|^[^#]|$(basename $file): &|p" $file
     done
     ufw show added | sed 's/^/ufw: /'`,
  );
  // The first rule that fits decides: in their order, and none by itself.
  const rules = lines.filter((line) => USER_RULE.test(line)).join("; ");
  const known = ["ca.crt", "server.crt", "server.key"].map((name) => {
    const digest = createHash("sha256")
      .update(readFileSync(bundle.project.path(`tls/${name}`)))
      .digest("hex");
    const validity = name === "server.crt" ? `${bundle.values.certificate} ` : "";
    return [digest, `the given ${validity}${name}`] as const;
  });
  const same = (line: string): string =>
    known
      .reduce((text, [digest, name]) => text.replace(digest, name), line)
      .replaceAll(bundle.subnet, "SUBNET")
      .replaceAll(host.ip, "ADDRESS")
      // Whose a symbolic link is decides nothing.
      .replace(/ l \S+ 777 /, " l ")
      // ufw's columns are as wide as the subnet is long.
      .replace(/ +/g, " ")
      .replace(/(rename-command \w+) "?\w{16,}"?$/, "$1 ANOTHER");
  return [
    ...lines.filter(isOfInterest).map(ordered),
    ...content.split("\n"),
    rules,
    ...(await clients(host, bundle)),
  ]
    .map(same)
    .toSorted();
}

/** Redis lists a user's commands in an order that is another after each start. */
const ordered = (line: string): string =>
  line.startsWith("acl: ") ? line.split(" ").toSorted().join(" ") : line;

const USER_RULE = /^kernel: -A ufw6?-user-input /;

/**
 * Not what is looked at otherwise, nor chains that no rule leads to, nor the way to Docker's own name server, which has other
 * ports after each boot.
 */
function isOfInterest(line: string): boolean {
  return !(
    USER_RULE.test(line) ||
    /^files: .*\/etc\/(?:redis\/(?:redis\.conf|users\.acl)|ufw\/user6?\.rules)$/.test(line) ||
    /^kernel: (?:-A ufw6?-user-limit|.*127\.0\.0\.11)/.test(line)
  );
}

/** The command's reply, over whatever way in there is. */
async function ask(host: LabHost, { project }: Bundle, command: string[]): Promise<string> {
  const open = await host.redis(...command).catch(() => "NOAUTH");
  if (!/^(?:NOAUTH|NOPERM)/.test(open)) return open;
  const [name, ...words] = command.map((word) => (word === "*" ? "'*'" : word));
  const reply =
    name === "CONFIG"
      ? await project.config(host, words.join(" "))
      : await project.asAdmin(host, command.join(" "));
  if (/^(?:ERR|NOAUTH|WRONGPASS|AUTH failed|Could not connect|Error)/.test(reply)) throw new Error(reply);
  return reply;
}

async function clients(host: LabHost, { project }: Bundle): Promise<string[]> {
  const { stdout } = await host.sh(
    `cd /root/client; read -r REDISCLI_AUTH
     echo "client: anybody on port 6379: $(timeout 5 redis-cli ping 2>&1)"
     export REDISCLI_AUTH
     echo "client: the application over TLS: $(timeout 5 redis-cli -h "$(hostname -i)" -p 6380 --tls --cacert ca.crt \\
       --cert app.crt --key app.key --user app --no-auth-warning set app:probe 1 ex 1 2>&1)"`,
    `${project.appPassword}\n`,
  );
  return stdout.trim().split("\n");
}

export function deltaOf(before: string[], after: string[]): Delta {
  return { removed: without(before, after), added: without(after, before) };
}

const without = (lines: string[], others: string[]): string[] => {
  const known = new Set(others);
  return lines.filter((line) => !known.has(line));
};

/**
 * Old is `before`, to the letter. New is what the tool's own run without a fault would have made of it.
 * @param stock before the fault was prepared
 */
export function judge(
  fault: Fault,
  delta: Delta,
  { stock, before, now }: { stock: string[]; before: string[]; now: string[] },
): { state: "old" | "new" | "mixed"; differences: Differences } {
  const relevant = (lines: string[]): string[] => {
    const [setting = ""] = fault.keeps?.split(" ") ?? [];
    return fault.keeps === undefined ? lines : lines.filter((line) => !line.includes(`: ${setting} `));
  };
  const otherwise = (line: string): string =>
    (fault.otherwise ?? []).reduce((text, [was, is]) => text.replaceAll(was, is), line);
  const base = fault.goesAway ? stock : before;
  const planned = [...without(base, delta.removed), ...delta.added].map(otherwise);
  const keeps = fault.keeps === undefined || now.includes(`redis.conf: ${fault.keeps}`);
  const fromOld = differences(relevant(before), relevant(now));
  const fromNew = differences(relevant(planned), relevant(now));
  if (!keeps) return { state: "mixed", differences: [`redis.conf lacks ${fault.keeps}`] };
  if (fromOld.length === 0) return { state: "old", differences: [] };
  if (fromNew.length === 0) return { state: "new", differences: [] };
  return { state: "mixed", differences: fromOld.length < fromNew.length ? fromOld : fromNew };
}

function differences(expected: string[], found: string[]): Differences {
  return [
    ...without(expected, found).map((line) => `- ${line}`),
    ...without(found, expected).map((line) => `+ ${line}`),
  ];
}
