/**
 * Relative errors from a sample of query rows, where the truth of all rows would take hours.
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { requireBlock } from "../pyramid/pyramid.ts";
import { seededRandom } from "../random.ts";
import type { AttentionShape } from "../tensor.ts";

/** The rows that sampled rows represent: those of a stratum represent all rows of that stratum. */
export interface Strata {
  /** The stratum of every sampled row; rows of a stratum follow one another. */
  readonly of: readonly number[];
  /** How many rows every stratum has in all. */
  readonly sizes: readonly number[];
  /** The class of each stratum: strata of one class are joined where they have too few rows; default one class. */
  readonly classes?: readonly number[];
}

/** A sample of query rows. */
export interface SampledRows {
  /** For every (batch, head), its query tokens in ascending order: what `attentionRows` takes. */
  readonly rows: readonly (readonly number[])[];
  /** A stratum for each query block of each head, or several if causal; the rows of all heads one after the other. */
  readonly strata: Strata;
}

/** How {@link sampleQueryRows} draws. */
export interface RowSampling {
  /** Default 0. */
  readonly seed?: number;
  /** Rows of a query block; default 1. */
  readonly perBlock?: number;
  /** Whether a query sees only keys up to its own position; default false. */
  readonly causal?: boolean;
}

/**
 * Draws query rows, the same number in every query block of every head, without replacement. A block that has fewer
 * rows gives all of them.
 *
 * In a causal call, the first rows of a block differ from the others: of their nearest keys,
 * few are in the diagonal block, which is read in full, and their loss on the rest may be half of the total error.
 * So its blocks are cut into strata that double in size, rows 0, 1, 2 and 3, 4 to 7, …, with at least one row each.
 *
 * @param shape batch, heads and query tokens
 * @param blockM query block size in tokens
 * @param options seed, rows per block, causal
 * @throws {InputError} if a size is not a positive integer or the seed is not a whole number
 *
 * @example
 * ```ts
 * import { sampleQueryRows } from "./sampled_rows.ts";
 * const { rows, strata } = sampleQueryRows({ batch: 1, heads: 2, seqQ: 40 }, 16, { perBlock: 2 });
 * console.log(rows[1].length, strata.sizes); // 6 [16, 16, 8, 16, 16, 8]
 * const { strata: { sizes } } = sampleQueryRows({ batch: 1, heads: 1, seqQ: 40 }, 16, { causal: true });
 * console.log(sizes); // [1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 1, 1, 2, 4]
 * ```
 */
export function sampleQueryRows(
  { batch, heads, seqQ }: Pick<AttentionShape, "batch" | "heads" | "seqQ">,
  blockM: number,
  { seed = 0, perBlock = 1, causal = false }: RowSampling = {},
): SampledRows {
  for (const [name, size] of Object.entries({ batch, heads, seqQ, blockM, perBlock })) {
    requireBlock(name, size);
  }
  const of: number[] = [], sizes: number[] = [], classes: number[] = [];
  const rows = Array.from({ length: batch * heads }, (_, head) => {
    const random = seededRandom(seed, head), drawn: number[] = [];
    for (let first = 0; first < seqQ; first += blockM) {
      const parts = cutBlock(Math.min(blockM, seqQ - first), causal);
      for (const [kind, { begin, size }] of parts.entries()) {
        const range = Array.from({ length: size }, (_, i) => first + begin + i);
        const taken = Math.min(Math.ceil(perBlock / parts.length), size);
        for (let i = 0; i < taken; i++) {
          const other = i + random.below(size - i);
          [range[i], range[other]] = [range[other], range[i]];
          of.push(sizes.length);
        }
        drawn.push(...range.slice(0, taken).sort((a, b) => a - b));
        sizes.push(size);
        classes.push(kind);
      }
    }
    return drawn;
  });
  return { rows, strata: { of, sizes, ...(causal ? { classes } : {}) } };
}

/** The strata of a query block: all of it, or if causal its first row, and parts that double. */
function cutBlock(rows: number, causal: boolean): { readonly begin: number; readonly size: number }[] {
  if (!causal) return [{ begin: 0, size: rows }];
  const parts = [{ begin: 0, size: 1 }];
  for (let begin = 1; begin < rows; begin *= 2) parts.push({ begin, size: Math.min(begin, rows - begin) });
  return parts;
}

