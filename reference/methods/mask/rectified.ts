/**
 * Rectified SpaAttn.
 *
 * @module
 */
import { BINARY_SHARES } from "../../levels/budget.ts";
import { causalBlocks } from "../../levels/causal.ts";
import { blockMeans, type HeadTokens } from "../../importance/scores.ts";
import { type Tensor, toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import type { BlockMethod, BlockSelection, MethodInputs } from "../method.ts";
import { importanceCost } from "../cost.ts";
import { levelRule, ranked } from "../select.ts";

/**
 * Rectified SpaAttn: a mask of the best blocks by mean query . mean key, whose output is corrected afterwards: blocks
 * that were skipped, but whose mean score says more than the spread of their tokens, are put back as one mean value
 * with the weight that the pooled softmax gives them, and attention over the mask is scaled down by as much.
 */
export const rectified: BlockMethod = {
  name: "rectified",
  rule: "pooled-topk, and mean values put back for skipped blocks whose pooled score can be relied on",
  granularity: "block",
  basis: "code",
  source: "Rectified SpaAttn",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: ({ sizes }) => 3 * importanceCost({ kind: "pooled" }, sizes),
  select(inputs, density): BlockSelection {
    const { blockM, blockN } = inputs.sizes;
    const weights = visibleShares(inputs), mask = ranked(inputs, weights, density);
    const { data, shape } = mask.levels,
      reliable = inputs.once("rectified gate", () => reliablePairs(inputs));
    const back = data.map((level, at) => level === 0 && reliable[at] === 1 && weights.data[at] > 0 ? 1 : 0);
    return {
      ...mask,
      density: mask.density + (1 - mask.density) / (blockM * blockN),
      represented: { data: data.map((level, at) => back[at] === 1 ? blockN : level), shape },
      correction: {
        kind: "means",
        weights: { data: weights.data.map((weight, at) => back[at] * weight), shape },
      },
      rule: levelRule(inputs, {
        importance: { kind: "pooled" },
        cut: { kind: "ranked", shares: BINARY_SHARES, rest: "skipped", density },
        correction: "means",
      }),
      finish: (out) => putBack(inputs, out, { weights, back }),
    };
  },
};

/** The pooled softmax over the blocks that a row sees. */
function visibleShares({ causal, sizes, importanceOf }: MethodInputs): Tensor<Float64Array> {
  const pooled = importanceOf({ kind: "pooled" });
  if (!causal) return pooled;
  const { isFuture } = causalBlocks(sizes), [, , rows, columns] = pooled.shape, data = pooled.data.slice();
  for (let row = 0; row * columns < data.length; row++) {
    const shares = data.subarray(row * columns, (row + 1) * columns);
    for (let j = 0; j < columns; j++) if (isFuture(row % rows, j)) shares[j] = 0;
    const sum = shares.reduce((total, share) => total + share, 0);
    if (sum > 0) { for (let j = 0; j < columns; j++) shares[j] /= sum; }
  }
  return { data, shape: pooled.shape };
}

/** 1 for pairs whose mean score is larger than what the spread of their tokens makes of it. */
function reliablePairs({ qkv: { q, k }, sizes: { blockM, blockN } }: MethodInputs): Int32Array {
  const rows = Math.ceil(q.shape[2] / blockM), columns = Math.ceil(k.shape[2] / blockN);
  const heads = q.shape[0] * q.shape[1], dim = q.shape[3];
  const reliable = new Int32Array(heads * rows * columns);
  for (let head = 0; head < heads; head++) {
    const queries = meansAndSpreads(toFloat64(headSlice(q, head)), blockM);
    const keys = meansAndSpreads(toFloat64(headSlice(k, kvHeadOf({ q, k }, head))), blockN);
    for (let at = 0; at < rows * columns; at++) {
      const m = Math.floor(at / columns) * dim, j = at % columns * dim;
      const size = (a: Float64Array, b: Float64Array) => {
        let sum = 0;
        for (let c = 0; c < dim; c++) sum += a[m + c] * b[j + c];
        return Math.abs(sum);
      };
      const spread = size(queries.spreads, keys.means) + size(queries.means, keys.spreads);
      if (size(queries.means, keys.means) > spread) reliable[head * rows * columns + at] = 1;
    }
  }
  return reliable;
}

/** The mean of every block, and its tokens' mean absolute deviation from it, by channel. */
function meansAndSpreads(tokens: HeadTokens, block: number): { means: Float64Array; spreads: Float64Array } {
  const dim = tokens.shape[3], means = blockMeans(tokens, block).data;
  const meanOf = (at: number) => means[Math.floor(Math.floor(at / dim) / block) * dim + at % dim];
  const deviations = tokens.data.map((value, at) => Math.abs(value - meanOf(at)));
  return { means, spreads: blockMeans({ data: deviations, shape: tokens.shape }, block).data };
}

/** (1 - the weight put back) * out + the mean values put back, by their weights. */
function putBack(
  { qkv: { q, k, v }, sizes: { blockM, blockN } }: MethodInputs,
  out: Tensor,
  { weights, back }: { readonly weights: Tensor<Float64Array>; readonly back: Int32Array },
): Tensor<Float64Array> {
  const [batch, heads, rows, columns] = weights.shape, [, , seqQ, dim] = out.shape;
  const data = Float64Array.from(out.data);
  for (let head = 0; head < batch * heads; head++) {
    const means = blockMeans(toFloat64(headSlice(v, kvHeadOf({ q, k }, head))), blockN).data;
    for (let m = 0; m < rows; m++) {
      const added = new Float64Array(dim);
      let share = 0;
      for (let j = 0, at = (head * rows + m) * columns; j < columns; j++, at++) {
        if (back[at] === 0) continue;
        share += weights.data[at];
        for (let c = 0; c < dim; c++) added[c] += weights.data[at] * means[j * dim + c];
      }
      const from = head * seqQ + m * blockM, end = head * seqQ + Math.min((m + 1) * blockM, seqQ);
      for (let at = from * dim; at < end * dim; at++) data[at] = (1 - share) * data[at] + added[at % dim];
    }
  }
  return { data, shape: out.shape };
}
