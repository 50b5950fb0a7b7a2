import { describe, expect, it } from "vitest";
import { Gate, type LoginOutcome } from "../../src/connection/gate.ts";

type Leave = (outcome: LoginOutcome) => void;

/**
 * Logins through a gate to a server that takes so many at once and hangs up on the next. It lets all in who stand there, round by
 * round; of one that it hung up on, the gate hears some rounds later.
 * @returns how often it hung up, the rounds that all logins took, and the most that stood there at once
 */
async function logIn(count: number, { takes, late }: { takes: number; late: number }) {
  const gate = new Gate();
  const { signal } = new AbortController();
  const standing: Leave[] = [];
  const hungUp: { leave: Leave; heardIn: number }[] = [];
  const found = { refused: 0, rounds: 0, most: 0 };
  const knock = async () => {
    const leave = await gate.enter(signal);
    if (standing.length < takes) standing.push(leave);
    else {
      found.refused++;
      hungUp.push({ leave, heardIn: found.rounds + late });
    }
    found.most = Math.max(found.most, standing.length);
  };
  for (let login = 0; login < count; login++) void knock();
  for (let done = 0; done < count; found.rounds++) {
    // Whoever the gate lets go on has knocked by then.
    await new Promise(setImmediate);
    for (const leave of standing.splice(0)) {
      leave("done");
      done++;
    }
    while (hungUp[0] !== undefined && hungUp[0].heardIn <= found.rounds) {
      hungUp.shift()?.leave("dropped");
      void knock();
    }
  }
  return found;
}

// A login over ssh is seen to be lost when that process has ended: on a busy machine others have got in meanwhile.
describe.each([0, 3])("where it is heard %i rounds later that a server hung up", (late) => {
  it("one that takes ten logins at once turns hardly any away, and has ten to do", async () => {
    expect(await logIn(40, { takes: 10, late })).toMatchObject({ refused: 1, most: 10 });
    const many = await logIn(400, { takes: 10, late });
    expect(many.refused).toBeLessThan(5);
    expect(many.rounds).toBeLessThan(50);
  });

  it("one that takes three turns away few more than came at first", async () => {
    const { refused, rounds } = await logIn(40, { takes: 3, late });
    expect(refused).toBeLessThan(9);
    expect(rounds).toBeLessThan(20);
  });
});

it("one that takes all gets more at once with each round", async () => {
  expect(await logIn(400, { takes: 1000, late: 0 })).toMatchObject({ refused: 0, most: 28, rounds: 22 });
});
