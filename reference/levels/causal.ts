/**
 * Which key blocks a causal query block can see: sequences are aligned at their ends (docs/definition.md#attention).
 *
 * @module
 */
import { InputError, requireInput } from "../errors.ts";
import { requireTensor, type Tensor } from "../tensor.ts";

/** The sizes that place blocks on the diagonal. */
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

/** The position of a key block relative to a query block. */
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

/**
 * Throws unless a tensor [batch, heads, query blocks, key blocks] has as many blocks as these sizes make; sizes that
 * are missing are not checked.
 *
 * @throws {InputError} naming the tensor, its shape and the blocks that the sizes make
 */
export function requireBlockCounts(
  name: string,
  given: Tensor,
  { blockM = NaN, blockN = NaN, seqQ = NaN, seqK = NaN }: Partial<CausalSizes>,
): void {
  requireTensor(name, given);
  const { shape } = given;
  requireInput(
    shape.length === 4,
    () => `\`${name}\` has shape [${shape}]; it should be [batch, heads, query blocks, key blocks].`,
  );
  const rows = Math.ceil(seqQ / blockM), columns = Math.ceil(seqK / blockN);
  requireInput(
    Number.isNaN(rows) || rows === shape[2],
    () => `\`${name}\` has ${shape[2]} query blocks; ${seqQ} queries in blocks of ${blockM} make ${rows}.`,
  );
  requireInput(
    Number.isNaN(columns) || columns === shape[3],
    () => `\`${name}\` has ${shape[3]} key blocks; ${seqK} keys in blocks of ${blockN} make ${columns}.`,
  );
}
