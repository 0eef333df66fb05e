/**
 * The offsets of the tokens that sampled importance takes (docs/definition.md#importance).
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { type Random, randomStream, requireSeed } from "../random.ts";

/** The parameters of the offsets of one (batch, head). */
export interface SampleOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Seed of the offsets. */
  readonly seed: number;
  /** The index batch * heads + head. */
  readonly batchHead: number;
}

/**
 * The offsets inside blocks that `sampledImportance` takes for one (batch, head): blockM / 4 of queries and
 * blockN / 4 of keys, distinct, ascending.
 *
 * @param options block sizes, seed, and the index batch * heads + head
 * @throws {InputError} if a block is not a positive multiple of 4
 *
 * @example
 * ```ts
 * import { sampleOffsets } from "./sample.ts";
 * console.log(sampleOffsets({ blockM: 32, blockN: 16, seed: 1, batchHead: 0 }).key.length); // 4
 * ```
 */
export function sampleOffsets(
  { blockM, blockN, seed, batchHead }: SampleOptions,
): { query: number[]; key: number[] } {
  requireQuarters({ blockM, blockN });
  requireSeed(seed);
  requireSeed(batchHead);
  return offsetsOfHead({ blockM, blockN, seed, batchHead });
}

/** Throws unless a quarter of each block is a whole number of tokens. */
export function requireQuarters(blocks: { readonly blockM: number; readonly blockN: number }): void {
  for (const name of ["blockM", "blockN"] as const) {
    const block = blocks[name];
    requireInput(
      Number.isInteger(block) && block > 0 && block % 4 === 0,
      () => `\`${name}\` is ${block}; sampling a quarter of a block needs a positive multiple of 4.`,
    );
  }
}

/** {@link sampleOffsets} of options that have been checked. */
export function offsetsOfHead({ blockM, blockN, seed, batchHead }: SampleOptions): {
  query: number[];
  key: number[];
} {
  const random = randomStream(seed, batchHead);
  return { query: drawOffsets(random, blockM), key: drawOffsets(random, blockN) };
}

/** A quarter of the offsets of a block, without replacement, ascending. */
function drawOffsets(random: Random, block: number): number[] {
  const offsets = Array.from({ length: block }, (_, i) => i);
  for (let i = 0; i < block / 4; i++) {
    const other = i + random.below(block - i);
    [offsets[i], offsets[other]] = [offsets[other], offsets[i]];
  }
  return offsets.slice(0, block / 4).sort((a, b) => a - b);
}
