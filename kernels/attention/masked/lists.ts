/**
 * Work lists of a mask: the groups of 8 keys that a query block has to read, and beside each the bits of its rows
 * (masked.wgsl says why they lie so). They are made on the host from the rows that the mask gives, block by block.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import { clearFrom, countRow, WORD } from "../../../reference/masks/bits.ts";
import { type Mask, seenKeys } from "../../../reference/masks/mask.ts";
import type { Tensor } from "../../../reference/tensor.ts";
import type { Capabilities } from "../../device/capabilities.ts";
import { filling, offsetsLength, packEntry, requireNumbered, TILE_TOKENS } from "../../lists/entry.ts";
import { orderRows, type WorkLists } from "../../lists/naive.ts";
import type { TileCount } from "../splits.ts";

/** Keys of a group, and groups of a tile. */
const GROUP = 8, TILE = TILE_TOKENS / GROUP;

/** Work lists of all query blocks of all heads. */
export interface MaskLists extends WorkLists {
  /**
   * For every entry, and every 8 rows of its query block, two words: 8 bits for each row, rows ascending from the lowest
   * bits; bit j says whether the row sees key j of the group.
   */
  readonly rowMasks: Uint32Array<ArrayBuffer>;
  /** Tiles of 128 keys that query blocks walk. */
  readonly tiles: TileCount;
  /** The share of pairs that are seen, of those that are not in the future if the call is causal. */
  readonly density: number;
  /** Int32 [batch, heads, query blocks, key blocks]: 1 where some query of the block sees some key of the block. */
  readonly levels: Tensor<Int32Array>;
}

/** The block sizes and the group size of the lists. */
export interface MaskListsOptions {
  /** Query block size and key block size in tokens. */
  readonly blockM: number;
  readonly blockN: number;
  /** Whether a query sees no key beyond its own position, whatever the mask shows. */
  readonly causal: boolean;
  /** The device, whose limits count. */
  readonly info: Pick<Capabilities, "limits">;
}

/**
 * Makes the work lists of a mask.
 *
 * @param mask which keys every query sees
 * @param options block sizes, causality, limits
 * @throws {InputError} if lists exceed a limit of the device, there are more keys than entries can number, or the mask
 * gives rows of a wrong length
 *
 * @example
 * ```ts
 * import { buildMask } from "../../../reference/masks/mask.ts";
 * import { makeMaskLists } from "./lists.ts";
 * const mask = buildMask([1, 1, 2, 64], { fill: (bits) => bits.set([0, 0b101, 0, 0b1]) });
 * const limits = { maxStorageBufferBindingSize: 1e6, maxBufferSize: 1e6 };
 * const { list, rowMasks } = makeMaskLists(mask, { blockM: 16, blockN: 16, causal: false, info: { limits } });
 * console.log(list[0] === (4 | 0b101 << 24) >>> 0, rowMasks[0].toString(2)); // true 100000101
 * ```
 */
export function makeMaskLists(mask: Mask, { blockM, blockN, causal, info }: MaskListsOptions): MaskLists {
  const [batch, heads, seqQ, seqK] = mask.shape, blocks = Math.ceil(seqQ / blockM);
  requireNumbered(seqK, GROUP);
  const columns = Math.ceil(seqK / blockN), rows = batch * heads * blocks;
  const levels = new Int32Array(rows * columns), offsets = new Uint32Array(offsetsLength(rows));
  const { maxStorageBufferBindingSize, maxBufferSize } = info.limits;
  const lists = new Growing(blockM / 4, Math.min(maxStorageBufferBindingSize, maxBufferSize));
  let shown = 0, pairs = 0, most = 0;
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / blocks),
      first = row % blocks * blockM,
      end = Math.min(seqQ, first + blockM);
    const bits = rowsOf(mask, { head, first, end, causal });
    shown += countRow(bits);
    for (let i = first; i < end; i++) pairs += seenKeys(i, { seqQ, seqK, causal });
    const level = levels.subarray(row * columns, (row + 1) * columns);
    offsets[2 * rows + 1 + row] = addBlock(lists, bits, { words: mask.words, level, blockN });
    offsets[row + 1] = lists.count;
    most = Math.max(most, lists.count - offsets[row]);
  }
  const mean = lists.count / rows / TILE;
  for (let i = 0; i < TILE; i++) lists.add(0); // who reads the first tile of a row that has none reads nothing beyond
  lists.requireRoom();
  orderRows(offsets, blocks);
  return {
    ...lists.taken(),
    offsets,
    tiles: { most: most / TILE, mean },
    density: pairs === 0 ? 0 : shown / pairs,
    levels: { data: levels, shape: [batch, heads, blocks, columns] },
  };
}

