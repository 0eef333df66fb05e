/**
 * Masks: which keys each query sees, for choices that levels of blocks cannot express. A mask is never stored as a
 * matrix of queries and keys: it computes rows on demand.
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { type CausalSizes, requireBlockCounts } from "../levels/causal.ts";
import type { Tensor } from "../tensor.ts";
import { clearFrom, countRow, hasBit, setRange, wordsOf } from "./bits.ts";

/** Which keys the queries of a call see. */
export interface Mask {
  /** [batch, heads, query tokens, key tokens] */
  readonly shape: readonly number[];
  /** Words of a row: the query sees key j if bit j % 32 of word floor(j / 32) is set. */
  readonly words: number;
  /** The rows of queries [first, end) of a head, counted through all batch entries; a fresh array, `words` a row. */
  readonly rows: (batchHead: number, first: number, end: number) => Uint32Array;
  /** Whether a query of a head sees a key. */
  readonly visible: (batchHead: number, query: number, key: number) => boolean;
}

/** Options of {@link buildMask}. */
export interface MaskOptions {
  /** Writes rows [first, end) of a head into `bits`, which holds zeros; bits behind the last key are left out. */
  readonly fill: (bits: Uint32Array, batchHead: number, first: number, end: number) => void;
  /** Whether keys beyond a query's own position, aligned bottom-right, are removed; default false. */
  readonly causal?: boolean;
}

/** Rows that `visible` asks for at once. */
const RUN = 16;

/**
 * Makes a mask from a function that fills its rows.
 *
 * @param shape [batch, heads, query tokens, key tokens]
 * @param options the function that fills rows, and causality
 *
 * @example
 * ```ts
 * import { setRange } from "./bits.ts";
 * import { buildMask } from "./mask.ts";
 * const mask = buildMask([1, 1, 4, 4], { fill: (bits) => bits.fill(0b1111), causal: true });
 * console.log(mask.rows(0, 1, 3), mask.visible(0, 2, 3)); // [3, 7] false
 * ```
 */
export function buildMask(
  shape: readonly number[],
  { fill, causal = false }: MaskOptions,
): Mask {
  const [, , seqQ, seqK] = shape, words = wordsOf(seqK);
  const rows = (batchHead: number, first: number, end: number) => {
    const bits = new Uint32Array((end - first) * words);
    fill(bits, batchHead, first, end);
    for (let i = first; i < end; i++) {
      const row = bits.subarray((i - first) * words, (i - first + 1) * words);
      clearFrom(row, seenKeys(i, { seqQ, seqK, causal }));
    }
    return bits;
  };
  let known = { batchHead: -1, first: -1, bits: new Uint32Array(0) };
  const visible = (batchHead: number, query: number, key: number) => {
    const first = query - query % RUN;
    if (known.batchHead !== batchHead || known.first !== first) {
      known = { batchHead, first, bits: rows(batchHead, first, Math.min(seqQ, first + RUN)) };
    }
    return hasBit(known.bits.subarray((query - first) * words), key);
  };
  return { shape: [...shape], words, rows, visible };
}

/**
 * The mask of levels 0 and 1.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param sizes block sizes, sequence lengths and causality
 * @throws {InputError} if a level is neither 0 nor 1: a pooled token is not a set of keys
 *
 * @example
 * ```ts
 * import { maskOfLevels } from "./mask.ts";
 * import { tensor } from "../tensor.ts";
 * const levels = tensor(new Int32Array([0, 1]), [1, 1, 1, 2]);
 * const mask = maskOfLevels(levels, { blockM: 2, blockN: 4, seqQ: 2, seqK: 6 });
 * console.log(mask.rows(0, 0, 1)); // [48]
 * ```
 */
export function maskOfLevels(
  levels: Tensor<Int32Array>,
  { blockM, blockN, seqQ, seqK, causal }: CausalSizes & { readonly causal?: boolean },
): Mask {
  requireBlockCounts("levels", levels, { blockM, blockN, seqQ, seqK });
  const pooled = levels.data.find((level) => level !== 0 && level !== 1);
  requireInput(
    pooled === undefined,
    () => `\`levels\` holds ${pooled}; a mask shows keys one by one: it should hold 0 and 1.`,
  );
  const [batch, heads, rows, columns] = levels.shape, words = wordsOf(seqK);
  return buildMask([batch, heads, seqQ, seqK], {
    causal,
    fill: (bits, batchHead, first, end) => {
      for (let i = first; i < end; i++) {
        const row = bits.subarray((i - first) * words, (i - first + 1) * words);
        const at = (batchHead * rows + Math.floor(i / blockM)) * columns;
        for (let j = 0; j < columns; j++) {
          if (levels.data[at + j] === 1) setRange(row, j * blockN, Math.min(seqK, (j + 1) * blockN));
        }
      }
    },
  });
}

/**
 * The share of all pairs that a mask shows, or, if causal, of the pairs that are not in the future.
 *
 * @param mask the mask
 * @param options whether the call is causal; default false
 *
 * @example
 * ```ts
 * import { buildMask, maskDensity } from "./mask.ts";
 * const mask = buildMask([1, 1, 2, 8], { fill: (bits) => bits.fill(0b11) });
 * console.log(maskDensity(mask)); // 0.25
 * ```
 */
export function maskDensity(mask: Mask, { causal = false }: { readonly causal?: boolean } = {}): number {
  const [batch, heads, seqQ, seqK] = mask.shape;
  let shown = 0, pairs = 0;
  for (let head = 0; head < batch * heads; head++) {
    for (let first = 0; first < seqQ; first += RUN) {
      shown += countRow(mask.rows(head, first, Math.min(seqQ, first + RUN)));
    }
    for (let i = 0; i < seqQ; i++) pairs += seenKeys(i, { seqQ, seqK, causal });
  }
  return shown / pairs;
}

/** How many keys a query may see at all: all, or if causal those up to its own position. */
export function seenKeys(
  query: number,
  { seqQ, seqK, causal }: { readonly seqQ: number; readonly seqK: number; readonly causal: boolean },
): number {
  return causal ? Math.max(0, Math.min(seqK, query + seqK - seqQ + 1)) : seqK;
}
