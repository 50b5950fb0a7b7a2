/** Who would notice, on a real host: predicted by plan, met by clients after apply, and read again by apply. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { clientsBeside, SHORT, UsedHost } from "../../measure/proof/impact.ts";

let beside: ReturnType<typeof clientsBeside>;
let used: UsedHost;
beforeAll(async () => {
  beside = clientsBeside();
  used = await UsedHost.start(beside);
});
afterAll(async () => {
  await used?.[Symbol.asyncDispose]();
  await beside?.[Symbol.asyncDispose]();
});

describe("the impact in a plan", () => {
  it("names the client that is denied afterwards, and --fail-on-impact touches nothing before", async () => {
    await used.hammer({ name: "hammer", from: "elsewhere", user: "app", run: ["KEYS", "*"] });
    const playbook = used.project.playbook("first.yml", SHORT.tasks);
    const refused = await used.project.run("apply", playbook, "--fail-on-impact", "--yes");
    expect(refused.status).toBe(3);
    expect(refused.host("redis-01")).toMatchObject({ status: "refused", error: { where: "impact" } });
    const { rows, applied } = await used.run(SHORT);
    expect(rows.map(({ name, predicted, denied }) => [name, predicted, denied])).toEqual([
      ["stranger", true, true],
      ["writer", false, false],
      ["scanner", true, true],
      ["carter", true, true],
    ]);
    expect(
      applied.impact.filter(({ kind }) => kind === "denied-after-apply").map(({ detail }) => detail),
    ).toContainEqual(
      expect.stringMatching(/^user app from \S+ \(hammer\) was denied KEYS .* since the change\.$/),
    );
    expect(applied.access?.users.map(({ user, enabled }) => [user, enabled])).toEqual([
      ["admin", true],
      ["app", true],
      ["default", false],
      ["metrics", true],
    ]);
  });
});
