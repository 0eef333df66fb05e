/**
 * Small tools that rearrange tensors in the tests.
 *
 * @module
 */
import { seededRandom, type Tensor } from "../../mod.ts";

/** A tensor with every element replaced. */
export function mapTensor(x: Tensor, change: (value: number, index: number) => number): Tensor<Float64Array> {
  return { data: Float64Array.from(x.data, change), shape: x.shape };
}

/** Rows of the third axis rearranged: row n of the result is row order[n] of the source. */
export function permuteRows<Data extends Float64Array | Int32Array>(
  { data, shape }: { data: Data; shape: readonly number[] },
  order: readonly number[],
): { data: Data; shape: readonly number[] } {
  const size = shape[3] ?? 1, length = shape[2], permuted = data.slice() as Data;
  for (let head = 0; head < shape[0] * shape[1]; head++) {
    order.forEach((from, to) => {
      for (let c = 0; c < size; c++) {
        permuted[(head * length + to) * size + c] = data[(head * length + from) * size + c];
      }
    });
  }
  return { data: permuted, shape };
}

/** A seeded permutation of 0 … length - 1. */
export function permutation(length: number, seed: number): number[] {
  const random = seededRandom(seed);
  return Array.from({ length }, (_, index) => ({ index, key: random.uniform() }))
    .sort((a, b) => a.key - b.key)
    .map(({ index }) => index);
}

/** One head of a tensor. */
export function head({ data, shape }: Tensor, index: number): Tensor<Float64Array> {
  const size = shape.slice(2).reduce((product, length) => product * length, 1);
  return {
    data: Float64Array.from(data.subarray(index * size, (index + 1) * size)),
    shape: [1, 1, ...shape.slice(2)],
  };
}
