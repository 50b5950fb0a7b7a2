import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dump } from "js-yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { RunRecord } from "../../src/record/record.ts";
import { type Finished, type LabHost, redkeep, startHost, writeInventory } from "./support/lab.ts";

const NAMES = ["redis-01", "redis-02"];
const PLAYBOOK = dump([
  {
    name: "team",
    hosts: "redis",
    become: true,
    tasks: [
      { name: "listen", bind: { addresses: ["127.0.0.1", "<%= private_ip %>"] } },
      {
        name: "users",
        acl: {
          users: [
            { name: "app", preset: "application", password: { generate: true } },
            { name: "admin", preset: "admin", password: { generate: true } },
          ],
        },
      },
      { name: "encrypt", tls: { clients: ["app"] } },
    ],
  },
]);

/** Somebody who works with the repository: a home, a clone of it, and perhaps the vault's password. */
class Member {
  readonly home: string;
  readonly clone: string;
  readonly #origin: string;
  /** How this one gives the vault's password. */
  vault: Record<string, string> = {};
  #runs = 0;

  constructor(root: string, name: string, origin: string) {
    this.home = join(root, name);
    this.clone = join(this.home, "fleet");
    this.#origin = origin;
    mkdirSync(this.home, { mode: 0o700 });
  }

  git(...args: string[]): string {
    const who = ["-c", "user.name=Member", "-c", "user.email=member@example.com"];
    return execFileSync("git", [...who, ...args], {
      cwd: existsSync(this.clone) ? this.clone : this.home,
      env: { PATH: process.env.PATH, HOME: this.home, GIT_CONFIG_NOSYSTEM: "1" },
      encoding: "utf8",
    });
  }

