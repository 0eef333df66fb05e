/**
 * PISA, piecewise sparse attention.
 *
 * @module
 */
import { evenUp, interleaveRows, multiplyRows, ROWS, softmaxRow } from "../../attention/rows.ts";
import { headPyramid, visibleBlock } from "../../attention/visible.ts";
import { type Head, headOf } from "../../heads.ts";
import { blockMeans } from "../../importance/scores.ts";
import { type Tensor, toFloat64 } from "../../tensor.ts";
import { pooledTopk } from "../mask/pooled_topk.ts";
import type { BlockMethod, BlockSelection, LevelRule, MethodInputs } from "../method.ts";
import { bestAndMeans } from "./block_topk_mean.ts";

/**
 * Piecewise sparse attention: the best blocks in full, every other block as one mean token, and one term of first order
 * for all of these together, which says how the values of a block lean with its keys. The released default also adds
 * the logarithm of a block's lean to its score; that is left out here.
 */
export const pisa: BlockMethod = {
  ...pooledTopk,
  name: "pisa",
  rule: "pooled-topk-mean, and one term of first order for all blocks that are read as a mean",
  source: "piecewise-sparse-attention (PISA, arXiv 2602.01077)",
  causal: false,
  needsAllRows: true,
  select(inputs, density): BlockSelection {
    const { qkv: { q }, sizes: { seqK } } = inputs, term = q.shape[3] / (2 * seqK);
    const rest = Math.max(density - term, 1 / seqK); // one block is read in full whatever is left
    const chosen = bestAndMeans(inputs, { kind: "pooled" }, rest);
    return {
      ...chosen,
      density: chosen.density + term,
      correction: { kind: "first-order" },
      rule: { ...chosen.rule as LevelRule, correction: "first-order" },
      finish: (out) => addFirstOrder(inputs, out, chosen.levels),
    };
  },
};

/** out + share of the mean tokens * scale / key tokens * q H, for every query. */
function addFirstOrder(inputs: MethodInputs, out: Tensor, levels: Tensor<Int32Array>): Tensor<Float64Array> {
  const { scale, sizes: { seqQ, seqK } } = inputs, dim = out.shape[3], data = Float64Array.from(out.data);
  for (let index = 0; index < out.shape[0] * out.shape[1]; index++) {
    const head = headOf(inputs.qkv, levels, index), leans = leansOf(inputs, head);
    forEachShare(inputs, head, (i, share) => {
      const row = data.subarray((index * seqQ + i) * dim, (index * seqQ + i + 1) * dim);
      const query = head.qkv.q.data.subarray(i * head.qkv.q.shape[3], (i + 1) * head.qkv.q.shape[3]);
      for (let x = 0; x < query.length; x++) {
        const factor = share * scale / seqK * query[x];
        for (let c = 0; c < dim; c++) row[c] += factor * leans[x * dim + c];
      }
    });
  }
  return { data, shape: out.shape };
}

/** H [head dimension][value dimension]: the sum over all tokens of (key - mean key of its block)^T value. */
function leansOf({ sizes: { blockN, seqK } }: MethodInputs, { qkv: { k, v } }: Head): Float64Array {
  const dim = k.shape[3], valueDim = v.shape[3], means = blockMeans(toFloat64(k), blockN).data;
  const leans = new Float64Array(dim * valueDim);
  for (let j = 0; j < seqK; j++) {
    const mean = Math.floor(j / blockN) * dim;
    for (let x = 0; x < dim; x++) {
      const away = k.data[j * dim + x] - means[mean + x];
      for (let c = 0; c < valueDim; c++) leans[x * valueDim + c] += away * v.data[j * valueDim + c];
    }
  }
  return leans;
}

/** Calls `visit` with the share of its softmax that every query gives to mean tokens. */
function forEachShare(
  { scale, sizes: { blockM, blockN } }: MethodInputs,
  head: Head,
  visit: (query: number, share: number) => void,
): void {
  const options = { blockM, blockN, scale }, pyramid = headPyramid(head, options);
  const [, , rows, columns] = head.levels.shape, dim = head.qkv.q.shape[3];
  for (let m = 0; m < rows; m++) {
    const { tokens: { keys, first, counts }, rows: { first: begin, end } } = visibleBlock(head, pyramid, {
      ...options,
      m,
    });
    const logCounts = Float64Array.from(counts, Math.log), visible = counts.length;
    const isMean = Array.from(first, (at) => head.levels.data[m * columns + Math.floor(at / blockN)] > 1);
    const weights = new Float64Array(ROWS * evenUp(visible));
    for (let row = begin; row < end; row += ROWS) {
      const queries = interleaveRows(head.qkv.q.data, { first: row, end, dim, factor: scale });
      multiplyRows(queries, keys, { inner: dim, stride: dim, count: visible, out: weights });
      for (let r = 0; r < Math.min(ROWS, end - row); r++) {
        softmaxRow(weights, r, { visible, until: visible, logCounts });
        let share = 0;
        for (let t = 0; t < visible; t++) if (isMean[t]) share += weights[t * ROWS + r];
        visit(row + r, share);
      }
    }
  }
}
