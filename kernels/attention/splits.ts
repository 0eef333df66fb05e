/**
 * How many workgroups share the keys of a query block. A call with few query blocks leaves most of a large device idle, and
 * one whose query blocks have lists of different lengths waits for the longest. Splitting helps in both cases, at a cost:
 * every workgroup reads its queries and writes outputs in float32, and one more kernel adds them up (merge.wgsl).
 *
 * @module
 */

/** Tiles of 128 keys that the query blocks of a call walk. */
export interface TileCount {
  /** Of the longest. */
  readonly most: number;
  /** On average. */
  readonly mean: number;
}

/** The properties of a call that decide into how many parts its keys are split. */
export interface SplitCall {
  /** Query blocks of all heads, times the parts of the value columns. */
  readonly workgroups: number;
  /** Tiles that they walk. */
  readonly tiles: TileCount;
  /** Whether attention uses matrix units. */
  readonly matrices: boolean;
}

/** The cost of splitting; the unit is the time that a workgroup takes for a tile. */
interface SplitCost {
  /** The fixed cost of a workgroup, beside its tiles. */
  readonly workgroup: number;
  /** The cost of adding up the parts. */
  readonly merge: number;
}

/** On an H200: 13 and 8.5 of the 13 microseconds of a tile in float32 at D=64; by matrix units a tile takes 4.4 (docs/performance.md). */
const COSTS: Readonly<Record<"tiled" | "matrix", SplitCost>> = {
  tiled: { workgroup: 1, merge: 0.65 },
  matrix: { workgroup: 2, merge: 2 },
};

/** Splits at most, and the share of the time that they have to save. */
const MOST_SPLITS = 64, LEAST_GAIN = 0.15;

/**
 * How many workgroups share the keys of a query block; 1: nothing is split.
 *
 * The time of a call is that of its longest workgroup, or the total work divided by the number of workgroups that run at once, whichever is
 * more. The fewest splits that come within 2 % of the least time are taken, if they save enough.
 *
 * @param device how many workgroups keep it busy
 * @param call the properties of the call
 *
 * @example
 * ```ts
 * import { splitsOf } from "./splits.ts";
 * const device = { busyWorkgroups: 128 }, tiles = { most: 64, mean: 64 };
 * console.log(splitsOf(device, { workgroups: 16, tiles, matrices: false })); // 8
 * console.log(splitsOf(device, { workgroups: 128, tiles, matrices: false })); // 1
 * ```
 */
export function splitsOf(
  { busyWorkgroups }: { readonly busyWorkgroups: number },
  { workgroups, tiles: { most, mean }, matrices }: SplitCall,
): number {
  const cost = COSTS[matrices ? "matrix" : "tiled"];
  const time = (splits: number) => {
    const longest = Math.ceil(most / splits) + cost.workgroup, working = Math.min(splits, Math.max(1, mean));
    const work = workgroups * (mean + working * cost.workgroup) / busyWorkgroups;
    return Math.max(longest, work) + (splits > 1 ? cost.merge : 0);
  };
  const counts = Array.from({ length: Math.max(1, Math.min(most, MOST_SPLITS)) }, (_, i) => i + 1);
  const least = counts.reduce((best, splits) => Math.min(best, time(splits)), Infinity);
  if (!(least <= (1 - LEAST_GAIN) * time(1))) return 1;
  return counts.find((splits) => time(splits) <= 1.02 * least) ?? 1;
}
