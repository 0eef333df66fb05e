/**
 * Orders of video tokens (docs/definition.md#orders): permutations that bring similar tokens into the same block.
 *
 * An order p rearranges tokens so that rearranged[n] = tokens[p[n]]. It is an int32 tensor: of shape [tokens] for all
 * heads, or [batch, heads, tokens] for an order per head. It may be shorter than the sequence: the tokens after it, the
 * text, are not moved.
 *
 * @module
 */
import { kMeans } from "./cluster.ts";
import type { Box } from "../config/config.ts";
import { requireInput } from "../errors.ts";
import { requireBox, requireClusters, requireFit, requirePermutations } from "./checks.ts";
import { gilbertCurve } from "./gilbert.ts";
import { randomStream, shuffled } from "../random.ts";
import { type FloatData, type Tensor, type TensorData, toFloat64 } from "../tensor.ts";

/** A permutation of tokens: [tokens], or [batch, heads, tokens]. */
export type Order = Tensor<Int32Array>;

/** Options of {@link gilbertOrder}. */
export interface GilbertOptions {
  /**
   * `curve`: the tokens as the curve visits them. `released`: the gather index of the released code. They are the
   * same permutation, because the released code visits its tokens along the curve. Default `curve`.
   */
  readonly kind?: "released" | "curve";
}

/**
 * The tokens of a video along the generalised Hilbert curve: tokens near in the order are near in x, y and t.
 *
 * @param box the video
 * @param options the name of the order; both names give the same permutation
 * @returns [width * height * depth]
 * @throws {InputError} if a size of the box is not a positive whole number or the kind is unknown
 *
 * @example
 * ```ts
 * import { gilbertOrder } from "./order.ts";
 * const order = gilbertOrder({ width: 2, height: 2, depth: 1 });
 * console.log(order.data); // [0, 2, 3, 1]
 * ```
 */
export function gilbertOrder(box: Box, { kind = "curve" }: GilbertOptions = {}): Order {
  requireBox("box", box);
  requireInput(
    kind === "released" || kind === "curve",
    () => `\`kind\` is "${kind}"; it should be "released" or "curve".`,
  );
  const data = gilbertCurve(box);
  return { data, shape: [data.length] };
}

/**
 * The tokens of a video tile by tile: tiles in raster order, and the tokens of a tile in raster order. Where the
 * sides of a tile do not divide those of the box, the last tiles are smaller.
 *
 * @param box the video
 * @param tile the size of a tile
 * @returns [width * height * depth]
 * @throws {InputError} if a size is not a positive whole number
 *
 * @example
 * ```ts
 * import { tileOrder } from "./order.ts";
 * const order = tileOrder({ width: 4, height: 2, depth: 1 }, { width: 2, height: 2, depth: 1 });
 * console.log(order.data); // [0, 1, 4, 5, 2, 3, 6, 7]
 * ```
 */
export function tileOrder(box: Box, tile: Box): Order {
  requireBox("box", box);
  requireBox("tile", tile);
  return tileByTile(box, tile);
}

/** {@link tileOrder} of sizes that have been checked. */
export function tileByTile(box: Box, tile: Box): Order {
  const data = new Int32Array(box.width * box.height * box.depth);
  let count = 0;
  const visitTile = (t0: number, y0: number, x0: number) => {
    for (let t = t0; t < Math.min(t0 + tile.depth, box.depth); t++) {
      for (let y = y0; y < Math.min(y0 + tile.height, box.height); y++) {
        for (let x = x0; x < Math.min(x0 + tile.width, box.width); x++) {
          data[count++] = x + box.width * (y + box.height * t);
        }
      }
    }
  };
  for (let t = 0; t < box.depth; t += tile.depth) {
    for (let y = 0; y < box.height; y += tile.height) {
      for (let x = 0; x < box.width; x += tile.width) visitTile(t, y, x);
    }
  }
  return { data, shape: [count] };
}

/** Options of {@link semanticOrder}. */
export interface SemanticOptions {
  /** How many clusters; at most the number of tokens. */
  readonly clusters: number;
  /** Seed of the tokens at which the clusters begin. */
  readonly seed: number;
  /** Rounds of k-means. */
  readonly iterations: number;
  /** Tokens at the end that are not moved; default 0. */
  readonly textLength?: number;
}

