/**
 * The tokens that each query block of a head sees, with the errors of stored and pooled tokens.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../../attention/call.ts";
import { headPyramid, visibleBlock } from "../../attention/visible.ts";
import type { Head } from "../../heads.ts";
import { poolLevels, type PyramidLevel } from "../../pyramid/pyramid.ts";
import { type FloatData, type Tensor, toFloat64 } from "../../tensor.ts";
import type { Arithmetic } from "../arithmetic.ts";
import { type BlockView, blockView } from "./view.ts";

/** The tokens that each query block of a head sees, and their errors. */
export function blocksOf(
  head: Head,
  options: PyramidAttentionOptions,
  { storage }: Arithmetic,
): (m: number) => BlockView {
  const { q, v } = head.qkv, pyramid = headPyramid(head, options), sizes = magnitudes(head, pyramid, options);
  return (m) => {
    const block = visibleBlock(head, pyramid, { ...options, m });
    const tokens = sizes === null ? block.tokens : visibleBlock(head, sizes, { ...options, m }).tokens;
    return blockView(block, tokens, { storage, dim: q.shape[3], valueDim: v.shape[3] });
  };
}

/** The pyramid of the elements' absolute values; single tokens stay as they are. Null if there are no others. */
function magnitudes(
  { qkv: { k, v } }: Head,
  pyramid: ReadonlyMap<number, PyramidLevel>,
  { blockN, tail }: PyramidAttentionOptions,
): ReadonlyMap<number, PyramidLevel> | null {
  const levels = [...pyramid.keys()].filter((level) => level > 1), single = pyramid.get(1);
  if (levels.length === 0) return null;
  const pooled = poolLevels({ k: magnitude(k), v: magnitude(v) }, { blockN, levels, tail });
  return single === undefined ? pooled : pooled.set(1, single);
}

/** The elements' absolute values. */
function magnitude(source: Tensor<FloatData>): Tensor<Float64Array> {
  const { data, shape } = toFloat64(source);
  for (let at = 0; at < data.length; at++) data[at] = Math.abs(data[at]);
  return { data, shape };
}
