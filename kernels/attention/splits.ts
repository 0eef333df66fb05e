/**
 * How workgroups share the keys of query blocks. A call with few query blocks leaves most of a large device idle, and one whose
 * query blocks have lists of different lengths waits for the longest. Splitting helps in both cases, at a cost: every
 * workgroup reads its queries and leaves outputs in float32, and one more kernel adds them up (merge.wgsl). So only the
 * blocks with the longest lists are shared, those that would end last; blocks are taken in the order of their lengths, so
 * these are the first ones.
 *
 * @module
 */

/** Tiles of 128 keys that the query blocks of a call walk. */
export interface TileCount {
  /** Of the longest. */
  readonly most: number;
  /** On average. */
  readonly mean: number;
  /** How many blocks have lists of 0, 1, 2, … quarters of a tile, rounded up; left out: not known. */
  readonly quarters?: readonly number[];
}

/** Tiles of lists, on average, up to which it matters how far the last one is filled: with twice as many the kernel for it is slower. */
const SHORT_TILES = 6;

/** Whether lists are so short that the last tile of each matters; `tiles` left out: not known, or no lists. */
export function areShort(tiles?: TileCount): boolean {
  return tiles !== undefined && tiles.mean <= SHORT_TILES;
}

/** How workgroups share the keys of query blocks. */
export interface KeyParts {
  /** Query blocks of all heads that are shared: neighbours in the order in which blocks are taken. */
  readonly rows: number;
  /** Blocks before them: 0 where those with the longest lists are shared, or all. */
  readonly first: number;
  /** Workgroups of each. */
  readonly parts: number;
  /** Tiles that a workgroup has at least, if there are so many: those of shorter lists stay together. */
  readonly share: number;
}

/** The properties of a call that decide how its keys are shared. */
export interface SplitCall {
  /** Query blocks of all heads. */
  readonly rows: number;
  /** Workgroups that share the value columns of a block; default 1. */
  readonly columns?: number;
  /** Tiles that they walk. */
  readonly tiles: TileCount;
  /** Whether attention uses matrix units. */
  readonly matrices: boolean;
  /** Whether the tiled kernel walks the last tile of a list to its end, however few keys it has; default false. */
  readonly wholeTiles?: boolean;
  /** Whether the last blocks of a long call can be shared; default false. */
  readonly canShareLast?: boolean;
  /** Channels of a query or a value, whichever has more; default 128. */
  readonly width?: number;
}

/** The cost of splitting; the unit is the time that a workgroup takes for a tile. */
interface SplitCost {
  /** The fixed cost of a workgroup, beside its tiles. */
  readonly workgroup: number;
  /** The cost of adding up the parts: of the kernel, and of each part. */
  readonly merge: number;
  readonly part: number;
}

/**
 * On an H200: 2.7, 4 and .1 of the 13 microseconds of a tile in float32 at D=64. By matrix units a tile of D=128 takes 4.2, and the
 * costs of a workgroup and of the merge are nearly the same for narrower ones (docs/short-calls.md).
 */
const COSTS: Readonly<Record<"tiled" | "matrix", SplitCost>> = {
  tiled: { workgroup: 0.2, merge: 0.3, part: 0.001 },
  matrix: { workgroup: 1.2, merge: 1, part: 0.006 },
};
/** The width of queries and values for which the costs of matrix units hold; a tile takes half of the time at half of it, not less. */
const MATRIX_WIDTH = 128;
/** The time that the tiled kernel takes for the last tile of a list, by how many quarters of it are filled (tiled/kernel.wgsl). */
const LAST_TILE = [0, 0.4, 0.6, 0.9];
/** The time of a workgroup that finds no tile for it. */
const EMPTY = 0.1;

/**
 * Rounds of workgroups from which on the last blocks are not shared (23 of them took 1 % longer by matrix units), their parts at most, and the share of
 * the time that it has to save.
 */
