/**
 * VMoBA.
 *
 * @module
 */
import { sortedBlocks } from "../../levels/assign.ts";
import { setBit } from "../../masks/bits.ts";
import { seenKeys } from "../../masks/mask.ts";
import { halved } from "../bisect.ts";
import { ChosenBlocks, headsOf, pairsOfHead, type QueryBlocks, queryBlocks } from "../masks.ts";
import type { GatedBlocks, MaskMethod, MethodInputs, SelectionStatus } from "../method.ts";
import { forEachGate, gateCost } from "./moba.ts";

/** Halvings of the search for tau. */
const HALVINGS = 20;

/**
 * MoBA for video models: gates are brought to [0, 1] for every query, and blocks are taken, the query's own first and
 * then in descending order, until they hold a share tau of all gates. Published tau: .25; here it is bisected.
 */
export const vmoba: MaskMethod = {
  name: "vmoba",
  rule:
    "for every query its own key block, then the best until their gates add up to a share that is bisected",
  granularity: "query",
  basis: "code",
  source: "VMoBA",
  causal: true,
  usesImportance: false,
  needsAllRows: true,
  selectionCost: ({ sizes: { blockN } }) => gateCost(blockN),
  select(inputs, density) {
    const blocks = queryBlocks(inputs, inputs.sizes.blockN), chosen = new ChosenBlocks(inputs, blocks);
    const pairs = pairsOfHead(inputs), { seqQ } = inputs.sizes;
    let status: SelectionStatus = "ok";
    for (const head of headsOf(inputs)) {
      const entries = entriesOf(inputs, head, blocks);
      const fits = (tau: number) => shownAt(inputs, entries, { blocks, tau }) <= density * pairs;
      let low = 0;
      if (fits(Infinity)) low = Infinity;
      else if (!fits(0)) status = "unreachable";
      else low = halved(fits, { low: 0, high: 1, times: HALVINGS });
      for (let i = 0; i < seqQ; i++) {
        const row = chosen.row(head, i), at = i * blocks.columns;
        for (let j = 0; j < blocks.columns; j++) if (entries[at + j] < low) setBit(row, j);
      }
    }
    return { ...chosen.select(status), rule: ruleOf(inputs, blocks, density * pairs) };
  },
};

/** The choice as a rule. */
function ruleOf(
  { causal, sizes: { seqQ, seqK } }: MethodInputs,
  { block, forced }: QueryBlocks,
  pairs: number,
): GatedBlocks {
  return {
    ...{ kind: "gated", unit: block, first: causal, pairs },
    seen: Int32Array.from({ length: seqQ }, (_, i) => seenKeys(i, { seqQ, seqK, causal })),
    own: Int32Array.from({ length: seqQ }, (_, i) => forced(i)[0] ?? -1),
  };
}

/** Of every block of every query the share of gates that lies before it; -Infinity: taken first, Infinity: not seen. */
function entriesOf(
  inputs: MethodInputs,
  head: number,
  { block, columns, seen, forced }: QueryBlocks,
): Float64Array {
  const entries = new Float64Array(inputs.sizes.seqQ * columns).fill(Infinity);
  forEachGate(inputs, head, block, (i, all) => {
    const gates = normalised(all.subarray(0, seen(i))), own = forced(i), at = i * columns;
    const total = gates.reduce((sum, gate) => sum + gate, 0);
    const rest = sortedBlocks(gates).filter((j) => !own.includes(j));
    let before = own.reduce((sum, j) => sum + gates[j], 0);
    for (const j of own) entries[at + j] = -Infinity;
    if (own.length === 0 && rest.length > 0) {
      before = gates[rest[0]];
      entries[at + rest.shift()!] = -Infinity;
    }
    for (const j of rest) {
      entries[at + j] = before / total;
      before += gates[j];
    }
  });
  return entries;
}

/** Gates from 0, the least, to 1, the largest; all 1 if they are equal. */
function normalised(gates: Float64Array): Float64Array {
  let least = Infinity, most = -Infinity;
  for (const gate of gates) {
    least = Math.min(least, gate);
    most = Math.max(most, gate);
  }
  return gates.map((gate) => most > least ? (gate - least) / (most - least) : 1);
}

/** How many pairs a share tau shows. */
function shownAt(
  { causal, sizes: { seqQ, seqK } }: MethodInputs,
  entries: Float64Array,
  { blocks: { block, columns }, tau }: { readonly blocks: QueryBlocks; readonly tau: number },
): number {
  let shown = 0;
  for (let i = 0; i < seqQ; i++) {
    const until = seenKeys(i, { seqQ, seqK, causal });
    for (let j = 0, at = i * columns; j < columns; j++, at++) {
      if (entries[at] < tau) shown += Math.max(0, Math.min(until, (j + 1) * block) - j * block);
    }
  }
  return shown;
}
