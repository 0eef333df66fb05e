/**
 * The whole method on the device: order, pyramid, importance, levels, work lists, attention, order back, in one
 * submission and with nothing read back in between.
 *
 * @module
 */
import type { PsaConfig } from "../reference/config/config.ts";
import { requireInput } from "../reference/errors.ts";
import { levelDensity } from "../reference/levels/density.ts";
import type { AttentionShape, Qkv } from "../reference/tensor.ts";
import { buildBuffers, type OutputBuffers } from "./buffers.ts";
import type { Gpu } from "./device/gpu.ts";
import { type Stage, type StageTimings, submitStages, warmUp } from "./device/work/stage.ts";
import { timeWork, type Timing, type TimingOptions } from "./device/work/timing.ts";
import { download } from "./device/transfer.ts";
import { Turns } from "./device/work/turns.ts";
import { arithmeticOfPlan } from "./attention/arithmetic.ts";
import { FORWARD_OPTIONS, requireGpu, requireOptions, requireTiming, TIMING_OPTIONS } from "./door.ts";
import { areBuffers, loadInputs, type QkvBuffers, requireInputs } from "./inputs.ts";
import { givenOf, requireGiven } from "./given.ts";
import { buildMoves } from "./order/moves.ts";
import type { Call, Pipeline } from "./parts.ts";
import { guardedCall } from "./prepared.ts";
import type { PsaPlan, PsaSetup } from "./plan.ts";
import { buildCall } from "./call.ts";
import { buildChosenCall } from "./tuned/call.ts";
import { planCall, type TunedSetup } from "./tuned/plan.ts";
import type { ForwardOptions, ForwardResult, Given, PreparedCall } from "./calls.ts";
export type * from "./calls.ts";
export type { PsaSetup } from "./plan.ts";
export type { TunedSetup } from "./tuned/plan.ts";
export type { QkvBuffers } from "./inputs.ts";
export type { Stage, StageName, StageOutputs, StageTimings } from "./device/work/stage.ts";

/**
 * Builds the method for one shape and configuration: kernels are compiled and buffers made, so that calls only move data
 * and run; the first call is as fast as all others.
 *
 * @param gpu the device
 * @param setup `shape` of the calls, `config` of the method or `tuned` choices of each head, and `dtype` of the kernels
 * @throws {InputError} if the configuration is wrong, a dimension is not a multiple of 8 up to 256, the device lacks the
 * element type, or a limit of the device is exceeded, which is named before anything is built; `createSlicedPsa`
 * runs such calls some heads at a time
 * @throws {GpuError} if the device fails
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
 * console.log(out.shape, density.toFixed(2)); // [1, 1, 256, 32] 0.47
 * ```
 */
export async function createPsa(gpu: Gpu, setup: PsaSetup | TunedSetup): Promise<Psa> {
  requireGpu(gpu);
  const plan = planCall(gpu.info, setup), scope = gpu.scope();
  try {
    const buffers = buildBuffers(scope, plan);
    const psa = new Psa(scope, { plan, buffers, moves: await buildMoves(scope, plan, buffers) });
    await psa.makeReady();
    return psa;
  } catch (error) {
    scope[Symbol.dispose]();
    throw error;
  }
}

/** Stands for the last inputs that were loaded. */
const LOADED = Symbol("the inputs that were loaded last");

/** A call and the scope that its buffers belong to. */
interface Built extends Call {
  readonly scope: Gpu;
}

/** The method, built for one shape and configuration by {@link createPsa}. Calls take turns: each gets its own results. */
export class Psa implements Disposable {
  /** The sizes of a call. */
  readonly shape: AttentionShape;
  /** The configuration; of a tuned file what all heads have in common. */
  readonly config: PsaConfig;
  /** The element type of the kernels. */
  readonly dtype: "f32" | "f16";
  /** The arithmetic of attention, for `attentionTolerance`; with a mask in float16 it is always "sums of 64 in f16". */
  readonly arithmetic: string;
  /** The buffers that calls read, owned by this `Psa`: writing inputs here, and passing them to a call, saves a copy. */
  readonly inputs: QkvBuffers;
  /** The buffers of outputs and log-sum-exps, owned by this `Psa`; their content is valid until the next call. */
  readonly outputs: OutputBuffers;
  readonly #gpu: Gpu;
  readonly #pipeline: Pipeline;
  readonly #turns: Turns;
  readonly #calls = new Set<Built>();
  #selected: Built | undefined;
  #dense: Built | undefined;

