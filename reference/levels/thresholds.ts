/**
 * Thresholds on a row's importance, as data: what the methods that bisect one have in common. A block takes part from the
 * parameter on that is its share of the row, divided by the end of the level.
 *
 * @module
 */
import type { ImportanceConfig } from "../config/config.ts";
import { type Choice, type Family, importanceNamed, STRIDE } from "../config/tuned.ts";

/** A threshold for a head, as kernels search it. */
export interface Threshold {
  /** Its scores, where the choice does not name any. */
  readonly importance: ImportanceConfig | null;
  /** The share of a row up to a block, the best first: without the block, or with it. */
  readonly share: "before" | "with";
  /** What every row takes whatever the parameter: its best block, or key block 0. */
  readonly always: "best" | "first";
  /** Whether causal rows take key block 0 and the diagonal before all others, and add up only what they see. */
  readonly pinned: boolean;
  /** Levels with the share at which each ends at a parameter of 1, ascending. */
  readonly ends: readonly (readonly [level: number, end: number])[];
  /** By how much a share may pass an end. */
  readonly slack: number;
  /** The greatest parameter. */
  readonly most: number;
}

/** The thresholds of the methods that have one. */
export const THRESHOLDS: Readonly<Record<Exclude<Family, "ranked">, Threshold>> = {
  "psa-threshold": {
    ...{ importance: null, share: "before", always: "best", pinned: false },
    ends: [[1, 0.4], [2, 0.5], [4, 0.6], [8, 0.8]],
    ...{ slack: 1e-6, most: 1.25 },
  },
  xattention: {
    ...{ importance: { kind: "antidiagonal", stride: STRIDE }, share: "before", always: "first" },
    ...{ pinned: true, ends: [[1, 1]], slack: 0, most: 1 },
  },
  spargeattn: {
    ...{ importance: { kind: "pooled" }, share: "with", always: "best" },
    ...{ pinned: true, ends: [[1, 1]], slack: 0, most: 1 },
  },
};

/**
 * The importance by which a choice scores key blocks.
 *
 * @param choice the choice
 * @param seed of what is drawn
 *
 * @example
 * ```ts
 * import { importanceOfChoice } from "./thresholds.ts";
 * console.log(importanceOfChoice({ method: "xattention", importance: null }, 1)); // { kind: "antidiagonal", stride: 8 }
 * ```
 */
export function importanceOfChoice(
  { method, importance }: Pick<Choice, "method" | "importance">,
  seed: number,
): ImportanceConfig {
  const own = method === "ranked" ? null : THRESHOLDS[method].importance;
  return own ?? importanceNamed(importance, seed);
}
