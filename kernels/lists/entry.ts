/**
 * The entries of work lists. An entry is one u32 and stands for a group, 8 consecutive pooled tokens of one level (4 where
 * some level leaves fewer than 8 tokens of a block):
 *
 *     bits 0 .. 19   index of the group: its first token, divided by the tokens of a group, among those of its level
 *     bits 20 .. 22  log2 of the level
 *     bit 23         whether the entry only fills up its tile: it repeats the one before, and its tokens do not count
 *     bits 24 .. 31  which tokens of the group count
 *
 * Only this file and entry.wgsl know the layout. Lists do not depend on their readers.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
export { default as entryTemplate } from "./entry.wgsl" with { type: "text" };

/** The content of an entry. */
export interface Entry {
  /** Which group among those of its level. */
  readonly index: number;
  /** The level. */
  readonly level: number;
  /** Which tokens of the group count, one bit each. */
  readonly mask: number;
  /** Whether it only fills up its tile; default false. */
  readonly fills?: boolean;
}

/** Pooled tokens to whose multiples rows of lists are filled up. */
export const TILE_TOKENS = 128;
/** Rows at the end of a call that are ordered together by the length of their lists. */
const LAST_ROWS = 384;
/** Groups that an entry can number: 8 million pooled tokens, or 4 million. */
const MOST_GROUPS = 1 << 20;

/** How the rows of a call are ordered. */
export interface TurnOptions {
  /** Rows at the end that are ordered together; default 384. */
  readonly last?: number;
}

/** Which rows are ordered by the length of their lists with which others. */
export interface Turns {
  /** Rows of that many neighbouring ones, those of a head, are ordered together, up to… */
  readonly together: number;
  /** … this row; those behind it, the last ones of a call, are ordered together. */
  readonly alone: number;
}

/**
 * Rows of a head are ordered together; the last heads of a call count as one, so that no long workgroup remains at the end.
 * In the middle that would gain nothing, and the heads that are processed at the same time would be too many for the device's
 * cache.
 *
 * @param heads heads of all batch entries
 * @param blocks query blocks of a head
 * @param options how many are ordered together
 */
export function turnsOf(
  heads: number,
  blocks: number,
  { last: lastRows = LAST_ROWS }: TurnOptions = {},
): Turns {
  const last = Math.max(1, Math.min(heads, Math.floor(lastRows / blocks)));
  return { together: blocks, alone: (heads - last) * blocks };
}

/** Where causal rows of levels lie among the keys. */
export interface CausalRows {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** The place of query 0 among the keys. */
  readonly position: number;
}

/** Numbers of the record of a row ({@link WorkLists.offsets}). */
export const RECORD = 3;

/** Numbers beside the lists ({@link WorkLists.offsets}). */
export function offsetsLength(rows: number): number {
  return (3 + RECORD) * rows + 1;
}

/** The rows that {@link offsetsLength} is made of. */
export function rowsOfOffsets({ length }: ArrayLike<number>): number {
  return (length - 1) / (3 + RECORD);
}

/** The entry as a u32. */
export function packEntry({ index, level, mask, fills = false }: Entry): number {
  return (index | Math.log2(level) << 20 | Number(fills) << 23 | mask << 24) >>> 0;
}

/** The entry in a u32. */
export function unpackEntry(entry: number): Required<Entry> {
  return {
    index: entry & 0xfffff,
    level: 1 << (entry >>> 20 & 7),
    mask: entry >>> 24,
    fills: (entry >>> 23 & 1) === 1,
  };
}

/** An entry that repeats another one and does not count. */
export function filling(entry: number): number {
  return packEntry({ ...unpackEntry(entry), fills: true });
}

/**
 * Pooled tokens of a group: 8, or 4 where some level leaves fewer than 8 tokens of a block, so that neighbours of other
 * levels are not read for nothing.
 *
 * @param levels the levels in use
 * @param blockN key block size in tokens
 */
export function groupTokens(levels: readonly number[], blockN: number): 4 | 8 {
  return levels.some((level) => level > 0 && blockN / level < 8) ? 4 : 8;
}

/** Throws if there are more key tokens than the entries of a list can number. */
export function requireNumbered(tokens: number, group: number): void {
  requireInput(
    tokens / group <= MOST_GROUPS,
    () => `\`k\` has ${tokens} tokens; work lists number ${MOST_GROUPS * group} at most.`,
  );
}
