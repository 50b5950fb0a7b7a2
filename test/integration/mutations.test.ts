import { expect, it } from "vitest";
import { hardened, MUTATIONS, tryMutation } from "../proof/mutations.ts";

/** One of each kind: `npm run proof` tries them all. */
const TITLES = [
  "CONFIG SET protected-mode no",
  "redis.conf: without maxmemory, not loaded",
  "redis.conf: FLUSHALL is not taken away any more, not loaded",
  "users.acl: a user that was never loaded",
  "ACL SETUSER evil on nopass '~*' +@all",
  "ACL SETUSER app '~*'",
  "another private key on disk: the next start fails",
  "another certificate on disk than the one served",
  "a drop-in with ProtectSystem=no",
  "a sudoers line for the service user",
  "ufw insert 1 allow 6380/tcp",
  "the kernel's rules flushed, ufw says active",
  "a second server on every address, started by hand",
];

it("verify names the right control for a change by hand, and nothing once it is taken back", async () => {
  await using scene = await hardened();
  const missed: string[] = [];
  const chosen = MUTATIONS.filter(({ title }) => TITLES.includes(title));
  expect(chosen).toHaveLength(TITLES.length);
  for (const mutation of chosen) {
    const { title, control, failed, isNoticed, afterwards } = await tryMutation(scene, mutation);
    if (!isNoticed) missed.push(`${title}: ${control} holds; what fails: ${failed.join(", ")}`);
    missed.push(...afterwards.map((text) => `${title}, taken back: ${text}`));
  }
  expect(missed).toEqual([]);
});