/** The bits of the rows of a query block, without keys beyond the end or in the future. */
function rowsOf(
  mask: Mask,
  { head, first, end, causal }: {
    readonly head: number;
    readonly first: number;
    readonly end: number;
    readonly causal: boolean;
  },
): Uint32Array {
  const [, , seqQ, seqK] = mask.shape, { words } = mask, bits = mask.rows(head, first, end);
  requireInput(
    bits instanceof Uint32Array && bits.length === (end - first) * words,
    () =>
      `\`mask.rows\` gives ${bits?.length} words for ${end - first} queries; it should give ${words} each.`,
  );
  for (let i = first; i < end; i++) {
    const row = bits.subarray((i - first) * words, (i - first + 1) * words);
    clearFrom(row, seenKeys(i, { seqQ, seqK, causal }));
  }
  return bits;
}

/** Appends the groups that some row of a query block sees, filled up to whole tiles; how many they are. */
function addBlock(
  lists: Growing,
  bits: Uint32Array,
  { words, level, blockN }: {
    readonly words: number;
    readonly level: Int32Array;
    readonly blockN: number;
  },
): number {
  const rows = bits.length / words, begin = lists.count;
  let last = 0;
  for (let word = 0; word < words; word++) {
    let seen = 0;
    for (let r = 0; r < rows; r++) seen |= bits[r * words + word];
    for (let shift = 0; seen >>> shift !== 0 && shift < WORD; shift += GROUP) {
      const mask = seen >>> shift & 0xff, index = (word * WORD + shift) / GROUP;
      if (mask === 0) continue;
      last = packEntry({ index, level: 1, mask });
      lists.add(last, (r) => r < rows ? bits[r * words + word] >>> shift & 0xff : 0);
      for (let j = 0; j < GROUP; j++) {
        if ((mask >>> j & 1) === 1) level[Math.floor((index * GROUP + j) / blockN)] = 1;
      }
    }
  }
  const length = lists.count - begin;
  while ((lists.count - begin) % TILE !== 0) lists.add(filling(last));
  return length;
}

/** Entries and their rows' bits, in arrays that grow; beyond the limit they are only counted. */
class Growing {
  count = 0;
  #list = new Uint32Array(1024);
  #rowMasks: Uint32Array<ArrayBuffer>;
  readonly #words: number;
  readonly #limit: number;

  /** Words of an entry's bits, and the most bytes of a buffer. */
  constructor(words: number, limit: number) {
    [this.#words, this.#limit] = [words, limit];
    this.#rowMasks = new Uint32Array(1024 * words);
  }

  /** Appends an entry with the 8 bits of each row; left out: no row sees anything. */
  add(entry: number, bitsOf?: (row: number) => number): void {
    const at = this.count++, words = this.#words;
    if (this.#bytes > this.#limit) return;
    if (at === this.#list.length) this.#grow();
    this.#list[at] = entry;
    for (let word = 0; bitsOf !== undefined && word < words; word++) {
      let packed = 0;
      for (let r = 0; r < 4; r++) packed |= bitsOf(4 * word + r) << 8 * r;
      this.#rowMasks[at * words + word] = packed;
    }
  }

  /** Throws if a buffer is beyond the limit. */
  requireRoom(): void {
    requireInput(
      this.#bytes <= this.#limit,
      () =>
        `The work lists of \`mask\` need ${this.#bytes} bytes; a buffer of this adapter holds ${this.#limit} ` +
        `(maxStorageBufferBindingSize, maxBufferSize).`,
    );
  }

  /** The entries that were appended. */
  taken(): { list: Uint32Array<ArrayBuffer>; rowMasks: Uint32Array<ArrayBuffer> } {
    return {
      list: this.#list.slice(0, this.count),
      rowMasks: this.#rowMasks.slice(0, this.count * this.#words),
    };
  }

  get #bytes(): number {
    return 4 * this.count * this.#words;
  }

  #grow(): void {
    const [list, rowMasks] = [this.#list, this.#rowMasks];
    this.#list = new Uint32Array(2 * list.length);
    this.#rowMasks = new Uint32Array(2 * rowMasks.length);
    this.#list.set(list);
    this.#rowMasks.set(rowMasks);
  }
}
