import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { dump, load } from "js-yaml";
import { describe, expect, it } from "vitest";
import { ownPassword } from "../../src/facts/server-login.ts";
import { Secret } from "../../src/lib/secret.ts";
import { hashPassword } from "../../src/redis/acl-user.ts";
import { generateKey } from "../connection/support/server.ts";
import { redkeep } from "../support/cli.ts";
import { answerTo, editedAnswer, PASSWORDS, type SectionEdits, withRunning } from "../support/facts.ts";
import { noonPerTest } from "../support/noon.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startAnsweringHost, startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();
noonPerTest();

const key = generateKey();
const serverKey = new Secret("key-of-the-recorded-servers");
const read = (path: string) => readFileSync(join(made.directory.path, path), "utf8");

/** An inventory of recorded hosts, and what reaches it. */
async function fleet(...names: string[]): Promise<string[]> {
  const hosts = Object.fromEntries(
    await Promise.all(
      names.map(
        async (name) =>
          [name, made.servers.use(await startRecordedHost(name, withOwnAdmin(name), key))] as const,
      ),
    ),
  );
  return writeProject(made.directory, hosts).slice(1);
}

async function run(command: string, args: string[]) {
  return await redkeep([command, ...args], {
    cwd: made.directory.path,
    env: { APP_PASSWORD: PASSWORDS.get("app")?.reveal() ?? "" },
  });
}

/** The recorded administrators had all the same password: here each has its own. */
function withOwnAdmin(name: string): (answer: string) => string {
  const recorded = PASSWORDS.get("admin") ?? new Secret("");
  return (answer) =>
    answer.replaceAll(hashPassword(recorded), hashPassword(ownPassword(serverKey, "admin", name)));
}

/** The passwords that the recorded hosts were given, as an earlier apply has left them here. */
function knowPasswords(names: readonly string[] = ["hardened"]): void {
  const passwords = Object.fromEntries(
    ["app", "metrics"].map((name) => [name, PASSWORDS.get(name)?.reveal()]),
  );
  const servers = { admin: { key: serverKey.reveal(), names } };
  made.directory.write("secrets.yml", dump({ passwords, servers }));
}

const ADOPTED = ["adopted/playbook.yml"];
const WAIVED = ["--waivers", "adopted/waivers.yml"];

