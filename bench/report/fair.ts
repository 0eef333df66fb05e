/**
 * Which method may be called best: none that read more than the others.
 *
 * @module
 */

/** Reached densities that differ by less than this share are the same. */
const SAME_DENSITY = 0.05;

/**
 * Those that read no more than the others: whose density is at most that of the one in the middle, or 5 % above it. A
 * requested density may be out of reach for some, and for all if calls are causal.
 *
 * @param items the measurements at one requested density
 * @param densityOf the density that each reached
 *
 * @example
 * ```ts
 * import { notDenser } from "./fair.ts";
 * console.log(notDenser([0.1, 0.102, 1], (density) => density)); // [0.1, 0.102]
 * ```
 */
export function notDenser<Item>(items: readonly Item[], densityOf: (item: Item) => number): Item[] {
  const sorted = items.map(densityOf).sort((a, b) => a - b),
    middle = sorted[Math.floor((sorted.length - 1) / 2)];
  return items.filter((item) => densityOf(item) <= middle * (1 + SAME_DENSITY));
}
