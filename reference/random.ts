/**
 * Seeded random numbers from 32-bit integer arithmetic: the same on every machine.
 *
 * @module
 */
import { requireInput } from "./errors.ts";

/** A stream of random numbers. */
export interface Random {
  /** The next 32 random bits, as an integer in [0, 2^32). */
  integer(): number;
  /** The next number in [0, 1), a multiple of 2^-32. */
  uniform(): number;
  /** The next integer in [0, limit). */
  below(limit: number): number;
  /**
   * The next number of mean 0 and variance 1, in [-6, 6): the sum of twelve uniform numbers, close to a normal
   * distribution and free of functions that machines round differently.
   */
  normal(): number;
}

const GOLDEN = 0x9e3779b9;

/** Mixes 32 bits so that each depends on all. */
function mix(bits: number): number {
  bits = Math.imul(bits ^ bits >>> 16, 0x21f0aaad);
  bits = Math.imul(bits ^ bits >>> 15, 0x735a2d97);
  return (bits ^ bits >>> 15) >>> 0;
}

/**
 * A stream of random numbers that follows from its seeds alone. Streams of different seeds are independent for all
 * practical purposes, so a (batch, head) gets a stream of its own by adding its indices to the seeds.
 *
 * @param seeds whole numbers that are not negative: a seed, and what tells this stream from others of that seed
 * @throws {InputError} if a seed is not a whole number from 0 to 2^53 - 1
 *
 * @example
 * ```ts
 * import { seededRandom } from "./random.ts";
 * console.log(seededRandom(7, 0, 1).integer() === seededRandom(7, 0, 1).integer()); // true
 * ```
 */
export function seededRandom(...seeds: readonly number[]): Random {
  seeds.forEach(requireSeed);
  return randomStream(...seeds);
}

/** Throws unless a seed is a whole number from 0 to 2^53 - 1. */
export function requireSeed(seed: number): void {
  requireInput(
    Number.isSafeInteger(seed) && seed >= 0,
    () => `\`seed\` is ${seed}; it should be a whole number from 0 to 2^53 - 1.`,
  );
}

/** {@link seededRandom} of seeds that have been checked. */
export function randomStream(...seeds: readonly number[]): Random {
  let state = seeds.length;
  for (const seed of seeds) {
    state = mix(mix(state + GOLDEN ^ seed >>> 0) + Math.floor(seed / 2 ** 32));
  }
  const step = mix(state + GOLDEN) | 1; // streams whose states meet part again at the next step
  const integer = () => mix(state = (state + step) >>> 0);
  const uniform = () => integer() / 2 ** 32;
  const normal = () => {
    let sum = 0;
    for (let i = 0; i < 6; i++) {
      const bits = integer();
      sum += (bits >>> 16) + (bits & 0xffff);
    }
    return (sum + 6) / 2 ** 16 - 6;
  };
  return { integer, uniform, below: (limit) => Math.floor(uniform() * limit), normal };
}

/**
 * The numbers 0 to count - 1 in random order.
 *
 * @param count how many
 * @param random where the draws come from
 *
 * @example
 * ```ts
 * import { seededRandom, shuffled } from "./random.ts";
 * console.log([...shuffled(3, seededRandom(1))].sort()); // [0, 1, 2]
 * ```
 */
export function shuffled(count: number, { below }: Pick<Random, "below">): Int32Array {
  const numbers = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = below(i + 1);
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers;
}
