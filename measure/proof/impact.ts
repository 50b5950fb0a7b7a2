/**
 * Who would notice, predicted and seen: real clients do what they do before a plan, then `plan` says who will be denied, then
 * `apply` is run, then they do the same again.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { keyMatcher } from "../../src/plan/access.ts";
import type { HostRecord, Impact } from "../../src/record/record.ts";
import { type LabHost, startHost } from "../../test/integration/support/lab.ts";
import { LabProgram } from "../../test/integration/support/lab-program.ts";
import { onHost } from "../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../test/integration/support/project.ts";

/** What one client does, before the plan and after it. Its name tells it apart in the plan's sentences. */
interface Habit {
  name: string;
  /** Where it runs: in a container of its own, on the host over loopback, or on the host over the host's own address. */
  from: "elsewhere" | "loopback" | "itself";
  port?: number;
  tls?: boolean;
  /** Default: nobody, that is, user default. */
  user?: "app" | "legacy" | "metrics";
  run: string[];
}

interface Step {
  title: string;
  tasks: Record<string, unknown>[];
  habits: Habit[];
}

export interface Row {
  step: string;
  name: string;
  habit: string;
  predicted: boolean;
  denied: boolean;
  /** What the client met afterwards. */
  met: string;
}

const PROGRAM = readFileSync(join(import.meta.dirname, "behaviours.py"), "utf8");
const LEGACY_PASSWORD = "legacy-password-of-the-tests";

const habit = (
  name: string,
  from: Habit["from"],
  user: Habit["user"],
  run: string,
  more: Partial<Habit> = {},
): Habit => ({
  name,
  from,
  ...(user === undefined ? {} : { user }),
  run: run.split(" "),
  ...more,
});
const get = (name: string, from: Habit["from"], more: Partial<Habit> = {}) =>
  habit(name, from, undefined, "GET app:1", more);

const app = {
  name: "app",
  preset: "application",
  keys: ["app:*"],
  channels: ["app:*"],
  password: { env: "APP_PASSWORD" },
};
const others = [
  { name: "metrics", preset: "metrics", password: { generate: true } },
  { name: "admin", preset: "admin", password: { generate: true } },
];

/** The habits of the first step, of which a short run takes some. */
const USERS: Step = {
  title: "default off, app bounded, others removed",
  tasks: [{ acl: { users: [app, ...others], unlisted: "remove" } }],
  habits: [
    get("stranger", "elsewhere"),
    habit("writer", "elsewhere", "app", "SET app:1 x"),
    habit("scanner", "elsewhere", "app", "KEYS *"),
    habit("carter", "elsewhere", "app", "GET cart:1"),
    get("neighbour", "loopback"),
    habit("settings", "elsewhere", "app", "CONFIG GET maxmemory"),
    habit("script", "elsewhere", "app", "EVAL return(1) 0"),
    habit("oldtimer", "elsewhere", "legacy", "GET cart:1"),
    habit("eavesdropper", "elsewhere", "app", "SUBSCRIBE news"),
    habit("listener", "elsewhere", "app", "SUBSCRIBE app:news"),
    habit("prober", "elsewhere", "app", "INFO server"),
    habit("pinger", "loopback", "app", "PING"),
    habit("batch", "itself", "app", "MULTI"),
  ],
};

/** The habits that a test of some seconds looks at: denied are the stranger, the scanner and the carter. */
export const SHORT: Step = { ...USERS, habits: USERS.habits.slice(0, 4) };

