/**
 * What became of a planted mistake.
 *
 * @module
 */

/** What became of one mistake in one suite. */
export interface Outcome {
  readonly mistake: string;
  /** Failing cases. */
  readonly failing: number;
  /** Cases of attention. */
  readonly cases: number;
  /** The names that the diagnosis gives. */
  readonly names: readonly string[];
}
