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

/** A tensor with two axes exchanged. */
export function exchangedAxes({ data, shape }: Tensor, a: number, b: number): Tensor {
  const order = shape.map((_, axis) => axis === a ? b : axis === b ? a : axis), other = data.slice();
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((x, y) => x * y, 1));
  const sizes = order.map((axis) => shape[axis]);
  for (let at = 0; at < data.length; at++) {
    let rest = at, from = 0;
    for (let axis = sizes.length - 1; axis >= 0; axis--) {
      from += rest % sizes[axis] * strides[order[axis]];
      rest = Math.floor(rest / sizes[axis]);
    }
    other[at] = data[from];
  }
  return { data: other, shape: sizes };
}

/** A tensor [batch, heads, tokens, …] with more tokens, which are 0. */
export function paddedTokens({ data, shape }: Tensor, tokens: number): Tensor<Float32Array> {
  const [batch, heads, own, width = 1] = shape, all = new Float32Array(batch * heads * tokens * width);
  data.forEach((x, at) => {
    const part = Math.floor(at / (own * width));
    all[part * tokens * width + at % (own * width)] = x;
  });
  return { data: all, shape: [batch, heads, tokens, ...shape.slice(3)] };
}