/** One host for each list; its steps follow each other. */
export const STORIES: readonly (readonly Step[])[] = [
  [
    USERS,
    {
      title: "app bounded further, without a restart",
      tasks: [
        {
          acl: {
            users: [{ ...app, keys: ["app:orders:*"], allow: ["-incr"] }, ...others],
          },
        },
      ],
      habits: [
        habit("reader", "elsewhere", "app", "GET app:1"),
        habit("orders", "elsewhere", "app", "GET app:orders:1"),
        habit("counter", "elsewhere", "app", "INCR app:orders:n"),
        habit("pinger", "loopback", "app", "PING"),
        habit("monitor", "loopback", "metrics", "INFO server"),
      ],
    },
  ],
  [
    {
      title: "users kept, another password for app",
      tasks: [{ acl: { users: [{ ...app, password: { env: "NEW_PASSWORD" } }, ...others] } }],
      habits: [
        habit("writer", "elsewhere", "app", "SET app:1 x"),
        get("stranger", "elsewhere"),
        habit("oldtimer", "elsewhere", "legacy", "GET cart:1"),
        habit("scanner", "elsewhere", "legacy", "KEYS *"),
        habit("eavesdropper", "itself", "legacy", "SUBSCRIBE news"),
      ],
    },
  ],
  [
    {
      title: "commands renamed and taken away",
      tasks: [{ "rename-command": { commands: { KEYS: "disable", FLUSHALL: "disable", CONFIG: "rename" } } }],
      habits: [
        habit("scanner", "elsewhere", "app", "KEYS *"),
        habit("searcher", "loopback", undefined, "KEYS *"),
        habit("settings", "elsewhere", undefined, "CONFIG GET maxmemory"),
        get("stranger", "elsewhere"),
        habit("sizer", "elsewhere", "legacy", "DBSIZE"),
        habit("walker", "elsewhere", "app", "SCAN 0"),
      ],
    },
    {
      title: "TLS alone",
      tasks: [{ tls: {} }],
      habits: [
        get("stranger", "elsewhere"),
        habit("writer", "elsewhere", "app", "SET app:1 x"),
        get("neighbour", "loopback"),
      ],
    },
  ],
  [
    {
      title: "limits, without a restart",
      tasks: [{ limits: { maxmemory: "256mb", nofile: 1024 } }],
      habits: [
        get("stranger", "elsewhere"),
        habit("scanner", "elsewhere", "app", "KEYS *"),
        habit("oldtimer", "loopback", "legacy", "GET cart:1"),
      ],
    },
    {
      title: "TLS beside the plain port",
      tasks: [{ tls: { plain_port: 6379, auth_clients: false } }],
      habits: [
        get("stranger", "elsewhere"),
        get("neighbour", "loopback"),
        habit("writer", "itself", "app", "SET app:1 x"),
      ],
    },
    {
      title: "the plain port closed, certificates demanded",
      tasks: [{ tls: { plain_port: 0, auth_clients: true } }],
      habits: [
        get("plain", "elsewhere"),
        get("certless", "elsewhere", { port: 6380, tls: true }),
        habit("neighbour", "loopback", "app", "PING", { port: 6380, tls: true }),
      ],
    },
  ],
  [
    {
      title: "the clients' network let in",
      tasks: [{ firewall: { allow: ["<%= app_subnet %>"], other_ports: "keep" } }],
      habits: [get("stranger", "elsewhere"), get("neighbour", "loopback")],
    },
    {
      title: "another network let in",
      tasks: [{ firewall: { allow: ["10.99.0.0/24"], other_ports: "keep" } }],
      habits: [
        get("stranger", "elsewhere"),
        habit("writer", "elsewhere", "app", "SET app:1 x"),
        get("neighbour", "loopback"),
        get("selfish", "itself"),
      ],
    },
  ],
  [
    {
      title: "loopback alone",
      tasks: [{ bind: { addresses: ["127.0.0.1"], unix_socket: null, protected_mode: false } }],
      habits: [
        get("stranger", "elsewhere"),
        habit("writer", "elsewhere", "app", "SET app:1 x"),
        get("neighbour", "loopback"),
        get("selfish", "itself"),
      ],
    },
  ],
];

/** A host in use, open as many are, with the clients that use it. */
export class UsedHost implements AsyncDisposable {
  readonly host: LabHost;
  readonly project: Project;
  readonly #inside: LabProgram;
  readonly #beside: LabProgram;

  private constructor(host: LabHost, project: Project, beside: LabProgram) {
    this.host = host;
    this.project = project;
    this.#inside = new LabProgram(host, PROGRAM);
    this.#beside = beside;
  }

  static async start(beside: LabProgram): Promise<UsedHost> {
    const host = await startHost();
    const project = openProject({ "redis-01": host });
    await onHost(
      host,
      `sed -i 's/^bind .*/bind 0.0.0.0/; s/^protected-mode .*/protected-mode no/' /etc/redis/redis.conf
       case $(redis-server --version) in *v=6.0*) channels=;; *) channels='&*';; esac
       echo "user app on >${project.appPassword} ~* $channels +@all" >>/etc/redis/redis.conf
       echo "user legacy on >${LEGACY_PASSWORD} ~* $channels +@all" >>/etc/redis/redis.conf
       systemctl restart redis-server
       for i in 1 2 3 4 5; do redis-cli MSET app:$i x cart:$i x app:orders:$i x; done`,
    );
    return new UsedHost(host, project, beside);
  }

