import { buildPyramid, InputError, type Tail, tensor } from "../../../mod.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

/** One head with one channel. */
const column = (...numbers: number[]) => tensor(new Float64Array(numbers), [1, 1, numbers.length, 1]);

/** Pooled keys and counts of a sequence. */
function pooled(numbers: number[], { blockN, level, tail }: { blockN: number; level: number; tail?: Tail }) {
  const k = column(...numbers), v = column(...numbers.map((x) => -x));
  const made = buildPyramid({ k, v }, { blockN, levels: [level], tail }).get(level)!;
  assertEquals([...made.v.data], [...made.k.data].map((x) => -x));
  assertEquals(made.k.shape, [1, 1, made.counts.length, 1]);
  return { means: [...made.k.data], counts: [...made.counts] };
}

Deno.test("buildPyramid: a level holds the means of runs of that many tokens", () => {
  const numbers = [1, 3, 5, 9, 0, 2, 4, 6];
  assertEquals(pooled(numbers, { blockN: 4, level: 1 }), { means: numbers, counts: Array(8).fill(1) });
  assertEquals(pooled(numbers, { blockN: 4, level: 2 }), { means: [2, 7, 1, 5], counts: [2, 2, 2, 2] });
  assertEquals(pooled(numbers, { blockN: 4, level: 4 }), { means: [4.5, 3], counts: [4, 4] });
});

Deno.test("buildPyramid: the exact tail averages the real tokens only, and empty runs do not exist", () => {
  assertEquals(pooled([1, 3, 5], { blockN: 4, level: 2 }), { means: [2, 5], counts: [2, 1] });
  assertEquals(pooled([1, 3, 5, 7, 8], { blockN: 4, level: 2 }), { means: [2, 6, 8], counts: [2, 2, 1] });
  assertEquals(pooled([1, 3, 5, 7, 8], { blockN: 4, level: 4 }), { means: [4, 8], counts: [4, 1] });
});

Deno.test("buildPyramid: the replicated tail repeats the last token up to the block's end, but not at level 1", () => {
  const tail = "replicate";
  assertEquals(pooled([1, 3, 5], { blockN: 4, level: 2, tail }), { means: [2, 5], counts: [2, 2] });
  assertEquals(pooled([1, 3, 5, 7, 8], { blockN: 4, level: 2, tail }), {
    means: [2, 6, 8, 8],
    counts: [2, 2, 2, 2],
  });
  assertEquals(pooled([1, 3, 5, 7, 0], { blockN: 4, level: 4, tail }), { means: [4, 0], counts: [4, 4] });
  assertEquals(pooled([1, 3, 5], { blockN: 4, level: 1, tail }), { means: [1, 3, 5], counts: [1, 1, 1] });
});

Deno.test("buildPyramid: heads, batch entries and channels stay apart, whatever the element type", () => {
  const k = tensor(Float16Array.from({ length: 2 * 2 * 2 * 3 }, (_, i) => i), [2, 2, 2, 3]);
  const v = tensor(Float16Array.from({ length: 2 * 2 * 2 }, (_, i) => i), [2, 2, 2, 1]);
  const made = buildPyramid({ k, v }, { blockN: 2, levels: [2] }).get(2)!;
  assertEquals([...made.k.data], [1.5, 2.5, 3.5, 7.5, 8.5, 9.5, 13.5, 14.5, 15.5, 19.5, 20.5, 21.5]);
  assertEquals([...made.v.data], [0.5, 2.5, 4.5, 6.5]);
  assertEquals([made.k.shape, made.v.shape], [[2, 2, 1, 3], [2, 2, 1, 1]]);
});

Deno.test("buildPyramid: only the levels that are asked for, up to the whole block", () => {
  const x = column(...Array(32).keys());
  assertEquals([...buildPyramid({ k: x, v: x }, { blockN: 16, levels: [16, 1] }).keys()], [16, 1]);
});

Deno.test("buildPyramid: bad input is refused by name", () => {
  const x = column(1, 2, 3, 4), y = column(1, 2, 3);
  const refused = (options: { blockN: number; levels: number[]; tail?: string }, sentence: string) =>
    assertThrows(
      () => buildPyramid({ k: x, v: x }, options as { blockN: number; levels: number[]; tail?: Tail }),
      InputError,
      sentence,
    );
  refused(
    { blockN: 4, levels: [3] },
    "`levels` holds 3; a level should be a power of two that divides `blockN`, 4.",
  );
  refused({ blockN: 4, levels: [8] }, "`levels` holds 8");
  refused({ blockN: 12, levels: [8] }, "`levels` holds 8");
  refused({ blockN: 12, levels: [6] }, "`levels` holds 6");
  refused({ blockN: 4, levels: [0] }, "`levels` holds 0");
  refused({ blockN: 0, levels: [1] }, "`blockN` is 0; it should be a positive number of tokens.");
  refused({ blockN: 4, levels: [1], tail: "drop" }, '`tail` is "drop"; it should be "exact" or "replicate".');
  assertThrows(
    () => buildPyramid({ k: x, v: y }, { blockN: 4, levels: [1] }),
    InputError,
    "`k` has shape [1,1,4,1] and `v` [1,1,3,1]; batch, heads and tokens should be the same.",
  );
});
