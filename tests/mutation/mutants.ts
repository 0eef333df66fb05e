/**
 * The mistakes that `deno task mutate` plants in the reference: data, one text for another.
 *
 * @module
 */

/** One mistake: in `file`, the text `find`, which stands there once, becomes `replace`. */
export interface Mutant {
  /** What is wrong, in words. */
  readonly name: string;
  /** The file, from the root of the project. */
  readonly file: string;
  /** The text that is replaced; it has to stand in the file exactly once. */
  readonly find: string;
  /** The mistake. */
  readonly replace: string;
}

/** The tests that judge the reference: no GPU, no command line. */
export const REFERENCE_TESTS: readonly string[] = ["tests/tensor_test.ts"];

/** All mistakes. */
export const mutants: readonly Mutant[] = [];