  /** Does a step and says of each habit what was predicted and what was seen. */
  async run({ title, tasks, habits }: Step): Promise<{ rows: Row[]; applied: HostRecord }> {
    const before = await this.#ask("hold", habits);
    const bad = habits.find(({ name }) => before[name] !== "ok");
    if (bad !== undefined)
      throw new Error(`${title}: ${bad.name} could not do it before: ${before[bad.name]}`);
    const playbook = this.project.playbook("step.yml", tasks);
    const environment = { env: { NEW_PASSWORD: "another-password-of-the-tests" } };
    const plan = await this.project.runWith(environment, "plan", playbook);
    const { impact } = plan.host("redis-01");
    const accepted = ["--accept", "replica-rename", "--yes"];
    const apply = await this.project.runWith(environment, "apply", playbook, ...accepted);
    const applied = apply.host("redis-01");
    if (applied.status !== "changed")
      throw new Error(`${title}: ${applied.status}: ${applied.error?.found ?? ""}`);
    const after = await this.#ask("again", habits);
    const rows = habits.map((habit) => ({
      step: title,
      name: habit.name,
      habit: `${habit.user ?? "default"} from ${habit.from}: ${habit.run.join(" ")}`,
      predicted: impact.some((one) => speaksOf(one, habit)),
      denied: after[habit.name] !== "ok",
      met: after[habit.name] ?? "",
    }));
    return { rows, applied };
  }

  /** Lets a client go on without end, a connection for each command. */
  async hammer(habit: Habit): Promise<void> {
    await this.#ask("hammer", [habit]);
  }

  async #ask(what: "hold" | "again" | "hammer", habits: readonly Habit[]): Promise<Record<string, string>> {
    const clients = habits.map((habit) => this.#client(habit));
    const inside = clients.filter(({ from }) => from !== "elsewhere");
    const beside = clients.filter(({ from }) => from === "elsewhere");
    const answers = [
      await this.#inside.ask({ do: what, clients: inside }),
      await this.#beside.ask({ do: what, clients: beside }),
    ];
    return Object.assign({}, ...answers);
  }

  #client({ name, from, port = 6379, tls, user, run }: Habit) {
    const passwords = {
      app: () => this.project.appPassword,
      legacy: () => LEGACY_PASSWORD,
      metrics: () => this.project.password("metrics"),
    };
    return {
      name,
      from,
      to: [from === "loopback" ? "127.0.0.1" : this.host.ip, port],
      tls: tls ? { ca: readFileSync(this.project.path(".redkeep/pki/ca.crt"), "utf8") } : null,
      login: user === undefined ? null : [user, passwords[user]()],
      run,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#inside[Symbol.asyncDispose]();
    this.project[Symbol.dispose]();
    await this.host[Symbol.asyncDispose]();
  }
}

/** A container beside the lab's hosts, for clients that come from elsewhere. */
export function clientsBeside(): LabProgram {
  return new LabProgram("beside", PROGRAM);
}

/** Whether a reader of the sentence would count on this client being denied. */
function speaksOf({ kind, detail }: Impact, { name, user: login, run }: Habit): boolean {
  const user = login ?? "default";
  const [command = "", ...rest] = run;
  switch (kind) {
    case "keys-denied": {
      const isTheirs = detail.startsWith(`user ${user} `) || detail.startsWith(`who leaves user ${user} `);
      const takesKey = ["GET", "SET", "INCR"].includes(command);
      return isTheirs && takesKey && !within(detail, rest[0] ?? "");
    }
    case "channels-denied":
      return detail.startsWith(`user ${user} `) && command === "SUBSCRIBE" && !within(detail, rest[0] ?? "");
    default:
      return new RegExp(`\\b${name}\\b`).test(detail);
  }
}

/** Whether one of the patterns that the sentence leaves to the user covers a key or a channel. */
function within(detail: string, name: string): boolean {
  const [, patterns = ""] = /only (?:channels )?(.*?)(?::? from now on|: of )/.exec(detail) ?? [];
  return patterns.split(" ").some((pattern) => keyMatcher(pattern)(name));
}
