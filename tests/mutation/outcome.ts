/**
 * The result for a planted mistake.
 *
 * @module
 */

/** The result for one mistake in one suite. */
export interface Outcome {
  readonly mistake: string;
  /** Failing cases. */
  readonly failing: number;
  /** Cases of attention. */
  readonly cases: number;
  /** The names that the diagnosis gives. */
  readonly names: readonly string[];
}
