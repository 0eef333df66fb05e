/**
 * One head of a call as a call of its own, on the same data.
 *
 * @module
 */
import type { FloatData, Qkv, Tensor } from "./tensor.ts";

/** One query head with the keys and values that it reads: all tensors are [1, 1, …]. */
export interface Head {
  readonly qkv: Qkv;
  readonly levels: Tensor<Int32Array>;
}

/** The part of a call that one query head reads; nothing is copied. */
export function headOf({ q, k, v }: Qkv, levels: Tensor<Int32Array>, batchHead: number): Head {
  const kvHead = kvHeadOf({ q, k }, batchHead);
  return {
    qkv: { q: headSlice(q, batchHead), k: headSlice(k, kvHead), v: headSlice(v, kvHead) },
    levels: headSlice(levels, batchHead),
  };
}

/** The key head that a query head reads; both are counted through all batch entries. */
export function kvHeadOf({ q, k }: Pick<Qkv, "q" | "k">, batchHead: number): number {
  const [, heads] = q.shape, [, kvHeads] = k.shape;
  return Math.floor(batchHead / heads) * kvHeads + Math.floor((batchHead % heads) / (heads / kvHeads));
}

/** One head of a tensor as a tensor of its own on the same data. */
export function headSlice<Data extends FloatData | Int32Array>(
  { data, shape }: Tensor<Data>,
  index: number,
): Tensor<Data> {
  const size = shape[2] * shape[3];
  return { data: data.subarray(index * size, (index + 1) * size) as Data, shape: [1, 1, shape[2], shape[3]] };
}
