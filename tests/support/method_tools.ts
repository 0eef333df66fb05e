/**
 * Small inputs for methods: some whose importance is known in advance, however it is computed, and random ones.
 *
 * @module
 */
import {
  type MethodInputOptions,
  type MethodInputs,
  methodInputs,
  type Qkv,
  seededRandom,
} from "../../mod.ts";
import { randomTensor } from "./attention_case.ts";

/** The block size of {@link weighted}: the least that antidiagonal importance with stride 8 allows. */
export const BLOCK = 8;

/**
 * Inputs whose blocks have given weights. All tokens of a block are equal, query block m is the m-th unit vector, and
 * key block j has the logarithm of weights[m][j] there, so that the true mass and every kind of importance are, but for
 * a factor of the row, the weights.
 */
export function weighted(
  weights: readonly (readonly number[])[],
  { block = BLOCK, ...options }: Partial<MethodInputOptions> & { readonly block?: number } = {},
): MethodInputs {
  const dim = weights.length, columns = weights[0].length;
  const q = new Float64Array(dim * block * dim), k = new Float64Array(columns * block * dim);
  for (let i = 0; i < dim * block; i++) q[i * dim + Math.floor(i / block)] = 1;
  for (let i = 0; i < columns * block; i++) {
    for (let m = 0; m < dim; m++) {
      k[i * dim + m] = Math.log(weights[m][Math.floor(i / block)]) * Math.sqrt(dim);
    }
  }
  const keys = { data: k, shape: [1, 1, columns * block, dim] };
  const qkv = { q: { data: q, shape: [1, 1, dim * block, dim] }, k: keys, v: keys };
  return methodInputs(qkv, { blockM: block, blockN: block, ...options });
}

/** Sizes of {@link randomInputs}. */
export interface RandomSizes extends Partial<MethodInputOptions> {
  readonly heads?: number;
  readonly kvHeads?: number;
  readonly seqQ?: number;
  readonly seqK?: number;
  readonly dim?: number;
  readonly valueDim?: number;
}

/** Random tensors of a call. */
export function randomQkv(
  { heads = 2, kvHeads = heads, seqQ = 64, seqK = seqQ, dim = 6, valueDim = 5, seed = 1 }: RandomSizes = {},
): Qkv<Float64Array> {
  const random = seededRandom(seed);
  return {
    q: randomTensor([1, heads, seqQ, dim], random),
    k: randomTensor([1, kvHeads, seqK, dim], random),
    v: randomTensor([1, kvHeads, seqK, valueDim], random),
  };
}

/** Random inputs, with blocks of 16 queries and 8 keys unless told otherwise. */
export function randomInputs(sizes: RandomSizes = {}): MethodInputs {
  return methodInputs(randomQkv(sizes), { blockM: 16, blockN: 8, ...sizes });
}

/** The levels of a selection, row by row; of the first head. */
export function rowsOf(
  { data, shape }: { readonly data: Int32Array; readonly shape: readonly number[] },
): string[] {
  const columns = shape[3];
  return Array.from({ length: shape[2] }, (_, m) => data.subarray(m * columns, (m + 1) * columns).join(" "));
}
