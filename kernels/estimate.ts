/**
 * Estimates the bytes and operations of a call before anything is built.
 *
 * @module
 */
import { causalBlocks } from "../reference/levels/causal.ts";
import type { AttentionShape } from "../reference/tensor.ts";
import { choiceBytes } from "./attention/choice.ts";
import { CALL_BYTES } from "./attention/attention.ts";
import { partialBytes } from "./attention/merge.ts";
import type { Capabilities } from "./device/capabilities.ts";
import { productOf } from "./importance/kinds.ts";
import { planProduct, scratchBytes } from "./importance/product.ts";
import { quotasOf } from "./levels/quotas.ts";
import { requireGpu, requireOptions } from "./door.ts";
import { planParts } from "./key_parts.ts";
import { buildPlan, type PsaPlan, type PsaSetup } from "./plan.ts";
import { LAYOUT_BYTES } from "./pyramid/layout.ts";
import { cutCall } from "./sliced.ts";

/** Options of {@link estimate}. */
export interface EstimateOptions {
  /** The device, or its capabilities; left out: a device with float16 and without limits. */
  readonly gpu?: { readonly info: Capabilities };
}

/** Bytes on the device, by purpose. */
export interface EstimatedBytes {
  /** Queries, keys and values in the order of the inputs. */
  readonly inputs: number;
  /** Outputs and log-sum-exps. */
  readonly outputs: number;
  /** Pooled keys and values. */
  readonly pyramid: number;
  /** Tokens, outputs and log-sum-exps in the order of the blocks, and the order itself; 0 for raster. */
  readonly order: number;
  /** Importance of all blocks, and means of blocks. */
  readonly importance: number;
  /** Scores from which importance is computed, a part at a time. */
  readonly scores: number;
  /** Levels of all blocks, and the similarity cap. */
  readonly levels: number;
  /** Work lists. */
  readonly lists: number;
  /** Partial results of workgroups that share the keys of a query block, in short calls. */
  readonly splits: number;
  /** Tables that kernels read: sizes, quotas, sampled tokens. */
  readonly tables: number;
  /** All of them. */
  readonly total: number;
}

/** Floating-point operations, a multiplication and an addition being two. */
export interface EstimatedOperations {
  /** Dense attention of the same shape. */
  readonly dense: number;
  /** Attention at {@link PsaEstimate.density}; null if that is not known. */
  readonly attention: number | null;
  /** The products of importance. */
  readonly importance: number;
}

/** The needs of a call that selects its levels. */
export interface PsaEstimate {
  /** Bytes on the device, of one slice. */
  readonly bytes: EstimatedBytes;
  /** Operations of the whole call. */
  readonly operations: EstimatedOperations;
  /** The density of the levels; null where it depends on the inputs (thresholds, caps, text). */
  readonly density: number | null;
  /** Slices that the call is cut into so that each is within the limits of the device; above 1 only by `createSlicedPsa`. */
  readonly slices: number;
  /** The sizes of a slice. */
  readonly slice: AttentionShape;
}

/**
 * Estimates a call: bytes by purpose, operations, density if it is known in advance, slices. Nothing is built or run.
 *
 * @param setup as for `createPsa`
 * @param options the device whose limits count
 * @throws {InputError} if the setup is wrong, or a single key head is beyond a limit of the device, which is named
 *
 * @example
 * ```ts
 * import { estimate } from "./estimate.ts";
 * const { density, operations } = estimate({
 *   shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 256, seqK: 256, headDim: 32, valueDim: 32 },
 *   config: {
 *     blockM: 64,
 *     blockN: 32,
 *     tile: 32,
 *     importance: { kind: "pooled" },
 *     assignment: { mode: "density", density: 0.5, shares: { 1: 1 } },
 *   },
 * });
 * console.log(density, operations.dense, operations.attention); // 0.5 8388608 4194304
 * ```
 */
export function estimate(setup: PsaSetup, options: EstimateOptions = {}): PsaEstimate {
  requireOptions(options, ["gpu"]);
  const { gpu } = options;
  if (gpu !== undefined) requireGpu(gpu);
  const info = gpu?.info ?? UNLIMITED, { slices, shape: slice } = cutCall(info, setup);
  const plan = buildPlan(info, { ...setup, shape: slice });
  const { shape, config } = setup, { batch, heads, headDim, valueDim } = shape;
  const density = densityOf(plan), dense = 2 * batch * heads * pairsOf(plan) * (headDim + valueDim);
  const { rowCount, columnCount, parts } = productOf({
    ...{ shape: { ...shape, batch: 1, heads: 1 }, config, firstHead: 0 },
  });
  return {
    bytes: bytesOf(info, plan),
    operations: {
      dense,
      attention: density === null ? null : density * dense,
      importance: 2 * batch * heads * rowCount * columnCount * parts * headDim,
    },
    density,
    slices,
    slice,
  };
}

