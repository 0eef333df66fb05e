/**
 * Errors of parts of a tensor against bounds of their own: a mistake in one head, one block, one row or one element is
 * seen, however large the rest of the tensor is.
 *
 * @module
 */
import type { Tensor } from "../tensor.ts";

/** A part of a tensor [batch, heads, tokens, …], and how much of its bound its error takes. */
export interface PartShare {
  /** The head, counted over all batch entries. */
  readonly head: number;
  /** The block of the tokens; left out: all of the head. */
  readonly block?: number;
  /** The token; left out: all of the block, or of the head. */
  readonly row?: number;
  /** The channel; left out: all of the row. */
  readonly channel?: number;
  /** What the tokens are; default "query": the blocks of gradients of keys and values are key blocks. */
  readonly tokens?: "query" | "key";
  /** The norm of the error over its bound; above 1 it is wrong. */
  readonly share: number;
  /** The norm of the error, relative to that of the truth unless `absolute`. */
  readonly error: number;
  /** The largest that it may be. */
  readonly bound: number;
  /** Whether the error is not divided by the truth: for one number, and where the truth is 0. */
  readonly absolute: boolean;
}

/** How parts are judged. */
export interface PartOptions {
  /** Whether any part that is beyond its bound will do, and not the worst one: others need not be computed. */
  readonly any?: boolean;
}

/**
 * The part of a result that takes most of its bound.
 *
 * @param got the result, in the order of the blocks
 * @param want the truth, of the same shape
 * @param options whether any part that is wrong will do
 * @returns undefined if no part has a bound of its own
 */
export type PartJudge = (got: Tensor, want: Tensor, options?: PartOptions) => PartShare | undefined;

/**
 * The name of a part.
 *
 * @param part the part
 *
 * @example
 * ```ts
 * import { partName } from "./parts.ts";
 * const errors = { share: 4.1, error: 0.02, bound: 0.005, absolute: false };
 * console.log(partName({ head: 3, block: 5, ...errors })); // head 3, query block 5
 * ```
 */
export function partName({ head, block, row, channel, tokens = "query" }: PartShare): string {
  const parts = [`head ${head}`];
  if (row !== undefined) parts.push(`${tokens === "query" ? "row" : "key"} ${row}`);
  else if (block !== undefined) parts.push(`${tokens} block ${block}`);
  if (channel !== undefined) parts.push(`channel ${channel}`);
  return parts.join(", ");
}

/** The place of a part, its error, the truth and the bound, as norms. */
export type PartNorms =
  & Pick<PartShare, "head" | "block" | "row" | "channel" | "tokens">
  & { readonly error: number; readonly truth: number; readonly bound: number };

/** A part with the share of its bound. An error where none may be takes all of it, and more. */
export function partOf({ error, truth, bound, ...place }: PartNorms): PartShare {
  const absolute = truth === 0 || place.channel !== undefined, unit = absolute ? 1 : truth;
  return {
    ...place,
    ...{ share: error === 0 ? 0 : error / bound, error: error / unit, bound: bound / unit, absolute },
  };
}

/** The one of two parts that takes more of its bound. */
export function worse(a: PartShare | undefined, b: PartShare | undefined): PartShare | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return b.share > a.share ? b : a;
}

/** The squared errors and squared norms of rows of `dim` numbers; a pair that is infinite in both has no error. */
export function rowSquares(
  got: Tensor,
  want: Tensor,
  dim: number,
): { readonly errors2: Float64Array; readonly norms2: Float64Array } {
  const rows = dim === 0 ? 0 : want.data.length / dim;
  const errors2 = new Float64Array(rows), norms2 = new Float64Array(rows);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let c = 0; c < dim; c++, at++) {
      const truth = want.data[at];
      if (got.data[at] !== truth) errors2[row] += (got.data[at] - truth) ** 2;
      if (Number.isFinite(truth)) norms2[row] += truth ** 2;
    }
  }
  return { errors2, norms2 };
}
