/**
 * Work lists on the host, the readable twin of build.wgsl: tests hold the device's lists to these. A row of levels, one
 * query block of a head, becomes a list of groups of pooled tokens, each an {@link Entry}. Where even 4 tokens are more than
 * a block has, one group spans neighbouring blocks, and the mask says whose tokens count. Rows are filled up to whole tiles
 * of 128 tokens with repetitions of their last entry, whose tokens do not count.
 *
 * @module
 */
import type { Tensor } from "../../reference/tensor.ts";
import { type LevelRows, levelsOfLayout, type PyramidLayout } from "../pyramid/layout.ts";
import {
  type CausalRows,
  filling,
  groupTokens,
  offsetsLength,
  packEntry,
  RECORD,
  requireNumbered,
  rowsOfOffsets,
  TILE_TOKENS,
  type TurnOptions,
  turnsOf,
  unpackEntry,
} from "./entry.ts";

/** Work lists of all query blocks of all heads. */
export interface WorkLists {
  /** The lists, one after the other, each in the order of the keys: a group stands where the first block is that has it. */
  readonly list: Uint32Array<ArrayBuffer>;
  /**
   * Where each begins, and where the last ends: [batch * heads * query blocks + 1]; then the rows in the order in which they
   * are taken, head after head, and of these those with the longest lists first; the last heads count as one
   * ({@link turnsOf}): [batch * heads * query blocks]; then their lengths, without entries that fill them up: the same. Last
   * the records of the rows, in the order in which they are taken: where the list begins, its length without entries that fill it
   * up, and how many of these stand before the first group that ends behind the first query of a causal row, else all.
   */
  readonly offsets: Uint32Array<ArrayBuffer>;
}

/**
 * Makes the work lists of levels.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param options key block size, and where the levels lie
 * @throws {InputError} if there are more groups than an entry can number
 *
 * @example
 * ```ts
 * import { makeLists } from "./naive.ts";
 * import { pyramidLayout } from "../pyramid/layout.ts";
 * import { tensor } from "../../reference/tensor.ts";
 * const layout = pyramidLayout(1, { seqK: 128, blockN: 64, levels: [1, 8], tail: "exact" });
 * const { list } = makeLists(tensor(new Int32Array([0, 8]), [1, 1, 1, 2]), { blockN: 64, layout });
 * console.log(list[0] === (1 | 3 << 20 | 255 << 24) >>> 0); // true
 * ```
 */
export function makeLists(
  levels: Tensor<Int32Array>,
  { blockN, layout, turns, causal }: {
    readonly blockN: number;
    readonly layout: PyramidLayout;
    readonly turns?: TurnOptions;
    readonly causal?: CausalRows;
  },
): WorkLists {
  const columns = levels.shape[3], rows = levels.data.length / columns;
  const group = groupTokens(levelsOfLayout(layout), blockN);
  requireNumbered(layout.levels[0].tokens, group);
  const list: number[] = [], offsets = new Uint32Array(offsetsLength(rows)), seen = new Uint32Array(rows);
  for (let row = 0; row < rows; row++) {
    const own = levels.data.subarray(row * columns, (row + 1) * columns);
    const groups = layout.levels.flatMap((rows) => groupsOf(own, { rows, blockN, group }));
    const entries = groups.sort((a, b) => a.block - b.block).map(({ entry }) => entry);
    list.push(...entries);
    offsets[2 * rows + 1 + row] = entries.length;
    seen[row] = seenBy(entries, { row: row % levels.shape[2], group, causal });
    while (list.length % (TILE_TOKENS / group) !== 0) list.push(filling(list[list.length - 1]));
    offsets[row + 1] = list.length;
  }
  orderRows(offsets, levels.shape[2], { ...turns, seen });
  return { list: Uint32Array.from(list), offsets };
}

/**
 * Writes the rows behind the offsets, of a head or of the last heads the longest first: short ones fill the gaps at the end. Writes
 * their records too.
 *
 * @param offsets where the list of each row begins, and where the last ends; behind that room for the rows, their lengths, and
 * room for their records
 * @param blocks query blocks of a head
 * @param turns how they are ordered ({@link turnsOf}), and how many entries of each row all its queries see; default all
 */
export function orderRows(
  offsets: Uint32Array,
  blocks: number,
  { seen, ...turns }: TurnOptions & { readonly seen?: Uint32Array } = {},
): void {
  const rows = rowsOfOffsets(offsets), { together, alone } = turnsOf(rows / blocks, blocks, turns);
  const length = (row: number) => offsets[2 * rows + 1 + row];
  for (let first = 0; first < rows; first += first < alone ? Math.min(together, alone - first) : rows) {
    const end = first < alone ? Math.min(first + together, alone) : rows;
    const order = Array.from({ length: end - first }, (_, i) => first + i);
    offsets.set(order.sort((a, b) => length(b) - length(a)), rows + 1 + first);
  }
  for (let turn = 0; turn < rows; turn++) {
    const row = offsets[rows + 1 + turn];
    offsets.set([offsets[row], length(row), seen?.[row] ?? length(row)], 3 * rows + 1 + RECORD * turn);
  }
}

/** Entries of a row before the first one whose group ends behind the first query; without causality all. */
function seenBy(
  entries: readonly number[],
  { row, group, causal }: { readonly row: number; readonly group: number; readonly causal?: CausalRows },
): number {
  if (causal === undefined) return entries.length;
  const first = entries.map(unpackEntry).findIndex(({ index, level }) =>
    (index + 1) * group * level > row * causal.blockM + causal.position + 1
  );
  return first < 0 ? entries.length : first;
}

/** The groups of one level of a row, each with the first block that has it. */
function groupsOf(
  row: Int32Array,
  { rows: { level, tokens }, blockN, group }: {
    readonly rows: LevelRows;
    readonly blockN: number;
    readonly group: number;
  },
): { readonly entry: number; readonly block: number }[] {
  const perBlock = blockN / level, groups: { entry: number; block: number }[] = [];
  let index = -1, mask = 0, block = 0;
  const flush = () => {
    if (mask !== 0) groups.push({ entry: packEntry({ index, level, mask }), block });
    mask = 0;
  };
  for (let j = 0; j < row.length; j++) {
    if (row[j] !== level) continue;
    for (let token = j * perBlock; token < Math.min((j + 1) * perBlock, tokens); token++) {
      if (Math.floor(token / group) !== index) {
        flush();
        [index, block] = [Math.floor(token / group), j];
      }
      mask |= 1 << token % group;
    }
  }
  flush();
  return groups;
}
