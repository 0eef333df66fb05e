/**
 * Heads of an input as the cases of one layout see them: tokens in order, the truth of the rows that are judged, and
 * what methods are given.
 *
 * @module
 */
import type { AttentionResult } from "../../../reference/attention/attention.ts";
import type { ImportanceConfig } from "../../../reference/config/config.ts";
import type { TunedCall } from "../../../reference/config/tuned.ts";
import { presets } from "../../../reference/config/presets.ts";
import { type SampledRows, sampleQueryRows } from "../../../reference/judge/sampled_rows.ts";
import { methodInputs } from "../../../reference/methods/inputs.ts";
import type { MethodInputs } from "../../../reference/methods/method.ts";
import { type Order, permuteTokens } from "../../../reference/order/order.ts";
import { type ArrangedTokens as ArrangedInputs, arrangeTokens } from "../../../reference/order/arrange.ts";
import { attentionShape, type Qkv, type Tensor } from "../../../reference/tensor.ts";
import { STRIDE, type SweepCase } from "../plan/cases.ts";
import type { SweepInput } from "../inputs/inputs.ts";
import type { VariantOptions } from "../options/variants.ts";
import { checkImportance, type ImportanceCheck } from "../truth/importance_check.ts";
import { type HeadOrders, headOrders } from "../plan/tuned.ts";
import type { DenseTruth, TruthCall, TruthMaker } from "../truth/maker.ts";

/** Some heads of an input, with their numbers. */
export interface LoadedGroup {
  /** The input. */
  readonly input: SweepInput;
  /** Place of the first head in the call. */
  readonly firstHead: number;
  /** Queries, keys and values, in raster order. */
  readonly qkv: Qkv;
}

/** Tokens in the order of a layout, their truth, and the inputs of methods. */
export interface ArrangedTokens {
  /** Queries, keys and values in the order, and the blocks that are cut. */
  readonly tokens: TruthCall;
  /** The order of the tokens; none for raster. */
  readonly order?: Order;
  /** The maker of the truth. */
  readonly maker: TruthMaker;
  /** The rows that are judged; null: all. */
  readonly rows: SampledRows | null;
  /** Dense attention in float64 of these rows, in the order. */
  readonly truth: Tensor<Float64Array>;
  /** The call as methods see it. */
  readonly inputs: MethodInputs;
  /** How near the device's importance is to the reference's; null if the CPU computed it. */
  readonly check: ImportanceCheck | null;
  /** The call of a tuned file as `createPsa` takes it, if heads have orders of their own. */
  readonly whole?: TunedTokens;
  /** Values that are computed once for the arrangement, by name. */
  readonly once: <Value>(name: string, make: () => Promise<Value>) => Promise<Value>;
}

/** A call whose heads have orders of their own. */
export interface TunedTokens {
  /** Queries, keys and values in raster order. */
  readonly raster: Qkv;
  /** The choices of all heads of the input. */
  readonly choices: TunedCall;
  /** Brings rows into the order of each head. */
  readonly arrange: HeadOrders["arrange"];
}

/** Options of an arrangement. */
export interface ArrangeContext {
  /** The options of the variant that the input is of. */
  readonly options: Pick<VariantOptions, "seed" | "truthRows" | "preset">;
  /** Makes the truth. */
  readonly maker: TruthMaker;
  /** Dense attention of all rows in raster order; null if it is not there, or rows are sampled. */
  readonly dense: AttentionResult | null;
  /** Whether a method of the arrangement chooses by importance; default that of the case. */
  readonly usesImportance?: boolean;
  /** Whether anything is judged; default true. Without that there is no truth of outputs. */
  readonly judges?: boolean;
}

const NO_NUMBERS: Tensor<Float64Array> = { data: new Float64Array(0), shape: [0] };
const NO_TRUTH: DenseTruth = { out: NO_NUMBERS, lse: null, mass: null };

