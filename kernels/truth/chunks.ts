/**
 * How a head's query blocks are cut into chunks whose scores fit into memory, and the numbers that kernels read of one.
 *
 * @module
 */

/** Query rows that a workgroup owns. */
export const TILE = 64;
/** Rows of a chunk at most, so that a dispatch has no more workgroups than every device allows. */
const MOST_ROWS = 32768;

/** The query blocks of a head, and how many tokens each reads. */
export interface HeadSizes {
  /** Query rows. */
  readonly rows: number;
  /** Rows of a query block. */
  readonly block: number;
  /** Tokens that query block m reads. */
  readonly lengthOf: (m: number) => number;
}

/** Some query blocks whose scores are in memory at the same time. */
export interface Chunk {
  /** The first query block. */
  readonly first: number;
  /** One past the last. */
  readonly end: number;
  /** Scores of a row, a multiple of {@link TILE}. */
  readonly width: number;
  /** Tiles of rows. */
  readonly tiles: number;
}

/** Tiles of a query block. */
export function tilesOf(block: number): number {
  return Math.ceil(block / TILE);
}

/**
 * Cuts a head into chunks, of one query block at least.
 *
 * @param sizes the query blocks
 * @param options `bytes` that the scores of a chunk may take
 *
 * @example
 * ```ts
 * import { cutChunks } from "./chunks.ts";
 * const sizes = { rows: 256, block: 64, lengthOf: () => 100 };
 * console.log(cutChunks(sizes, { bytes: 200000 }).map(({ end }) => end)); // [3, 4]
 * ```
 */
export function cutChunks(
  { rows, block, lengthOf }: HeadSizes,
  { bytes }: { readonly bytes: number },
): Chunk[] {
  const chunks: Chunk[] = [], blocks = Math.ceil(rows / block), each = tilesOf(block);
  const widthOf = (m: number) => Math.max(1, Math.ceil(lengthOf(m) / TILE)) * TILE;
  for (let first = 0; first < blocks;) {
    let end = first, width = 0;
    while (end < blocks) {
      const wider = Math.max(width, widthOf(end)), taken = (end + 1 - first) * each * TILE;
      if (end > first && (8 * wider * taken > bytes || taken > MOST_ROWS)) break;
      [width, end] = [wider, end + 1];
    }
    chunks.push({ first, end, width, tiles: (end - first) * each });
    first = end;
  }
  return chunks;
}

/** The parameters of a chunk that kernels read, beside its place. */
export interface CallNumbers {
  /** Entries between one query block's list and the next; 0: one list for all. */
  readonly listStride: number;
  /** A row's position minus its index. */
  readonly shift: number;
  /** Scores of a row that exist; only the kernel of blocks asks. */
  readonly columns?: number;
  /** Columns of a key block; only the kernel of blocks asks. */
  readonly keyBlock?: number;
}

/** The numbers of a chunk as call.wgsl lays them out. */
export function packCall(
  { rows, block }: HeadSizes,
  { first, width }: Chunk,
  { listStride, shift, columns = 0, keyBlock = 1 }: CallNumbers,
): Int32Array<ArrayBuffer> {
  return Int32Array.of(rows, block, first * tilesOf(block), width, listStride, shift, columns, keyBlock);
}