describe("redkeep adopt", () => {
  it("goes on with the hosts that it adopted, reached in the same way", async () => {
    const args = await fleet("stock", "aof");
    const { stdout } = await run("adopt", [...args, "-l", "stock"]);
    expect(stdout).toMatch(
      /^Next: \S.* plan adopted\/playbook\.yml -i \S+ --limit stock .*--waivers adopted/m,
    );
    expect(stdout).toMatch(/^ +\S.* verify adopted\/playbook\.yml -i \S+ --limit stock .*--waivers adopted/m);
  });

  it.each([["stock"], ["strange"], ["aof"], ["redis-6-stock"], ["valkey-8-stock"]])(
    "describes %s so that the first apply changes nothing and verify finds nothing new",
    async (name) => {
      const args = await fleet(name);
      const adopted = await run("adopt", args);
      expect(adopted).toMatchObject({ exitCode: 0 });
      const plan = await run("plan", [...ADOPTED, ...args]);
      expect(plan.stdout).toMatch(/0 would change/);
      expect(plan.exitCode).toBe(0);
      const verify = await run("verify", [...ADOPTED, ...args, ...WAIVED]);
      expect(verify.stdout).toMatch(/ 0 fail/);
      expect(verify.exitCode).toBe(0);
    },
  );

  it("takes over the users whose passwords the controller knows, and writes no password down", async () => {
    const args = [...(await fleet("hardened")), "--state", "."];
    knowPasswords();
    const adopted = await run("adopt", args);
    expect(adopted.exitCode).toBe(0);
    const [play] = load(read("adopted/playbook.yml")) as { tasks: Record<string, unknown>[] }[];
    expect(play?.tasks.find((task) => "acl" in task)).toMatchObject({
      acl: {
        unlisted: "keep",
        users: expect.arrayContaining([
          { name: "admin", preset: "admin", keys: ["*"], channels: ["*"], password: { generate: true } },
          expect.objectContaining({ name: "app", preset: "application", keys: ["app:*"] }),
        ]),
      },
    });
    expect(play?.tasks.find((task) => "rename-command" in task)).toMatchObject({
      "rename-command": { commands: { CONFIG: "rename", FLUSHALL: "disable" } },
    });
    for (const secret of PASSWORDS.values())
      expect(read("adopted/playbook.yml") + read("adopted/waivers.yml")).not.toContain(secret.reveal());
    const plan = await run("plan", [...ADOPTED, ...args]);
    expect(plan.exitCode).toBe(0);
    expect((await run("verify", [...ADOPTED, ...args, ...WAIVED])).exitCode).toBe(0);
  });

  it("keeps in host_vars what differs between hosts", async () => {
    const args = await fleet("stock", "strange");
    expect((await run("adopt", args)).exitCode).toBe(0);
    expect(read("adopted/playbook.yml")).toContain("limits: <%= adopted_limits %>");
    expect(load(read("adopted/host_vars/strange.yml"))).toMatchObject({
      adopted_limits: { maxmemory: "200mb" },
      adopted_bind: false,
    });
    expect((await run("plan", [...ADOPTED, ...args])).exitCode).toBe(0);
    expect((await run("verify", [...ADOPTED, ...args, ...WAIVED])).exitCode).toBe(0);
  });

  it("says what it left out and why, and waives what fails for 90 days", async () => {
    const args = await fleet("stock");
    const { stdout } = await run("adopt", args);
    expect(stdout).toMatch(/stock: acl is left out: the host has nothing that this task sets/);
    expect(stdout).toMatch(/stock: permissions is left out: it would change \S+/);
    expect(read("adopted/playbook.yml")).toContain("#   stock: permissions: it would change");
    expect((await run("verify", [...ADOPTED, ...args])).exitCode).toBe(6);
    const waivers = load(read("adopted/waivers.yml")) as { owner: string; expires: string; hosts: string }[];
    expect(waivers.length).toBeGreaterThan(0);
    const end = new Date(Date.now() + 90 * 86_400_000).toISOString().slice(0, 10);
    for (const waiver of waivers)
      expect(waiver).toMatchObject({ owner: "adopt", hosts: "stock", expires: end });
  });

  it("leaves out a user that lives only in memory, although its password is known, and names it", async () => {
    const answer = editedAnswer("hardened", {
      "acl-list": (text) => `${text.trimEnd()}\nuser eve on #${"e".repeat(64)} ~* resetchannels &* +@all\n`,
      "acl-file /etc/redis/users.acl": (text) => text.replace(/^user app .*\n/m, ""),
    });
    const host = made.servers.use(
      await startAnsweringHost((nonce) => answerTo(nonce, withOwnAdmin("hardened")(answer)), key),
    );
    const args = [...writeProject(made.directory, { hardened: host }).slice(1), "--state", "."];
    knowPasswords();
    const { stdout } = await run("adopt", args);
    const spoken = stdout.replaceAll(/\s+/g, " ");
    expect(spoken).toContain(
      'hardened: acl user "eve" is left out: it lives only in memory, and may be an intruder\'s: every command on every key and channel, with a password.',
    );
    expect(spoken).toContain('acl user "app" is left out: it lives only in memory');
    const [play] = load(read("adopted/playbook.yml")) as {
      tasks: { acl?: { users: { name: string }[] } }[];
    }[];
    const names = play?.tasks.flatMap(({ acl }) => acl?.users ?? []).map(({ name }) => name);
    expect(names).toEqual(expect.arrayContaining(["admin", "metrics"]));
    expect(names).not.toContain("app");
  });

  it("says why no task takes over the users in redis.conf", async () => {
    const { stdout } = await run("adopt", await fleet("requirepass"));
    expect(stdout.replaceAll(/\s+/g, " ")).toContain(
      "requirepass: acl is left out: it has a password for everybody (requirepass) instead of users",
    );
  });

  it("never writes a host's words as a template, since a playbook is code", async () => {
    const mark = join(made.directory.path, "ran-on-the-controller");
    const code = `<%=globalThis.process.getBuiltinModule(\`fs\`).writeFileSync(\`${mark}\`,\`\`)%>`;
    const config = "config /etc/redis/redis.conf";
    const aclFile = "acl-file /etc/redis/users.acl";
    const inBoth = (edit: (text: string) => string) => ({ "acl-list": edit, [aclFile]: edit });
    const inConfig = (setting: string) => (text: string) =>
      text.replace(new RegExp(`^${setting} .*$`, "m"), `${setting} ${code}`);
    const setting = (name: string): SectionEdits => ({
      [config]: inConfig(name),
      running: withRunning(name, code),
    });
    const settings =
      "bind unixsocket protected-mode tls-port port tls-auth-clients tls-protocols tls-ciphers tls-ciphersuites " +
      "aclfile maxmemory maxmemory-policy maxclients";
    const fields: Record<string, SectionEdits> = {
      keys: inBoth((text) => text.replaceAll("~app:*", `~app:* ~${code}`)),
      "read-keys": inBoth((text) => text.replaceAll("~app:*", `~app:* %R~${code}`)),
      channels: inBoth((text) => text.replaceAll("&app:*", `&app:* &${code}`)),
      jinja: inBoth((text) => text.replaceAll("~app:*", "~app:* ~{{x}}")),
      user: inBoth((text) => text.replaceAll("user app ", `user ${code} `)),
      renamed: { [config]: (text) => text.replace("rename-command KEYS", `rename-command ${code}`) },
      unit: { properties: (text) => text.replace(/^LimitNOFILE=.*$/m, `LimitNOFILE=${code}`) },
      ...Object.fromEntries(settings.split(" ").map((name) => [name, setting(name)])),
    };
    const names = Object.keys(fields);
    const hosts = await Promise.all(
      Object.entries(fields).map(async ([name, edits]) => {
        const answer = withOwnAdmin(name)(editedAnswer("hardened", edits));
        const server = await startAnsweringHost((nonce) => answerTo(nonce, answer), key);
        return [name, made.servers.use(server)] as const;
      }),
    );
    const args = [...writeProject(made.directory, Object.fromEntries(hosts)).slice(1), "--state", "."];
    knowPasswords(names);
    const state = load(read("secrets.yml")) as { passwords: Record<string, unknown> };
    // The name of a user that redkeep knows a password of comes from the server as well.
    state.passwords[code] = state.passwords.app;
    made.directory.write("secrets.yml", dump(state));

    const adopted = await run("adopt", args);
    const text = adopted.stdout.replaceAll(/\s+/g, " ");
    for (const name of ["keys", "read-keys", "channels", "jinja"])
      expect(text).toContain(`${name}: acl user app is left out: its name or its rules hold <%`);
    expect(text).toContain(`user: acl user <%=globalThis`);
    expect(text).toContain("bind: bind is left out: what it has holds <%, %>");

    const files = [
      "playbook.yml",
      ...readdirSync(join(made.directory.path, "adopted/host_vars")).map((file) => `host_vars/${file}`),
    ];
    for (const file of files) {
      const values = read(`adopted/${file}`)
        .replaceAll(/^#.*$/gm, "")
        .replaceAll(/<%= adopted_[a-z_]+ %>/g, "");
      expect(values).not.toMatch(/<%|%>|\{\{/);
    }
    await run("plan", [...ADOPTED, ...args]);
    expect(existsSync(mark)).toBe(false);
  });

  it("refuses to overwrite a file", async () => {
    const args = await fleet("stock");
    await run("adopt", args);
    const before = read("adopted/playbook.yml");
    const again = await run("adopt", args);
    expect(again.exitCode).toBe(1);
    expect(again.stderr).toContain(
      "adopted/playbook.yml  is there already: redkeep adopt overwrites nothing",
    );
    expect(read("adopted/playbook.yml")).toBe(before);
  });

  it("writes nothing where no host could be asked", async () => {
    const args = writeProject(made.directory, { "redis-01": { port: 9 } }).slice(1);
    const { exitCode, stdout } = await run("adopt", args);
    expect(exitCode).toBe(4);
    expect(stdout).toContain("redis-01: not adopted:");
    expect(existsSync(join(made.directory.path, "adopted"))).toBe(false);
  });
});