/** A relative error estimated from sampled rows. */
export interface ErrorEstimate {
  /** The estimate of ||error|| / ||truth|| over all rows. */
  readonly relL2: number;
  /** The lower end of its interval of 95 %. */
  readonly low: number;
  /** The upper end. */
  readonly high: number;
}

/** Rows of one or several strata, from whose spread a variance is estimated. */
interface Group {
  /** Squared errors and squared norms, each times the rows that its row stands for. */
  readonly terms: { readonly error: number; readonly norm: number }[];
  /** How many rows the group has in all. */
  size: number;
}

/** Fewest rows in a group: strata of fewer are joined with those that follow. */
const FEWEST = 4;

/** With a probability of .975, at most this many rows for each sampled one are larger than all sampled ones. */
const UNSEEN = -Math.log(0.025);

/** Fewest rows that tell how the largest errors fall off. */
const TAIL_ROWS = 4;

/**
 * The relative L2 error over all rows from that of sampled ones: the ratio estimate of a stratified sample, with an
 * interval of 95 %.
 *
 * A row's squared error and squared norm count as often as there are rows of its stratum for each sampled one; the
 * estimate is the root of the ratio of the two sums. The interval is taken on the logarithm of the ratio: its variance
 * is that of the jackknife, which leaves out one row at a time and lets the other rows of its group stand for it, with
 * the correction for samples of a finite group. Groups are strata, joined with the following ones until they hold four
 * rows (which overstates the variance where strata differ); only strata of one class are joined. The half-width is Student's quantile at the degrees of
 * freedom of Satterthwaite, rounded down, times the root of the variance.
 *
 * Errors of rows have long tails, and a sample without any of the worst rows does not show them in its
 * variance. So the upper end allows for rows that are larger than all sampled ones: with a probability of .975 these
 * stand for less than 3.7 sampled rows, and their size follows from the fall of the largest tenth (Hill's estimate).
 * In a thousand draws each of two traces and two workloads, at two densities and three sizes of sample, intervals held
 * the error of all rows in 95.5 % or more.
 *
 * @param errors2 the squared L2 norm of the error of every sampled row
 * @param norms2 the squared L2 norm of the truth of the same rows
 * @param strata the strata of the rows, from {@link sampleQueryRows}
 * @throws {InputError} if lengths differ, a number is negative or not finite, or a stratum has no sampled row
 *
 * @example
 * ```ts
 * import { estimateRelativeError } from "./sampled_rows.ts";
 * const strata = { of: [0, 0, 1, 1], sizes: [8, 8] };
 * console.log(estimateRelativeError([4, 4, 4, 4], [16, 16, 16, 16], strata)); // { relL2: 0.5, low: 0.5, high: 0.5 }
 * ```
 */
export function estimateRelativeError(
  errors2: ArrayLike<number>,
  norms2: ArrayLike<number>,
  strata: Strata,
): ErrorEstimate {
  requireSample(errors2, norms2, strata);
  const groups = joinStrata(errors2, norms2, strata);
  const total = (part: "error" | "norm") =>
    groups.reduce((sum, { terms }) => terms.reduce((more, term) => more + term[part], sum), 0);
  const error = total("error"), norm = total("norm");
  if (error === 0) return { relL2: 0, low: 0, high: 0 };
  const relL2 = Math.sqrt(error / norm);
  if (norm === 0) return { relL2, low: relL2, high: relL2 };
  const unseen = UNSEEN * unseenError(groups);
  let variance = 0, squares = 0;
  for (const group of groups) {
    const part = jackknife(group, { error, norm });
    variance += part;
    squares += part ** 2 / Math.max(1, group.terms.length - 1);
  }
  if (variance === 0) return { relL2, low: relL2, high: relL2 };
  if (variance === Infinity) return { relL2, low: 0, high: Infinity }; // one row does not tell how rows differ
  const half = studentQuantile(Math.floor(variance ** 2 / squares + 1e-9)) * Math.sqrt(variance) / 2;
  return {
    relL2,
    low: relL2 * Math.exp(-half),
    high: relL2 * Math.sqrt(Math.exp(2 * half) + unseen / error),
  };
}

/** The size of a row that is larger than all sampled ones, after the tail of their distribution (Hill's estimate). */
function unseenError(groups: readonly Group[]): number {
  const errors = groups.flatMap(({ terms, size }) =>
    terms.length < size ? terms.map(({ error }) => error) : []
  )
    .sort((a, b) => b - a);
  const tail = Math.min(errors.length - 1, Math.max(TAIL_ROWS, Math.ceil(errors.length / 10)));
  if (tail < 1 || errors[tail] === 0) return errors[0] ?? 0;
  const excess = errors.slice(0, tail).reduce((sum, error) => sum + Math.log(error / errors[tail]), 0) / tail;
  return errors[0] * Math.exp(excess);
}