const MOST_ROUNDS = 16, MOST_PARTS = 16, LEAST_LAST = 0.005;
/** The mean number of tiles, as a share of the most, from which on lists count as of one length. */
const LIKE = 0.5;

/** The share of the time that parts have to save, and rounds of workgroups from which on nothing is split. */
const LEAST_GAIN = 0.1, MANY_ROUNDS = 16;
/**
 * What a plan with fewer parts has to save to be taken in place of one with more. Where last tiles are walked in part it has to save more: the
 * room of the device is rounded, and on an H200 more parts ended sooner than the plan said.
 */
const FEWER = { whole: 0.98, inPart: 0.96 };
/** Numbers of parts that are tried; where lengths differ and are known, all shares of lists up to this length are. */
const PARTS = [64, 48, 40, 32, 24, 20, 16, 12, 10, 8, 6, 5, 4, 3, 2], SHORT_LIST = 32;

/**
 * How workgroups share the keys of query blocks; null: nothing is shared.
 *
 * Workgroups are given to the device one after the other, in the order in which they are begun, for every number of parts; the plan that ends
 * first is taken, if it saves enough.
 *
 * @param device how many workgroups keep it busy
 * @param call the properties of the call
 *
 * @example
 * ```ts
 * import { keyParts } from "./splits.ts";
 * const device = { busyWorkgroups: 128 }, tiles = { most: 64, mean: 64 };
 * console.log(keyParts(device, { rows: 16, tiles, matrices: false })); // { rows: 16, first: 0, parts: 8, share: 8 }
 * console.log(keyParts(device, { rows: 128, tiles, matrices: false })); // null
 * ```
 */
export function keyParts(
  device: { readonly busyWorkgroups: number },
  call: SplitCall,
): KeyParts | null {
  return longestParts(device, call) ?? lastParts(device, call);
}

/** How the blocks with the longest lists are shared. */
function longestParts(
  { busyWorkgroups }: { readonly busyWorkgroups: number },
  { rows, columns = 1, tiles, matrices, width = MATRIX_WIDTH, wholeTiles = false }: SplitCall,
): KeyParts | null {
  if (rows * columns > MANY_ROUNDS * busyWorkgroups || tiles.most < 2) return null;
  const cost = COSTS[matrices ? "matrix" : "tiled"],
    scale = matrices ? MATRIX_WIDTH / Math.max(width, MATRIX_WIDTH / 2) : 1;
  const lengths = lengthsOf(rows, tiles), device = { slots: busyWorkgroups, columns };
  const isWhole = matrices || wholeTiles || tiles.quarters === undefined;
  const timeOf = (quarters: number) =>
    isWhole ? Math.ceil(quarters / 4) : (quarters >> 2) + LAST_TILE[quarters & 3];
  const time = (plan: KeyParts | null) => {
    const merge = plan === null ? 0 : cost.merge + cost.part * plan.rows * plan.parts;
    const work = workOf(lengths, plan).map(timeOf);
    return scale * merge + endOf(work, { ...device, fixed: scale * cost.workgroup });
  };
  const alone = time(null), fewer = isWhole ? FEWER.whole : FEWER.inPart;
  let best: KeyParts | null = null, least = (1 - LEAST_GAIN) * alone;
  for (const share of sharesOf(tiles)) {
    const parts = Math.ceil(tiles.most / share),
      plan = { rows: longerThan(share, rows, tiles), first: 0, parts, share };
    const its = time(plan);
    if (its < (best === null ? 1 : fewer) * least) [best, least] = [plan, its];
  }
  return best;
}

/**
 * How the last blocks are shared: those that remain when every workgroup that the device has room for has had the same number of blocks, and that
 * would keep only some of them busy. Lists have to be of about the same length.
 */
