import { measureInterleaved, type MeasureOptions } from "../../../bench/timing/interleaved.ts";
import { seededRandom } from "../../../reference/random.ts";
import { assert, assertEquals } from "../../support/assert.ts";

/** A simulated machine: work takes its stated time, multiplied by how slow the machine is at the moment. */
class FakeMachine {
  clock = 0;
  readonly log: number[] = [];

  constructor(readonly slowness: (now: number) => number = () => 1) {}

  work(milliseconds: number, piece = -1): () => Promise<number> {
    return () => {
      const time = milliseconds * this.slowness(this.clock);
      this.clock += time || 1;
      if (piece >= 0) this.log.push(piece);
      return Promise.resolve(time);
    };
  }

  measure(pieces: readonly number[], changed: Partial<MeasureOptions> = {}) {
    return measureInterleaved(pieces.map((time, piece) => this.work(time, piece)), {
      ...{
        confidence: 0.95,
        precision: 0.1,
        seconds: 60,
        seed: 1,
        probe: this.work(1),
        now: () => this.clock,
      },
      ...changed,
    });
  }
}

Deno.test("measure: goes on until the confidence that was asked for is there", async () => {
  const [{ times }] = await new FakeMachine().measure([5]);
  assertEquals(times.length, 8); // 1 - 5 * 2 / 2^8 is the first confidence above .95 at a look
  const [more] = await new FakeMachine().measure([5], { confidence: 0.99 });
  assertEquals(more.times.length, 16);
});

Deno.test("measure: every piece is measured once even when the time is over, and nothing else begins", async () => {
  const measured = await new FakeMachine().measure([500, 300, 100], { seconds: 0.001 });
  assertEquals(measured.map(({ times }) => times), [[500], [300], [100]]);
});

Deno.test("measure: pieces are interleaved, in another order every round", async () => {
  const machine = new FakeMachine();
  await machine.measure([1, 1, 1, 1, 1, 1, 1, 1]);
  const rounds = Array.from({ length: 8 }, (_, i) => machine.log.slice(8 * i, 8 * i + 8));
  for (const round of rounds) assertEquals(round.toSorted(), [0, 1, 2, 3, 4, 5, 6, 7]);
  assert(new Set(rounds.map(String)).size > 3);
});

Deno.test("measure: what falls into a slow stretch is repeated and never averaged in", async () => {
  const machine = new FakeMachine((now) => now > 100 && now < 130 ? 5 : 1);
  const measured = await machine.measure([4, 8], { precision: 0.01 });
  assertEquals(measured.map(({ times }) => new Set(times)), [new Set([4]), new Set([8])]);
});

Deno.test("measure: a slow stretch at the very place of a measurement is told", async () => {
  const machine = new FakeMachine((now) => now > 15 && now < 60 ? 5 : 1);
  const measured = await machine.measure([4, 8]);
  assert(measured.some(({ repeated }) => repeated > 0));
  assertEquals(measured.map(({ times }) => Math.max(...times)), [4, 8]);
});

Deno.test("measure: a piece whose clock gives no number stays without times, and measuring ends", async () => {
  const [lost, known] = await new FakeMachine().measure([NaN, 5]);
  assertEquals([lost.times.length, lost.estimate, known.times.length], [0, null, 8]);
});

Deno.test("measure: on a machine that stays slow, measuring still ends", async () => {
  const machine = new FakeMachine((now) => now > 20 ? 1 + now / 10 : 1);
  const measured = await machine.measure([4, 8], { seconds: 1 });
  assert(measured.every(({ times, repeated }) => times.length > 0 && repeated <= 4));
});

Deno.test("measure: intervals cover the median although measuring ends when they are narrow", async () => {
  const random = seededRandom(11), rounds = 600;
  let covered = 0, early = 0;
  for (let i = 0; i < rounds; i++) {
    const work = () => Promise.resolve(Math.exp(0.1 * random.normal()));
    const [{ times, estimate }] = await measureInterleaved([work], {
      ...{ confidence: 0.9, precision: 0.15, seconds: 60, seed: i },
      probe: () => Promise.resolve(1),
      now: () => 0,
    });
    if (estimate!.low <= 1 && 1 <= estimate!.high) covered++;
    if (times.length < 64) early++;
  }
  assert(early > 0.5 * rounds, `${early} of ${rounds} ended early`);
  assert(covered >= 0.9 * rounds, `${covered} of ${rounds}`);
});
