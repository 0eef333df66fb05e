/**
 * The whole method on the device: order, pyramid, importance, levels, work lists, attention, order back, in one
 * submission and with nothing read back in between.
 *
 * @module
 */
import type { PsaConfig } from "../reference/config/config.ts";
import { levelDensity } from "../reference/levels/density.ts";
import {
  type AttentionShape,
  attentionShape,
  dtypeOf,
  type Qkv,
  requireShape,
  type Tensor,
} from "../reference/tensor.ts";
import type { Gpu } from "./device/gpu.ts";
import type { Encode } from "./device/pass.ts";
import { timeWork, type Timing, type TimingOptions } from "./device/timing.ts";
import { download, poison, upload } from "./device/transfer.ts";
import { requireInput } from "../reference/errors.ts";
import { runStages, type StageTimings } from "./device/stage.ts";
import { type PsaSetup, type ResolvedSetup, resolveSetup } from "./plan.ts";
import { buildStages, type LevelSource, type Stages } from "./pipeline.ts";
export type { PsaSetup } from "./plan.ts";
export type { StageName, StageTimings } from "./device/stage.ts";

/** Inputs that are on the device already, in the element type and layout of the call. */
export interface QkvBuffers {
  /** Queries. */
  readonly q: GPUBuffer;
  /** Keys. */
  readonly k: GPUBuffer;
  /** Values. */
  readonly v: GPUBuffer;
}

/** Options of {@link Psa.forward}. */
export interface ForwardOptions {
  /**
   * Levels to use instead of those that importance gives, for blocks in the configuration's order; `dense` reads
   * everything by the kernel that needs no lists.
   */
  readonly levels?: Tensor<Int32Array> | "dense";
}

/** What {@link Psa.forward} gives. */
export interface ForwardResult {
  /** Outputs, [batch, heads, query tokens, value dimension], in the element type of the kernels. */
  readonly out: Tensor<Float32Array | Float16Array>;
  /** Log-sum-exps, [batch, heads, query tokens]. */
  readonly lse: Tensor<Float32Array>;
  /** The levels that were used, int32 [batch, heads, query blocks, key blocks]. */
  readonly levels: Tensor<Int32Array>;
  /** Their density (docs/definition.md#density). */
  readonly density: number;
  /** Milliseconds of each stage. */
  readonly timings: StageTimings;
}

/**
 * Builds the method for one shape and configuration: all kernels are compiled and all buffers made, so that calls only
 * move data and run.
 *
 * @param gpu the device
 * @param setup `shape` of the calls, `config` of the method, `dtype` of the kernels (`f32`, `f16`, or `auto`: `f16`
 * where the device has it)
 * @throws {InputError} if the configuration is wrong, a dimension is not a multiple of 8 up to 256, the device lacks the
 * element type, or a buffer is beyond a limit of the device, which is named before anything is made; `createSlicedPsa`
 * runs such calls some heads at a time
 *
 * @example
 * ```ts
 * import { createPsa, makeWorkload, openGpu } from "../mod.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 32 });
 * using gpu = await openGpu();
 * using psa = await createPsa(gpu, {
 *   shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 256, seqK: 256, headDim: 32, valueDim: 32 },
 *   config: {
 *     blockM: 64,
 *     blockN: 32,
 *     tile: 32,
 *     importance: { kind: "sampled", seed: 1 },
 *     assignment: { mode: "density", density: 0.5 },
 *   },
 * });
 * const { out, density } = await psa.forward(qkv);
 * console.log(out.shape, density);
 * ```
 */
export async function createPsa(gpu: Gpu, setup: PsaSetup): Promise<Psa> {
  const resolved = resolveSetup(gpu, setup);
  const scope = gpu.scope();
  try {
    return new Psa(scope, resolved, await buildStages(scope, resolved));
  } catch (error) {
    scope[Symbol.dispose]();
    throw error;
  }
}

/** The method, built for one shape and configuration by {@link createPsa}. */
export class Psa implements Disposable {
  /** The sizes of a call. */
  readonly shape: AttentionShape;
  /** The configuration. */
  readonly config: PsaConfig;
  /** The element type of the kernels. */
  readonly dtype: "f32" | "f16";
  /**
   * The buffers that calls read: a caller who writes q, k and v here, and passes them to {@link Psa.forward}, saves
   * the copy.
   */
  readonly inputs: QkvBuffers;
  /** The buffers of outputs and log-sum-exps, valid until the next call. */
  readonly outputs: { readonly out: GPUBuffer; readonly lse: GPUBuffer };
  readonly #gpu: Gpu;
  readonly #stages: Stages;

  /** Use {@link createPsa}. */
  constructor(gpu: Gpu, { shape, config, dtype }: ResolvedSetup, stages: Stages) {
    [this.shape, this.config, this.dtype] = [shape, config, dtype];
    this.inputs = stages.inputs;
    this.outputs = stages.outputs;
    this.#gpu = gpu;
    this.#stages = stages;
  }

