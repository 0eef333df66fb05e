/**
 * From importance to levels as plain loops that read like docs/definition.md#levels, and for a budget of density
 * like docs/levels.md#a-budget-of-density. One block after the other is given its level.
 *
 * @module
 */
import type { AssignmentConfig, Shares } from "../config/config.ts";
import type { Tensor } from "../tensor.ts";

/** Sizes and rules. */
export interface NaiveLevelOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Key rows that a kernel reads at once. */
  readonly tile: number;
  /** Query tokens. */
  readonly seqQ: number;
  /** Key tokens. */
  readonly seqK: number;
  /** Text tokens at the end of the keys; default 0. */
  readonly textLength?: number;
  /** Whether the future is skipped; default false. */
  readonly causal?: boolean;
  /** The largest level of each key block, [B, Hk, N]; default none. */
  readonly cap?: Tensor<Int32Array>;
}

/** A number of blocks and the level that they get. */
type Run = readonly [level: number, length: number];

/**
 * The same as `levelsFromImportance`, in plain loops.
 *
 * @param importance [B, H, M, N]
 * @param assignment quotas, thresholds, or a budget of density
 * @param options sizes, and the rules that follow
 * @returns [B, H, M, N]
 *
 * @example
 * ```ts
 * import { naiveLevels } from "./levels.ts";
 * const importance = { data: new Float64Array([0.1, 0.4, 0.2, 0.3]), shape: [1, 1, 1, 4] };
 * const sizes = { blockM: 64, blockN: 64, tile: 64, seqQ: 64, seqK: 256 };
 * const shares = { 1: 1 };
 * console.log(naiveLevels(importance, { mode: "density", density: 0.5, shares }, sizes).data); // [0, 1, 0, 1]
 * ```
 */
export function naiveLevels(
  importance: Tensor,
  assignment: AssignmentConfig,
  options: NaiveLevelOptions,
): Tensor<Int32Array> {
  const [B, H, M, N] = importance.shape, levels = new Int32Array(B * H * M * N);
  for (let bh = 0; bh < B * H; bh++) {
    for (let m = 0; m < M; m++) {
      const row = Array.from({ length: N }, (_, j) => importance.data[(bh * M + m) * N + j]);
      const given = assignment.mode === "density"
        ? budgetRow(row, assignment, { ...options, m })
        : quotaRow(row, assignment, options);
      levels.set(afterRules(given, options, { bh, m, H }), (bh * M + m) * N);
    }
  }
  return { data: levels, shape: [B, H, M, N] };
}

/** `topk` and `threshold`: the sorted row is cut into runs of one level each; what is left is skipped. */
function quotaRow(
  row: readonly number[],
  assignment: AssignmentConfig & { readonly mode: "topk" | "threshold" },
  { blockN, tile }: NaiveLevelOptions,
): number[] {
  const N = row.length, order = descending(row), levels = new Array<number>(N).fill(0);
  const minFullRatio = assignment.mode === "threshold" ? assignment.minFullRatio ?? 0.06 : 0;
  let previous = 0;
  for (const [r, , end] of assignment.ratios) {
    const unit = r === 0 ? 1 : Math.ceil(r / (blockN / tile)), room = N - previous;
    let length = (assignment.mode === "topk" ? Math.floor(N * end) : crossing(row, order, end) ?? previous) -
      previous;
    if (assignment.mode === "topk" || unit > 1) length = aligned(Math.max(0, length), unit, room);
    else if (r === 1) length = Math.max(length, Math.floor(N * minFullRatio) + 1);
    length = Math.min(room, Math.max(0, length));
    for (let n = previous; n < previous + length; n++) levels[order[n]] = r;
    previous += length;
  }
  return levels;
}

/** The index after the sorted block that crosses a share of the row's importance; the previous end if the first block crosses it. */
function crossing(row: readonly number[], order: readonly number[], end: number): number | undefined {
  const total = sum(order.map((j) => row[j]));
  let c = 0, energy = 0;
  for (const j of order) if ((energy += row[j]) / total <= end + 1e-6) c++;
  return c > 0 ? c + 1 : undefined;
}

/** A length in whole units: rounded up, or the largest that fits if that is not less than the room. */
function aligned(length: number, unit: number, room: number): number {
  if (length === 0) return 0;
  while (length % unit > 0) length++;
  if (length >= room) { for (length = room; length % unit > 0;) length--; }
  return length;
}

