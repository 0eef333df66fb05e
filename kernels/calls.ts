/**
 * Options and results of calls of the method.
 *
 * @module
 */
import type { Tensor } from "../reference/tensor.ts";
import type { Stage, StageTimings } from "./device/stage.ts";
import type { Timing, TimingOptions } from "./device/timing.ts";

/**
 * Levels that a call is given instead of those that importance selects: int32 [batch, heads, query blocks, key blocks], 0
 * (skipped) or a power of two that divides the key block, which is copied to the device; `dense` reads everything.
 */
export type GivenLevels = Tensor<Int32Array> | "dense";

/** Options of `Psa.forward`. */
export interface ForwardOptions {
  /**
   * Levels to use instead of those that importance gives, for blocks in the configuration's order; `dense` reads
   * everything by the kernel that needs no lists.
   */
  readonly levels?: GivenLevels;
}

/** The result of `Psa.forward`: new arrays on the CPU, which belong to the caller and stay as they are. */
export interface ForwardResult {
  /** Outputs, [batch, heads, query tokens, value dimension], in the element type of the kernels, in the order of `q`. */
  readonly out: Tensor<Float32Array | Float16Array>;
  /** Natural log-sum-exps of the logits, [batch, heads, query tokens], in float32. */
  readonly lse: Tensor<Float32Array>;
  /** The levels that were used, int32 [batch, heads, query blocks, key blocks]; blocks are of the configuration's order. */
  readonly levels: Tensor<Int32Array>;
  /** Their density, from 0 to 1 (docs/definition.md#density). */
  readonly density: number;
  /** Milliseconds of each stage. */
  readonly timings: StageTimings;
}

/** A call that is built for its levels and runs on the inputs that were loaded last. */
export interface PreparedCall {
  /** Its stages in the order in which they run; work lists of given levels are made beforehand. */
  readonly stages: readonly Stage[];
  /** Runs it and reads what it gives. */
  forward(): Promise<ForwardResult>;
  /** Runs it without reading anything back: outputs stay in `Psa.outputs`. */
  run(): Promise<StageTimings>;
  /** Times it as one piece of work. */
  time(options?: Omit<TimingOptions, "label">): Promise<Timing>;
  /** Frees what belongs to it alone, once it does not run; later calls of it throw an error of kind `disposed`. */
  free(): void;
}
