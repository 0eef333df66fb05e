/**
 * The best keys of every query.
 *
 * @module
 */
import { requireDensity } from "../../budget.ts";
import { forEachWeightRows } from "../../mass.ts";
import { ROWS } from "../../rows.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../visible.ts";
import type { MethodInputs, OutputSelection, QueryMethod } from "../method.ts";

/**
 * Every query attends to the keys of its largest exact scores, a share `density` of those it sees, at least one. It
 * needs all scores and no kernel runs it: a yardstick of what a choice by scores can reach at all.
 */
export const tokenTopk: QueryMethod = {
  name: "token-topk",
  rule: "the keys of the largest exact scores, for every query by itself",
  granularity: "query",
  basis: "yardstick",
  source: "control",
  causal: true,
  usesImportance: false,
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
  const kvHead = kvHeadOf({ q, k }, head), values = toFloat64(headSlice(v, kvHead)).data, dim = v.shape[3];
  const visit = (first: number, weights: Float64Array) => {
    for (let i = first; i < Math.min(first + ROWS, seqQ); i++) {
      const seen = causal ? Math.max(0, Math.min(seqK, i + seqK - seqQ + 1)) : seqK;
      const row = new Float64Array(seen);
      for (let j = 0; j < seen; j++) row[j] = weights[j * ROWS + i - first];
      const taken = largest(row, seen === 0 ? 0 : Math.max(1, Math.round(density * seen)));
      const mass = taken.reduce((sum, j) => sum + row[j], 0);
      for (const j of taken) {
        for (let c = 0; c < dim; c++) out[i * dim + c] += row[j] / mass * values[j * dim + c];
      }
      sums.taken += taken.length;
      sums.seen += seen;
      sums.dropped += seen === 0 ? 0 : 1 - mass;
    }
  };
  forEachWeightRows(toFloat64(headSlice(q, head)), toFloat64(headSlice(k, kvHead)), { scale, causal, visit });
}

/** The indices of the largest values, lower index first among equals; ascending. */
function largest(values: Float64Array, count: number): number[] {
  if (count === 0) return [];
  const bound = values.toSorted()[values.length - count];
  let equal = count;
  for (const value of values) if (value > bound) equal--;
  const indices: number[] = [];
  for (let j = 0; j < values.length; j++) {
    if (values[j] > bound || (values[j] === bound && equal-- > 0)) indices.push(j);
  }
  return indices;
}
