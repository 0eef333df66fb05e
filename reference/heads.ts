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

/** Some heads of a tensor, counted through all batch entries, as copies in a tensor [1, heads, tokens, dim]; one may come several times. */
export function takeHeads<Data extends FloatData>(
  { data, shape: [, , tokens, dim] }: Tensor<Data>,
  heads: readonly number[],
): Tensor<Data> {
  const size = tokens * dim, Type = data.constructor as new (length: number) => Data;
  const taken = new Type(heads.length * size);
  heads.forEach((head, i) => taken.set(data.subarray(head * size, (head + 1) * size), i * size));
  return { data: taken, shape: [1, heads.length, tokens, dim] };
}

/** A call in which every query head has a key head of its own: keys and values are repeated where heads share them. */
export function ownKeyHeads({ q, k, v }: Qkv): Qkv {
  const [batch, heads] = q.shape;
  if (k.shape[1] === heads) return { q, k, v };
  const kvHeads = Array.from({ length: batch * heads }, (_, head) => kvHeadOf({ q, k }, head));
  const repeated = (rows: Tensor<FloatData>) => {
    const { data, shape: [, , tokens, dim] } = takeHeads(rows, kvHeads);
    return { data, shape: [batch, heads, tokens, dim] };
  };
  return { q, k: repeated(k), v: repeated(v) };
}
