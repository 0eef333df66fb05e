/**
 * The best of many scores, without sorting them all.
 *
 * @module
 */

/**
 * Calls `mark` with the places of the largest scores, of equals the lower, in ascending order of place.
 *
 * @param scores the scores; no NaN
 * @param count how many
 * @param mark receives the places
 *
 * @example
 * ```ts
 * import { markLargest } from "./largest.ts";
 * const places: number[] = [];
 * markLargest(new Float64Array([1, 3, 2, 3, 2]), 3, (j) => places.push(j));
 * console.log(places); // [1, 2, 3]
 * ```
 */
export function markLargest(scores: Float64Array, count: number, mark: (place: number) => void): void {
  if (count <= 0) return;
  if (count >= scores.length) return scores.forEach((_, j) => mark(j));
  const bound = nthLargest(scores.slice(), count - 1);
  let equals = count;
  for (let j = 0; j < scores.length; j++) if (scores[j] > bound) equals--;
  for (let j = 0; j < scores.length; j++) {
    if (scores[j] > bound || (scores[j] === bound && equals-- > 0)) mark(j);
  }
}

/** The n-th largest number, from 0, by halving (quickselect with the median of three); moves the numbers. */
function nthLargest(numbers: Float64Array, n: number): number {
  let low = 0, high = numbers.length - 1;
  while (low < high) {
    const pivot = medianOf(numbers[low], numbers[(low + high) >> 1], numbers[high]);
    let i = low, j = high;
    while (i <= j) {
      while (numbers[i] > pivot) i++;
      while (numbers[j] < pivot) j--;
      if (i > j) break;
      const moved = numbers[i];
      numbers[i++] = numbers[j];
      numbers[j--] = moved;
    }
    if (n <= j) high = j;
    else if (n >= i) low = i;
    else return numbers[n];
  }
  return numbers[low];
}

function medianOf(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c));
}