/** `density`: forced blocks of a causal row first, then the most important ones; the runs are those of the budget. */
function budgetRow(
  row: readonly number[],
  budget: AssignmentConfig & { readonly mode: "density" },
  options: NaiveLevelOptions & { readonly m: number },
): number[] {
  const { m, causal = false } = options;
  const seen = descending(row).filter((j) => !causal || !isFuture(m, j, options));
  const isForced = (j: number) => causal && (j === 0 || isDiagonal(m, j, options));
  const forced = seen.filter(isForced), order = [...forced, ...seen.filter((j) => !isForced(j))];
  const levels = new Array<number>(row.length).fill(0);
  let next = forced.length;
  for (const j of forced) levels[j] = 1;
  for (const [r, length] of budgetRuns(row.length, budget, options)) {
    const more = r === 1 ? length - forced.length : length;
    for (let n = 0; n < more && next < order.length; n++) levels[order[next++]] = r;
  }
  return levels;
}

/** How many blocks of row m each level gets: the difference of the running sums of the means. */
function budgetRuns(
  N: number,
  { density, shares = { 1: 0.6, 2: 0.2, 4: 0.2 } }: { readonly density: number; readonly shares?: Shares },
  options: NaiveLevelOptions & { readonly m: number },
): readonly Run[] {
  const visible = (m: number) => {
    let count = 0;
    for (let j = 0; j < N; j++) if (!options.causal || !isFuture(m, j, options)) count++;
    return count;
  };
  const listed = [...(shares instanceof Map ? shares : Object.entries(shares))]
    .map(([level, share]): [number, number] => [Number(level), share]).filter(([, share]) => share > 0)
    .sort(([a], [b]) => a - b);
  const saved = sum(listed.map(([r, share]) => share * (r - 1)));
  const nothingSkipped = density * sum(listed.map(([r, share]) => share * r)) > 1 && saved > 0;
  const perBlock = ([r, share]: readonly [number, number]) =>
    nothingSkipped ? (1 - density) * share * r / saved : share * r * density;
  const runs = listed.map((one): [number, number] => {
    let before = 0;
    for (let m = 0; m < options.m; m++) before += perBlock(one) * visible(m);
    const after = before + perBlock(one) * visible(options.m);
    return [one[0], Math.floor(after + 1e-9) - Math.floor(before + 1e-9)];
  });
  if (nothingSkipped) {
    const pooled = runs.filter(([r]) => r > 1),
      left = visible(options.m) - sum(pooled.map(([, length]) => length));
    return atLeastOne([[1, Math.max(0, left)], ...pooled], listed[0][0]);
  }
  return atLeastOne(runs, listed[0][0]);
}

/** The runs; one block at the first level if they are all empty. */
function atLeastOne(runs: readonly Run[], first: number): readonly Run[] {
  return runs.every(([, length]) => length === 0) ? [[first, 1]] : runs;
}

/** Text, causal, cap, in this order. */
function afterRules(
  given: readonly number[],
  options: NaiveLevelOptions,
  { bh, m, H }: { readonly bh: number; readonly m: number; readonly H: number },
): number[] {
  const { blockN, textLength = 0, causal = false, cap } = options, N = given.length;
  return given.map((level, j) => {
    let r = level;
    if (j >= N - Math.ceil(textLength / blockN)) r = 1;
    if (causal && (j === 0 || isDiagonal(m, j, options))) r = 1;
    if (causal && isFuture(m, j, options)) r = 0;
    if (cap === undefined) return r;
    const Hk = cap.shape[1], kvHead = Math.floor(bh / H) * Hk + Math.floor((bh % H) / (H / Hk));
    return Math.min(r, cap.data[kvHead * N + j]);
  });
}

/** Whether key block j is entirely after the last query of block m. */
function isFuture(m: number, j: number, { blockM, blockN, seqQ, seqK }: NaiveLevelOptions): boolean {
  const lastQuery = Math.min((m + 1) * blockM, seqQ) - 1;
  return j * blockN > lastQuery + seqK - seqQ;
}

/** Whether the first query of block m does not see the last key of block j, but some query sees the first. */
function isDiagonal(m: number, j: number, options: NaiveLevelOptions): boolean {
  const { blockM, blockN, seqQ, seqK } = options, lastKey = Math.min((j + 1) * blockN, seqK) - 1;
  return !isFuture(m, j, options) && lastKey > m * blockM + seqK - seqQ;
}

/** Block indices by descending importance, the lower index first among equals. */
function descending(row: readonly number[]): number[] {
  const order: number[] = [], left = new Set(row.keys());
  while (left.size > 0) {
    let best = -1;
    for (const j of left) if (best < 0 || row[j] > row[best]) best = j;
    left.delete(best);
    order.push(best);
  }
  return order;
}

/** The sum of all. */
function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
