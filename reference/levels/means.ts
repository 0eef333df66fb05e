/**
 * Budgets of density in which one mean token stands for every block that gets no level.
 *
 * @module
 */
import type { Shares } from "../config/config.ts";
import type { ChosenHead } from "../config/tuned.ts";
import { budgetEnds, type BudgetRows, type LevelEnd } from "./budget.ts";
import { listShares } from "./ratios.ts";

/**
 * The density to spend on the shares, so that these and the mean tokens of all other blocks make a density:
 * density = spent + (1 - width * spent) / blockN, where `width * spent` is the share of blocks that get a level.
 *
 * @param density what both cost together, in (0, 1]
 * @param options shares of the levels, key block size, and key blocks per row; at least one block gets a level
 *
 * @example
 * ```ts
 * import { spentBesideMeans } from "./means.ts";
 * console.log(spentBesideMeans(0.5, { shares: { 1: 1 }, blockN: 16, columns: 64 }).toFixed(4)); // 0.4667
 * ```
 */
export function spentBesideMeans(
  density: number,
  { shares, blockN, columns }: { readonly shares: Shares; readonly blockN: number; readonly columns: number },
): number {
  const width = listShares(shares).reduce((sum, { level, share }) => sum + level * share, 0);
  const spent = (density - 1 / blockN) / (1 - width / blockN);
  return Math.min(1, spent > 0 ? Math.max(spent, 1 / columns) : 1 / columns);
}

/**
 * Where the levels of a `ranked` choice end in the sorted rows of a head; it does not depend on importance.
 *
 * @param head the choice, and the density to ask for
 * @param options sizes, and the diagonal if causal
 * @returns for each query block, levels in ascending order with their ends
 *
 * @example
 * ```ts
 * import { choiceEnds } from "./means.ts";
 * const choice = { method: "ranked", order: "raster", importance: "pooled", shares: { 1: 1 }, rest: "mean" } as const;
 * const [row] = choiceEnds({ choice, asked: 0.5 }, { rows: 1, columns: 8, blockN: 16, blocks: null });
 * console.log(row.at(-2), row.at(-1)); // { level: 1, end: 3 } { level: 16, end: 8 }
 * ```
 */
export function choiceEnds(
  { choice: { shares, rest }, asked }: Pick<ChosenHead, "asked"> & {
    readonly choice: Pick<ChosenHead["choice"], "shares" | "rest">;
  },
  options: Omit<BudgetRows, "shares"> & { readonly blockN: number },
): LevelEnd[][] {
  const { blockN, columns } = options, own = shares as Shares;
  if (rest === "skipped") return budgetEnds(asked, { ...options, shares: own });
  const spent = spentBesideMeans(asked, { shares: own, blockN, columns });
  return budgetEnds(spent, { ...options, shares: own }).map((
    row,
  ) => [...row, { level: blockN, end: columns }]);
}
