/**
 * MoBA.
 *
 * @module
 */
import { blockMeans, forEachScoreRow } from "../../importance/scores.ts";
import { setBit } from "../../masks/bits.ts";
import { toFloat64 } from "../../tensor.ts";
import { headSlice, kvHeadOf } from "../../heads.ts";
import {
  blockRule,
  ChosenBlocks,
  countOfRow,
  headsOf,
  type QueryBlocks,
  queryBlocks,
  takeBlocks,
} from "../masks.ts";
import type { MaskMethod, MethodInputs } from "../method.ts";

/**
 * Mixture of block attention: every query takes the key blocks of the largest q . mean key, that of its own position
 * first. It was made for causal models, which train with it.
 */
export const moba: MaskMethod = {
  name: "moba",
  rule: "for every query its own key block, then those of the largest query . mean key",
  granularity: "query",
  basis: "code",
  source: "MoBA",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: ({ sizes: { blockN } }) => gateCost(blockN),
  select(inputs, density) {
    const blocks = queryBlocks(inputs, inputs.sizes.blockN), chosen = new ChosenBlocks(inputs, blocks);
    const counts = countsOf(inputs, blocks, density);
    for (const head of headsOf(inputs)) {
      forEachGate(inputs, head, blocks.block, (i, gates) => {
        const row = chosen.row(head, i), mark = (j: number) => setBit(row, j);
        takeBlocks(gates.subarray(0, blocks.seen(i)), blocks.forced(i), { count: counts[i], mark });
      });
    }
    return { ...chosen.select(), rule: blockRule(inputs, blocks, { counts, together: false }) };
  },
};

/** How many blocks every query is to have: fractions are spread over the rows of a head. */
function countsOf(
  { causal, sizes: { seqQ } }: MethodInputs,
  { seen }: QueryBlocks,
  density: number,
): number[] {
  let mean = 0;
  return Array.from({ length: seqQ }, (_, i) => {
    const before = mean;
    mean += density * seen(i);
    return causal ? Math.floor(mean + 1e-9) - Math.floor(before + 1e-9) : countOfRow(i, density * seen(i));
  });
}

/** The cost of gates: one product of a query with every block of keys, relative to 4 Lq Lk D. */
export function gateCost(block: number): number {
  return 1 / (2 * block);
}

/** Calls `visit` with the gates of every query of a head: scale * q . mean key of each block. */
export function forEachGate(
  { qkv: { q, k }, scale }: MethodInputs,
  head: number,
  block: number,
  visit: (query: number, gates: Float64Array) => void,
): void {
  const means = blockMeans(toFloat64(headSlice(k, kvHeadOf({ q, k }, head))), block);
  forEachScoreRow(toFloat64(headSlice(q, head)), means, { scale, visit });
}