/** The share of a group in the variance of the logarithm of the ratio. */
function jackknife({ terms, size }: Group, { error, norm }: { error: number; norm: number }): number {
  const n = terms.length;
  if (n === size) return 0; // all rows are known
  if (n === 1) return Infinity;
  const sum = (part: "error" | "norm") => terms.reduce((total, term) => total + term[part], 0);
  const errors = sum("error"), norms = sum("norm");
  const logs = terms.map((term) => {
    const withoutError = error - errors + (errors - term.error) * n / (n - 1);
    const withoutNorm = norm - norms + (norms - term.norm) * n / (n - 1);
    return Math.log(Math.max(withoutError, Number.MIN_VALUE) / withoutNorm);
  });
  const mean = logs.reduce((total, log) => total + log, 0) / n;
  const spread = logs.reduce((total, log) => total + (log - mean) ** 2, 0);
  return (1 - n / size) * (n - 1) / n * spread;
}

/** Strata of each class in turn, joined until each group holds enough rows; what is left joins the group before. */
function joinStrata(
  errors2: ArrayLike<number>,
  norms2: ArrayLike<number>,
  { of, sizes, classes = [] }: Strata,
): Group[] {
  const rowsOf = sizes.map((): number[] => []);
  of.forEach((stratum, row) => rowsOf[stratum].push(row));
  const groups: Group[] = [], kinds = Map.groupBy(sizes.keys(), (stratum) => classes[stratum] ?? 0);
  for (const kind of [...kinds.keys()].sort((a, b) => a - b)) {
    const own: Group[] = [];
    for (const stratum of kinds.get(kind)!) {
      if (own.length === 0 || isEnough(own.at(-1)!)) own.push({ terms: [], size: 0 });
      const group = own.at(-1)!, weight = sizes[stratum] / rowsOf[stratum].length;
      group.size += sizes[stratum];
      for (const row of rowsOf[stratum]) {
        group.terms.push({ error: errors2[row] * weight, norm: norms2[row] * weight });
      }
    }
    groups.push(...own);
  }
  for (let i = groups.length - 1; i > 0; i--) {
    if (isEnough(groups[i])) continue;
    const [{ terms, size }] = groups.splice(i, 1);
    groups[i - 1].terms.push(...terms);
    groups[i - 1].size += size;
  }
  return groups;
}

/** Whether a group has enough rows to estimate their variance, or all of its rows. */
function isEnough({ terms, size }: Group): boolean {
  return terms.length >= FEWEST || terms.length === size;
}

/**
 * The quantile .975 of Student's distribution: exact for 1 and 2, else Hill's expansion (3e-3 off at 3).
 *
 * @param freedom degrees of freedom, a whole number from 1
 *
 * @example
 * ```ts
 * import { studentQuantile } from "./sampled_rows.ts";
 * console.log(studentQuantile(5).toFixed(2)); // 2.57
 * ```
 */
export function studentQuantile(freedom: number): number {
  if (freedom <= 1) return 12.7062047;
  if (freedom === 2) return 4.3026527;
  const terms = [1.959964, 2.3722712, 2.8224986, 2.5558497, 1.5895341];
  return terms.reduce((sum, term, power) => sum + term / freedom ** power, 0);
}

/** Throws if a sample is wrong. */
function requireSample(errors2: ArrayLike<number>, norms2: ArrayLike<number>, { of, sizes }: Strata): void {
  requireInput(
    errors2.length === of.length && norms2.length === of.length && of.length > 0,
    () =>
      `There are ${errors2.length} errors, ${norms2.length} norms and ${of.length} strata of rows; there should be one of each for every row.`,
  );
  for (const [name, numbers] of [["errors2", errors2], ["norms2", norms2]] as const) {
    const wrong = Array.from(numbers).find((number) => !(number >= 0 && number < Infinity));
    requireInput(
      wrong === undefined,
      () => `\`${name}\` holds ${wrong}; it should hold finite numbers that are not negative.`,
    );
  }
  const hit = new Set(of), empty = sizes.findIndex((_, stratum) => !hit.has(stratum));
  requireInput(empty < 0, () => `Stratum ${empty} has no sampled row; every stratum should have one.`);
}
