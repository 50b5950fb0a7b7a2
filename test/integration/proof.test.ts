import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { CLIENTS, EXPECTED, loginOf } from "../../measure/proof/clients.ts";
import { hardened, MUTATIONS, problemsOf, tryMutation } from "../../measure/proof/mutations.ts";

/** One of each kind: `npm run proof` tries them all. */
const TITLES = [
  "redis.conf: without maxmemory, not loaded",
  "redis.conf: FLUSHALL is not taken away any more, not loaded",
  "users.acl: a user that was never loaded",
  "ACL SETUSER evil on nopass '~*' +@all",
  "another private key on disk: the next start fails",
  "a drop-in with ProtectSystem=no",
  "ufw insert 1 allow 6380/tcp",
  "the kernel's rules flushed, ufw says active",
  "a second server on every address, started by hand",
];

describe("a host hardened by the default playbook", () => {
  let scene: Awaited<ReturnType<typeof hardened>>;
  beforeAll(async () => {
    scene = await hardened();
  });
  afterAll(() => scene[Symbol.asyncDispose]());

  it.each(Object.entries(CLIENTS))(
    "serves %s with the issued certificate, and denies it what is dangerous",
    async (_name, use) => {
      const seen = await use(loginOf(scene.project, scene.host.ip));
      expect(seen).toEqual(EXPECTED.map(([what, reply]) => [what, expect.stringMatching(reply)]));
    },
  );

  it("fails the right control in verify after a change by hand, and none once it is undone", async () => {
    const missed: string[] = [];
    const chosen = MUTATIONS.filter(({ title }) => TITLES.includes(title));
    expect(chosen).toHaveLength(TITLES.length);
    for (const mutation of chosen) {
      missed.push(...problemsOf(await tryMutation(scene, mutation)));
    }
    expect(missed).toEqual([]);
  });
});