/**
 * A key that is equal for cases that share their arrangement.
 *
 * @example
 * ```ts
 * import { arrangementOf } from "./arrange.ts";
 * import { casesOf } from "../plan/cases.ts";
 * import { inputSources } from "../inputs/inputs.ts";
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
export function arrangementOf({ layout, importance, tuned }: SweepCase): string {
  return JSON.stringify(tuned === undefined ? [layout, importance] : [tuned.hash]);
}

/**
 * Heads in the order of a case, as its method sees them, with their truth.
 *
 * @param group the heads, their tokens in raster order
 * @param given the case
 * @param context options, what makes the truth, and dense attention if it is there
 *
 * @example
 * ```ts
 * import { arrangeGroup } from "./arrange.ts";
 * import { casesOf } from "../plan/cases.ts";
 * import { inputSources } from "../inputs/inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 * import { cpuTruth } from "../truth/maker.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options), group = { input, firstHead: 0, qkv: await input.groups[0].load() };
 * const { truth } = await arrangeGroup(group, given, { options, maker: cpuTruth("rows"), dense: null });
 * console.log(truth.shape); // [1, 2, 2, 16]: two rows of the one query block
 * ```
 */
export async function arrangeGroup(
  { input: { causal, grid, textLength }, firstHead, qkv: raster }: LoadedGroup,
  { layout: { order, blockM, blockN }, importance: kind, method, data: { tile }, tuned }: SweepCase,
  context: ArrangeContext,
): Promise<ArrangedTokens> {
  const { options: { seed, truthRows, preset }, maker, dense, judges = true } = context;
  const { usesImportance = method.usesImportance } = context;
  const own = tuned && headOrders(tuned, firstHead);
  const { qkv, queryOrder, keyOrder }: ArrangedInputs = own === undefined
    ? arrangeTokens(raster, { order, textLength })
    : { qkv: own.qkv(raster) };
  const tokens = { qkv, options: { blockM, blockN, causal }, firstHead };
  const rows = maker.kind === "rows"
    ? sampleQueryRows(attentionShape(qkv), blockM, { seed: seed + firstHead, perBlock: truthRows, causal })
    : null;
  const given = dense
    ? { ...(own ? inOrders(dense, own) : inOrder(dense, queryOrder)), mass: null }
    : judges
    ? null
    : NO_TRUTH;
  const { out: truth, lse, mass } = given ?? await maker.dense(tokens, rows);
  const importance = importanceConfig(kind, seed);
  const importanceGiven = usesImportance ? await maker.importance(tokens, importance) : undefined;
  const check = maker.kind === "gpu" && importanceGiven
    ? checkImportance(tokens, importanceGiven, importance)
    : null;
  const inputs = methodInputs(qkv, {
    ...{ blockM, blockN, causal, seed, tile, grid, importance, importanceGiven, firstHead },
    places: queryOrder?.data.length === qkv.q.shape[2] ? queryOrder.data : undefined, // text has no place in a video
    mass: mass ?? await maker.mass(tokens),
    ...(preset === null ? {} : { released: presets[preset].config }),
    ...(rows === null && judges ? { dense: { out: truth, lse: lse ?? NO_NUMBERS } } : {}),
  });
  const kept = new Map<string, Promise<unknown>>();
  const once = <Value>(name: string, make: () => Promise<Value>): Promise<Value> => {
    if (!kept.has(name)) kept.set(name, make());
    return kept.get(name) as Promise<Value>;
  };
  const whole = own && tuned && { raster, choices: tuned.call, arrange: own.arrange };
  return { tokens, order: keyOrder, maker, rows, truth, inputs, check, once, ...(whole ? { whole } : {}) };
}

/** Dense attention with its rows in an order. */
function inOrder({ out, lse }: AttentionResult, order?: Order): AttentionResult {
  return order === undefined
    ? { out, lse }
    : { out: permuteTokens(out, order), lse: permuteTokens(lse, order) };
}

/** Dense attention with the rows of every head in its order. */
function inOrders({ out, lse }: AttentionResult, { arrange }: HeadOrders): AttentionResult {
  return { out: arrange(out), lse: arrange(lse) };
}

function importanceConfig(kind: string, seed: number): ImportanceConfig {
  if (kind === "sampled") return { kind, seed };
  if (kind === "antidiagonal") return { kind, stride: STRIDE };
  return { kind: kind === "full" ? "full" : "pooled" };
}
