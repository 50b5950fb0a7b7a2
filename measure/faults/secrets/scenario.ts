/**
 * A host and a controller on which every kind of secret is in use, watched while redkeep works:
 *
 *     await using scenario = await Scenario.start();
 *     await scenario.watch();
 *     await scenario.redkeep("apply", "--yes");
 *     const finds = await scenario.finds();
 */
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { load } from "js-yaml";
import type { RunRecord } from "../../../src/record/record.ts";
import {
  type Finished,
  type LabHost,
  redkeep,
  startHost,
  writeInventory,
} from "../../../test/integration/support/lab.ts";
import { onHost } from "../../../test/integration/support/observe.ts";
import { openProject, type Project } from "../../../test/integration/support/project.ts";
import { ENCODINGS, type Find, formsOf, type Marker, partsOf, plants, search } from "./markers.ts";

const program = readFileSync(join(import.meta.dirname, "watch.py"), "utf8");

/** With what the encodings treat in different ways. None may be a part of another. */
const CHOSEN = {
  app: `app's "pass" 50%+é/one~`,
  secondApp: `app's "next" 75%+ü/two~`,
  requirepass: `re'quire "old" 10%+à/x~`,
  aclUser: `legacy "user's" 20%+ö/y~`,
  masterauth: `master's "auth" 30%+ñ/z~`,
  keyPass: `tls 'key' "pass" 40%+ç/k~`,
  config: "Cfg%2B+of/the=operator~",
  become: `become 'root' "now" 60%+ß/b~`,
  ssh: `log 'in' "here" 70%+ø/s~`,
  passphrase: `un'lock "key" 80%+å/p~`,
};

const CONNECTION = {
  ansible_user: "operator",
  ansible_ssh_private_key_file: "id_operator",
  ansible_ssh_passphrase: { env: "KEY_PASSPHRASE" },
  ansible_password: { file: "ssh-password" },
  ansible_become_password: { command: ["cat", "sudo-password"] },
};

/** What redkeep said in one run. */
export interface Told extends Finished {
  command: string;
  record: RunRecord | undefined;
}

interface Processes {
  commands: string[];
  environments: string[];
  looks: number;
  medianMs: number;
  p95Ms: number;
}

interface Files {
  files: { paths: string[]; modes: string[] }[];
  readable: { path: string; mode: string; reachable: boolean; content: string }[];
}

export class Scenario implements AsyncDisposable {
  readonly host: LabHost;
  readonly project: Project;
  readonly told: Told[] = [];
  #watches: Watch[] = [];
  #values = new Map<string, Set<string>>();

  private constructor(host: LabHost, project: Project) {
    this.host = host;
    this.project = project;
  }

  static async start(): Promise<Scenario> {
    const host = await startHost();
    const project = openProject({ "redis-01": host }, CONNECTION);
    writeFileSync(project.path("ssh-password"), `${CHOSEN.ssh}\n`, { mode: 0o600 });
    writeFileSync(project.path("sudo-password"), `${CHOSEN.become}\n`, { mode: 0o600 });
    mkdirSync(project.path("tmp"), { mode: 0o700 });
    const key = await onHost(
      host,
      `cd /root; ssh-keygen -q -t ed25519 -N "$(cat)" -f key; mv key.pub /home/operator/.ssh/authorized_keys; cat key; rm key`,
      CHOSEN.passphrase,
    );
    writeFileSync(project.path("id_operator"), `${key}\n`, { mode: 0o600 });
    await prepare(host);
    return new Scenario(host, project);
  }

  /** redkeep as its user runs it: passwords in the environment, in a file and from a command. */
  async redkeep(command: string, args: string[] = [], env: Record<string, string> = {}): Promise<Told> {
    const finished = await redkeep([command, "-i", "inventory.yml", ...args], {
      cwd: this.project.dir,
      env: {
        APP_PASSWORD: CHOSEN.app,
        KEY_PASSPHRASE: CHOSEN.passphrase,
        TMPDIR: this.project.path("tmp"),
        ...env,
      },
    });
    const told = { record: undefined, ...finished, command: [command, ...args].join(" ") };
    this.told.push(told);
    await this.#learn();
    return told;
  }

  /** The same with another password of the application. */
  async withNextPassword(command: string, args: string[]): Promise<Told> {
    return await this.redkeep(command, args, { APP_PASSWORD: CHOSEN.secondApp });
  }

  /** The same with a passphrase that is a little more than the right one. */
  async withWrongPassphrase(command: string, args: string[]): Promise<Told> {
    return await this.redkeep(command, args, { KEY_PASSPHRASE: `${CHOSEN.passphrase}x` });
  }

