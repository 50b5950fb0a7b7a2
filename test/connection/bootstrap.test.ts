import { describe, expect, it } from "vitest";
import { bootstrap } from "../../src/connection/bootstrap.ts";

describe.each(["no", "sudo", "sudo with password"] as const)(
  "the command that a login shell gets (become: %s)",
  (become) => {
    const { command, started, prompt, payload } = bootstrap("echo 'a secret'", become);

    it("means the same to sh, fish and csh", () => {
      // fish reads backslashes inside single quotes, csh expands `!` there and ends them at a line break.
      expect(command).not.toMatch(/[\\!\n]/);
      expect(command).toMatch(/^exec \/bin\/sh -c( '[^']+')+$/);
      // Old csh reads no more than 1024 bytes of one word.
      expect(command.length).toBeLessThan(1024);
    });

    it("contains nothing of the script, since other users can read a command line", () => {
      expect(command).not.toContain("secret");
      expect(payload.toString()).toContain("echo 'a secret'");
    });

    it("cannot be taken for its own answer when a shell echoes it", () => {
      expect(command).not.toContain(started);
      expect(command).not.toContain(prompt);
    });

    it("is different in each run", () => {
      expect(bootstrap("true", become).started).not.toBe(started);
    });
  },
);

it("a script with NUL is refused, since shells drop it silently", () => {
  expect(() => bootstrap("echo a\0b", "no")).toThrow("NUL");
});
