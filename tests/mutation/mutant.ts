/**
 * A mutant: one planted mistake.
 *
 * @module
 */

/** One mistake: in `file`, the text `find`, which stands there once, becomes `replace`. */
export interface Mutant {
  /** The mistake, in words. */
  readonly name: string;
  /** The file, from the root of the project. */
  readonly file: string;
  /** The text that is replaced; it has to stand in the file exactly once. */
  readonly find: string;
  /** The mistake. */
  readonly replace: string;
  /** The files of tests that have to notice it; those of the reference if there are none. */
  readonly tests?: readonly string[];
}
