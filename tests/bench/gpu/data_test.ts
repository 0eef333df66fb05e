/** The numbers that `deno task bench:gpu` computes with. */
import { makeData } from "../../../bench/gpu/data.ts";
import { assert, assertEquals } from "../../support/assert.ts";

Deno.test("no query of the bench equals a key: such a score stands far above all others", () => {
  const headDim = 64, heads = 2, tokens = 16384;
  const shape = { batch: 1, heads, kvHeads: heads, seqQ: tokens, seqK: tokens, headDim, valueDim: headDim };
  const data = makeData({ shape, dtype: "f32" });
  const [q, k, v] = [data.q, data.k, data.v].map((each) => Float32Array.from(each));
  assertEquals([q.length, k.length, v.length], Array(3).fill(heads * tokens * headDim));
  const begins = (x: Float32Array) =>
    Array.from({ length: heads * tokens }, (_, row) => `${x.subarray(row * headDim, row * headDim + 4)}`);
  const keys = new Set(begins(k));
  assertEquals(begins(q).filter((begin) => keys.has(begin)).length, 0);
  assert(Math.abs(q.reduce((sum, x) => sum + x * x, 0) / q.length - 1) < 0.01);
});
