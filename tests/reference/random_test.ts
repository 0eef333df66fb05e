import { InputError } from "../../mod.ts";
import { seededRandom } from "../../reference/random.ts";
import { assert, assertEquals, assertThrows } from "../support/assert.ts";

const PINNED = [3739852929, 1311632150, 0.9882759780157357, 422, -0.7276153564453125];
const DRAWS = 200_000;

/** The mean of a power of numbers that a stream draws. */
function moment(draw: () => number, power: number): number {
  let sum = 0;
  for (let i = 0; i < DRAWS; i++) sum += draw() ** power;
  return sum / DRAWS;
}

Deno.test("random: the same seeds give the same numbers on every machine", () => {
  const random = seededRandom(2512, 4025);
  assertEquals(
    [random.integer(), random.integer(), random.uniform(), random.below(1000), random.normal()],
    PINNED,
  );
});

Deno.test("random: streams of neighbouring seeds differ and do not follow each other", () => {
  const first = new Set<number>();
  for (let a = 0; a < 100; a++) {
    for (let b = 0; b < 100; b++) first.add(seededRandom(a, b).integer());
  }
  assertEquals(first.size, 10_000);
  const one = seededRandom(0, 0), two = seededRandom(0, 1);
  const correlation = moment(() => one.normal() * two.normal(), 1);
  assert(Math.abs(correlation) < 5 / Math.sqrt(DRAWS), `correlation is ${correlation}`);
});

Deno.test("random: uniform and normal numbers have their moments, to five standard errors", () => {
  const bound = 5 / Math.sqrt(DRAWS), random = seededRandom(1);
  for (
    const [name, draw, power, want, deviation] of [
      ["uniform mean", random.uniform, 1, 1 / 2, Math.sqrt(1 / 12)],
      ["uniform square", random.uniform, 2, 1 / 3, Math.sqrt(4 / 45)],
      ["normal mean", random.normal, 1, 0, 1],
      ["normal variance", random.normal, 2, 1, Math.sqrt(1.9)],
      ["normal fourth moment", random.normal, 4, 2.9, Math.sqrt(85)],
      ["below", () => random.below(7), 1, 3, 2],
    ] as const
  ) {
    const got = moment(draw, power);
    assert(Math.abs(got - want) < bound * deviation, `${name} is ${got}, not ${want}`);
  }
});

Deno.test("random: a seed that is not a whole number is refused", () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53]) {
    assertThrows(() => seededRandom(seed), InputError, "`seed`");
  }
});
