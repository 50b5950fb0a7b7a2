import type { HostFact } from "../facts/host.ts";
import { managerOf } from "../firewall/manager.ts";
import { plural } from "../lib/words.ts";
import { type Finding, good, lacking, note } from "../report/doctor-text.ts";
import type { Host } from "./host.ts";
import type { HostJob } from "./job.ts";

/** What a host that was asked once has of what redkeep needs; where it could not go on, why. */
export function examineHost({ job, outcome: { error }, observation, link, plan }: Host): Finding[] {
  const cost = `${plural(link.connections, "connection")}, ${plural(link.roundTrips, "round trip")}`;
  if (observation === undefined) {
    return [
      lacking(error?.where ?? "login", error?.found ?? "was not asked", error?.remedy ?? "Run it again."),
    ];
  }
  const { facts, server } = observation;
  const manager = managerOf(facts);
  return [
    good("login", `${loginOf(job)}, in ${cost}`),
    good("system", `${facts.host.os.prettyName}, with all tools that redkeep needs`),
    good("server", `${server.version.name}, ${facts.service.unit}`),
    facts.redis.user !== undefined
      ? good("Redis' login", `as ${facts.redis.user}`)
      : note(
          "Redis' login",
          facts.redis.loginError ?? "redkeep was not let in",
          "plan shows what it takes: redkeep logs in as the user with preset admin of your playbook, or by requirepass.",
        ),
    facts.host.tools.has("openssl")
      ? good("openssl", "is there")
      : note("openssl", "is not there", "Install openssl on the host: some TLS checks need it."),
    manager === undefined
      ? note(
          "firewall",
          facts.firewall.installed ? "ufw is installed and off" : "no ufw, and nothing turns packets away",
          "The firewall task switches ufw on; where something in front of the host filters, say backend: none.",
        )
      : good("firewall", manager.text),
    selinuxOf(facts.host.selinux),
    // A guard that stops every plan, whatever the playbook asks for.
    ...(plan === undefined && error !== null ? [lacking(error.where, error.found, error.remedy)] : []),
  ];
}

function selinuxOf(mode: HostFact["selinux"]): Finding {
  if (mode === "off") return good("SELinux", "is not there");
  if (mode === "permissive") return good("SELinux", "permissive: it denies nothing");
  return note(
    "SELinux",
    "enforcing: it may keep Redis from a port or a file, and redkeep does not read its rules",
    "apply puts the host back where Redis does not come up. Look before it: semanage port -l, semanage fcontext -l.",
  );
}

/** The probe ran as root, so the login gave root's rights in one way or another. */
function loginOf({ connection: { user, sshOptions } }: HostJob): string {
  const name = user ?? sshOptions.user;
  if (name === "root") return "as root";
  return name === undefined ? "with root's rights" : `as ${name}, with root's rights`;
}
