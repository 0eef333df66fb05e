/**
 * Clusters with a limit on their size.
 *
 * @module
 */
import { moveCentres } from "../../order/cluster.ts";

/** Rounds in which centres move. */
const ROUNDS = 5;

/**
 * K-means whose clusters hold at most so many points, with as few clusters as hold all. In every round points choose in
 * the order of their distance from the nearest centre, each the nearest centre that has room.
 *
 * @param points [points][dim]
 * @param options dimension, and the most points of a cluster
 * @returns the cluster of every point
 *
 * @example
 * ```ts
 * import { limitedClusters } from "./limited_clusters.ts";
 * console.log(limitedClusters(new Float64Array([0, 1, 2, 9]), { dim: 1, limit: 2 })); // [0, 0, 1, 1]
 * ```
 */
export function limitedClusters(
  points: Float64Array,
  { dim, limit }: { readonly dim: number; readonly limit: number },
): Int32Array {
  const tokens = points.length / dim, count = Math.ceil(tokens / limit);
  const centres = new Float64Array(count * dim);
  for (let c = 0; c < count; c++) {
    const from = Math.floor(c * tokens / count);
    centres.set(points.subarray(from * dim, (from + 1) * dim), c * dim);
  }
  let labels = new Int32Array(tokens);
  for (let round = 0; round <= ROUNDS; round++) {
    labels = assign(points, centres, { dim, limit });
    if (round < ROUNDS) moveCentres(centres, points, { dim, labels });
  }
  return labels;
}

/** Every point gets the nearest centre that has room. */
function assign(
  points: Float64Array,
  centres: Float64Array,
  { dim, limit }: { readonly dim: number; readonly limit: number },
): Int32Array<ArrayBuffer> {
  const tokens = points.length / dim, count = centres.length / dim;
  const distances = new Float64Array(tokens * count), nearest = new Float64Array(tokens).fill(Infinity);
  for (let i = 0; i < tokens; i++) {
    for (let c = 0; c < count; c++) {
      let distance = 0;
      for (let x = 0; x < dim; x++) distance += (points[i * dim + x] - centres[c * dim + x]) ** 2;
      distances[i * count + c] = distance;
      nearest[i] = Math.min(nearest[i], distance);
    }
  }
  const turns = Array.from({ length: tokens }, (_, i) => i).sort((a, b) => nearest[a] - nearest[b] || a - b);
  const labels = new Int32Array(tokens), room = new Int32Array(count).fill(limit);
  for (const i of turns) {
    let best = -1;
    for (let c = 0; c < count; c++) {
      if (room[c] > 0 && (best < 0 || distances[i * count + c] < distances[i * count + best])) best = c;
    }
    labels[i] = best;
    room[best]--;
  }
  return labels;
}
