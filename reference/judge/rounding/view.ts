/**
 * The tokens that a query block and a row see, with the squared errors of stored numbers.
 *
 * @module
 */
import type { VisibleBlock, VisibleTokens } from "../../attention/visible.ts";
import type { Arithmetic } from "../arithmetic.ts";
import { AlikeKeys } from "./alike_keys.ts";

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

/**
 * The tokens that a query block sees, with their squared errors.
 *
 * @param block what it sees
 * @param errors the squared errors of its keys and values
 * @param options the kernel's storage, and the dimension of keys
 */
export function blockView(
  block: VisibleBlock,
  { keys: keyErrors, values: valueErrors }: Pick<VisibleTokens, "keys" | "values">,
  { storage, dim }: Pick<Arithmetic, "storage"> & { readonly dim: number },
): BlockView {
  const { keys, counts } = block.tokens;
  return {
    block,
    keyErrors,
    pooledKeys: new AlikeKeys({ keys, errors: keyErrors, counts, dim }, storage),
    valueErrors,
  };
}
