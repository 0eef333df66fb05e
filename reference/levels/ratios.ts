/**
 * Checks of quotas (docs/definition.md#levels) and of shares of a budget, as lists of sentences, so that a whole
 * configuration can be judged at once.
 *
 * @module
 */
import type { Ratio, Shares } from "../config/config.ts";
import { show } from "../show.ts";
import { isLevel } from "../pyramid/pyramid.ts";

/**
 * Checks an ordered list of quotas: a sentence about what is wrong with it; empty if nothing is.
 *
 * @param ratios [level, start, end], ends ascending up to 1
 * @param blockN key block size in tokens, which every level has to divide
 *
 * @example
 * ```ts
 * import { ratioErrors } from "./ratios.ts";
 * console.log(ratioErrors([[1, 0, 0.5], [0, 0.5, 1]], 64)); // []
 * ```
 */
export function ratioErrors(ratios: readonly Ratio[], blockN: number): string[] {
  if (ratios.length === 0) return ["`ratios` is empty; it should list [level, start, end] up to the end 1."];
  const errors: string[] = [];
  const levels = ratios.map(([level]) => level), ends = ratios.map(([, , end]) => end);
  for (const level of new Set(levels)) {
    if (level !== 0 && !isLevel(level, blockN)) {
      errors.push(
        `\`ratios\` has level ${
          show(level)
        }; a level should be 0 or a power of two that divides \`blockN\`, ${show(blockN)}.`,
      );
    }
    const times = levels.filter((each) => each === level).length;
    if (times > 1) errors.push(`\`ratios\` has level ${show(level)} ${times} times; it should have it once.`);
  }
  const outside = ratios.flat().find((number) => typeof number !== "number" || Number.isNaN(number));
  if (outside !== undefined) errors.push(`\`ratios\` holds ${show(outside)}; it should hold numbers.`);
  for (const end of ends) {
    if (end < 0 || end > 1) {
      errors.push(`\`ratios\` has the end ${show(end)}; ends should be fractions from 0 to 1.`);
    }
  }
  if (ends.some((end, i) => i > 0 && end < ends[i - 1])) {
    errors.push(`\`ratios\` has the ends ${ends.map(show).join(", ")}; they should ascend.`);
  }
  if (ends[ends.length - 1] !== 1) {
    errors.push(`\`ratios\` ends at ${show(ends[ends.length - 1])}; the last end should be 1.`);
  }
  return errors;
}

/** A share of a budget of density and its level. */
export interface Share {
  readonly level: number;
  readonly share: number;
}

/** Shares as a list, in ascending order of level. */
export function listShares(shares: Shares): Share[] {
  const entries = shares instanceof Map ? [...shares] : Object.entries(shares);
  return entries.map(([level, share]) => ({ level: Number(level), share: Number(share) }))
    .sort((a, b) => a.level - b.level);
}

/**
 * Checks shares of a budget: a sentence about what is wrong with them; empty if nothing is.
 *
 * @param shares level to share; the shares should sum to 1
 * @param blockN key block size in tokens, which every level has to divide; left out: not checked
 *
 * @example
 * ```ts
 * import { shareErrors } from "./ratios.ts";
 * console.log(shareErrors({ 1: 0.6, 2: 0.2, 4: 0.2 }, 64)); // []
 * ```
 */
export function shareErrors(shares: Shares, blockN?: number): string[] {
  const errors: string[] = [], listed = listShares(shares);
  for (const { level, share } of listed) {
    if (!(level >= 1 && Number.isInteger(Math.log2(level)))) {
      errors.push(`\`shares\` has level ${level}; it should be a power of two.`);
    } else if (blockN !== undefined && blockN % level !== 0) {
      errors.push(`\`shares\` has level ${level}; it should divide \`blockN\`, ${show(blockN)}.`);
    }
    if (!(share >= 0 && share <= 1)) {
      errors.push(`\`shares\` gives level ${level} the share ${share}; it should be a fraction from 0 to 1.`);
    }
  }
  const sum = listed.reduce((total, { share }) => total + share, 0);
  if (!(Math.abs(sum - 1) < 1e-9)) errors.push(`\`shares\` sum to ${sum}; they should sum to 1.`);
  return errors;
}
