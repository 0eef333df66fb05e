/**
 * The tokens that a query block and a row see, with the squared errors of stored numbers.
 *
 * @module
 */
import type { VisibleBlock, VisibleTokens } from "../../attention/visible.ts";
import type { Arithmetic, Format } from "../arithmetic.ts";
import { AlikeKeys } from "./alike_keys.ts";
import { SINGLE } from "./sum.ts";

/** The keys and values that a query block sees, and the squared error of each element of these keys and values. */
export interface BlockView {
  readonly block: VisibleBlock;
  readonly keyErrors: Float64Array;
  /** The effect of these errors on scores. */
  readonly pooledKeys: AlikeKeys;
  readonly valueErrors: Float64Array;
}

/** One row of a query block, and the tokens that it sees. */
export interface RowView extends BlockView {
  readonly visible: number;
  readonly query: Float64Array;
  readonly valueDim: number;
}

/** Squared error of storing a value: one rounding, or all of it if it is subnormal, for it may be flushed to 0. */
export function storeError2({ unit, normal }: Format, value: number): number {
  return (Math.abs(value) < normal ? 1 : unit ** 2 / 3) * value ** 2;
}

/**
 * The tokens that a query block sees, with the squared errors of stored means of `count` tokens; inputs are stored
 * already.
 *
 * @param block what it sees
 * @param magnitudes the same tokens pooled from |k| and |v|
 * @param options the kernel's storage, and the dimensions of keys and values
 */
export function blockView(
  block: VisibleBlock,
  magnitudes: VisibleTokens,
  { storage, dim, valueDim }: Pick<Arithmetic, "storage"> & {
    readonly dim: number;
    readonly valueDim: number;
  },
): BlockView {
  const { keys, values, counts } = block.tokens;
  const errors = (means: Float64Array, sizes: Float64Array, width: number) => {
    const result = new Float64Array(counts.length * width);
    for (let t = 0; t < counts.length; t++) {
      const count = counts[t], roundings = Math.log2(count);
      for (let at = t * width; at < (t + 1) * width; at++) {
        const value = means[at];
        result[at] = count === 1
          ? Math.abs(value) < storage.normal ? value ** 2 : 0
          : roundings * storeError2(storage, value) + count * (SINGLE * sizes[at]) ** 2 / 3;
      }
    }
    return result;
  };
  const keyErrors = errors(keys, magnitudes.keys, dim);
  return {
    block,
    keyErrors,
    pooledKeys: new AlikeKeys({ keys, errors: keyErrors, counts, dim }, storage),
    valueErrors: errors(values, magnitudes.values, valueDim),
  };
}
