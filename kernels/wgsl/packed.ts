/**
 * The part that the matrix products of attention and importance share: packed.wgsl, and its parameters.
 *
 * @module
 */
export { default as packedTemplate } from "./packed.wgsl" with { type: "text" };
export { default as channelsCode } from "./channels.wgsl" with { type: "text" };

/** Products that are added in half precision before float32 takes over: 64 to either half of a sum. */
const HALF_PRODUCTS = 128;

/**
 * How often queries are halved before sums in half precision, so that a logit of 1e4 does not overflow them.
 *
 * @param dtype element type of queries and keys
 * @param channels of a row
 */
export function preshift(dtype: "f16" | "f32", channels: number): number {
  return dtype === "f16" ? Math.ceil(Math.log2(Math.sqrt(Math.min(HALF_PRODUCTS, channels)))) : 0;
}
