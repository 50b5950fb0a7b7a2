import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isRevoked } from "../../src/connection/revoked-keys.ts";
import { type Directory, generateKey, temporaryDirectory } from "./support/server.ts";

let directory: Directory;
beforeEach(() => {
  directory = temporaryDirectory();
});
afterEach(() => directory[Symbol.dispose]());

const [bad, good, other] = [generateKey(), generateKey(), generateKey("ecdsa")];

/** A key revocation list by OpenSSH itself. @param specification as ssh-keygen(1) has it. */
function list(specification: string): string {
  const file = join(directory.path, "list.krl");
  execFileSync("ssh-keygen", ["-k", "-f", file, directory.write("specification", `${specification}\n`)]);
  return file;
}

describe("a file of RevokedHostKeys", () => {
  it("holds keys, one a line", () => {
    const file = directory.write(
      "revoked",
      `# lost in March\n\n${other.public}\n${bad.public} old redis-03\n`,
    );
    expect([bad, other, good].map(({ blob }) => isRevoked(blob, file))).toEqual([true, true, false]);
  });

  it.each(["key", "sha1", "sha256"])("is a revocation list of ssh-keygen: %s", (by) => {
    const file = list([other, bad].map((key) => `${by}: ${key.public}`).join("\n"));
    expect([bad, other, good].map(({ blob }) => isRevoked(blob, file))).toEqual([true, true, false]);
  });

  it("is a revocation list that also names certificates", () => {
    const file = join(directory.path, "list.krl");
    const ca = directory.write("ca.pub", good.public);
    const specification = directory.write(
      "specification",
      `serial: 1-20\nid: redis-03\nkey: ${bad.public}\n`,
    );
    execFileSync("ssh-keygen", ["-k", "-f", file, "-s", ca, specification]);
    expect([bad, good].map(({ blob }) => isRevoked(blob, file))).toEqual([true, false]);
  });

  it.each<[string, () => string, string]>([
    ["is not there", () => join(directory.path, "gone"), "ENOENT"],
    ["is a folder", () => directory.path, "not a regular file"],
    ["is a device", () => "/dev/zero", "not a regular file"],
    ["holds a line that is no key", () => directory.write("revoked", `${bad.public}\nnonsense\n`), "line 2"],
    [
      "is a list that was cut off",
      () => {
        const file = list(`key: ${bad.public}`);
        execFileSync("truncate", ["-s", "-5", file]);
        return file;
      },
      "cut off",
    ],
    [
      "is a list with what nobody knows here",
      () => {
        const file = list(`key: ${bad.public}`);
        execFileSync("sh", ["-c", `printf '\\377\\0\\0\\0\\1x' >>${file}`]);
        return file;
      },
      "kind 255",
    ],
  ])("that %s is an error, whatever key is asked about", (_, make, message) => {
    const file = make();
    mkdirSync(join(directory.path, "folder"));
    expect(() => isRevoked(good.blob, file)).toThrow(message);
  });
});
