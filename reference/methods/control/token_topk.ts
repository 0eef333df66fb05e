/**
 * The best keys of every query.
 *
 * @module
 */
import { requireDensity } from "../../levels/budget.ts";
import { forEachWeightRows } from "../../judge/mass.ts";
import { evenUp, multiplyRows, ROWS, transpose } from "../../attention/rows.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import type { MethodInputs, OutputSelection, QueryMethod } from "../method.ts";

/**
 * Every query attends to the keys of its largest exact scores, a share `density` of those it sees, at least one. It
 * needs all scores and no kernel runs it: a yardstick of what a choice by scores can reach at all.
 */
export const tokenTopk: QueryMethod = {
  name: "token-topk",
  rule: "the keys of the largest exact scores, for every query by itself",
  granularity: "query",
  basis: "control",
  source: "this project",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: () => 1 / 2,
  select(inputs, density): OutputSelection {
    requireDensity(density);
    const { q, v } = inputs.qkv, [batch, heads, seqQ] = q.shape, dim = v.shape[3];
    const out = { data: new Float64Array(batch * heads * seqQ * dim), shape: [batch, heads, seqQ, dim] };
    const sums: Sums = { dropped: 0, taken: 0, seen: 0 };
    for (let head = 0; head < batch * heads; head++) {
      attendHead(inputs, { head, density, sums, out: out.data.subarray(head * seqQ * dim) });
    }
    const droppedMass = sums.dropped / (batch * heads * seqQ);
    return { status: "ok", density: sums.taken / sums.seen, out, droppedMass };
  },
};

/** Sums over the queries of a call. */
interface Sums {
  /** Mass that was left out. */
  dropped: number;
  /** Keys that were taken. */
  taken: number;
  /** Keys that could be seen. */
  seen: number;
}

/** One head: rows are written to `out`, and added to `sums`. */
function attendHead(
  { qkv: { q, k, v }, causal, scale, sizes: { seqQ, seqK } }: MethodInputs,
  { head, density, sums, out }: {
    readonly head: number;
    readonly density: number;
    readonly sums: Sums;
    readonly out: Float64Array;
  },
): void {
  const kvHead = kvHeadOf({ q, k }, head), stride = evenUp(seqK), dim = v.shape[3];
  const values = new Float64Array(stride * dim), four = new Float64Array(evenUp(dim) * ROWS);
  values.set(headSlice(v, kvHead).data);
  const channels = transpose(values, { rows: stride, columns: dim });
  const visit = (first: number, weights: Float64Array) => {
    const rows = Math.min(ROWS, seqQ - first), masses: number[] = [];
    for (let r = 0; r < rows; r++) {
      const seen = causal ? Math.max(0, Math.min(seqK, first + r + seqK - seqQ + 1)) : seqK;
      const taken = seen === 0 ? 0 : Math.max(1, Math.round(density * seen));
      masses.push(keepLargest(weights, r, { taken, seen }));
      sums.taken += taken;
      sums.seen += seen;
      sums.dropped += seen === 0 ? 0 : 1 - masses[r];
    }
    multiplyRows(weights, channels, { inner: seqK, stride, count: dim, out: four });
    for (let r = 0; r < rows; r++) {
      if (masses[r] === 0) continue;
      for (let c = 0; c < dim; c++) out[(first + r) * dim + c] = four[c * ROWS + r] / masses[r];
    }
  };
  forEachWeightRows(toFloat64(headSlice(q, head)), toFloat64(headSlice(k, kvHead)), { scale, causal, visit });
}

/** Sets all but the largest of the first `seen` weights of a row to 0, of equals the later; returns what is left. */
function keepLargest(
  weights: Float64Array,
  row: number,
  { taken, seen }: { readonly taken: number; readonly seen: number },
): number {
  const sorted = new Float64Array(seen);
  for (let j = 0; j < seen; j++) sorted[j] = weights[j * ROWS + row];
  sorted.sort();
  const bound = sorted[seen - taken];
  let equals = taken, mass = 0;
  for (let j = seen - 1; j >= 0 && sorted[j] > bound; j--) equals--;
  for (let j = 0, at = row; j < seen; j++, at += ROWS) {
    if (weights[at] > bound || (weights[at] === bound && equals-- > 0)) mass += weights[at];
    else weights[at] = 0;
  }
  return mass;
}