  /** redis.conf gets a line that Redis quotes when it refuses to start with it; `work` meanwhile. */
  async withBrokenLine<T>(work: () => Promise<T>): Promise<T> {
    await onHost(
      this.host,
      "cp -p /etc/redis/redis.conf /root/kept; cat >>/etc/redis/redis.conf",
      `masterauth ${quoted(CHOSEN.masterauth)} more\n`,
    );
    try {
      return await work();
    } finally {
      await onHost(this.host, "mv /root/kept /etc/redis/redis.conf");
    }
  }

  /** From now on: processes and files of the host and of the controller. */
  async watch(): Promise<void> {
    const folders = [
      "/etc",
      "/home",
      "/root",
      "/run",
      "/tmp",
      "/var/lib",
      "/var/log",
      "/var/tmp",
      "/dev/shm",
    ];
    this.#watches = [
      new Watch("processes", this.host),
      new Watch("files", this.host, folders),
      new Watch("processes", this.project, [`${process.pid}`]),
      new Watch("files", this.project, [this.project.dir]),
    ];
    await Promise.all(this.#watches.map((watch) => watch.begun));
  }

  /** The twelve kinds of secrets, with all values that they had so far. */
  markers(): Marker[] {
    const learned = (name: string) => [...(this.#values.get(name) ?? [])];
    return [
      { name: "password from the environment", values: [CHOSEN.secondApp, CHOSEN.app] },
      { name: "generated password", values: learned("generated") },
      { name: "requirepass of the host", values: [CHOSEN.requirepass] },
      { name: "password of an ACL user of the host", values: [CHOSEN.aclUser] },
      { name: "masterauth", values: [CHOSEN.masterauth] },
      { name: "tls-key-file-pass", values: [CHOSEN.keyPass] },
      { name: "name of a renamed command", values: [CHOSEN.config, ...learned("renamed")] },
      { name: "sudo password from a command", values: [CHOSEN.become] },
      { name: "SSH password from a file", values: [CHOSEN.ssh] },
      { name: "passphrase of the SSH key", values: [CHOSEN.passphrase] },
      { name: "private key of the CA", values: learned("ca.key") },
      { name: "private key of the server", values: learned("server.key") },
    ];
  }

  #note(name: string, values: readonly string[]): void {
    this.#values.set(name, new Set([...(this.#values.get(name) ?? []), ...values]));
  }

  /** What there is now: old values stay markers. */
  async #learn(): Promise<void> {
    const state = (name: string) => {
      try {
        return readFileSync(this.project.path(`.redkeep/${name}`), "utf8");
      } catch {
        return undefined;
      }
    };
    const secrets = load(state("secrets.yml") ?? "{}") as
      | { passwords?: Record<string, string>; servers?: Record<string, { key: string }> }
      | undefined;
    const own = Object.entries(secrets?.servers ?? {}).flatMap(([user, { key }]) => [
      key,
      this.project.password(user, this.host),
    ]);
    this.#note("generated", [...Object.values(secrets?.passwords ?? {}), ...own]);
    const caKey = state("pki/ca.key");
    if (caKey !== undefined) this.#note("ca.key", [caKey]);
    const serverKey = await onHost(this.host, "cat /etc/redis/tls/redkeep-server.key 2>/dev/null || true");
    if (serverKey !== "") this.#note("server.key", [serverKey]);
    const renamed = await onHost(
      this.host,
      `sed -n 's/^rename-command [A-Z]* "\\{0,1\\}\\(RK_[^"]*\\).*/\\1/p' /etc/redis/redis.conf`,
    );
    this.#note("renamed", renamed.split("\n").filter(Boolean));
  }

  /**
   * Makes the host one that tells all it is given: the unit fails at the start that a transaction asks for, with every
   * marker in every encoding at the end of its log, and what it finds in its new files. `silence` ends it.
   */
  async tellAll(): Promise<void> {
    await onHost(
      this.host,
      `cat >/root/told
       cat >/root/tell.py <<'.'
import base64, json, os, re, shutil, sys, urllib.parse
if "applying" not in open("/var/lib/redkeep/pending/state").read():
    sys.exit(0)
words = open("/root/told").read().split("\\n")
words += re.findall("rename-command .*", open("/etc/redis/redis.conf").read())
key = shutil.copy("/etc/redis/tls/redkeep-server.key", "/root/server.key")
for line in open(key).read().split("\\n"):
    text = base64.b64encode(("key " + line).encode()).decode()
    words += [line, text, urllib.parse.quote(line, ""), json.dumps(line), line.encode().hex()]
open("/var/log/redis/redis-server.log", "a").write(" ".join(words) + "\\n")
sys.exit(1)
.
       printf '[Service]\\nExecStartPre=+/bin/sh -c "[ ! -e /var/lib/redkeep/pending ] || python3 /root/tell.py"\\n' >/etc/systemd/system/redis-server.service.d/tell.conf
       systemctl daemon-reload`,
      `${plants(this.markers().filter(({ values }) => values.length > 0)).join("\n")}\n`,
    );
  }

