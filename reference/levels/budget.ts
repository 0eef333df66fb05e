/**
 * Levels for a budget of density: shares of the density go to levels, best blocks first.
 *
 * @module
 */
import { type CausalBlocks, causalBlocks, type CausalSizes, requireBlockCounts } from "./causal.ts";
import type { Shares } from "../config/config.ts";
import { InputError, requireInput } from "../errors.ts";
import { requireImportance, sortedBlocks } from "./assign.ts";
import { listShares, type Share, shareErrors } from "./ratios.ts";
import type { Tensor } from "../tensor.ts";

/** Options of {@link levelsForDensity}. */
export interface BudgetOptions extends Partial<CausalSizes> {
  /** Share of the density that each level gets; default .6, .2, .2 for levels 1, 2, 4. */
  readonly shares?: Shares;
  /** Whether blocks that are entirely in the future are excluded; default false. */
  readonly causal?: boolean;
}

/** The paper's best allocation: at density .25, 15 % of the blocks in full, 10 % at level 2, 20 % at level 4. */
export const DEFAULT_SHARES: Shares = { 1: 0.6, 2: 0.2, 4: 0.2 };

/** Everything on level 1: a binary mask of the best blocks. */
export const BINARY_SHARES: Shares = { 1: 1 };

/**
 * Levels that spend a budget of density: a share s of it buys level r for a mean of s * r * density * N blocks per row,
 * in ascending order of level, most important blocks first; a row that would get none gets one block at the first
 * level. Fractional means are spread over the rows of a head. If the shares exceed the row (a high density),
 * nothing is skipped, and level 1 gets the blocks that the pooled levels leave.
 *
 * If causal, counts run over the blocks that are not entirely in the future; key block 0 and the blocks on the
 * diagonal are taken first, at level 1, and count; they may raise the density above the requested one.
 *
 * @param importance [batch, heads, query blocks, key blocks]
 * @param density the mean of 1 / level to spend, in (0, 1]
 * @param options shares, and the sizes that place the diagonal if causal
 * @returns int32 of the shape of `importance`
 * @throws {InputError} if the density is outside (0, 1], shares do not sum to 1, have a level that does not divide
 * `blockN`, or a size is missing or does not fit
 *
 * @example
 * ```ts
 * import { levelsForDensity } from "./budget.ts";
 * import { tensor } from "../tensor.ts";
 * const importance = tensor(new Float64Array([0.1, 0.4, 0.2, 0.3]), [1, 1, 1, 4]);
 * console.log(levelsForDensity(importance, 0.5, { shares: { 1: 1 } }).data); // Int32Array [0, 1, 0, 1]
 * ```
 */
export function levelsForDensity(
  importance: Tensor,
  density: number,
  options: BudgetOptions = {},
): Tensor<Int32Array> {
  requireSpending(importance, density, options);
  return spendDensity(importance, density, options);
}

/** Throws unless importance, density and options are as {@link levelsForDensity} describes them. */
export function requireSpending(importance: Tensor, density: number, options: BudgetOptions): void {
  const { shares = DEFAULT_SHARES, causal = false, ...sizes } = options;
  requireImportance(importance);
  requireBlockCounts("importance", importance, sizes);
  if (causal) causalBlocks(sizes); // names the size that is missing
  requireBudget(density, shares, sizes.blockN);
}

/** {@link levelsForDensity} of inputs that have been checked. */
export function spendDensity(
  importance: Tensor,
  density: number,
  { shares = DEFAULT_SHARES, causal = false, ...sizes }: BudgetOptions,
): Tensor<Int32Array> {
  const [batch, heads, rows, columns] = importance.shape;
  const blocks = causal ? causalBlocks(sizes) : null;
  const ends = rowEnds(density, { rows, columns, shares, blocks });
  const levels = new Int32Array(importance.data.length);
  for (let row = 0; row < batch * heads * rows; row++) {
    const m = row % rows, at = row * columns;
    const order = sortedBlocks(importance.data.subarray(at, at + columns));
    const seen = blocks ? order.filter((j) => !blocks.isFuture(m, j)) : order;
    const isForced = (j: number) => blocks !== null && isForcedBlock(blocks, m, j);
    const ranked = [...seen.filter(isForced), ...seen.filter((j) => !isForced(j))];
    let start = 0;
    for (const { level, end } of ends[m]) {
      for (; start < end; start++) levels[at + ranked[start]] = level;
    }
  }
  return { data: levels, shape: [...importance.shape] };
}

/** The end of each level in a sorted row: forced blocks first, then the others by descending importance. */
export interface LevelEnd {
  /** The level. */
  readonly level: number;
  /** One past its last entry in the sorted row. */
  readonly end: number;
}