/**
 * The tokens of every head sorted by cluster, those of one cluster in their old order. Clusters come from k-means
 * (Euclidean), whose first centres are random tokens.
 *
 * @param tokens [batch, heads, tokens, dimension]
 * @param options clusters, seed, rounds and text length
 * @returns [batch, heads, tokens - textLength]
 * @throws {InputError} if the tokens do not have four axes, or `clusters` is not between 1 and the tokens that move,
 * or another option is not a whole number
 *
 * @example
 * ```ts
 * import { semanticOrder } from "./order.ts";
 * import { tensor } from "../tensor.ts";
 * const tokens = tensor(new Float32Array([0, 9, 1, 8]), [1, 1, 4, 1]);
 * const order = semanticOrder(tokens, { clusters: 2, seed: 0, iterations: 5 });
 * console.log(order.data); // [0, 2, 1, 3]: 0 and 1 together, 9 and 8 together
 * ```
 */
export function semanticOrder(
  tokens: Tensor<FloatData>,
  options: SemanticOptions,
): Order {
  requireClusters(tokens, options);
  return clusterByCluster(tokens, options);
}

/** {@link semanticOrder} of tokens and options that have been checked. */
export function clusterByCluster(
  tokens: Tensor<FloatData>,
  { clusters, seed, iterations, textLength = 0 }: SemanticOptions,
): Order {
  const { data, shape: [batch, heads, length, dim] } = toFloat64(tokens), moving = length - textLength;
  const order = new Int32Array(batch * heads * moving);
  for (let head = 0; head < batch * heads; head++) {
    const points = data.subarray(head * length * dim, (head * length + moving) * dim);
    const random = randomStream(seed, Math.floor(head / heads), head % heads);
    const start = shuffled(moving, random).subarray(0, clusters);
    const { labels } = kMeans(points, { dim, start, iterations });
    const sorted = Int32Array.from({ length: moving }, (_, i) => i).sort((a, b) =>
      labels[a] - labels[b] || a - b
    );
    order.set(sorted, head * moving);
  }
  return { data: order, shape: [batch, heads, moving] };
}

/**
 * Rearranges tokens: rearranged[n] = tokens[order[n]]. Tokens after those of the order are not moved.
 *
 * @param tokens [batch, heads, tokens, dimension], or [batch, heads, tokens] for one number per token
 * @param order [m], or [batch, heads, m], with m at most the tokens
 * @returns a new tensor of the same shape
 * @throws {InputError} if the shapes do not fit or the order is not a permutation
 *
 * @example
 * ```ts
 * import { permuteTokens } from "./order.ts";
 * import { tensor } from "../tensor.ts";
 * const tokens = tensor(new Float32Array([10, 11, 12]), [1, 1, 3, 1]);
 * console.log(permuteTokens(tokens, tensor(new Int32Array([1, 0]), [2])).data); // [11, 10, 12]
 * ```
 */
export function permuteTokens<Data extends TensorData>(tokens: Tensor<Data>, order: Order): Tensor<Data> {
  requireFit(tokens, order);
  requirePermutations(order);
  return permuted(tokens, order);
}

/** {@link permuteTokens} of tokens and an order that have been checked. */
export function permuted<Data extends TensorData>({ data, shape }: Tensor<Data>, order: Order): Tensor<Data> {
  const [batch, heads, length, dim = 1] = shape, ordered = order.shape[order.shape.length - 1];
  const rearranged = data.slice() as Data;
  for (let head = 0; head < batch * heads; head++) {
    const row = order.shape.length === 1 ? 0 : head * ordered;
    for (let n = 0; n < ordered; n++) {
      const from = (head * length + order.data[row + n]) * dim;
      rearranged.set(data.subarray(from, from + dim), (head * length + n) * dim);
    }
  }
  return { data: rearranged, shape };
}

/**
 * The inverse of an order: permuteTokens(permuteTokens(x, order), invertOrder(order)) is x.
 *
 * @param order [tokens], or [batch, heads, tokens]
 * @returns the same shape
 * @throws {InputError} if the order is not a permutation
 *
 * @example
 * ```ts
 * import { invertOrder } from "./order.ts";
 * import { tensor } from "../tensor.ts";
 * console.log(invertOrder(tensor(new Int32Array([2, 0, 1]), [3])).data); // [1, 2, 0]
 * ```
 */
export function invertOrder(order: Order): Order {
  requirePermutations(order);
  return inverted(order);
}

/** {@link invertOrder} of an order that has been checked. */
export function inverted(order: Order): Order {
  const length = order.shape[order.shape.length - 1], data = new Int32Array(order.data.length);
  for (let i = 0; i < data.length; i++) {
    const row = i - i % length;
    data[row + order.data[i]] = i - row;
  }
  return { data, shape: order.shape };
}
