/**
 * Which method may be called best: none that read more than the others.
 *
 * @module
 */

/** Reached densities that differ by less than this share are the same. */
const SAME_DENSITY = 0.05;

/**
 * The measurements that read no more than the others: their density is at most 5 % above the median. A requested
 * density may be out of reach for some methods, and in causal calls for all.
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
