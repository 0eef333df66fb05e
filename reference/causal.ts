/**
 * Which key blocks a causal query block can see: sequences are aligned at their ends (SPEC section 3).
 *
 * @module
 */
import { InputError } from "./errors.ts";

/** What it takes to place blocks on the diagonal. */
export interface CausalSizes {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Query tokens. */
  readonly seqQ: number;
  /** Key tokens. */
  readonly seqK: number;
}

/** Where a key block lies, seen from a query block. */
export interface CausalBlocks {
  /** Whether no query of block m sees any token of key block j. */
  readonly isFuture: (m: number, j: number) => boolean;
  /** Whether some query of block m sees some token of key block j, and some query does not see another. */
  readonly isDiagonal: (m: number, j: number) => boolean;
}

/**
 * Places key blocks relative to the diagonal.
 *
 * @param sizes block sizes and sequence lengths
 * @throws {InputError} if a size is missing
 */
export function causalBlocks({ blockM, blockN, seqQ, seqK }: Partial<CausalSizes>): CausalBlocks {
  if (blockM === undefined || blockN === undefined || seqQ === undefined || seqK === undefined) {
    const missing = Object.entries({ blockM, blockN, seqQ, seqK }).filter(([, size]) => size === undefined);
    throw new InputError(`\`${missing[0][0]}\` is missing; \`causal\` needs blockM, blockN, seqQ and seqK.`);
  }
  const firstPosition = (m: number) => m * blockM + seqK - seqQ;
  const lastPosition = (m: number) => Math.min((m + 1) * blockM, seqQ) - 1 + seqK - seqQ;
  const isFuture = (m: number, j: number) => j * blockN > lastPosition(m);
  const isDiagonal = (m: number, j: number) =>
    !isFuture(m, j) && Math.min((j + 1) * blockN, seqK) - 1 > firstPosition(m);
  return { isFuture, isDiagonal };
}