  cloneIt(): void {
    this.git("clone", "-q", this.#origin, "fleet");
  }

  /** Commits all that git does not leave out, and gives the names. */
  publish(subject: string): string[] {
    this.git("add", ".");
    const names = this.git("diff", "--cached", "--name-only").trim().split("\n").filter(Boolean);
    this.git("commit", "-qm", subject);
    this.git("push", "-q", "origin", "HEAD:main");
    return names;
  }

  /** Puts the vault's password into this one's home, and says so in the environment. */
  takeVaultPassword(password: string): void {
    const file = join(this.home, "vault-password");
    writeFileSync(file, `${password}\n`, { mode: 0o600 });
    this.vault = { ANSIBLE_VAULT_PASSWORD_FILE: file };
  }

  async redkeep(...args: string[]): Promise<Finished & { record?: RunRecord }> {
    const isRun = ["plan", "apply", "verify"].includes(args[0] ?? "");
    const json = isRun ? ["--json", join(this.home, `run-${++this.#runs}.json`)] : [];
    const playbook = isRun ? ["site.yml"] : [];
    return await redkeep([...args, ...playbook, "-i", "inventory.yml", ...json], {
      cwd: this.clone,
      env: { HOME: this.home, ...this.vault },
    });
  }

  state(name: string): string {
    return readFileSync(join(this.clone, ".redkeep", name), "utf8");
  }
}

/** The statuses of a run's hosts, or all that it printed where it has none. */
const statuses = ({ record, stdout, stderr }: Finished & { record?: RunRecord }) =>
  record?.hosts.map(({ status }) => status) ?? stdout + stderr;

/** As docs/secrets.md tells it, in order: each finds the repository and the hosts as the one before has left them. */
describe("a team with one repository", () => {
  let hosts: LabHost[];
  let root: string;
  let alice: Member;
  let bob: Member;
  let job: Member;
  /** Bob's clone from before the rotation. */
  let oldState: string;

  beforeAll(async () => {
    hosts = await Promise.all(NAMES.map(() => startHost()));
    root = mkdtempSync(join(tmpdir(), "redkeep-team-"));
    const origin = join(root, "fleet.git");
    execFileSync("git", ["init", "-q", "--bare", "-b", "main", origin]);
    [alice, bob, job] = ["alice", "bob", "job"].map((name) => new Member(root, name, origin)) as [
      Member,
      Member,
      Member,
    ];
    oldState = join(root, "old");
  });
  afterAll(async () => {
    if (root !== undefined) rmSync(root, { recursive: true, force: true });
    for (const host of hosts ?? []) await host[Symbol.asyncDispose]();
  });

  it("hardens its hosts from the first laptop, and commits what redkeep made, encrypted", async () => {
    alice.takeVaultPassword("first vault password");
    alice.cloneIt();
    writeInventory(alice.clone, Object.fromEntries(hosts.map((host, index) => [NAMES[index] ?? "", host])), {
      ansible_ssh_common_args: "-o UserKnownHostsFile=known_hosts",
    });
    writeFileSync(join(alice.clone, "site.yml"), PLAYBOOK);
    const applied = await alice.redkeep("apply", "--yes", "--known-hosts", "known_hosts");
    expect(statuses(applied), applied.stdout + applied.stderr).toEqual(["changed", "changed"]);
    expect(applied.stdout).toContain("\nState: .redkeep has new secrets: commit it.");
    expect(alice.publish("Harden the fleet").filter((name) => name.startsWith(".redkeep/"))).toEqual([
      ".redkeep/.gitignore",
      ".redkeep/pki/ca.crt",
      ".redkeep/pki/ca.key",
      ".redkeep/pki/clients/app.crt",
      ".redkeep/pki/clients/app.key",
      ".redkeep/secrets.yml",
    ]);
    for (const name of ["secrets.yml", "pki/ca.key", "pki/clients/app.key"])
      expect(alice.state(name)).toMatch(/^\$ANSIBLE_VAULT;1\.1;AES256\n/);
  });

  it("has nothing to do on the second laptop after git clone, which needs the vault's password", async () => {
    bob.cloneIt();
    const without = await bob.redkeep("plan", "--known-hosts", "known_hosts");
    expect(without.status).toBe(1);
    expect(without.stderr).toContain(
      "secrets.yml  is encrypted with Ansible Vault (id default), and there is no password",
    );
    bob.takeVaultPassword("first vault password");
    const plan = await bob.redkeep("plan", "--known-hosts", "known_hosts");
    expect(statuses(plan), plan.stdout + plan.stderr).toEqual(["unchanged", "unchanged"]);
    expect(plan.status).toBe(0);
    expect(bob.git("status", "--porcelain")).toBe("");
    const [one, other] = [
      await alice.redkeep("password", "redis-01"),
      await bob.redkeep("password", "redis-01"),
    ];
    expect(other.stdout).toBe(one.stdout);
  });

  it("has a nightly job that verifies and applies with the same password, and changes nothing", async () => {
    job.takeVaultPassword("first vault password");
    job.cloneIt();
    const night = await job.redkeep("verify", "--known-hosts", "known_hosts");
    expect(night.record?.hosts.map(({ access }) => access !== undefined)).toEqual([true, true]);
    const own = night.record?.hosts.flatMap(({ checks }) =>
      checks.filter(({ control, outcome }) => /^RK-(?:ACL|TLS)/.test(control) && outcome !== "pass"),
    );
    expect(own?.filter(({ outcome }) => outcome === "fail")).toEqual([]);
    const applied = await job.redkeep("apply", "--yes", "--known-hosts", "known_hosts");
    expect(statuses(applied), applied.stdout + applied.stderr).toEqual(["unchanged", "unchanged"]);
    expect(applied.stdout).not.toContain("commit");
    expect(applied.status).toBe(0);
    expect(job.git("status", "--porcelain")).toBe("");
  });

  it("rotates a password on the first laptop", async () => {
    cpSync(join(bob.clone, ".redkeep"), oldState, { recursive: true });
    const applied = await alice.redkeep("apply", "--yes", "--rotate", "app", "--known-hosts", "known_hosts");
    expect(statuses(applied), applied.stdout + applied.stderr).toEqual(["changed", "changed"]);
    expect(alice.publish("Rotate app's password")).toEqual([".redkeep/secrets.yml"]);
  });

  it.each(["plan", "apply"])(
    "refuses %s with the copy from before by its name, and replaces nothing",
    async (command) => {
      const usersOf = () => Promise.all(hosts.map((host) => host.readFile("/etc/redis/users.acl")));
      const users = await usersOf();
      const run = await bob.redkeep(
        command,
        ...(command === "apply" ? ["--yes"] : []),
        "--known-hosts",
        "known_hosts",
      );
      expect(run.status).toBe(3);
      expect(run.record?.hosts.map(({ status, error }) => [status, error?.where])).toEqual([
        ["refused", "older-state"],
        ["refused", "older-state"],
      ]);
      expect(run.stdout + run.stderr).toMatch(
        /this state is from before: \.redkeep has generation \d+, and one with generation \d+ has changed\s+this\s+host/,
      );
      expect(run.stdout + run.stderr).toContain("git pull");
      expect(await usersOf()).toEqual(users);
      expect(bob.git("status", "--porcelain")).toBe("");
    },
  );

  it("lets verify go on with the copy from before, since it changes nothing", async () => {
    const night = await bob.redkeep("verify", "--known-hosts", "known_hosts");
    expect(night.record?.hosts.map(({ error }) => error)).toEqual([null, null]);
    expect(night.stderr).toMatch(
      /^warning: this state is from before: \.redkeep has generation \d+, and one with generation \d+ has changed redis-01 and redis-02: a check may fail .* git pull/m,
    );
  });

  it("has nothing to do again after git pull", async () => {
    for (const member of [bob, job]) {
      member.git("pull", "-q", "--ff-only", "origin", "main");
      const plan = await member.redkeep("plan", "--known-hosts", "known_hosts");
      expect(statuses(plan), plan.stdout + plan.stderr).toEqual(["unchanged", "unchanged"]);
    }
  });

  it("gives the vault another password on one laptop, which the others need from then on", async () => {
    const file = join(bob.home, "new-password");
    writeFileSync(file, "second vault password\n", { mode: 0o600 });
    const rekeyed = await bob.redkeep("state", "rekey", "--new-vault-password-file", file);
    expect(rekeyed.status, rekeyed.stderr).toBe(0);
    bob.takeVaultPassword("second vault password");
    expect(bob.publish("Another vault password")).toEqual([
      ".redkeep/pki/ca.key",
      ".redkeep/pki/clients/app.key",
      ".redkeep/secrets.yml",
    ]);
    job.git("pull", "-q", "--ff-only", "origin", "main");
    const refused = await job.redkeep("apply", "--yes", "--known-hosts", "known_hosts");
    expect(refused.status).toBe(1);
    expect(refused.stderr).toContain(
      "the password of default (ANSIBLE_VAULT_PASSWORD_FILE) does not open it",
    );
    job.takeVaultPassword("second vault password");
    const applied = await job.redkeep("apply", "--yes", "--known-hosts", "known_hosts");
    expect(statuses(applied), applied.stdout + applied.stderr).toEqual(["unchanged", "unchanged"]);
  });

  it("can go on with the older copy where the newer one is lost, and is told whose password goes", async () => {
    rmSync(join(bob.clone, ".redkeep"), { recursive: true });
    cpSync(oldState, join(bob.clone, ".redkeep"), { recursive: true });
    bob.takeVaultPassword("first vault password");
    const plan = await bob.redkeep("plan", "--accept", "older-state", "--known-hosts", "known_hosts");
    expect(statuses(plan)).toEqual(["would-change", "would-change"]);
    expect(plan.stdout).toContain(
      "user app has a generated password here that this controller's state never had",
    );
  });
});
