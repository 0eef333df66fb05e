/** Clocks warm a device up wholly until they know how fast the work can be, and only as long as it is slower from then on. */
import { clockOf, warmUpOf } from "../../../bench/timing/clock.ts";
import type { TimingOptions } from "../../../kernels/device/work/timing.ts";
import { assertEquals } from "../../support/assert.ts";

/** A clock of work that takes some times, one a measurement, and what it asked for. */
function clockOfTimes(times: readonly number[], options: { readonly warmUp?: number }) {
  const asked: Omit<TimingOptions, "label">[] = [];
  const { measure } = clockOf((timing) => {
    const milliseconds = times.slice(asked.length, asked.length + 1);
    asked.push(timing);
    return Promise.resolve({ milliseconds, source: "timestamp" as const });
  }, options);
  return { asked, measure };
}

Deno.test("timing: a clock warms up wholly until it knows how fast the work is", async () => {
  const { asked, measure } = clockOfTimes([5, 1, 2, 1], { warmUp: 100 });
  for (let i = 0; i < 4; i++) await measure();
  assertEquals(asked.map(({ warmUp, expected }) => [warmUp, expected]), [
    [100, undefined],
    [100, undefined],
    [300, 1],
    [300, 1],
  ]);
  assertEquals(asked.map(({ repetitions }) => repetitions), [1, 4, 20, 10]);
});

Deno.test("timing: a clock of a device that gives no time goes on", async () => {
  const { asked, measure } = clockOfTimes([], { warmUp: 100 });
  for (let i = 0; i < 3; i++) assertEquals(await measure(), NaN);
  assertEquals(asked.at(-1), { repetitions: 1, warmUp: 300, expected: Infinity });
});

Deno.test("timing: what runs in software needs no warm-up, long work as little", async () => {
  const of = (subgroupSize: number) => warmUpOf({ info: { subgroupSize } } as Parameters<typeof warmUpOf>[0]);
  assertEquals([of(0), of(32) !== undefined], [undefined, true]);
  const long = clockOfTimes([500, 500], {}), short = clockOfTimes([2, 2], {});
  for (const { measure } of [long, short]) for (let i = 0; i < 2; i++) await measure();
  assertEquals(long.asked.map(({ warmUp }) => warmUp), [0, 0]);
  assertEquals(short.asked.map(({ warmUp }) => warmUp), [0, 20]);
});
