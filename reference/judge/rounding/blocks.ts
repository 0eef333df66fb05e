/**
 * The tokens that each query block of a head sees, with the errors of stored and pooled tokens.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../../attention/call.ts";
import { headPyramid, visibleBlock } from "../../attention/visible.ts";
import type { Head } from "../../heads.ts";
import type { Arithmetic } from "../arithmetic.ts";
import { errorPyramid } from "./pooled.ts";
import { type BlockView, blockView } from "./view.ts";

/** The tokens that each query block of a head sees, and their errors. */
export function blocksOf(
  head: Head,
  options: PyramidAttentionOptions,
  { storage }: Arithmetic,
): (m: number) => BlockView {
  const pyramid = headPyramid(head, options),
    errors = errorPyramid(head.qkv, pyramid, { ...options, storage });
  return (m) => {
    const { tokens } = visibleBlock(head, errors, { ...options, m });
    return blockView(visibleBlock(head, pyramid, { ...options, m }), tokens, {
      storage,
      dim: head.qkv.q.shape[3],
    });
  };
}
