/**
 * PureKV's keys.
 *
 * @module
 */
import { ROWS } from "../../attention/rows.ts";
import { forEachWeightRows } from "../../judge/mass.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import { toFloat64 } from "../../tensor.ts";
import { bestKeys, headsOf, keysFor, listSelection } from "../masks.ts";
import type { MaskMethod, MethodInputs } from "../method.ts";

/**
 * One list of keys for all queries of a head: those that get the most attention of all queries together, times the
 * norm of their value.
 */
export const purekvKeys: MaskMethod = {
  name: "purekv-keys",
  rule: "one list of keys per head: the most attention of all queries together, times the norm of the value",
  granularity: "head",
  basis: "summary",
  source: "PureKV",
  causal: false,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: () => 1 / 2,
  select(inputs, density) {
    const count = keysFor(density, inputs.sizes.seqK);
    const scores = inputs.once("purekv scores", () => headsOf(inputs).map((head) => scoresOf(inputs, head)));
    return {
      ...listSelection(inputs, scores.map((own) => bestKeys(own, count))),
      rule: { kind: "listed", probes: null, weighted: true, count },
    };
  },
};

/** The score of every key of a head. */
function scoresOf({ qkv: { q, k, v }, scale }: MethodInputs, head: number): Float64Array {
  const kvHead = kvHeadOf({ q, k }, head), dim = v.shape[3], values = toFloat64(headSlice(v, kvHead)).data;
  const keys = toFloat64(headSlice(k, kvHead)), sums = columnSums(toFloat64(headSlice(q, head)), keys, scale);
  return sums.map((sum, j) => sum * Math.hypot(...values.subarray(j * dim, (j + 1) * dim)));
}

/** The softmax weight that each key gets of some queries together. */
export function columnSums(
  q: { readonly data: Float64Array; readonly shape: readonly number[] },
  k: { readonly data: Float64Array; readonly shape: readonly number[] },
  scale: number,
): Float64Array {
  const [, , queries] = q.shape, keys = k.shape[2], sums = new Float64Array(keys);
  const visit = (first: number, weights: Float64Array) => {
    const rows = Math.min(ROWS, queries - first);
    for (let j = 0; j < keys; j++) for (let r = 0; r < rows; r++) sums[j] += weights[j * ROWS + r];
  };
  forEachWeightRows(q, k, { scale, causal: false, visit });
  return sums;
}
