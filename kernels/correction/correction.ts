/**
 * Corrections of the output that attention over levels gives, on the device: mean values put back, and the term of first order.
 * Weights of mean values are given, or kernels make them.
 *
 * @module
 */
import type { AttentionShape } from "../../reference/tensor.ts";
import type { InputBuffers, OutputBuffers } from "../buffers.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import type { Stage } from "../device/work/stage.ts";
import meanTokensCode from "../importance/means.wgsl" with { type: "text" };
import { channelsCode } from "../wgsl/packed.ts";
import firstOrderCode from "./first_order.wgsl" with { type: "text" };
import leansCode from "./leans.wgsl" with { type: "text" };
import meansCode from "./means.wgsl" with { type: "text" };
import slicesSumCode from "./slices_sum.wgsl" with { type: "text" };

/** Options of {@link buildCorrection}. */
export interface CorrectionOptions {
  /** The sizes of the call. */
  readonly shape: AttentionShape;
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Element type of tokens and outputs. */
  readonly dtype: "f32" | "f16";
  /** Factor on q . k. */
  readonly scale: number;
  /** The tokens, and attention's output and log-sum-exps, of which the output is corrected in place. */
  readonly buffers: InputBuffers & OutputBuffers;
  /** The levels that attention read, int32 [batch, heads, query blocks, key blocks]. */
  readonly levels: GPUBuffer;
  /** The correction, with the weights of mean values as float32 of the same shape. */
  readonly correction: BufferedCorrection;
}

/** A correction whose numbers lie on the device. */
export type BufferedCorrection =
  | { readonly kind: "means"; readonly weights: GPUBuffer }
  | { readonly kind: "first-order" };

/** Side of a tile of leans.wgsl and of first_order.wgsl, and channels or tokens that pass through workgroup memory at a time. */
const SIDE = 64, STEP = 16;
/** Workgroups that keep a large device busy, and tokens that a slice has at least. */
const ENOUGH_WORKGROUPS = 512, LEAST_SLICE = 64;

/**
 * Builds a correction for one shape.
 *
 * @param gpu the device, to which the buffers belong
 * @param options sizes, buffers, levels, and the correction
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildCorrection(gpu: Gpu, options: CorrectionOptions): Promise<Stage> {
  const encodes = options.correction.kind === "means"
    ? await buildMeans(gpu, options, options.correction.weights)
    : await buildFirstOrder(gpu, options);
  return {
    name: "attention",
    encode: (pass) => encodes.forEach((encode) => encode(pass)),
    outputs: { out: options.buffers.out },
  };
}

/** Sizes under the names that the kernels have for them. */
function sizesOf({ shape, blockM, blockN, dtype }: CorrectionOptions) {
  const { batch, heads, kvHeads, seqQ, seqK, valueDim } = shape;
  return {
    heads: batch * heads,
    kvHeads: batch * kvHeads,
    M: Math.ceil(seqQ / blockM),
    N: Math.ceil(seqK / blockN),
    shared: { F16: Number(dtype === "f16"), PAIRS: valueDim / 2, GROUP: heads / kvHeads },
  };
}

/** The mean token of every key block, float32 [key heads, key blocks, channels]. */
async function buildMeanTokens(
  gpu: Gpu,
  options: CorrectionOptions,
  { tokens, dim }: { readonly tokens: GPUBuffer; readonly dim: number },
): Promise<{ readonly means: GPUBuffer; readonly encode: Encode }> {
  const { kvHeads, N, shared: { F16 } } = sizesOf(options);
  const means = gpu.createBuffer("mean tokens", { size: 4 * kvHeads * N * dim });
  const encode = await buildKernel(gpu, channelsCode + meanTokensCode, {
    label: "mean tokens",
    constants: { F16, PIECES: dim / 4, TOKENS: options.shape.seqK, BLOCK: options.blockN },
    buffers: [tokens, means],
    workgroups: [N, kvHeads],
  });
  return { means, encode };
}

async function buildMeans(
  gpu: Gpu,
  options: CorrectionOptions,
  weights: GPUBuffer,
): Promise<Encode[]> {
  const { buffers: { v, out }, shape: { seqQ, valueDim }, blockM } = options;
  const { heads, M, N, shared } = sizesOf(options);
  const { means, encode } = await buildMeanTokens(gpu, options, { tokens: v, dim: valueDim });
  const putBack = await buildKernel(gpu, meansCode, {
    label: "mean values put back",
    constants: { ...shared, BLOCK: blockM, M, N, TOKENS: seqQ },
    buffers: [weights, means, out],
    workgroups: [M, heads],
  });
  return [encode, putBack];
}

async function buildFirstOrder(gpu: Gpu, options: CorrectionOptions): Promise<Encode[]> {
  const { buffers: { q, k, v, out, lse }, shape: { seqQ, seqK, headDim, valueDim }, blockM, blockN, scale } =
    options;
  const { heads, kvHeads, M, N, shared } = sizesOf(options), tiles = Math.ceil(headDim / SIDE);
  const { means, encode } = await buildMeanTokens(gpu, options, { tokens: k, dim: headDim });
  const columns = Math.ceil(valueDim / SIDE), count = kvHeads * headDim * valueDim;
  const { slice, slices } = slicesOf(seqK, tiles * columns * kvHeads);
  const parts = gpu.createBuffer("leans of slices", { size: 4 * slices * count });
  const leans = gpu.createBuffer("leans", { size: 4 * count });
  const lean = await buildKernel(gpu, leansCode, {
    label: "leans of slices",
    constants: {
      ...{ F16: shared.F16, TOKENS: seqK, SLICE: slice, BLOCK: blockN, N },
      ...{ DIM: headDim, VALUE_DIM: valueDim },
    },
    buffers: [k, v, means, parts],
    workgroups: [tiles * columns, slices, kvHeads],
  });
  const sum = await buildKernel(gpu, slicesSumCode, {
    label: "leans",
    constants: { COUNT: count, SLICES: slices },
    buffers: [parts, leans],
    workgroups: [Math.ceil(count / 64)],
  });
  const add = await buildKernel(gpu, firstOrderCode, {
    label: "the term of first order",
    constants: {
      ...{ ...shared, DIM: headDim, BLOCK_M: blockM, BLOCK_N: blockN, M, N },
      ...{ QUERIES: seqQ, KEYS: seqK, SCALE: scale },
    },
    buffers: [q, means, leans, options.levels, lse, out],
    workgroups: [Math.ceil(seqQ / SIDE), heads],
  });
  return [encode, lean, sum, add];
}

/** How the tokens of a sum are cut, so that there are enough workgroups, and not many more. */
function slicesOf(
  tokens: number,
  workgroups: number,
): { readonly slice: number; readonly slices: number } {
  const wanted = Math.max(
    1,
    Math.min(Math.ceil(ENOUGH_WORKGROUPS / workgroups), Math.ceil(tokens / LEAST_SLICE)),
  );
  const slice = STEP * Math.ceil(tokens / wanted / STEP);
  return { slice, slices: Math.ceil(tokens / slice) };
}
