/**
 * An input as the cases of one layout see it: tokens in order, and what methods are given.
 *
 * @module
 */
import type { ImportanceConfig } from "../../../reference/config/config.ts";
import { methodInputs } from "../../../reference/methods/inputs.ts";
import type { MethodInputs } from "../../../reference/methods/method.ts";
import { type Order, permuteTokens } from "../../../reference/order/order.ts";
import { arrangeTokens } from "../../../reference/order/arrange.ts";
import type { Qkv, Tensor } from "../../../reference/tensor.ts";
import { STRIDE, type SweepCase } from "../cases.ts";
import type { SweepInput } from "../inputs.ts";

/** Tokens in the order of a layout, and what methods are given of them. */
export interface ArrangedTokens {
  /** Queries, keys and values in the order. */
  readonly qkv: Qkv;
  /** The order of the tokens; none for raster. */
  readonly order?: Order;
  /** Dense attention in the order, if it was given. */
  readonly truth?: Tensor<Float64Array>;
  /** The call as methods see it. */
  readonly inputs: MethodInputs;
}

/**
 * What cases that share their arrangement have in common.
 *
 * @example
 * ```ts
 * import { arrangementOf } from "./arrange.ts";
 * import { casesOf } from "../cases.ts";
 * import { inputSources } from "../inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options);
 * console.log(arrangementOf(given).includes("sampled")); // true
 * ```
 */
export function arrangementOf({ layout, importance }: SweepCase): string {
  return JSON.stringify([layout, importance]);
}

/**
 * The input in the order of a case, as its method sees it.
 *
 * @param input the input, its tokens in raster order
 * @param given the case
 * @param options the seed of the sweep, and dense attention of the input if it is there
 *
 * @example
 * ```ts
 * import { arrangeInput } from "./arrange.ts";
 * import { casesOf } from "../cases.ts";
 * import { inputSources } from "../inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options);
 * console.log(arrangeInput(input, given, { seed: 1 }).inputs.sizes.seqQ); // 128
 * ```
 */
export function arrangeInput(
  { qkv: raster, causal, grid }: SweepInput,
  { layout: { order, blockM, blockN }, importance, data: { tile } }: SweepCase,
  { seed, truth: rasterTruth }: { readonly seed: number; readonly truth?: Tensor<Float64Array> },
): ArrangedTokens {
  const { qkv, queryOrder, keyOrder } = arrangeTokens(raster, { order });
  const truth = queryOrder && rasterTruth ? permuteTokens(rasterTruth, queryOrder) : rasterTruth;
  const inputs = methodInputs(qkv, {
    ...{ blockM, blockN, causal, seed, tile, grid },
    importance: importanceConfig(importance, seed),
    ...(truth ? { dense: { out: truth, lse: { data: new Float64Array(0), shape: [0] } } } : {}),
  });
  return { qkv, order: keyOrder, truth, inputs };
}

function importanceConfig(kind: string, seed: number): ImportanceConfig {
  if (kind === "sampled") return { kind, seed };
  if (kind === "antidiagonal") return { kind, stride: STRIDE };
  return { kind: kind === "full" ? "full" : "pooled" };
}
