/**
 * Statistics of measurements: medians with intervals that assume nothing of their distribution.
 *
 * @module
 */

/** A median and how well it is known. */
export interface MedianEstimate {
  /** The median. */
  readonly median: number;
  /** Lower end of its confidence interval: a measurement. */
  readonly low: number;
  /** Upper end of its confidence interval: a measurement. */
  readonly high: number;
  /** The probability that the interval covers the true median, at least the one asked for where there are enough. */
  readonly confidence: number;
  /** Distance between the quartiles. */
  readonly iqr: number;
}

/**
 * The quantile of sorted values, linear between neighbours.
 *
 * @param sorted values in ascending order, at least one
 * @param fraction from 0 to 1
 *
 * @example
 * ```ts
 * import { quantile } from "./statistics.ts";
 * console.log(quantile([1, 2, 3, 4], 0.5)); // 2.5
 * ```
 */
export function quantile(sorted: readonly number[], fraction: number): number {
  const at = fraction * (sorted.length - 1), below = Math.floor(at), above = Math.ceil(at);
  return sorted[below] + (sorted[above] - sorted[below]) * (at - below);
}

/**
 * The median of values in any order.
 *
 * @param values at least one
 *
 * @example
 * ```ts
 * import { medianOf } from "./statistics.ts";
 * console.log(medianOf([3, 1, 2])); // 2
 * ```
 */
export function medianOf(values: readonly number[]): number {
  return quantile(values.toSorted((a, b) => a - b), 0.5);
}

/**
 * The median of values with the narrowest symmetric pair of order statistics that covers the true median with the
 * confidence asked for (a binomial count of values below it). With few values the interval is all of them, and the
 * confidence of that is returned.
 *
 * @param values measurements, at least one
 * @param confidence the confidence to reach; default 0.95
 *
 * @example
 * ```ts
 * import { estimateMedian } from "./statistics.ts";
 * console.log(estimateMedian([3, 1, 2]).confidence); // 0.75
 * ```
 */
export function estimateMedian(values: readonly number[], confidence = 0.95): MedianEstimate {
  const sorted = values.toSorted((a, b) => a - b), n = sorted.length;
  // Weights of the binomial count are summed from their logarithms: 2^-n is 0 in float64 from n = 1075 on.
  let outside = 0, cut = 0, covered = n === 1 ? 0 : 1 - 2 * 2 ** -n;
  for (let k = 0, log = -n * Math.LN2; k < Math.floor(n / 2); k++, log += Math.log((n - k + 1) / k)) {
    outside += Math.exp(log);
    if (1 - 2 * outside < confidence && k > 0) break;
    [cut, covered] = [k, 1 - 2 * outside];
  }
  return {
    median: quantile(sorted, 0.5),
    low: sorted[cut],
    high: sorted[n - 1 - cut],
    confidence: covered,
    iqr: quantile(sorted, 0.75) - quantile(sorted, 0.25),
  };
}

/**
 * Numbers of measurements at which it is looked whether a median is known: measuring ends at one of them, or by the
 * clock.
 */
export const LOOKS: readonly number[] = [8, 16, 32, 64];

/**
 * The median of measurements that went on until it was known. Who looks again and again and stops when the interval is
 * narrow is wrong more often than the interval says. So it is looked at few counts that are fixed beforehand
 * ({@link LOOKS}), and the chance to be wrong is divided by their number, an end by the clock counted as one look more
 * (Bonferroni): the interval covers the median with the confidence told, wherever measuring ended.
 *
 * @param values measurements, at least one
 * @param confidence the confidence to reach; default 0.95
 *
 * @example
 * ```ts
 * import { estimateLooked } from "./statistics.ts";
 * const { low, high, confidence } = estimateLooked([1, 2, 3, 4, 5, 6, 7, 8]);
 * console.log(low, high, confidence); // 1 8 0.9609375
 * ```
 */
export function estimateLooked(values: readonly number[], confidence = 0.95): MedianEstimate {
  const ends = LOOKS.length + 1, estimate = estimateMedian(values, 1 - (1 - confidence) / ends);
  return { ...estimate, confidence: Math.max(0, 1 - ends * (1 - estimate.confidence)) };
}
