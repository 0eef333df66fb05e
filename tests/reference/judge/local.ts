/**
 * The smallest mistake in a part of a tensor that is seen: by the bounds of the whole tensor, and by those of the part.
 *
 * @module
 */
import { pyramidAttention, seededRandom, type Tensor } from "../../../mod.ts";
import { roundTo } from "../../../fixtures/workloads.ts";
import { compare } from "../../../reference/judge/metrics.ts";
import { type AttentionBounds, attentionBounds } from "../../../reference/judge/attention_parts.ts";
import type { KernelDType } from "../../../reference/judge/tolerance.ts";

/** Sizes: 4 heads, of 16 blocks of 64 tokens. */
export const SIZES = { heads: 4, tokens: 1024, block: 64 } as const;

/** The parts that are made wrong; the names of the rows of the table in docs/parts.md. */
export const PARTS = ["one of 4 heads", "one of 64 query blocks", "one of 4096 rows", "one element"] as const;

/** The element types with the arithmetic whose bounds are used: the loosest usual one. */
export const ARITHMETICS: Readonly<Record<KernelDType, string>> = {
  f32: "f32",
  f16: "queries in f16",
  bf16: "queries in bf16",
};

const HEAD = 2, BLOCK = 5, ROW = 337;

/** A call's truth and bounds. */
export interface LocalCall {
  readonly want: Tensor<Float64Array>;
  readonly bounds: AttentionBounds;
  readonly dim: number;
}

/** A call with its truth and bounds. */
export function localCall(dtype: KernelDType, dim: number): LocalCall {
  const { heads, tokens, block } = SIZES, random = seededRandom(1), length = heads * tokens * dim;
  const make = (): Tensor<Float32Array> => {
    const data = roundTo(dtype, Float64Array.from({ length }, () => random.normal()));
    return { data: data as Float32Array, shape: [1, heads, tokens, dim] };
  };
  const qkv = { q: make(), k: make(), v: make() }, count = tokens / block;
  const choice = [1, 2, 4, 8];
  const levels = {
    data: Int32Array.from({ length: heads * count ** 2 }, () => choice[random.below(4)]),
    shape: [1, heads, count, count],
  };
  const options = { blockM: block, blockN: block }, want = pyramidAttention(qkv, levels, options).out;
  const bounds = attentionBounds(qkv, levels, { ...options, dtype, arithmetic: ARITHMETICS[dtype] });
  return { want, bounds, dim };
}

/** Whether an element is of a part. */
function isIn(part: typeof PARTS[number], at: number, dim: number): boolean {
  const { tokens, block } = SIZES, row = Math.floor(at / dim), token = row % tokens;
  if (Math.floor(row / tokens) !== HEAD) return false;
  if (part === "one of 4 heads") return true;
  if (part === "one of 64 query blocks") return Math.floor(token / block) === BLOCK;
  return token === ROW && (part === "one of 4096 rows" || at % dim === 3);
}

/** Right outputs but for a part whose elements are all off by this share of them. */
export function wrongIn(
  part: typeof PARTS[number],
  { want, dim }: Pick<LocalCall, "want" | "dim">,
  share: number,
): Tensor<Float64Array> {
  return { ...want, data: want.data.map((x, at) => isIn(part, at, dim) ? x * (1 + share) : x) };
}

/** The smallest relative error of a part that the whole tensor's bounds see, and that the part's own bound sees. */
export function smallestSeen(
  part: typeof PARTS[number],
  call: LocalCall,
): { readonly before: number; readonly now: number } {
  const large = 0.5, got = wrongIn(part, call, large), { relL2, maxAbs } = compare(got, call.want);
  const { whole, out } = call.bounds, seen = Math.max(relL2 / whole.relL2, maxAbs / whole.maxAbs);
  return { before: large / seen, now: large / Math.max(seen, out(got, call.want)?.share ?? 0) };
}
