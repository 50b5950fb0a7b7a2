/** With whose rights root reads, and what it runs, where a path leads through folders of others. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readingFunctions } from "../../src/facts/reading.ts";

/** The service user's id in these tests, and another local user's. */
const SERVICE = 65534;
const OTHER = 65533;
const SERVICE_READS = "timeout -s KILL 5 as-the-service";
const OTHER_READS = `timeout -s KILL 5 setpriv --reuid=${OTHER} --regid=${OTHER} --clear-groups`;
const SHELLS = ["dash", "bash"].filter((shell) => existsSync(`/bin/${shell}`));

/** A folder that only root can write, with all above it; in it one of root's, one of the service user's, one of another's. */
let top: string;
const at = (name: string) => join(top, name);

beforeEach(() => {
  top = mkdtempSync("/run/redkeep-reading-");
  chmodSync(top, 0o755);
  for (const [name, owner] of [
    ["roots", 0],
    ["services", SERVICE],
    ["others", OTHER],
  ] as const) {
    mkdirSync(at(name));
    writeFileSync(at(`${name}/file`), "");
    chmodSync(at(`${name}/file`), 0o755);
    chownSync(at(name), owner, owner);
  }
});
afterEach(() => rmSync(top, { recursive: true }));

function run(shell: string, code: string): string {
  const script = `set -u; N=x\n${readingFunctions()}\nME=0 SERVICE_UID=${SERVICE} DROP=as-the-service\ncd '${top}'\n${code}`;
  return execFileSync(shell, ["-c", script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  }).trim();
}

describe.each(SHELLS)("under %s", (shell) => {
  const reader = (path: string) => run(shell, `reader_of '${at(path)}'; echo "$AS"`);
  const isRoots = (path: string) =>
    run(shell, `if is_roots '${at(path)}'; then echo yes; else echo no; fi`) === "yes";
  const sh = (code: string) => run(shell, code);

  it("root reads a file that only root can have put there, also through root's links", () => {
    sh("ln -s roots link; ln -s ../link/./file roots/again; ln -s file roots/name");
    for (const path of ["roots/file", "link/file", "roots/again", "roots/name", "link/../roots//file"]) {
      expect(reader(path), path).toBe("");
      expect(isRoots(path), path).toBe(true);
    }
  });

  it("a link in another user's folder is read with that user's rights, wherever it leads", () => {
    sh(
      "ln -s ../roots services/in; ln -s ../roots/file services/link; ln -s services/in link; ln -s services/link file",
    );
    for (const path of [
      "services/in/file",
      "services/link",
      "link/file",
      "file",
      "services/in/../roots/file",
    ]) {
      expect(reader(path), path).toBe(SERVICE_READS);
      expect(isRoots(path), path).toBe(false);
    }
    sh("ln -s ../roots others/in");
    expect(reader("others/in/file")).toBe(OTHER_READS);
  });

  it("a file in root's folder within another user's is read with that user's rights, since he can swap the folder", () => {
    sh("mkdir services/bin; : >services/bin/file; chmod 755 services/bin/file");
    expect(reader("services/bin/file")).toBe(SERVICE_READS);
    expect(isRoots("services/bin/file")).toBe(false);
  });

  it("a file that two other users may swap is read with the service user's rights", () => {
    sh(`mkdir others/deep; chown ${SERVICE}:${SERVICE} others/deep; : >others/deep/file`);
    expect(reader("others/deep/file")).toBe(SERVICE_READS);
    expect(reader("roots/none/file")).toBe(SERVICE_READS);
  });

  it("a program that another user may write is not root's, even in root's folder", () => {
    sh(`: >roots/own; chown ${SERVICE} roots/own; : >roots/open; chmod 777 roots/open; ln -s own roots/link`);
    for (const path of ["roots/own", "roots/open", "roots/link", "roots/none"])
      expect(isRoots(path), path).toBe(false);
  });

  it("a folder that only root's group may write counts as root's, and one that an access list opens to others does not", () => {
    sh("chmod 2775 roots");
    expect(isRoots("roots/file")).toBe(true);
    // Its owner, the service's user, its group, the mask, everybody else: as setfacl -m u:redis:rwx would write it.
    sh(`exec python3 -c '
import os, struct, sys
entries = [(1, 7, 0xffffffff), (2, 7, int(sys.argv[1])), (4, 5, 0xffffffff), (16, 7, 0xffffffff), (32, 5, 0xffffffff)]
os.setxattr("roots", "system.posix_acl_access", struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries))
' "$(id -u ${SERVICE})"`);
    expect(isRoots("roots/file")).toBe(false);
    expect(reader("roots/file")).toBe(SERVICE_READS);
  });

  it("root reads another user's file in root's folder for some seconds at most, and no large one", () => {
    const asked = (size: string) =>
      sh(`chown ${SERVICE} roots/file; truncate -s ${size} roots/file; reader_of '${at("roots/file")}'
echo "$AS"; if is_large; then echo large; else echo "$(beginning '${at("roots/file")}' 3 | tr '\\0' 0)"; fi`).split(
        "\n",
      );
    expect(asked("1M")).toEqual(["timeout -s KILL 5", "000"]);
    expect(asked("8T")).toEqual(["timeout -s KILL 5", "large"]);
  });

  it("a child process that keeps a reader's output open is not waited for", () => {
    // Whoever had waited for it would find it ended.
    const told =
      sh(`keep() { sleep 90 & echo $! >child; }; digest_of() { each_reader 'sha256sum --' '' asked_digests; }
READS="\${NL}keep|${at("services/file")}\${NL}"; readers="keep|$NL"; digest_of; kill "$(cat child)" && echo runs`);
    expect(told).toBe("runs");
  });

  it("a ring of links is read with the service user's rights, and the look at it ends", () => {
    sh("ln -s ring roots/ring");
    expect(reader("roots/ring")).toBe(SERVICE_READS);
  });

  it("a file that redis.conf names is not read as root through the service user's link", () => {
    sh("ln -s ../roots services/acl; chmod 700 roots; echo 'root only' >roots/users.acl");
    const read = `DROP='setpriv --reuid=${SERVICE} --regid=${SERVICE} --clear-groups'
named_reader services/acl/users.acl; $AS cat services/acl/users.acl`.replaceAll(
      "services/",
      `${top}/services/`,
    );
    expect(sh(`${read}; true`)).toBe("");
  });

  it("a forged reader gives digests of no other file than the one it was asked for", () => {
    const [asked, other] = [at("services/file"), at("roots/file")];
    const line = (digit: string, path: string) => `${digit.repeat(64)}  ${path}`;
    const forged = [
      line("a", asked),
      line("b", other),
      `x${line("c", other)}  ${asked}`,
      line("d", `${asked}\n${other}`),
    ];
    writeFileSync(at("forged"), forged.join("\n"));
    const told = sh(`forge() { cat '${at("forged")}'; }
READS="\${NL}forge|${asked}\${NL}|${other}$NL"; readers="forge|$NL|$NL"; each_reader 'sha256sum --' '' asked_digests`);
    const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    expect(told.split("\n")).toEqual([line("a", asked), line("d", asked), `${empty}  ${other}`]);
  });
});