  /** Bytes on the device beside inputs and outputs, of all that calls have needed up to now. */
  get extraBytes(): number {
    const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = this.shape;
    const queries = batch * heads * seqQ, keys = batch * kvHeads * seqK;
    const elements = (queries + keys) * (headDim + valueDim);
    return this.#gpu.bytes - elements * this.#itemBytes - 4 * queries;
  }

  /**
   * Runs the method on typed arrays or on buffers of the device.
   *
   * @param qkv the inputs
   * @param options levels to use instead of those that importance gives
   * @throws {InputError} if the inputs have another shape or element type, or the levels another shape
   */
  async forward(qkv: Qkv | QkvBuffers, options: ForwardOptions = {}): Promise<ForwardResult> {
    const timings = await this.run(qkv, options);
    const { batch, heads, seqQ, seqK, valueDim } = this.shape;
    const { blockM, blockN, causal } = this.config;
    const [bytes, lse, levels] = [
      await download(this.#gpu, this.outputs.out, {
        size: batch * heads * seqQ * valueDim * this.#itemBytes,
      }),
      await download(this.#gpu, this.outputs.lse, { size: batch * heads * seqQ * 4 }),
      await this.#stages.readLevels(this.#source(options)),
    ];
    const data = this.dtype === "f16" ? new Float16Array(bytes) : new Float32Array(bytes);
    return {
      out: { data, shape: [batch, heads, seqQ, valueDim] },
      lse: { data: new Float32Array(lse), shape: [batch, heads, seqQ] },
      levels,
      density: levelDensity(levels, { causal, blockM, blockN, seqQ, seqK }),
      timings,
    };
  }

  /**
   * {@link Psa.forward} without reading anything back: outputs stay in {@link Psa.outputs}.
   *
   * @param qkv the inputs
   * @param options levels to use
   * @returns milliseconds of each stage
   */
  async run(qkv: Qkv | QkvBuffers, options: ForwardOptions = {}): Promise<StageTimings> {
    this.#load(qkv);
    const passes = await this.#stages.passes(this.#source(options));
    poison(this.#gpu, this.outputs.out);
    poison(this.#gpu, this.outputs.lse);
    return await runStages(this.#gpu, passes);
  }

  /**
   * Times the method on the inputs of the last call, as one piece of work: all stages, or pyramid and attention if
   * levels are given.
   *
   * @param options levels, repetitions and warm-up
   */
  async time(options: ForwardOptions & Omit<TimingOptions, "label"> = {}): Promise<Timing> {
    const passes = await this.#stages.passes(this.#source(options));
    const encode: Encode = (pass) => passes.forEach((each) => each.encode(pass));
    return await timeWork(this.#gpu, encode, { ...options, label: "psa" });
  }

  /** Frees the buffers. */
  [Symbol.dispose](): void {
    this.#gpu[Symbol.dispose]();
  }

  get #itemBytes(): number {
    return this.dtype === "f16" ? 2 : 4;
  }

  #source({ levels }: ForwardOptions): LevelSource {
    if (levels === undefined) return { kind: "selected" };
    return levels === "dense" ? { kind: "dense" } : { kind: "given", levels };
  }

  /** Brings the inputs to where the kernels read them. */
  #load(qkv: Qkv | QkvBuffers): void {
    if ("usage" in qkv.q) this.#copy(qkv as QkvBuffers);
    else this.#upload(qkv as Qkv);
  }

  #upload(qkv: Qkv): void {
    requireShape(
      attentionShape(qkv),
      this.shape,
      (name, is, should) => `\`${name}\` of the inputs is ${is}; this pipeline was built for ${should}.`,
    );
    requireInput(
      dtypeOf(qkv.q) === this.dtype,
      () => `The inputs are ${dtypeOf(qkv.q)}; this pipeline was built for ${this.dtype}.`,
    );
    for (const name of ["q", "k", "v"] as const) {
      upload(this.#gpu, this.inputs[name], { data: qkv[name].data as Float32Array<ArrayBuffer> });
    }
    this.#stages.arrange(qkv);
  }

  #copy(buffers: QkvBuffers): void {
    const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = this.shape;
    const elements = {
      q: batch * heads * seqQ * headDim,
      k: batch * kvHeads * seqK * headDim,
      v: batch * kvHeads * seqK * valueDim,
    };
    const encoder = this.#gpu.device.createCommandEncoder();
    for (const name of ["q", "k", "v"] as const) {
      const size = elements[name] * this.#itemBytes;
      requireInput(
        buffers[name].size >= size,
        () => `The buffer of \`${name}\` has ${buffers[name].size} bytes; the shape needs ${size}.`,
      );
      if (buffers[name] !== this.inputs[name]) {
        encoder.copyBufferToBuffer(buffers[name], 0, this.inputs[name], 0, size);
      }
    }
    this.#gpu.device.queue.submit([encoder.finish()]);
    this.#stages.arrange(null);
  }
}
