/**
 * Levels for a budget of density: shares of the density go to levels, best blocks first.
 *
 * @module
 */
import { causalBlocks, type CausalSizes } from "./causal.ts";
import type { Shares } from "./config/config.ts";
import { InputError, requireInput } from "./errors.ts";
import { requireImportance, sortedBlocks } from "./levels.ts";
import type { Tensor } from "./tensor.ts";

/** Options of {@link levelsForDensity}. */
export interface BudgetOptions extends Partial<CausalSizes> {
  /** Share of the density that each level gets; default .6, .2, .2 for levels 1, 2, 4. */
  readonly shares?: Shares;
  /** Whether only blocks that are not wholly in the future take part; default false. */
  readonly causal?: boolean;
}

/** The paper's best allocation: at density .25, 15 % of the blocks in full, 10 % at level 2, 20 % at level 4. */
export const DEFAULT_SHARES: Shares = { 1: 0.6, 2: 0.2, 4: 0.2 };

/** Everything on level 1: a binary mask of the best blocks. */
export const BINARY_SHARES: Shares = { 1: 1 };

/** A share and its level. */
interface Share {
  readonly level: number;
  readonly share: number;
}

/**
 * Levels that spend a budget of density: a share s of it buys level r for a mean of s * r * density * N blocks a row,
 * in ascending order of level, most important blocks first; a row that would get none gets one block at the first
 * level. Fractional means are spread over the rows of a head. Where the shares would pass the row (a high density)
 * nothing is skipped, and level 1 takes what the pooled levels leave.
 *
 * If causal, counts run over the blocks that are not wholly in the future, and key block 0 and the blocks on the
 * diagonal are taken first, at level 1, and counted; they may push the density over the one asked for.
 *
 * @param importance [batch, heads, query blocks, key blocks]
 * @param density the mean of 1 / level to spend, in (0, 1]
 * @param options shares, and the sizes that place the diagonal if causal
 * @returns int32 of the shape of `importance`
 * @throws {InputError} if the density is outside (0, 1], shares do not sum to 1, or a size is missing
 *
 * @example
 * ```ts
 * import { levelsForDensity } from "./budget.ts";
 * import { tensor } from "./tensor.ts";
 * const importance = tensor(new Float64Array([0.1, 0.4, 0.2, 0.3]), [1, 1, 1, 4]);
 * console.log(levelsForDensity(importance, 0.5, { shares: { 1: 1 } }).data); // Int32Array [0, 1, 0, 1]
 * ```
 */
export function levelsForDensity(
  importance: Tensor,
  density: number,
  { shares = DEFAULT_SHARES, causal = false, ...sizes }: BudgetOptions = {},
): Tensor<Int32Array> {
  requireImportance(importance);
  requireDensity(density);
  const listed = requireShares(shares);
  const [batch, heads, rows, columns] = importance.shape;
  const blocks = causal ? causalBlocks(sizes) : null;
  const levels = new Int32Array(importance.data.length);
  for (let head = 0; head < batch * heads; head++) {
    const spent = new Map(listed.map(({ level }) => [level, 0]));
    for (let m = 0; m < rows; m++) {
      const start = (head * rows + m) * columns;
      const order = sortedBlocks(importance.data.subarray(start, start + columns));
      const seen = blocks ? order.filter((j) => !blocks.isFuture(m, j)) : order;
      const forced = blocks ? seen.filter((j) => j === 0 || blocks.isDiagonal(m, j)) : [];
      const counts = rowCounts(listed, { density, blocks: seen.length, spent });
      fillRow(levels.subarray(start, start + columns), { seen, forced, counts });
    }
  }
  return { data: levels, shape: [...importance.shape] };
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

/** Writes one row: forced blocks at level 1, then each level's count of the best blocks that are left. */
function fillRow(
  row: Int32Array,
  { seen, forced, counts }: {
    readonly seen: readonly number[];
    readonly forced: readonly number[];
    readonly counts: ReadonlyMap<number, number>;
  },
): void {
  for (const j of forced) row[j] = 1;
  const left = seen.filter((j) => !forced.includes(j));
  let at = 0;
  for (const [level, count] of [...counts].sort(([a], [b]) => a - b)) {
    const end = Math.min(left.length, at + Math.max(0, level === 1 ? count - forced.length : count));
    for (; at < end; at++) row[left[at]] = level;
  }
}

/** Throws unless a density is in (0, 1]. */
export function requireDensity(density: number): void {
  requireInput(
    density > 0 && density <= 1,
    () => `\`density\` is ${density}; it should be above 0 and at most 1.`,
  );
}

/** The shares in ascending order of level, after checking them. */
function requireShares(shares: Shares): Share[] {
  const entries = shares instanceof Map ? [...shares] : Object.entries(shares);
  const listed = entries.map(([level, share]) => ({ level: Number(level), share: Number(share) }))
    .sort((a, b) => a.level - b.level);
  for (const { level, share } of listed) {
    if (!(level >= 1 && Number.isInteger(Math.log2(level)))) {
      throw new InputError(`\`shares\` has level ${level}; it should be a power of two.`);
    }
    if (!(share >= 0 && share <= 1)) {
      throw new InputError(`\`shares\` gives level ${level} ${share}; it should be a fraction from 0 to 1.`);
    }
  }
  const sum = listed.reduce((total, { share }) => total + share, 0);
  requireInput(Math.abs(sum - 1) < 1e-9, () => `\`shares\` sum to ${sum}; they should sum to 1.`);
  return listed;
}
