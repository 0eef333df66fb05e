/**
 * Checks of the quotas of SPEC section 5, as lists of sentences, so that a whole configuration can be judged at once.
 *
 * @module
 */
import type { Ratio } from "./config/config.ts";
import { isLevel } from "./pyramid.ts";

/**
 * What is wrong with an ordered list of quotas; empty if nothing is.
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
        `\`ratios\` has level ${level}; a level should be 0 or a power of two that divides \`blockN\`, ${blockN}.`,
      );
    }
    const times = levels.filter((each) => each === level).length;
    if (times > 1) errors.push(`\`ratios\` has level ${level} ${times} times; it should have it once.`);
  }
  const outside = ratios.flat().find((number) => typeof number !== "number" || Number.isNaN(number));
  if (outside !== undefined) errors.push(`\`ratios\` holds ${outside}; it should hold numbers.`);
  for (const end of ends) {
    if (end < 0 || end > 1) {
      errors.push(`\`ratios\` has the end ${end}; ends should be fractions from 0 to 1.`);
    }
  }
  if (ends.some((end, i) => i > 0 && end < ends[i - 1])) {
    errors.push(`\`ratios\` has the ends ${ends.join(", ")}; they should ascend.`);
  }
  if (ends[ends.length - 1] !== 1) {
    errors.push(`\`ratios\` ends at ${ends[ends.length - 1]}; the last end should be 1.`);
  }
  return errors;
}
