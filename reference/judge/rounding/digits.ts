/**
 * The digits of a number: numbers with the same ones are rounded by the same share of them.
 *
 * @module
 */
const double = new Float64Array(1), words = new Uint32Array(double.buffer);

/** The 52 binary digits behind the first one of a number, as a whole number: without its sign and its power of two. */
export function digitsOf(x: number): number {
  double[0] = x;
  return (words[1] & 0xfffff) * 2 ** 32 + words[0];
}
