/**
 * One attention call of the sweep on the GPU: what `createPsa` is asked for, so that every case of it can be prepared
 * from its levels.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../../kernels/device/poison.ts";
import { buildPlan } from "../../../kernels/plan.ts";
import { createPsa, type PreparedCall, type Psa, type PsaSetup } from "../../../kernels/psa.ts";
import { requireInput } from "../../../reference/errors.ts";
import type { SweepCase } from "../plan/cases.ts";
import type { Arranged, GpuCall } from "./arranged.ts";
import {
  type AttentionShape,
  attentionShape,
  type FloatData,
  type Qkv,
  type Tensor,
} from "../../../reference/tensor.ts";

/** The options of a call. */
export interface GpuCallOptions {
  /** Whether the call is causal. */
  readonly causal: boolean;
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Element type of the kernels. */
  readonly dtype: "f32" | "f16";
}

/** Levels that the buffers of keys and values have room for, where a key block may have them. */
const LEVELS = [1, 2, 4, 8, 16, 32, 64, 128];

/** The setup of a call: it gets the levels of its cases, and so has room for all. */
function setupOf(shape: AttentionShape, { causal, blockM, blockN, dtype }: GpuCallOptions): PsaSetup {
  return {
    shape,
    dtype,
    levels: LEVELS.filter((level) => level <= blockN),
    config: {
      ...{ blockM, blockN, tile: blockN, causal, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    },
    ready: [],
  };
}

/**
 * Throws if a call is beyond a limit of the device, before anything is computed or made.
 *
 * @param gpu the device
 * @param call the name and the sizes of an input, and the options of its call
 * @throws {InputError} naming the input and the limit
 */
export function requireFits(
  gpu: Gpu,
  { name, shape, options }: {
    readonly name: string;
    readonly shape: AttentionShape;
    readonly options: GpuCallOptions;
  },
): void {
  requireInput(
    options.dtype === "f32" || gpu.has("shader-f16"),
    () => `--dtype is f16; ${gpu.info.description} lacks the feature shader-f16.`,
  );
  try {
    buildPlan(gpu.info, setupOf(shape, options));
  } catch (error) {
    throw Object.assign(error as Error, { message: `${name}: ${(error as Error).message}` });
  }
}

/**
 * Opens a call and uploads its tensors, once for all of its cases.
 *
 * @param gpu the device
 * @param qkv queries, keys and values
 * @param options blocks and element type
 * @throws {InputError} if it exceeds a limit of the device, half precision is asked for and not there, or a number
 * overflows in it
 *
 * @example
 * ```ts
 * import { makeWorkload } from "../../../fixtures/workloads.ts";
 * import { openGpu } from "../../../kernels/device/open/open.ts";
 * import { openCall, runChecked } from "./kernel.ts";
 *
 * using gpu = await openGpu();
 * const { qkv } = makeWorkload("gaussian", { seqQ: 128, headDim: 16 });
 * using psa = await openCall(gpu, qkv, { causal: false, blockM: 32, blockN: 16, dtype: "f32" });
 * const dense = await psa.prepare("dense");
 * console.log((await runChecked(gpu, dense)).shape); // [1, 1, 128, 16]
 * ```
 */
export async function openCall(gpu: Gpu, qkv: Qkv, options: GpuCallOptions): Promise<Psa> {
  const psa = await createPsa(gpu, setupOf(attentionShape(qkv), options));
  try {
    await psa.load(typedInputs(qkv, options.dtype));
    return psa;
  } catch (error) {
    psa[Symbol.dispose]();
    throw error;
  }
}

/**
 * Tensors in the element type of the kernels.
 *
 * @param qkv queries, keys and values
 * @param dtype the element type
 * @throws {InputError} if a number overflows in it
 */
export function typedInputs(qkv: Qkv, dtype: "f32" | "f16"): Qkv {
  return {
    q: roundTo(dtype, qkv.q, "q"),
    k: roundTo(dtype, qkv.k, "k"),
    v: roundTo(dtype, qkv.v, "v"),
  };
}

/** A tensor in the element type of the kernels; numbers that overflow are bad input, not a fault of the kernel. */
function roundTo(dtype: "f32" | "f16", { data, shape }: Tensor<FloatData>, name: string) {
  const rounded = dtype === "f16" ? Float16Array.from(data) : Float32Array.from(data);
  const at = rounded.findIndex((x, i) => !Number.isFinite(x) && Number.isFinite(data[i]));
  requireInput(
    at < 0,
    () =>
      `\`${name}\` holds ${data[at]}, which overflows when it is rounded to ${dtype}; --dtype should be f32.`,
  );
  return { data: rounded, shape };
}

/**
 * Runs a call on outputs that were NaN before.
 *
 * @param gpu the device
 * @param call the call
 */
export async function runChecked(gpu: Gpu, call: PreparedCall): Promise<Tensor<FloatData>> {
  poisonOutputs(gpu, call.stages);
  return (await call.forward()).out;
}

/**
 * The call of an arrangement on a device: it is opened when it is first asked for, or when another device is.
 *
 * @param gpu the device
 * @param arranged the tokens in the order of the arrangement
 * @param context a case of the arrangement, the element type, and whether the call is causal
 */
export async function callOn(
  gpu: Gpu,
  arranged: Pick<Arranged, "call" | "tokens">,
  { given: { layout: { blockM, blockN } }, options: { dtype }, causal }: {
    readonly given: SweepCase;
    readonly options: Pick<GpuCallOptions, "dtype">;
    readonly causal: boolean;
  },
): Promise<GpuCall> {
  arranged.call ??= { gpu, psa: await openCall(gpu, arranged.tokens.qkv, { causal, blockM, blockN, dtype }) };
  return arranged.call;
}