function lastParts(
  { busyWorkgroups: room }: { readonly busyWorkgroups: number },
  { rows, columns = 1, tiles, matrices, width = MATRIX_WIDTH, canShareLast = false }: SplitCall,
): KeyParts | null {
  const rest = rows % room, { most, mean } = tiles;
  if (!canShareLast || columns > 1 || rest === rows || rest === 0 || rows > MOST_ROUNDS * room) return null;
  if (mean < LIKE * most) return null;
  const cost = COSTS[matrices ? "matrix" : "tiled"],
    scale = matrices ? MATRIX_WIDTH / Math.max(width, MATRIX_WIDTH / 2) : 1;
  const lengths = lengthsOf(rows, tiles).map((quarters) => quarters / 4),
    whole = lengths.slice(0, rows - rest);
  const end = (parts: number) => {
    const last = lengths.slice(rows - rest).flatMap((tiles) => Array<number>(parts).fill(tiles / parts));
    const merge = parts === 1 ? 0 : cost.merge + cost.part * rest * parts;
    return endOf([...whole, ...last], { slots: room, columns: 1, fixed: scale * cost.workgroup }) +
      scale * merge;
  };
  let best = 1, least = (1 - LEAST_LAST) * end(1);
  for (let parts = 2; parts <= Math.min(most, MOST_PARTS) && parts * rest <= 4 * room; parts++) {
    const its = end(parts);
    if (its < least) [best, least] = [parts, its];
  }
  return best === 1 ? null : { rows: rest, first: rows - rest, parts: best, share: 1 };
}

/** Tiles of a part that are tried, the fewest first. */
function sharesOf({ most, quarters }: TileCount): number[] {
  if (quarters !== undefined && most <= SHORT_LIST) return Array.from({ length: most - 1 }, (_, i) => i + 1);
  return [...new Set(PARTS.filter((parts) => parts <= most).map((parts) => Math.ceil(most / parts)))];
}

/** How many query blocks walk more tiles than some; all of them where that is not known. */
function longerThan(share: number, rows: number, { quarters }: TileCount): number {
  return quarters?.slice(4 * share + 1).reduce((sum, count) => sum + count, 0) ?? rows;
}

/** The quarters of every query block, longest first. Where only the mean is known, all are of one length but the longest. */
function lengthsOf(rows: number, { most, mean, quarters }: TileCount): number[] {
  if (quarters !== undefined) {
    return quarters.flatMap((count, length) => Array<number>(count).fill(length)).reverse();
  }
  const usual = Math.min(most, Math.ceil((mean * rows - most) / Math.max(1, rows - 1)));
  return Array.from({ length: rows }, (_, i) => 4 * (i === 0 ? most : Math.max(0, usual)));
}

/** The quarters of every workgroup, in the order in which they are begun; a part of a list that is too short for it has none. */
function workOf(lengths: readonly number[], plan: KeyParts | null): number[] {
  if (plan === null) return [...lengths];
  const { rows, first, parts } = plan;
  return lengths.flatMap((length, row) => {
    if (row < first || row >= first + rows) return [length];
    const share = 4 * Math.max(plan.share, Math.ceil(length / 4 / parts));
    return Array.from({ length: parts }, (_, part) => Math.max(0, Math.min(share, length - part * share)));
  });
}

/** When the last of the workgroups ends, each of which is begun as soon as one before it has ended. */
function endOf(
  work: readonly number[],
  { slots, columns, fixed }: { readonly slots: number; readonly columns: number; readonly fixed: number },
): number {
  const ends = new Float64Array(Math.min(slots, work.length * columns)); // a heap: the slot that is free first is the first
  let last = 0;
  for (let column = 0; column < columns; column++) {
    for (const tiles of work) {
      const end = ends[0] + (tiles > 0 ? tiles + fixed : EMPTY);
      replaceFirst(ends, end);
      last = Math.max(last, end);
    }
  }
  return last;
}

/** Puts another number in place of the least of a heap. */
function replaceFirst(heap: Float64Array, value: number): void {
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
    if (heap[child] >= value) break;
    heap[at] = heap[child];
    at = child;
  }
  heap[at] = value;
}