  /** Use {@link createPsa}. */
  constructor(gpu: Gpu, pipeline: Pipeline) {
    const { plan, buffers: { inputs, outputs } } = pipeline, { shape, config, dtype } = plan;
    [this.shape, this.config, this.dtype] = [shape, config, dtype];
    [this.arithmetic, this.inputs, this.outputs] = [arithmeticOfPlan(gpu.info, plan), inputs, outputs];
    [this.#gpu, this.#pipeline] = [gpu, pipeline];
    this.#turns = new Turns("this Psa", () => this.#freeAll());
  }

  /** Bytes on the device that calls have needed so far, without inputs and outputs. */
  get extraBytes(): number {
    const { q, keys, values, out, lse } = this.#plan.bytes;
    const all = [...this.#calls].reduce((sum, { scope }) => sum + scope.bytes, this.#gpu.bytes);
    return Math.max(0, all - (q + keys + values + out + lse)); // 0 once it is disposed of
  }

  /**
   * The stages of a call that selects its levels, in the order in which they run.
   *
   * @throws {InputError} if `ready` of the setup does not name it, and no call has needed it
   */
  get stages(): readonly Stage[] {
    const selected = this.#selected;
    requireInput(
      selected !== undefined,
      '`stages` are there once they are built; `ready` should hold "selected".',
    );
    return selected.stages;
  }

  /** Builds and warms up the calls that `ready` of the setup names. {@link createPsa} calls it. */
  async makeReady(): Promise<void> {
    for (const kind of this.#plan.ready) {
      const { stages } = await this.#build(kind === "dense" ? "dense" : undefined);
      await warmUp(this.#gpu, stages);
    }
  }

  /**
   * Copies inputs to the buffers that calls read.
   *
   * @param qkv typed arrays, or buffers of the device
   * @throws {InputError} if they have a wrong shape, length or element type
   */
  async load(qkv: Qkv | QkvBuffers): Promise<void> {
    requireInputs(qkv, this.#plan);
    await this.#turns.take(() => this.#load(qkv));
  }

  /**
   * Builds a call for its levels, or for a mask. Several can exist at a time; they read the same inputs and write the same
   * outputs. The pyramid of a call has only the levels that occur; that of a mask has none.
   *
   * @param given levels to use, `dense`, `{ mask }`, `{ rule }` by which kernels make one, or `{ levels, correction }`; left out, importance selects the levels
   * @throws {InputError} if levels or mask have another shape, or there is no room for them
   */
  async prepare(given?: Given): Promise<PreparedCall> {
    requireGiven(given, this.#plan);
    const call = await this.#turns.take(() => this.#build(given));
    const take = <Result>(work: () => Promise<Result>) => this.#turns.take(work);
    return guardedCall({
      stages: call.stages,
      forward: () => take(() => this.#forward(call)),
      run: () => take(() => submitStages(this.#gpu, call.stages)),
      time: (options = {}) => take(() => this.#time(call, options)),
      free: () => this.#free(call),
    });
  }

  /**
   * Runs the method on typed arrays or on buffers of the device. Calls take turns; arrays are read when a call's turn
   * comes.
   *
   * @param qkv the inputs
   * @param options levels or a mask to use instead of what importance gives
   * @throws {InputError} if the inputs have another shape or element type, or the levels another shape
   * @throws {GpuError} if the device fails, or this was disposed of
   */
  async forward(qkv: Qkv | QkvBuffers, options: ForwardOptions = {}): Promise<ForwardResult> {
    requireOptions(options, FORWARD_OPTIONS);
    return await this.#with(qkv, options, (call) => this.#forward(call));
  }

  /**
   * {@link Psa.forward} without reading anything back: outputs stay in {@link Psa.outputs}.
   *
   * @param qkv the inputs
   * @param options levels to use
   * @returns milliseconds of each stage
   */
  async run(qkv: Qkv | QkvBuffers, options: ForwardOptions = {}): Promise<StageTimings> {
    requireOptions(options, FORWARD_OPTIONS);
    return await this.#with(qkv, options, ({ stages }) => submitStages(this.#gpu, stages));
  }

  /**
   * Times the method on the last inputs that were loaded, as one piece of work: all stages, or pyramid and attention if
   * levels are given.
   *
   * @param options levels, repetitions and warm-up
   */
  async time(options: ForwardOptions & Omit<TimingOptions, "label"> = {}): Promise<Timing> {
    requireOptions(options, [...FORWARD_OPTIONS, ...TIMING_OPTIONS]);
    const { levels, mask, ...timing } = options;
    requireTiming(timing);
    return await this.#with(LOADED, { levels, mask }, (call) => this.#time(call, timing));
  }

  /** Frees the buffers: at once, or when the running call has ended. */
  [Symbol.dispose](): void {
    this.#turns.close();
  }

  get #plan(): PsaPlan {
    return this.#pipeline.plan;
  }

  /** Loads inputs, builds the call, works with it and frees it, all in one turn. */
  async #with<Result>(
    qkv: Qkv | QkvBuffers | typeof LOADED,
    options: ForwardOptions,
    work: (call: Call) => Promise<Result>,
  ): Promise<Result> {
    if (qkv !== LOADED) requireInputs(qkv, this.#plan);
    const given = givenOf(options, this.#plan);
    return await this.#turns.take(async () => {
      if (qkv !== LOADED) await this.#load(qkv);
      const call = await this.#build(given);
      try {
        return await work(call);
      } finally {
        this.#free(call);
      }
    });
  }

  async #load(qkv: Qkv | QkvBuffers): Promise<void> {
    const { moves, plan } = this.#pipeline;
    moves.arrange(areBuffers(qkv) ? null : qkv);
    await loadInputs(this.#gpu, qkv, { inputs: this.inputs, plan });
  }

  /** Builds a call; those that depend on no levels are built once, and stay. */
  async #build(given?: Given): Promise<Built> {
    if (given === undefined) return this.#selected ??= await this.#scoped(buildChosenCall);
    const build = () => this.#scoped((gpu, pipeline) => buildCall(gpu, pipeline, given));
    return given === "dense" ? this.#dense ??= await build() : await build();
  }

  async #scoped(build: (gpu: Gpu, pipeline: Pipeline) => Promise<Call>): Promise<Built> {
    const scope = this.#gpu.scope();
    try {
      const call = { ...await build(scope, this.#pipeline), scope };
      this.#calls.add(call);
      return call;
    } catch (error) {
      scope[Symbol.dispose]();
      throw error;
    }
  }

  #free(call: Call): void {
    const built = call as Built;
    if (built === this.#selected || built === this.#dense) return;
    if (this.#calls.delete(built)) built.scope[Symbol.dispose]();
  }

  #freeAll(): void {
    for (const { scope } of this.#calls) scope[Symbol.dispose]();
    this.#calls.clear();
    this.#gpu[Symbol.dispose]();
  }

  async #time({ stages }: Call, options: Omit<TimingOptions, "label">): Promise<Timing> {
    const named = { ...options, label: "psa" };
    return await timeWork(this.#gpu, (pass) => stages.forEach((each) => each.encode(pass)), named);
  }

  async #forward(call: Call): Promise<ForwardResult> {
    const timings = await submitStages(this.#gpu, call.stages), { bytes } = this.#plan;
    const { batch, heads, seqQ, seqK, valueDim } = this.shape, { blockM, blockN, causal } = this.config;
    const out = await download(this.#gpu, this.outputs.out, { size: bytes.out });
    const lse = await download(this.#gpu, this.outputs.lse, { size: bytes.lse });
    const levels = await call.readLevels(), Type = this.dtype === "f16" ? Float16Array : Float32Array;
    return {
      out: { data: new Type(out), shape: [batch, heads, seqQ, valueDim] },
      lse: { data: new Float32Array(lse), shape: [batch, heads, seqQ] },
      levels,
      density: call.density?.() ?? levelDensity(levels, { causal, blockM, blockN, seqQ, seqK }),
      timings,
    };
  }
}