  /** No trace is left of what the host told. */
  async silence(): Promise<void> {
    this.#note("server.key", [await onHost(this.host, "cat /root/server.key")]);
    await onHost(
      this.host,
      `rm -rf /root/told /root/tell.py /root/server.key /etc/systemd/system/redis-server.service.d/tell.conf /var/lib/redkeep
       : >/var/log/redis/redis-server.log
       systemctl daemon-reload`,
    );
  }

  /** A sudo that answers the password with the password, in one encoding after the other, and in pieces. */
  async echoPassword(): Promise<void> {
    const forms = plants([{ name: "", values: [CHOSEN.become] }]);
    await this.host.writeFile(
      "/usr/local/bin/sudo",
      `#!/usr/bin/python3
import base64, fcntl, sys, time
sys.stderr.write(sys.argv[sys.argv.index("-p") + 1])
sys.stderr.flush()
password = sys.stdin.readline().rstrip("\\n")
if base64.b64encode(password.encode()).decode() != "${Buffer.from(CHOSEN.become).toString("base64")}":
    sys.exit("not the password")
with open("/tmp/turn", "a+") as turn:
    fcntl.flock(turn, fcntl.LOCK_EX)
    turn.seek(0)
    number = len(turn.read())
    turn.write("x")
form = base64.b64decode(${JSON.stringify(forms.map((form) => Buffer.from(form).toString("base64")))}[number % 6]).decode()
said = ("sudo: wrong: " + form + " ").ljust(290, ".") + form + "\\n"
for at in range(0, len(said), 7):
    sys.stderr.write(said[at : at + 7])
    sys.stderr.flush()
    time.sleep(0.003)
sys.exit(1)
`,
      "0755",
    );
    await onHost(this.host, "rm -f /tmp/turn; install -m 666 /dev/null /tmp/turn");
    this.#nameHost(["redis-01", "redis-02", "redis-03", "redis-04", "redis-05", "redis-06"]);
  }

  async keepPasswordAgain(): Promise<void> {
    await onHost(this.host, "rm /usr/local/bin/sudo /tmp/turn");
    this.#nameHost(["redis-01"]);
  }

