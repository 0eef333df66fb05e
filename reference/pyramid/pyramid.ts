/**
 * The pyramid: keys and values averaged over runs of 1, 2, 4, … tokens (docs/definition.md#pyramid).
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { type FloatData, requireTensor, type Tensor, toFloat64 } from "../tensor.ts";

/**
 * How the last, partial key block is pooled: `exact` averages the real tokens only; `replicate`, as the released code
 * does, first repeats the last token until the block is full.
 */
export type Tail = "exact" | "replicate";

/** Keys and values at one level of the pyramid. */
export interface PyramidLevel {
  /** Pooled keys, [batch, key heads, pooled tokens, head dimension]. */
  readonly k: Tensor<Float64Array>;
  /** Pooled values, [batch, key heads, pooled tokens, value dimension]. */
  readonly v: Tensor<Float64Array>;
  /** How many tokens each pooled token stands for; pooled token t covers [t * level, t * level + counts[t]). */
  readonly counts: Int32Array;
}

/** Options of {@link buildPyramid}. */
export interface PyramidOptions {
  /** Key block size in tokens; every level must divide it. */
  readonly blockN: number;
  /** The levels to build: powers of two that divide `blockN`. */
  readonly levels: readonly number[];
  /** How the last, partial key block is pooled; default `exact`. */
  readonly tail?: Tail;
}

/**
 * Pools keys and values to every level that is asked for (docs/definition.md#pyramid). Since a level divides the key
 * block, runs never cross blocks: block j holds the pooled tokens from j * blockN / level on.
 *
 * @param kv keys [batch, key heads, tokens, head dimension] and values [batch, key heads, tokens, value dimension]
 * @param options key block size, levels and tail policy
 * @returns level to pooled keys, pooled values and counts
 * @throws {InputError} if k and v disagree, `blockN` is not a positive integer or a level does not divide it
 *
 * @example
 * ```ts
 * import { buildPyramid } from "./pyramid.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array([1, 3, 5]), [1, 1, 3, 1]);
 * const pooled = buildPyramid({ k: x, v: x }, { blockN: 4, levels: [2] }).get(2)!;
 * console.log(pooled.k.data, pooled.counts); // [2, 5] [2, 1]
 * ```
 */
export function buildPyramid(
  { k, v }: { readonly k: Tensor<FloatData>; readonly v: Tensor<FloatData> },
  { blockN, levels, tail = "exact" }: PyramidOptions,
): Map<number, PyramidLevel> {
  requireTensor("k", k);
  requireTensor("v", v);
  requireInput(
    k.shape.length === 4 && v.shape.length === 4 &&
      [0, 1, 2].every((axis) => k.shape[axis] === v.shape[axis]),
    () => `\`k\` has shape [${k.shape}] and \`v\` [${v.shape}]; batch, heads and tokens should be the same.`,
  );
  requireBlock("blockN", blockN);
  requireTail(tail);
  for (const level of levels) {
    requireInput(
      isLevel(level, blockN),
      () => `\`levels\` holds ${level}; a level should be a power of two that divides \`blockN\`, ${blockN}.`,
    );
  }
  return poolLevels({ k, v }, { blockN, levels, tail });
}

/** {@link buildPyramid} of inputs that have been checked. */
export function poolLevels(
  { k, v }: { readonly k: Tensor<FloatData>; readonly v: Tensor<FloatData> },
  { blockN, levels, tail = "exact" }: PyramidOptions,
): Map<number, PyramidLevel> {
  const keys = toFloat64(k), values = toFloat64(v);
  const pyramid = new Map<number, PyramidLevel>();
  for (const level of levels) {
    const counts = pooledCounts(k.shape[2], level, { blockN, tail });
    const pooled = (tokens: Tensor<Float64Array>) => level === 1 ? tokens : pool(tokens, level, counts);
    pyramid.set(level, { k: pooled(keys), v: pooled(values), counts });
  }
  return pyramid;
}

/** Whether a number is a level of the pyramid: a power of two that divides the key block. */
export function isLevel(level: number, blockN: number): boolean {
  return Number.isInteger(level) && level > 0 && Number.isInteger(Math.log2(level)) && blockN % level === 0;
}

/** Throws unless a block size is a positive integer. */
export function requireBlock(name: string, block: number): void {
  requireInput(
    Number.isInteger(block) && block > 0,
    () => `\`${name}\` is ${block}; it should be a positive number of tokens.`,
  );
}

/** Throws unless a tail policy is one of the two. */
export function requireTail(tail: string): asserts tail is Tail {
  requireInput(
    tail === "exact" || tail === "replicate",
    () => `\`tail\` is "${tail}"; it should be "exact" or "replicate".`,
  );
}

/** How many tokens every pooled token stands for. At level 1 the repeated tokens are dropped. */
export function pooledCounts(
  tokens: number,
  level: number,
  { blockN, tail }: { readonly blockN: number; readonly tail: Tail },
): Int32Array {
  if (tail === "exact" || level === 1) {
    const pooled = Math.ceil(tokens / level);
    return Int32Array.from({ length: pooled }, (_, t) => Math.min(level, tokens - t * level));
  }
  return new Int32Array(Math.ceil(tokens / blockN) * (blockN / level)).fill(level);
}

/** Means of runs of tokens; positions after the last token read the last token. */
function pool(
  { data, shape }: Tensor<Float64Array>,
  level: number,
  counts: Int32Array,
): Tensor<Float64Array> {
  const [batch, heads, tokens, dim] = shape;
  const means = new Float64Array(batch * heads * counts.length * dim);
  for (let head = 0, to = 0; head < batch * heads; head++) {
    for (let t = 0; t < counts.length; t++, to += dim) {
      const count = counts[t], real = Math.min(count, tokens - t * level);
      const from = (head * tokens + t * level) * dim, last = (head * tokens + tokens - 1) * dim;
      for (let c = 0; c < dim; c++) {
        let sum = 0;
        for (let i = 0, at = from + c; i < real; i++, at += dim) sum += data[at];
        for (let i = Math.max(0, real); i < count; i++) sum += data[last + c];
        means[to + c] = sum / count;
      }
    }
  }
  return { data: means, shape: [batch, heads, counts.length, dim] };
}