/** A device that has float16 and no limits. */
const UNLIMITED: Capabilities = {
  ...{
    description: "any",
    vendor: "",
    implementation: "given",
    backend: "unknown",
    features: ["shader-f16"],
  },
  ...{ matrixShapes: [], matrices: null, busyWorkgroups: 1 },
  limits: new Proxy({}, { get: () => Infinity }),
  ...{ subgroupSize: 0, subgroupSizes: { least: 0, most: 0 }, subgroupDirective: "", nanosecondsPerTick: 0 },
};

/** Pairs of a query and a key of a head that see each other in dense attention. */
function pairsOf({ shape: { seqQ, seqK }, config: { causal = false } }: PsaPlan): number {
  if (!causal) return seqQ * seqK;
  const blind = Math.max(0, seqQ - seqK), first = Math.max(0, seqK - seqQ) + 1, rows = seqQ - blind;
  return rows * (2 * first + rows - 1) / 2;
}

/** The density of the levels where it does not depend on the inputs. */
function densityOf({ shape, config, blocks: { M, N } }: PsaPlan): number | null {
  const { assignment, causal = false, textLength = 0, similarityThresholds = {} } = config;
  const isOpen = textLength > 0 || Object.keys(similarityThresholds).length > 0;
  if (isOpen || causal && assignment.mode !== "density") return null;
  const { quotas, ends } = quotasOf(config, shape);
  if (ends.length === 0) return null;
  const visible = causal ? visibleBlocks(causalBlocks({ ...config, ...shape }), { M, N }) : M * N;
  const costs = Array.from({ length: M }, (_, m) => {
    const row = ends[m % ends.length];
    return quotas.reduce((sum, { level }, i) => {
      return level === 0 ? sum : sum + (row[i] - (i === 0 ? 0 : row[i - 1])) / level;
    }, 0);
  });
  return costs.reduce((sum, each) => sum + each, 0) / visible;
}

function visibleBlocks(
  { isFuture }: { isFuture: (m: number, j: number) => boolean },
  { M, N }: { readonly M: number; readonly N: number },
): number {
  let count = 0;
  for (let at = 0; at < M * N; at++) if (!isFuture(Math.floor(at / N), at % N)) count++;
  return count;
}

/** Bytes of a call that selects its levels, by purpose. */
function bytesOf(info: Capabilities, plan: PsaPlan): EstimatedBytes {
  const { shape, config, bytes } = plan, { batch, heads, kvHeads, headDim } = shape, { M, N } = plan.blocks;
  const isPooled = config.importance.kind === "pooled";
  const parts = {
    inputs: bytes.q + bytes.keys + bytes.values,
    outputs: bytes.out + bytes.lse,
    pyramid: bytes.k + bytes.v - bytes.keys - bytes.values,
    order: orderBytes(plan),
    importance: bytes.importance + (isPooled ? 4 * batch * headDim * (heads * M + kvHeads * N) : 0),
    scores: bytes.scores,
    levels: bytes.levels +
      (Object.keys(config.similarityThresholds ?? {}).length > 0 ? 4 * batch * kvHeads * N : 4),
    lists: bytes.lists + bytes.offsets,
    splits: splitsBytes(info, plan),
    tables: tableBytes(info, plan),
  };
  return { ...parts, total: Object.values(parts).reduce((sum, each) => sum + each, 0) };
}

function splitsBytes(info: Capabilities, plan: PsaPlan): number {
  const parts = planParts(info, plan, plan.lists);
  return parts === null ? 0 : parts.rows * parts.parts * partialBytes(plan.shape, plan.config);
}

function orderBytes({ shape, config: { order, textLength = 0 }, bytes }: PsaPlan): number {
  if (order === undefined || order.kind === "raster") return 0;
  const { batch, heads, kvHeads, seqQ, seqK } = shape;
  const { q, keys, values, out, lse } = bytes, arranged = q + keys + values + out + lse;
  if (order.kind !== "semantic") {
    return arranged + 4 * Object.values(order.box).reduce((product, each) => product * each, 1);
  }
  return arranged + 4 * batch * (heads * (seqQ - textLength) + kvHeads * (seqK - textLength));
}

/** Sizes for the kernels, quotas and where they end, thresholds, sampled tokens, and where parts of scores begin. */
function tableBytes(info: Capabilities, plan: PsaPlan): number {
  const { shape, config, firstHead, chosen, blocks: { M, N } } = plan;
  const { quotas, ends } = quotasOf(config, shape), product = productOf({ shape, config, firstHead });
  const { tiles, chunk } = planProduct(
    { shape, product, scratch: scratchBytes(info, plan), blocks: [M, N] },
    info.limits.maxStorageBufferBindingSize,
  );
  const calls = choiceBytes(config.causal ?? false, shape) + CALL_BYTES +
    (chosen.every((level) => level === 1) ? 0 : 2 * (16 + LAYOUT_BYTES));
  const thresholds = 8 * Object.keys(config.similarityThresholds ?? {}).length;
  const sampled = 4 * product.offsets.flat().length;
  return calls + thresholds + sampled + 12 * quotas.length + 4 * ends.flat().length +
    16 * Math.ceil(tiles / chunk);
}
