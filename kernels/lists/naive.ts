/**
 * Work lists: what the attention kernel reads of the levels. A row of levels, one query block of a head, becomes a
 * list of groups; a group is 8 consecutive pooled tokens of one level, one u32:
 *
 *     bits 0 .. 19   index of the group: its first token, divided by 8, among the pooled tokens of its level
 *     bits 20 .. 22  log2 of the level
 *     bits 24 .. 31  which of its 8 tokens the query block sees
 *
 * Where some level leaves fewer than 8 tokens of a block, groups have 4 instead, and where even those are more than a
 * block has, one group spans neighbouring blocks, and the mask says whose tokens are seen. Lists are padded to whole
 * tiles of 128 tokens with empty groups.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import type { Tensor } from "../../reference/tensor.ts";
import type { Sections } from "../pyramid/layout.ts";

/** Pooled tokens of a tile. */
export const TILE_TOKENS = 128;
/** Groups that an entry can number: 8 million pooled tokens, or 4 million. */
const MOST_GROUPS = 1 << 20;

/**
 * Pooled tokens of a group: 8, or 4 where some level in use leaves fewer than 8 tokens of a block, so that neighbours
 * of other levels are not read for nothing.
 *
 * @param sections the levels in use
 * @param blockN key block size in tokens
 */
export function groupTokens({ sections }: Sections, blockN: number): 4 | 8 {
  return sections.some(({ level, tokens }) => tokens > 0 && blockN / level < 8) ? 4 : 8;
}

/** Throws if there are more key tokens than the entries of a list can number. */
export function requireNumbered(tokens: number, group: number): void {
  requireInput(
    tokens / group <= MOST_GROUPS,
    () => `\`k\` has ${tokens} tokens; work lists number ${MOST_GROUPS * group} at most.`,
  );
}

/** Work lists of all query blocks of all heads. */
export interface WorkLists {
  /** The lists, one after the other. */
  readonly list: Uint32Array<ArrayBuffer>;
  /**
   * Where each begins, and where the last ends: [batch * heads * query blocks + 1]; then, for each head, its query blocks
   * in the order in which they are taken, those with the longest lists first: [batch * heads * query blocks].
   */
  readonly offsets: Uint32Array<ArrayBuffer>;
}

/**
 * Makes the work lists of levels.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param options key block size, and the sections that hold the pooled tokens
 * @throws {InputError} if there are more groups than an entry can number
 *
 * @example
 * ```ts
 * import { makeLists } from "./naive.ts";
 * import { layOutSections } from "../pyramid/layout.ts";
 * import { tensor } from "../../reference/tensor.ts";
 * const sections = layOutSections(1, { seqK: 128, blockN: 64, levels: [1, 8], tail: "exact" });
 * const { list } = makeLists(tensor(new Int32Array([0, 8]), [1, 1, 1, 2]), { blockN: 64, sections });
 * console.log(list[0] === (1 | 3 << 20 | 255 << 24) >>> 0); // true
 * ```
 */
export function makeLists(
  levels: Tensor<Int32Array>,
  { blockN, sections }: { readonly blockN: number; readonly sections: Sections },
): WorkLists {
  const columns = levels.shape[3], rows = levels.data.length / columns;
  const group = groupTokens(sections, blockN);
  requireNumbered(sections.sections[0].tokens, group);
  const list: number[] = [], offsets = new Uint32Array(2 * rows + 1);
  for (let row = 0; row < rows; row++) {
    const own = levels.data.subarray(row * columns, (row + 1) * columns);
    for (const { level, tokens } of sections.sections) addGroups(list, own, { level, tokens, blockN, group });
    while (list.length % (TILE_TOKENS / group) !== 0) list.push(0);
    offsets[row + 1] = list.length;
  }
  orderBlocks(offsets, levels.shape[2]);
  return { list: Uint32Array.from(list), offsets };
}

/** Writes the query blocks of each head behind the offsets, longest list first: short ones fill the gaps at the end. */
function orderBlocks(offsets: Uint32Array, blocks: number): void {
  const rows = (offsets.length - 1) / 2;
  for (let first = 0; first < rows; first += blocks) {
    const length = (block: number) => offsets[first + block + 1] - offsets[first + block];
    const order = Array.from({ length: blocks }, (_, block) => block);
    offsets.set(order.sort((a, b) => length(b) - length(a)), rows + 1 + first);
  }
}

/** Appends the groups of one level of a row. */
function addGroups(
  list: number[],
  row: Int32Array,
  { level, tokens, blockN, group }: {
    readonly level: number;
    readonly tokens: number;
    readonly blockN: number;
    readonly group: number;
  },
): void {
  const perBlock = blockN / level, log = Math.log2(level);
  let index = -1, mask = 0;
  const flush = () => {
    if (mask !== 0) list.push((index | log << 20 | mask << 24) >>> 0);
    mask = 0;
  };
  for (let j = 0; j < row.length; j++) {
    if (row[j] !== level) continue;
    for (let token = j * perBlock; token < Math.min((j + 1) * perBlock, tokens); token++) {
      if (Math.floor(token / group) !== index) {
        flush();
        index = Math.floor(token / group);
      }
      mask |= 1 << token % group;
    }
  }
  flush();
}