/** Options of {@link budgetEnds}. */
export interface BudgetRows {
  /** Query blocks of a head. */
  readonly rows: number;
  /** Key blocks. */
  readonly columns: number;
  /** Share of the density that each level gets. */
  readonly shares?: Shares;
  /** Where the diagonal lies; null if not causal. */
  readonly blocks: CausalBlocks | null;
  /** Key block size in tokens, which levels have to divide; left out: not checked. */
  readonly blockN?: number;
}

/**
 * How a budget of density cuts the sorted rows of a head; it does not depend on importance. The first entry of a row
 * is for the forced blocks.
 *
 * @param density the mean of 1 / level to spend
 * @param options the size of the matrix of blocks, shares, and the diagonal if causal
 * @returns for each query block, levels with their ends in ascending order
 * @throws {InputError} if the density is outside (0, 1] or shares do not sum to 1
 *
 * @example
 * ```ts
 * import { budgetEnds } from "./budget.ts";
 * const [row] = budgetEnds(0.5, { rows: 1, columns: 4, shares: { 1: 1 }, blocks: null });
 * console.log(row); // [{ level: 1, end: 0 }, { level: 1, end: 2 }]
 * ```
 */
export function budgetEnds(density: number, options: BudgetRows): LevelEnd[][] {
  requireBudget(density, options.shares ?? DEFAULT_SHARES, options.blockN);
  return rowEnds(density, options);
}

/** {@link budgetEnds} of a budget that has been checked. */
function rowEnds(
  density: number,
  { rows, columns, shares = DEFAULT_SHARES, blocks }: BudgetRows,
): LevelEnd[][] {
  const listed = listShares(shares).filter(({ share }) => share > 0);
  const spent = new Map(listed.map(({ level }) => [level, 0]));
  const count = (is: (j: number) => boolean) =>
    Array.from({ length: columns }, (_, j) => j).filter(is).length;
  return Array.from({ length: rows }, (_, m) => {
    const seen = blocks ? count((j) => !blocks.isFuture(m, j)) : columns;
    const forced = blocks ? count((j) => isForcedBlock(blocks, m, j)) : 0;
    const ends = [{ level: 1, end: forced }];
    let end = forced;
    const counts = [...rowCounts(listed, { density, blocks: seen, spent })].sort(([a], [b]) => a - b);
    for (const [level, blocksOfLevel] of counts) {
      const more = level === 1 ? blocksOfLevel - forced : blocksOfLevel;
      ends.push({ level, end: end = Math.min(seen, end + Math.max(0, more)) });
    }
    return ends;
  });
}

/** Whether a causal row takes a block whatever its importance: key block 0 and the diagonal. */
function isForcedBlock({ isFuture, isDiagonal }: CausalBlocks, m: number, j: number): boolean {
  return !isFuture(m, j) && (j === 0 || isDiagonal(m, j));
}

/** How many blocks of a row each level gets; `spent` carries the running means of the head from row to row. */
function rowCounts(
  shares: readonly Share[],
  { density, blocks, spent }: { density: number; blocks: number; spent: Map<number, number> },
): Map<number, number> {
  const widest = shares.reduce((sum, { level, share }) => sum + share * level, 0);
  const saved = shares.reduce((sum, { level, share }) => sum + share * (level - 1), 0);
  const full = density * widest > 1 && saved > 0;
  const counts = new Map<number, number>();
  for (const { level, share } of shares) {
    const mean = full ? blocks * (1 - density) * share * level / saved : share * density * level * blocks;
    const before = spent.get(level) ?? 0, after = before + mean;
    spent.set(level, after);
    counts.set(level, Math.floor(after + 1e-9) - Math.floor(before + 1e-9));
  }
  if (full) {
    const pooled = shares.reduce((sum, { level }) => sum + (level > 1 ? counts.get(level) ?? 0 : 0), 0);
    counts.set(1, Math.max(0, blocks - pooled));
  }
  const [first] = shares;
  if ([...counts.values()].every((count) => count === 0)) counts.set(first.level, 1);
  return counts;
}

/** Throws unless a density is in (0, 1]. */
export function requireDensity(density: number): void {
  requireInput(
    density > 0 && density <= 1,
    () => `\`density\` is ${density}; it should be above 0 and at most 1.`,
  );
}

/** Throws unless a density is in (0, 1] and its shares are right. */
function requireBudget(density: number, shares: Shares, blockN?: number): void {
  requireDensity(density);
  const [error] = shareErrors(shares, blockN);
  if (error) throw new InputError(error);
}
