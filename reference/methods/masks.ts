/**
 * Masks as methods make them: lists of keys per head, blocks of keys per query, and rows of a rule; with their density.
 *
 * @module
 */
import { countRow, setBit, setRange, wordsOf } from "../masks/bits.ts";
import { markLargest } from "../masks/largest.ts";
import { buildMask, type MaskOptions, seenKeys } from "../masks/mask.ts";
import type { BestKeys, MaskSelection, MethodInputs, SelectionStatus } from "./method.ts";

/** [batch, heads, query tokens, key tokens] of a call. */
export function maskShape({ qkv: { q }, sizes: { seqQ, seqK } }: MethodInputs): number[] {
  return [q.shape[0], q.shape[1], seqQ, seqK];
}

/** All (batch, head) of a call, from 0. */
export function headsOf({ qkv: { q } }: MethodInputs): number[] {
  return Array.from({ length: q.shape[0] * q.shape[1] }, (_, head) => head);
}

/** How many pairs of a query and a key a head has, those in the future left out if the call is causal. */
export function pairsOfHead({ causal, sizes: { seqQ, seqK } }: MethodInputs): number {
  let pairs = 0;
  for (let i = 0; i < seqQ; i++) pairs += seenKeys(i, { seqQ, seqK, causal });
  return pairs;
}

/** The number of entries of row m where rows have a mean of them: fractions are spread over the rows of a head. */
export function countOfRow(m: number, mean: number): number {
  return Math.floor((m + 1) * mean + 1e-9) - Math.floor(m * mean + 1e-9);
}

/**
 * A selection whose rows are made when they are asked for.
 *
 * @param inputs the call
 * @param density the share of pairs that the rows show
 * @param options what fills rows, and whether the density was kept; default it was
 */
export function ruleSelection(
  inputs: MethodInputs,
  density: number,
  { fill, status = "ok" }: Pick<MaskOptions, "fill"> & { readonly status?: SelectionStatus },
): MaskSelection {
  return { status, density, mask: buildMask(maskShape(inputs), { fill, causal: inputs.causal }) };
}

/**
 * A selection of one list of keys for all queries of a head.
 *
 * @param inputs a call that is not causal
 * @param lists for every head the bits of its keys
 */
export function listSelection(inputs: MethodInputs, lists: readonly Uint32Array[]): MaskSelection {
  const density = lists.reduce((sum, list) => sum + countRow(list), 0) / (lists.length * inputs.sizes.seqK);
  return ruleSelection(inputs, density, {
    fill: (bits, head, first, end) => {
      for (let i = first; i < end; i++) bits.set(lists[head], (i - first) * lists[head].length);
    },
  });
}

/** The bits of the best of a head's keys, of equals those that come first. */
export function bestKeys(scores: Float64Array, count: number): Uint32Array {
  const bits = new Uint32Array(wordsOf(scores.length));
  markLargest(scores, count, (j) => setBit(bits, j));
  return bits;
}

/** A share of the keys as a number of them, at least one. */
export function keysFor(density: number, keys: number): number {
  return Math.max(1, Math.round(density * keys));
}

/** How many keys queries take where each takes a share of those that it sees, at least one. */
export interface KeyCounts {
  /** How many keys a query may see, from the first on. */
  readonly seenBy: (query: number) => number;
  /** How many of them it takes. */
  readonly countOf: (query: number) => number;
  /** The share of pairs that are taken. */
  readonly density: number;
}

/** How many keys every query takes of those that it sees. */
export function keyCounts(inputs: MethodInputs, density: number): KeyCounts {
  const { causal, sizes: { seqQ, seqK } } = inputs;
  const seenBy = (query: number) => seenKeys(query, { seqQ, seqK, causal });
  const countOf = (query: number) => seenBy(query) === 0 ? 0 : keysFor(density, seenBy(query));
  let taken = 0;
  for (let i = 0; i < seqQ; i++) taken += countOf(i);
  return { seenBy, countOf, density: taken / pairsOfHead(inputs) };
}

/** Key blocks as single queries see them. */
export interface QueryBlocks {
  /** Tokens of a block. */
  readonly block: number;
  /** Key blocks. */
  readonly columns: number;
  /** How many blocks a query may see; they are a prefix. */
  readonly seen: (query: number) => number;
  /** Blocks that a query takes first: that of its own position, and if causal the first. */
  readonly forced: (query: number) => readonly number[];
}

