import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Secret } from "../../src/lib/secret.ts";
import { hashPassword } from "../../src/redis/acl-user.ts";
import { encrypt } from "../../src/vault/envelope.ts";
import { redkeep } from "../support/cli.ts";
import { perTest } from "../support/per-test.ts";
import { writeProject } from "../support/project.ts";
import { startRecordedHost } from "../support/recorded-host.ts";

const made = perTest();
const PASSWORD = "password-of-the-application-4711";

/** A plan of one user whose password is the variable `app_password`. */
async function plan(variables: Record<string, string>, ...args: string[]) {
  const host = made.servers.use(await startRecordedHost("stock"));
  const users =
    '[{ name: app, preset: application, password: "<%= app_password %>" }, { name: admin, preset: admin, password: { generate: true } }]';
  const options = writeProject(made.directory, { "redis-01": host }, `acl: { users: ${users} }`);
  mkdirSync(join(made.directory.path, "group_vars/all"), { recursive: true });
  for (const [name, text] of Object.entries(variables)) made.directory.write(`group_vars/all/${name}`, text);
  made.directory.write("vault-password", "one\n");
  const json = ["--json", "run.json"];
  return await redkeep(["plan", ...options, ...json, ...args], { cwd: made.directory.path });
}

const sealed = (text: string) => encrypt(text, new Secret("one"));
const VAULT = ["--vault-password-file", "vault-password"];

describe("a password of the playbook that names a variable", () => {
  it.each<[string, () => Promise<Record<string, string>>]>([
    ["an encrypted file", async () => ({ "vault.yml": await sealed(`app_password: ${PASSWORD}\n`) })],
    [
      "a !vault value",
      async () => ({
        "main.yml": `app_password: !vault |\n  ${(await sealed(`${PASSWORD}\n`)).trim().replaceAll("\n", "\n  ")}\n`,
      }),
    ],
    [
      "an encrypted file, by a plain variable that names it",
      async () => ({
        "main.yml": 'app_password: "{{ vault_app_password }}"\n',
        "vault.yml": await sealed(`vault_app_password: ${PASSWORD}\n`),
      }),
    ],
  ])("from %s takes its value, and shows it nowhere", async (_, variables) => {
    const { exitCode, stdout, stderr } = await plan(await variables(), ...VAULT);
    expect([exitCode, stderr]).toEqual([2, expect.not.stringContaining("problem")]);
    expect(stdout).toMatch(/\+ users\.acl {3}app .*/);
    const record = readFileSync(join(made.directory.path, "run.json"), "utf8");
    for (const text of [stdout, stderr, record]) expect(text).not.toContain(PASSWORD);
    expect(record).not.toContain(hashPassword(new Secret(PASSWORD)));
  });

  it("from a vault is planned again by the command that is printed", async () => {
    const variables = { "vault.yml": await sealed(`app_password: ${PASSWORD}\n`) };
    const { stdout } = await plan(variables, ...VAULT);
    expect(stdout.replace(/\s+/g, " ")).toMatch(/Next: .* apply .*--vault-password-file vault-password/);
  });

  it("that is plain text is refused", async () => {
    const { exitCode, stderr } = await plan({ "main.yml": "app_password: another-password-in-plain-text\n" });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(
      "acl.users[0].password: expected, instead of the secret itself, { env: NAME }, { file: PATH } (ansible-vault may have encrypted it), { command: [PROGRAM, ARGUMENT, …] }, { generate: true } or a variable from Ansible Vault on redis-01 (app_password: group_vars/all/main.yml:1)",
    );
  });
});