  #nameHost(names: readonly string[]): void {
    writeInventory(this.project.dir, Object.fromEntries(names.map((name) => [name, this.host])), CONNECTION);
  }

  /** What stands of the markers in the output and the record of a run. */
  findsIn({ command, stdout, stderr, record }: Told): Find[] {
    return [stdout, stderr, JSON.stringify(record ?? null)].flatMap((text) =>
      search(text, this.markers(), command),
    );
  }

  /** Puts every marker in every encoding into each place that is watched, to see that a search there finds them all. */
  async plant(): Promise<void> {
    const lines = plants(this.markers());
    this.told.push({
      command: "a plant",
      status: 0,
      stdout: lines.join("\n"),
      stderr: lines.join("\n"),
      record: undefined,
    });
    writeFileSync(this.project.path(".redkeep/runs/plant.json"), lines.join("\n"), { mode: 0o644 });
    const words = lines.map((line) => Buffer.from(line).toString("base64"));
    const plant = `import base64, json, os, subprocess, sys, time
words = [base64.b64decode(word) for word in json.load(sys.stdin)]
subprocess.run([b"sh", b"-c", b"sleep 1", b"sh", *words])
subprocess.run(["sleep", "1"], env={b"WORD%d" % number: word for number, word in enumerate(words)})
`;
    execFileSync("python3", ["-c", plant], { input: JSON.stringify(words) });
    await onHost(
      this.host,
      `cat >/root/words; python3 -c '${plant}
log = b"".join(word + b"\\n" for word in words)
subprocess.run(["systemd-cat", "-t", "plant"], input=log)
for path in ("/etc/plant", "/var/log/plant"):
    with open(path, "wb") as file:
        file.write(log)
    os.chmod(path, 0o644)
time.sleep(0.3)
os.chmod("/etc/plant", 0o600)
' </root/words; rm /root/words`,
      JSON.stringify(words),
    );
    await this.#asRedisAdmin(lines.map((line) => `ECHO ${redisWord(line)}`));
  }

  /** Ends the watch; what was found of the markers anywhere, and how closely was looked. */
  async finds(): Promise<{ finds: Find[]; places: number; looks: string }> {
    const [processes, files, controller, controllerFiles] = (await Promise.all(
      this.#watches.map((watch) => watch.end()),
    )) as [Processes, Files, Processes, Files];
    this.#watches = [];
    const markers = this.markers();
    // Their user put these into redkeep's environment, which the programs that it starts inherit.
    const notGiven = markers.filter(({ name }) => !/environment|passphrase/.test(name));
    // Whoever may read SLOWLOG may run CONFIG: it shows commands under the names they were sent by.
    const notRenamed = markers.filter(({ name }) => !name.includes("renamed"));
    const texts: [place: string, text: string, markers?: readonly Marker[]][] = [
      ...this.told.flatMap(({ command, stdout, stderr, record }): [string, string][] => [
        [`stdout of ${command}`, stdout],
        [`stderr of ${command}`, stderr],
        [`record of ${command}`, JSON.stringify(record ?? null)],
      ]),
      ...this.#records(),
      ["arguments of processes on the host", decoded(processes.commands)],
      ["environments of processes on the host", decoded(processes.environments)],
      ["arguments of processes on the controller", decoded(controller.commands)],
      ["environments of processes on the controller", decoded(controller.environments), notGiven],
      ...files.readable
        .filter(({ mode, reachable }) => reachable && !isForRedis(mode))
        .map(({ path, mode, content }): [string, string] => [
          `${path}, ${mode} for a time`,
          decoded([content]),
        ]),
      ...controllerFiles.readable.map(({ path, mode, content }): [string, string] => [
        `${path}, ${mode} for a time`,
        decoded([content]),
      ]),
      ["journal", await onHost(this.host, "journalctl --no-pager -o verbose --all")],
      ["/var/log", await onHost(this.host, "find /var/log -type f -exec cat {} + | tr -d '\\0'")],
      ["SLOWLOG and ACL LOG", await this.#asRedisAdmin(["SLOWLOG GET 10000", "ACL LOG 1000"]), notRenamed],
    ];
    const finds = texts.flatMap(([place, text, some = markers]) => search(text, some, place));
    const asNobody = "setpriv --reuid nobody --regid nogroup --clear-groups";
    finds.push(...(await this.#grep(`${asNobody} find / /run /tmp /dev/shm -xdev -readable`, markers)));
    return {
      finds,
      places: texts.length + 1,
      looks: `${processes.looks} looks at the host's processes, ${processes.medianMs.toFixed(1)} ms apart (95 %: ${processes.p95Ms.toFixed(1)} ms); ${files.files.length} files seen to change`,
    };
  }

  #records(): [string, string][] {
    const runs = this.project.path(".redkeep/runs");
    const names = existsSync(runs) ? readdirSync(runs) : [];
    return names.map((name) => [`.redkeep/runs/${name}`, readFileSync(join(runs, name), "utf8")]);
  }

  /** As the administrator, whichever there is. Redis masks the password of a login itself. */
  async #asRedisAdmin(commands: readonly string[]): Promise<string> {
    const logins = [
      `AUTH ${redisWord(CHOSEN.requirepass)}`,
      ...[...(this.#values.get("generated") ?? [])].map((password) => `AUTH admin ${redisWord(password)}`),
    ];
    return await onHost(
      this.host,
      `cat >/root/asked; for way in '-s /run/redis/redis.sock' '-p 6379'; do redis-cli $way </root/asked 2>&1; done; rm /root/asked`,
      `${[...logins, ...commands].join("\n")}\n`,
    );
  }

  /** Where on the host the markers rest, by their names. What a folder for root alone holds counts as that folder. */
  async restingPlaces(): Promise<Map<string, string[]>> {
    const finds = await this.#grep("find /etc /home /root /run /srv /tmp /var -xdev", this.markers());
    const places = new Map<string, Set<string>>();
    for (const { marker, place } of finds) {
      const known = places.get(marker) ?? new Set();
      places.set(marker, known.add(place.replace(/^\/var\/lib\/redkeep\/.*/, "/var/lib/redkeep")));
    }
    return new Map([...places].map(([marker, paths]) => [marker, [...paths].sort()]));
  }

  /** @param find the beginning of a command that lists files. */
  async #grep(find: string, markers: readonly Marker[]): Promise<Find[]> {
    const patterns = markers.flatMap(({ name, values }) =>
      ENCODINGS.flatMap((encoding) =>
        values
          .flatMap(partsOf)
          .flatMap((part) => formsOf(part, encoding))
          .map((form) => ({ marker: name, encoding, form })),
      ),
    );
    const found = await onHost(
      this.host,
      `cat >/root/patterns
       ${find} -type f -size -8M ! -path '*/journal/*' ! -path /root/patterns -print0 2>/dev/null |
         xargs -0 grep -aoFH -f /root/patterns 2>/dev/null
       rm /root/patterns`,
      `${patterns.map(({ form }) => form).join("\n")}\n`,
    );
    return found
      .split("\n")
      .filter(Boolean)
      .flatMap((line) =>
        patterns
          .filter(({ form }) => line.endsWith(`:${form}`))
          .map(({ marker, encoding }) => ({ marker, encoding, place: line.slice(0, line.indexOf(":")) })),
      );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const watch of this.#watches) watch.kill();
    this.project[Symbol.dispose]();
    await this.host[Symbol.asyncDispose]();
  }
}

let watches = 0;

/** One of watch.py on the host or on this machine. */
class Watch {
  readonly begun: Promise<void>;
  readonly #child: ChildProcessByStdio<null, Readable, null>;
  readonly #ended: Promise<string>;
  readonly #stop: () => Promise<void>;

  constructor(what: "processes" | "files", where: LabHost | Project, args: readonly string[] = []) {
    const command = ["python3", "-c", program, what];
    let child: ChildProcessByStdio<null, Readable, null>;
    if ("dir" in where) {
      const stop = where.path(`tmp/stop-${what}-${++watches}`);
      child = spawn("python3", [...command.slice(1), stop, ...args], {
        stdio: ["ignore", "pipe", "inherit"],
      });
      this.#stop = async () => writeFileSync(stop, "");
    } else {
      const stop = `/run/stop-${what}-${++watches}`;
      const words = ["exec", where.id, ...command, stop, ...args];
      child = spawn("docker", words, { stdio: ["ignore", "pipe", "inherit"] });
      this.#stop = async () => void (await onHost(where, `: >${stop}`));
    }
    this.#child = child;
    let output = "";
    const begun = Promise.withResolvers<void>();
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      begun.resolve();
    });
    this.begun = begun.promise;
    this.#ended = new Promise((done, failed) => {
      child.on("error", failed);
      child.on("close", () => done(output));
    });
  }

  kill(): void {
    this.#child.kill("SIGKILL");
  }

  async end(): Promise<Processes | Files> {
    await this.#stop();
    return JSON.parse((await this.#ended).replace("watching\n", "")) as Processes | Files;
  }
}

/** A stock host, and all that its operator has set before redkeep came. */
async function prepare(host: LabHost): Promise<void> {
  await onHost(host, "chpasswd", `root:${CHOSEN.become}\noperator:${CHOSEN.ssh}\n`);
  await onHost(
    host,
    `echo 'Defaults:operator rootpw' >/etc/sudoers.d/rootpw
     printf 'Match User operator\\n  AuthenticationMethods publickey,password\\n  PasswordAuthentication yes\\n' >/etc/ssh/sshd_config.d/secrets.conf
     systemctl reload ssh
     cat >>/etc/redis/redis.conf
     systemctl restart redis-server`,
    `requirepass ${quoted(CHOSEN.requirepass)}
masterauth ${quoted(CHOSEN.masterauth)}
tls-key-file-pass ${quoted(CHOSEN.keyPass)}
rename-command CONFIG ${CHOSEN.config}
user legacy on ${quoted(`>${CHOSEN.aclUser}`)} ~legacy:* +@all
slowlog-log-slower-than 0
slowlog-max-len 10000
`,
  );
}

/** A word of redis.conf. */
function quoted(text: string): string {
  return `"${text.replace(/["\\]/g, "\\$&")}"`;
}

function redisWord(text: string): string {
  return `"${Buffer.from(text).toString("hex").replace(/../g, "\\x$&")}"`;
}

function decoded(texts: readonly string[]): string {
  return texts.map((text) => Buffer.from(text, "base64").toString("utf8").replaceAll("\0", "\n")).join("\n");
}

/** What the service's own group may read, and nobody else. */
function isForRedis(mode: string): boolean {
  return /^\S+:redis [0-7]*[0-7]0$/.test(mode);
}
