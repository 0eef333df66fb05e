/**
 * Seeded inputs and levels for the benches of the reference; their values do not matter, their sizes do.
 *
 * @module
 */
import type { Qkv, Tensor } from "../../mod.ts";

/** Numbers between -1 and 1, always the same. */
function randomNumbers(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** Queries, keys and values of one batch entry. */
export function seededInputs(
  { tokens, heads, headDim }: { tokens: number; heads: number; headDim: number },
): Qkv<Float32Array> {
  const random = randomNumbers();
  const make = () => ({
    data: Float32Array.from({ length: heads * tokens * headDim }, random),
    shape: [1, heads, tokens, headDim],
  });
  return { q: make(), k: make(), v: make() };
}

/** Levels of about this density: .6 of it at level 1, .2 at level 2 and .2 at level 8. */
export function seededLevels(
  { q, k }: Qkv,
  { blockM, blockN, density }: { blockM: number; blockN: number; density: number },
): Tensor<Int32Array> {
  const random = randomNumbers();
  const shape = [1, q.shape[1], Math.ceil(q.shape[2] / blockM), Math.ceil(k.shape[2] / blockN)];
  const [full, half, eighth] = [0.6 * density, 0.4 * density, 1.6 * density];
  const data = Int32Array.from({ length: shape.reduce((a, b) => a * b) }, () => {
    const drawn = (random() + 1) / 2;
    return drawn < full ? 1 : drawn < full + half ? 2 : drawn < full + half + eighth ? 8 : 0;
  });
  return { data, shape };
}
