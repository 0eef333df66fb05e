/**
 * The similarity cap: a limit on the level of key blocks with dissimilar tokens (docs/definition.md#cap).
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { isLevel, requireBlock } from "../pyramid/pyramid.ts";
import { type FloatData, requireTensor, type Tensor } from "../tensor.ts";

/** Options of {@link similarityCap}. */
export interface SimilarityOptions {
  /** Key block size in tokens. */
  readonly blockN: number;
  /** The similarity that each level needs, such as `{ 2: 0.7, 4: 0.65, 8: 0.6 }`. */
  readonly thresholds: Readonly<Record<number, number>>;
}

/**
 * The largest level that each key block may have: the largest r for which the mean, over the block's groups of r
 * tokens, of the cosine between a group's first and last key is above the threshold of r; 1 if there is none. A
 * partial block is padded by repeating its last token.
 *
 * @param k keys, [batch, key heads, key tokens, head dimension]
 * @param options block size and thresholds
 * @returns int32 [batch, key heads, key blocks]
 * @throws {InputError} if `k` has not four axes, a level of the thresholds does not divide the block, or a threshold
 * is no cosine
 *
 * @example
 * ```ts
 * import { similarityCap } from "./similarity.ts";
 * import { tensor } from "../tensor.ts";
 * const k = tensor(new Float64Array(16 * 2).fill(1), [1, 1, 16, 2]);
 * console.log(similarityCap(k, { blockN: 8, thresholds: { 2: 0.7, 4: 0.65, 8: 0.6 } }).data); // Int32Array [8, 8]
 * ```
 */
export function similarityCap(
  k: Tensor<FloatData>,
  { blockN, thresholds }: SimilarityOptions,
): Tensor<Int32Array> {
  requireTensor("k", k);
  requireInput(k.shape.length === 4, () => `\`k\` has shape [${k.shape}]; it should have four axes.`);
  requireBlock("blockN", blockN);
  for (const level of descending(thresholds)) {
    requireInput(
      level > 1 && isLevel(level, blockN),
      () =>
        `\`thresholds\` has level ${level}; it should be a power of two above 1 that divides \`blockN\`, ${blockN}.`,
    );
    requireInput(
      Math.abs(thresholds[level]) <= 1,
      () =>
        `\`thresholds\` has ${thresholds[level]} for level ${level}; it should be a cosine, from -1 to 1.`,
    );
  }
  return capBySimilarity(k, { blockN, thresholds });
}

/** The levels that have a threshold, the largest first. */
function descending(thresholds: SimilarityOptions["thresholds"]): number[] {
  return Object.keys(thresholds).map(Number).sort((a, b) => b - a);
}

/** {@link similarityCap} of inputs that have been checked. */
export function capBySimilarity(
  k: Tensor<FloatData>,
  { blockN, thresholds }: SimilarityOptions,
): Tensor<Int32Array> {
  const levels = descending(thresholds);
  const [batch, kvHeads, tokens] = k.shape, blocks = Math.ceil(tokens / blockN);
  const data = Int32Array.from({ length: batch * kvHeads * blocks }, (_, at) => {
    const head = Math.floor(at / blocks), first = at % blocks * blockN;
    return levels.find((level) => groupSimilarity(k, head, { first, blockN, level }) > thresholds[level]) ??
      1;
  });
  return { data, shape: [batch, kvHeads, blocks] };
}

/** The mean over a block's groups of the cosine between a group's first and last key. */
export function groupSimilarity(
  { data, shape: [, , tokens, dim] }: Tensor<FloatData>,
  head: number,
  { first, blockN, level }: { readonly first: number; readonly blockN: number; readonly level: number },
): number {
  const keyAt = (position: number) => {
    const start = (head * tokens + Math.min(position, tokens - 1)) * dim;
    return data.subarray(start, start + dim);
  };
  let sum = 0;
  for (let group = first; group < first + blockN; group += level) {
    sum += cosine(keyAt(group), keyAt(group + level - 1));
  }
  return sum / (blockN / level);
}

/** Cosine of the angle between two vectors; 0 if one has no length. */
function cosine(a: FloatData, b: FloatData): number {
  let product = 0, a2 = 0, b2 = 0;
  for (let c = 0; c < a.length; c++) {
    product += a[c] * b[c];
    a2 += a[c] * a[c];
    b2 += b[c] * b[c];
  }
  return a2 === 0 || b2 === 0 ? 0 : product / Math.sqrt(a2 * b2);
}
