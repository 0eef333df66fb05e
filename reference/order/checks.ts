/**
 * Checks of the inputs of the order stage: each is checked once, by the public function that receives it.
 *
 * @module
 */
import type { Box } from "../config/config.ts";
import { requireInput } from "../errors.ts";
import { requireSeed } from "../random.ts";
import { type FloatData, requireTensor, type Tensor, type TensorData } from "../tensor.ts";

/** Throws unless tokens can be sorted by cluster: four axes, and options that fit the tokens that move. */
export function requireClusters(
  tokens: Tensor<FloatData>,
  { clusters, seed, iterations, textLength = 0 }: {
    readonly clusters: number;
    readonly seed: number;
    readonly iterations: number;
    readonly textLength?: number;
  },
): void {
  requireTensor("tokens", tokens);
  const { shape } = tokens;
  requireInput(
    shape.length === 4,
    () => `\`tokens\` has shape [${shape}]; it should have four axes: batch, heads, tokens, dimension.`,
  );
  const length = shape[2], moving = length - textLength;
  requireInput(
    Number.isInteger(textLength) && textLength >= 0 && textLength < length,
    () => `\`textLength\` is ${textLength}; it should be a whole number below the ${length} tokens.`,
  );
  requireInput(
    Number.isInteger(clusters) && clusters >= 1 && clusters <= moving,
    () => `\`clusters\` is ${clusters}; it should be a whole number from 1 to the ${moving} tokens.`,
  );
  requireInput(
    Number.isInteger(iterations) && iterations >= 0,
    () => `\`iterations\` is ${iterations}; it should be a whole number that is not negative.`,
  );
  requireSeed(seed);
}

/** Throws unless an order has the heads of the tokens and moves no more than there are. */
export function requireFit(tokens: Tensor<TensorData>, order: Tensor<Int32Array>): void {
  requireTensor("tokens", tokens);
  requireTensor("order", order);
  const { shape } = tokens;
  const [batch, heads, length] = shape, ordered = order.shape[order.shape.length - 1];
  requireInput(
    shape.length === 3 || shape.length === 4,
    () => `\`tokens\` has shape [${shape}]; it should be batch, heads, tokens and perhaps a dimension.`,
  );
  requireInput(
    order.shape.length === 1 ||
      (order.shape.length === 3 && order.shape[0] === batch && order.shape[1] === heads),
    () =>
      `\`order\` has shape [${order.shape}]; it should be [tokens], or [${batch}, ${heads}, tokens] as \`tokens\` has.`,
  );
  requireInput(
    ordered <= length,
    () => `\`order\` moves ${ordered} tokens, but \`tokens\` has only ${length}.`,
  );
}

/** Throws unless every row of an order holds 0 to its length - 1, each once. */
export function requirePermutations(order: Tensor<Int32Array>): void {
  requireTensor("order", order);
  const { data, shape } = order;
  const length = shape[shape.length - 1], seenIn = new Int32Array(length).fill(-1);
  for (let i = 0; i < data.length; i++) {
    const row = Math.floor(i / length), position = data[i];
    requireInput(
      position >= 0 && position < length && seenIn[position] !== row,
      () => `\`order\` holds ${position} in row ${row}; each of 0 to ${length - 1} should be there once.`,
    );
    seenIn[position] = row;
  }
}

/** Throws unless the sizes of a box are positive whole numbers. */
export function requireBox(name: string, { width, height, depth }: Box): void {
  requireInput(
    [width, height, depth].every((side) => Number.isSafeInteger(side) && side > 0) &&
      width * height * depth < 2 ** 31,
    () =>
      `\`${name}\` is ${width} wide, ${height} high and ${depth} deep; its sides should be positive whole numbers, and ` +
      "their product below 2^31.",
  );
}
