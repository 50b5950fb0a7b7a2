import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ownPassword } from "../../src/facts/server-login.ts";
import { ansibleSettings } from "../../src/inventory/ansible-settings.ts";
import { Secret } from "../../src/lib/secret.ts";
import { prepare } from "../../src/run/prepare.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { hostRecord, runRecord } from "../support/records.ts";

const made = perTest();

const KEY = "key-of-the-servers-of-this-test";
const SECRETS = `passwords: { metrics: metrics-password, admin: admin-of-all-servers }
servers: { admin: { key: ${KEY}, names: [redis-01] } }
`;

async function password(args: readonly string[], secrets = SECRETS) {
  made.directory.write("hosts.yml", "all: { hosts: { redis-01: {}, redis-02: {} } }\n");
  if (secrets !== "") made.directory.write("secrets.yml", secrets);
  return await redkeep(["password", ...args, "-i", "hosts.yml", "--state", "."], {
    cwd: made.directory.path,
  });
}

const own = (server: string): string => ownPassword(new Secret(KEY), "admin", server).reveal();

describe("redkeep password", () => {
  it("prints the password of one host and nothing else", async () => {
    const record = runRecord("apply", [hostRecord("redis-01", { status: "changed" })]);
    mkdirSync(join(made.directory.path, "runs"), { recursive: true, mode: 0o700 });
    made.directory.write("runs/2026-11-24T06-30-12Z-apply.json", JSON.stringify(record, null, 1));
    expect(await password(["redis-01"])).toEqual({ exitCode: 0, stderr: "", stdout: `${own("redis-01")}\n` });
  });

  it("warns where no record shows that the host has it", async () => {
    const { stdout, stderr } = await password(["redis-01"]);
    expect(stdout).toBe(`${own("redis-01")}\n`);
    expect(stderr).toContain("warning: no record that is kept here shows that redis-01 has this password");
  });

  it("prints the password that all servers share, with a warning, where the host still has it", async () => {
    const { exitCode, stdout, stderr } = await password(["redis-02"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "admin-of-all-servers\n" });
    expect(stderr).toContain("warning: redis-02 has not got a password of its own yet");
  });

  it("prints the password that all servers share for a user other than the administrator", async () => {
    expect((await password(["redis-01", "--user", "metrics"])).stdout).toBe("metrics-password\n");
  });

  it.each<[string, string[], string, string]>([
    ["a host that is not there", ["redis-03"], SECRETS, 'no host "redis-03". Did you mean "redis-01"?'],
    [
      "a user who has none",
      ["redis-01", "--user", "ops"],
      SECRETS,
      'no password of "ops" was generated here, only of admin and metrics',
    ],
    ["a state without any", ["redis-01"], "", "--user: is needed where not exactly one user has passwords"],
  ])("says what is wrong with %s", async (_, args, secrets, message) => {
    const { exitCode, stdout, stderr } = await password(args, secrets);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toContain(message);
  });
});

describe("a password of the operator's for the login", () => {
  async function planned(password: string, env: Record<string, string> = {}) {
    made.directory.write(
      "hosts.yml",
      "all: { vars: { ansible_host: 127.0.0.1 }, hosts: { a: { ansible_port: 1, word: one }, b: { ansible_port: 2, word: two } } }\n",
    );
    made.directory.write("one", "password-of-host-one\n");
    made.directory.write("two", "password-of-host-two\n");
    made.directory.write(
      "site.yml",
      `- hosts: all\n  tasks:\n    - acl: { users: [{ name: admin, preset: admin, password: ${password} }] }\n`,
    );
    return await redkeep(["plan", "site.yml", "-i", "hosts.yml", "--timeout", "1"], {
      cwd: made.directory.path,
      env,
    });
  }

  it("is looked for in the folder of the file that names it, also where a variable brings the path", async () => {
    const { path } = made.directory;
    for (const folder of ["", "inventory/", "play/"]) {
      mkdirSync(join(path, folder), { recursive: true });
      made.directory.write(`${folder}word`, `password-from-${folder || "here"}\n`);
    }
    made.directory.write(
      "inventory/hosts.yml",
      "all: { hosts: { a: { ansible_host: 127.0.0.1, ansible_port: 1, word: word } } }\n",
    );
    made.directory.write(
      "play/site.yml",
      `- hosts: all\n  tasks:\n    - acl: { users: [{ name: admin, preset: admin, password: { file: "<%= word %>" } }] }\n`,
    );
    const read = async (...more: string[]) => {
      const options = {
        inventory: ["inventory/hosts.yml"],
        playbook: "play/site.yml",
        tags: [],
        skipTags: [],
        settings: await ansibleSettings({ cwd: path, env: { ANSIBLE_CONFIG: "/dev/null" } }, true),
      };
      const run = await prepare(
        "plan",
        { ...options, extraVars: more, rotate: new Set() } as unknown as Parameters<typeof prepare>[1],
        { cwd: path, env: {} } as Parameters<typeof prepare>[2],
      );
      const [job] = run.jobs;
      return [
        (await job?.secrets(job.tasks().tasks))?.login?.password.reveal(),
        job?.connection.password?.reveal(),
      ];
    };
    expect(await read()).toEqual(["password-from-play/", undefined]);
    expect(await read("word=word")).toEqual(["password-from-play/", undefined]);
    expect(await read("{ansible_password: {file: word}}")).toEqual([
      "password-from-play/",
      "password-from-here",
    ]);
    made.directory.write("inventory/vars.yml", "ansible_password: { file: word }\n");
    expect(await read("@inventory/vars.yml")).toEqual(["password-from-play/", "password-from-inventory/"]);
  });

  it("is warned of where several servers would be shown the same one", async () => {
    const { stderr } = await planned("{ env: ADMIN }", { ADMIN: "one-password-for-all-of-them" });
    expect(stderr).toContain("warning: 2 servers share the password of user admin, which redkeep logs in as");
    expect(stderr).not.toContain("one-password-for-all-of-them");
  });

  it("is not warned of where each server has another one, named by a variable", async () => {
    const { stderr } = await planned('{ file: "<%= word %>" }');
    expect(stderr).not.toContain("servers share the password");
  });
});
