/**
 * Options and results of calls of the method.
 *
 * @module
 */
import type { Correction, KeyRule, LevelRule } from "../reference/methods/method.ts";
import type { Mask } from "../reference/masks/mask.ts";
import type { Tensor } from "../reference/tensor.ts";
import type { Stage, StageTimings } from "./device/work/stage.ts";
import type { Timing, TimingOptions } from "./device/work/timing.ts";

/**
 * Levels that replace those selected by importance: int32 [batch, heads, query blocks, key blocks], 0
 * (skipped) or a power of two that divides the key block, which is copied to the device; `dense` reads everything.
 */
export type GivenLevels = Tensor<Int32Array> | "dense";

/**
 * A mask in place of levels: which keys every query sees, tokens in the configuration's order. In a causal call a query sees
 * no key beyond its own position, even if the mask has it.
 *
 * @example
 * ```ts
 * import { buildMask, createPsa, makeWorkload, openGpu } from "../mod.ts";
 * const { qkv } = makeWorkload("gaussian", { seqQ: 64, headDim: 16 });
 * using gpu = await openGpu();
 * using psa = await createPsa(gpu, {
 *   shape: { batch: 1, heads: 1, kvHeads: 1, seqQ: 64, seqK: 64, headDim: 16, valueDim: 16 },
 *   config: {
 *     blockM: 32,
 *     blockN: 16,
 *     tile: 16,
 *     importance: { kind: "pooled" },
 *     assignment: { mode: "density", density: 1 },
 *   },
 * });
 * await psa.load(qkv);
 * const mask = buildMask([1, 1, 64, 64], { fill: (bits) => bits.fill(0b1111) }); // 4 of each 32 keys
 * const { density } = await (await psa.prepare({ mask })).forward();
 * console.log(density); // 0.125
 * ```
 */
export interface GivenMask {
  /** Of shape [batch, heads, query tokens, key tokens]; it is read once, when the call is prepared. */
  readonly mask: Mask;
}

/** A rule in place of levels or a mask: kernels choose by it, and make the work lists, each time the call runs. */
export interface GivenRule {
  /** The choice that a method made, in its own words. */
  readonly rule: KeyRule | LevelRule;
}

/** A rule of keys. */
export interface GivenKeyRule {
  /** The choice of keys. */
  readonly rule: KeyRule;
}

/** Levels, and a correction of the output that attention over them gives. */
export interface GivenCorrected {
  /** The levels, as calls are given them. */
  readonly levels: Tensor<Int32Array>;
  /** The correction that follows attention; not for causal calls, nor with a tail that is replicated. */
  readonly correction: Correction;
}

/** The choices that a call can be given in place of importance. */
export type Given = GivenLevels | GivenMask | GivenRule | GivenCorrected;

/** Options of `Psa.forward`. */
export interface ForwardOptions {
  /**
   * Levels that replace those selected by importance, for blocks in the configuration's order; `dense` reads
   * everything, with the kernel that needs no lists.
   */
  readonly levels?: GivenLevels;
  /** A mask in place of levels; its work lists are made in the call: who uses one often prepares it. */
  readonly mask?: Mask;
}

/** The result of `Psa.forward`: new arrays on the CPU, which belong to the caller and are never changed. */
export interface ForwardResult {
  /** Outputs, [batch, heads, query tokens, value dimension], in the element type of the kernels, in the order of `q`. */
  readonly out: Tensor<Float32Array | Float16Array>;
  /** Natural log-sum-exps of the logits, [batch, heads, query tokens], in float32. */
  readonly lse: Tensor<Float32Array>;
  /**
   * The levels that were used, int32 [batch, heads, query blocks, key blocks]; blocks are of the configuration's order, or of
   * the one that was chosen for the head. Of a mask: 1 where some query of the block sees some key of the block.
   */
  readonly levels: Tensor<Int32Array>;
  /** Their density, from 0 to 1 (docs/definition.md#density); of a mask the share of pairs that it shows. */
  readonly density: number;
  /** Milliseconds of each stage. */
  readonly timings: StageTimings;
}

/** A call that is built for its levels and runs on the last inputs that were loaded. */
export interface PreparedCall {
  /** Its stages in the order in which they run; work lists of given levels are made beforehand. */
  readonly stages: readonly Stage[];
  /** Runs it and reads its results. */
  forward(): Promise<ForwardResult>;
  /** Runs it without reading anything back: outputs stay in `Psa.outputs`. */
  run(): Promise<StageTimings>;
  /** Times it as one piece of work. */
  time(options?: Omit<TimingOptions, "label">): Promise<Timing>;
  /** Frees what belongs to it alone, once it does not run; later calls of it throw an error of kind `disposed`. */
  free(): void;
}
