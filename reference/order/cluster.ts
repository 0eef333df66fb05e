/**
 * Clusters of tokens that are alike, for the semantic order (docs/definition.md#orders).
 *
 * @module
 */

/** The result of k-means. */
export interface Clusters {
  /** The cluster of every point. */
  readonly labels: Int32Array;
  /** The centre of every cluster, [clusters, dimension]. */
  readonly centres: Float64Array;
}

/** Options of {@link kMeans}. */
export interface KMeansOptions {
  /** Length of a point. */
  readonly dim: number;
  /** Indices of the points at which the centres begin, one a cluster. */
  readonly start: Int32Array;
  /** Rounds: each moves every centre to the mean of its points. */
  readonly iterations: number;
}

/**
 * Lloyd's k-means with Euclidean distance. A point belongs to its nearest centre, on a tie to the one with the lower
 * index; a cluster that has lost all its points keeps its centre.
 *
 * @param points [points, dimension]
 * @param options dimension, where the centres begin, and rounds
 *
 * @example
 * ```ts
 * import { kMeans } from "./cluster.ts";
 * const points = new Float64Array([0, 1, 8, 9]);
 * const { labels, centres } = kMeans(points, { dim: 1, start: new Int32Array([0, 1]), iterations: 3 });
 * console.log(labels, centres); // [0, 0, 1, 1] [0.5, 8.5]
 * ```
 */
export function kMeans(points: Float64Array, { dim, start, iterations }: KMeansOptions): Clusters {
  const centres = new Float64Array(start.length * dim);
  start.forEach((point, c) => centres.set(points.subarray(point * dim, (point + 1) * dim), c * dim));
  for (let round = 0; round < iterations; round++) {
    moveCentres(centres, points, { dim, labels: nearest(points, centres, dim) });
  }
  return { labels: nearest(points, centres, dim), centres };
}

/** The nearest centre of every point: the least |centre|^2 - 2 point . centre. */
function nearest(points: Float64Array, centres: Float64Array, dim: number): Int32Array {
  const count = centres.length / dim;
  const norms = Float64Array.from({ length: count }, (_, c) => dot(centres, c * dim, centres, c * dim, dim));
  return Int32Array.from({ length: points.length / dim }, (_, i) => {
    let best = 0, least = Infinity;
    for (let c = 0; c < count; c++) {
      const distance = norms[c] - 2 * dot(points, i * dim, centres, c * dim, dim);
      if (distance < least) {
        least = distance;
        best = c;
      }
    }
    return best;
  });
}

/**
 * Moves every centre to the mean of its points; one without points stays.
 *
 * @param centres [centres, dim], changed in place
 * @param points [points, dim]
 * @param options the dimension, and the centre of every point
 *
 * @example
 * ```ts
 * import { moveCentres } from "./cluster.ts";
 * const centres = Float64Array.of(0, 9);
 * moveCentres(centres, Float64Array.of(1, 3), { dim: 1, labels: Int32Array.of(0, 0) });
 * console.log(centres); // [2, 9]
 * ```
 */
export function moveCentres(
  centres: Float64Array,
  points: Float64Array,
  { dim, labels }: { readonly dim: number; readonly labels: Int32Array },
): void {
  const sums = new Float64Array(centres.length), sizes = new Int32Array(centres.length / dim);
  for (let i = 0; i < labels.length; i++) {
    sizes[labels[i]]++;
    for (let c = 0; c < dim; c++) sums[labels[i] * dim + c] += points[i * dim + c];
  }
  for (let i = 0; i < centres.length; i++) {
    const size = sizes[Math.floor(i / dim)];
    if (size > 0) centres[i] = sums[i] / size;
  }
}

/** The dot product of two vectors that lie in arrays. */
function dot(a: Float64Array, atA: number, b: Float64Array, atB: number, length: number): number {
  let sum = 0;
  for (let i = 0; i < length; i++) sum += a[atA + i] * b[atB + i];
  return sum;
}
