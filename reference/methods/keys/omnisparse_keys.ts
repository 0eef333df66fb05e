/**
 * OmniSparse's keys.
 *
 * @module
 */
import { headSlice, kvHeadOf } from "../../heads.ts";
import { toFloat64 } from "../../tensor.ts";
import { bestKeys, headsOf, keysFor, listSelection } from "../masks.ts";
import type { MaskMethod, MethodInputs } from "../method.ts";
import { columnSums } from "./purekv_keys.ts";

/** Number of queries that represent all. */
const PROBES = 256;

/**
 * One list of keys for all queries of a head: those that get the most attention of 256 queries spread over the
 * sequence. It stands in for OmniSparse, whose formulas were not available.
 */
export const omnisparseKeys: MaskMethod = {
  name: "omnisparse-keys",
  rule: "one list of keys per head: the most attention of 256 queries together",
  granularity: "head",
  basis: "stand-in",
  source: "OmniSparse (abstract)",
  causal: false,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: ({ sizes: { seqQ } }) => PROBES / (2 * seqQ),
  select(inputs, density) {
    const count = keysFor(density, inputs.sizes.seqK);
    const scores = inputs.once(
      "scores of omnisparse",
      () => headsOf(inputs).map((head) => scoresOf(inputs, head)),
    );
    return {
      ...listSelection(inputs, scores.map((each) => bestKeys(each, count))),
      rule: { kind: "listed", probes: probesOf(inputs), weighted: false, count },
    };
  },
};

/** The queries that represent all. */
function probesOf({ sizes: { seqQ } }: MethodInputs): Int32Array {
  return Int32Array.from({ length: PROBES }, (_, i) => Math.floor(i * (seqQ - 1) / (PROBES - 1)));
}

/** The score that the probes give each key of a head. */
function scoresOf(inputs: MethodInputs, head: number): Float64Array {
  const { qkv: { q, k }, scale } = inputs;
  const dim = q.shape[3], all = toFloat64(headSlice(q, head)).data, probes = new Float64Array(PROBES * dim);
  probesOf(inputs).forEach((from, i) => probes.set(all.subarray(from * dim, (from + 1) * dim), i * dim));
  const keys = toFloat64(headSlice(k, kvHeadOf({ q, k }, head)));
  return columnSums({ data: probes, shape: [1, 1, PROBES, dim] }, keys, scale);
}