/** Places key blocks relative to queries; sequences are aligned at their ends. */
export function queryBlocks({ causal, sizes: { seqQ, seqK } }: MethodInputs, block: number): QueryBlocks {
  const columns = Math.ceil(seqK / block), ownOf = (i: number) => Math.floor((i + seqK - seqQ) / block);
  return {
    block,
    columns,
    seen: (i) => causal ? Math.max(0, Math.min(columns, ownOf(i) + 1)) : columns,
    forced: (i) => {
      const own = ownOf(i);
      if (own < 0) return [];
      return causal && own > 0 ? [own, 0] : [own];
    },
  };
}

/** Marks the blocks that a query takes: those that are forced, then the best, `count` in all or more if more are forced. */
export function takeBlocks(
  scores: Float64Array,
  forced: readonly number[],
  { count, mark }: { readonly count: number; readonly mark: (block: number) => void },
): void {
  const ranked = scores.slice();
  for (const j of forced) ranked[j] = Infinity;
  markLargest(ranked, takenOf(count, forced, scores.length), mark);
}

/** How many blocks are taken of those that are seen: at least one, and all that are forced. */
function takenOf(count: number, forced: readonly number[], seen: number): number {
  return Math.max(count, forced.length, Math.min(1, seen));
}

/**
 * The blocks that queries take as a rule, for kernels.
 *
 * @param inputs the call
 * @param blocks its key blocks
 * @param options how many blocks each query is to have, and whether query heads of a key head choose together
 */
export function blockRule(
  { causal, sizes: { seqQ, seqK } }: MethodInputs,
  { block, seen, forced }: QueryBlocks,
  { counts, together }: { readonly counts: ArrayLike<number>; readonly together: boolean },
): BestKeys {
  const perQuery = (of: (query: number) => number) => Int32Array.from({ length: seqQ }, (_, i) => of(i));
  return {
    ...{ kind: "best", unit: block, together, first: causal },
    seen: perQuery((i) => seenKeys(i, { seqQ, seqK, causal })),
    counts: perQuery((i) => seen(i) === 0 ? 0 : takenOf(counts[i], forced(i), seen(i))),
    own: perQuery((i) => forced(i)[0] ?? -1),
  };
}

/** Blocks of keys chosen by every query. */
export class ChosenBlocks {
  /** 32-bit words of a row of blocks. */
  readonly words: number;
  /** Bits [batch * heads][query tokens][words]. */
  readonly bits: Uint32Array;

  /**
   * None is taken at first.
   *
   * @param inputs the call
   * @param blocks its key blocks
   */
  constructor(private readonly inputs: MethodInputs, private readonly blocks: QueryBlocks) {
    this.words = wordsOf(blocks.columns);
    this.bits = new Uint32Array(headsOf(inputs).length * inputs.sizes.seqQ * this.words);
  }

  /** The bits of one query's blocks. */
  row(head: number, query: number): Uint32Array {
    const at = (head * this.inputs.sizes.seqQ + query) * this.words;
    return this.bits.subarray(at, at + this.words);
  }

  /** The selection of these blocks. */
  select(status: SelectionStatus = "ok"): MaskSelection {
    const { inputs, blocks: { block, columns } } = this, { causal, sizes: { seqQ, seqK } } = inputs;
    const words = wordsOf(seqK);
    const fill = (bits: Uint32Array, head: number, first: number, end: number) => {
      for (let i = first; i < end; i++) {
        const row = bits.subarray((i - first) * words, (i - first + 1) * words), own = this.row(head, i);
        for (let j = 0; j < columns; j++) {
          if ((own[j >>> 5] >>> (j & 31) & 1) === 1) {
            setRange(row, j * block, Math.min(seqK, (j + 1) * block));
          }
        }
      }
    };
    let shown = 0;
    for (const head of headsOf(inputs)) {
      for (let i = 0; i < seqQ; i++) {
        const until = seenKeys(i, { seqQ, seqK, causal }), own = this.row(head, i);
        for (let j = 0; j < columns; j++) {
          if ((own[j >>> 5] >>> (j & 31) & 1) === 1) {
            shown += Math.max(0, Math.min(until, (j + 1) * block) - j * block);
          }
        }
      }
    }
    return ruleSelection(inputs, shown / (headsOf(inputs).length * pairsOfHead(inputs)), { fill, status });
  }
}
