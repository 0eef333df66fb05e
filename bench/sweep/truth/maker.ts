/**
 * Makers of the truth that cases are judged by: dense attention, attention over levels, importance and block mass in
 * float64, of all rows or of sampled ones.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../../../reference/attention/call.ts";
import type { ImportanceConfig } from "../../../reference/config/config.ts";
import type { SampledRows } from "../../../reference/judge/sampled_rows.ts";
import {
  attentionRowsParallel,
  blockMassParallel,
  type HeadsOptions,
  importanceParallel,
} from "../../../reference/parallel/heads.ts";
import { pyramidAttentionParallel } from "../../../reference/parallel/parallel.ts";
import { attentionShape, type Qkv, type Tensor } from "../../../reference/tensor.ts";
import { openTruth, type Truth } from "../../../kernels/truth/truth.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import type { RunDevice } from "../run/device.ts";
import type { TruthKind } from "./kinds.ts";

/** Heads of one input, in the order of an arrangement. */
export interface TruthCall {
  /** Queries, keys and values. */
  readonly qkv: Qkv;
  /** Blocks and causality. */
  readonly options: PyramidAttentionOptions;
  /** Place of the first head in the whole call. */
  readonly firstHead: number;
}

/** Dense attention of the rows that are judged. */
export interface DenseTruth {
  /** [batch, heads, judged rows, value dimension] */
  readonly out: Tensor<Float64Array>;
  /** Log-sum-exp of all rows, [batch, heads, rows]; null where rows are sampled. */
  readonly lse: Tensor<Float64Array> | null;
  /** Block mass, estimated from the judged rows; null where all rows are judged, and `mass` gives it. */
  readonly mass: Tensor<Float64Array> | null;
}

/** A maker of truth. */
export interface TruthMaker {
  /** Where it comes from. */
  readonly kind: TruthKind;
  /** How many workers the CPU may have: memory limits them; left out: one for every core. */
  readonly workers?: number;
  /** Dense attention. */
  dense(
    call: TruthCall,
    rows: SampledRows | null,
    onProgress?: HeadsOptions["onProgress"],
  ): Promise<DenseTruth>;
  /** Attention over levels, [batch, heads, judged rows, value dimension]. */
  attention(
    call: TruthCall,
    levels: Tensor<Int32Array>,
    rows: SampledRows | null,
  ): Promise<Tensor<Float64Array>>;
  /** Block mass of all rows. */
  mass(call: TruthCall): Promise<Tensor<Float64Array>>;
  /** Importance of key blocks. */
  importance(call: TruthCall, importance: ImportanceConfig): Promise<Tensor<Float64Array>>;
  /** Frees what it keeps on a device. */
  close(): void;
}

/** Pairs of tokens per head up to which starting workers takes longer than the work. */
const SMALL = 2 ** 20;

/** The workers that the work on a head is worth: none for a small one, else as many as there may be. */
export function workersFor(
  { q, k }: Pick<Qkv, "q" | "k">,
  most: number | undefined,
): Pick<HeadsOptions, "workers"> {
  return q.shape[2] * k.shape[2] <= SMALL ? { workers: 0 } : most === undefined ? {} : { workers: most };
}

/**
 * Truth by the CPU.
 *
 * @param kind all rows, or sampled ones
 * @param options how many workers there may be
 *
 * @example
 * ```ts
 * import { makeWorkload } from "../../../fixtures/workloads.ts";
 * import { cpuTruth } from "./maker.ts";
 * const { qkv } = makeWorkload("gaussian", { seqQ: 64, headDim: 8 });
 * const call = { qkv, options: { blockM: 32, blockN: 16 }, firstHead: 0 };
 * console.log((await cpuTruth("cpu").dense(call, null)).out.shape); // [1, 1, 64, 8]
 * ```
 */
export function cpuTruth(
  kind: "cpu" | "rows",
  { workers: most }: { readonly workers?: number } = {},
): TruthMaker {
  return {
    kind,
    workers: most,
    async dense({ qkv, options: { blockM, blockN, causal } }, rows, onProgress) {
      const common = { causal, onProgress, ...workersFor(qkv, most) };
      if (rows === null) return { ...await pyramidAttentionParallel(qkv, null, common), mass: null };
      const heads = await attentionRowsParallel(qkv, null, rows.rows, { ...common, massBlock: blockN });
      const mass = meanMass(heads.map((head) => head.mass), rows, { qkv, blockM, blockN });
      return { out: rowTensor(heads.map(({ out }) => out), qkv), lse: null, mass };
    },
    async attention({ qkv, options }, levels, rows) {
      const own = { ...options, ...workersFor(qkv, most) };
      if (rows === null) return (await pyramidAttentionParallel(qkv, levels, own)).out;
      return rowTensor((await attentionRowsParallel(qkv, levels, rows.rows, own)).map(({ out }) => out), qkv);
    },
    mass: ({ qkv, options }) => blockMassParallel(qkv, { ...options, ...workersFor(qkv, most) }),
    importance: ({ qkv, options, firstHead }, importance) =>
      importanceParallel(qkv, { ...options, importance, firstHead }, workersFor(qkv, most)),
    close: () => {},
  };
}

/**
 * Truth by a device with float64.
 *
 * @param device the device; if it fails, another one does the same once more
 * @param options how many workers the CPU may have for bounds
 */
export function gpuTruth(device: RunDevice, { workers }: { readonly workers?: number } = {}): TruthMaker {
  let held: { readonly gpu: Gpu; readonly truth: Truth } | null = null;
  const close = () => {
    held?.truth[Symbol.dispose]();
    held = null;
  };
  const truthOn = (gpu: Gpu) => {
    if (held?.gpu !== gpu) close();
    return (held ??= { gpu, truth: openTruth(gpu) }).truth;
  };
  const on = async <Result>(work: (truth: Truth) => Promise<Result>): Promise<Result> => {
    const attempt = await device.attempt((gpu) => work(truthOn(gpu)));
    if ("result" in attempt) return attempt.result;
    throw attempt.fault ?? new Error("No device could be opened any more.");
  };
  return {
    kind: "gpu",
    workers,
    dense: async ({ qkv, options: { causal } }, _rows, onHead) => ({
      ...await on((truth) => truth.attention(qkv, null, { causal, onHead })),
      mass: null,
    }),
    attention: async ({ qkv, options }, levels) =>
      (await on((truth) => truth.attention(qkv, levels, options))).out,
    mass: ({ qkv, options }) => on((truth) => truth.blockMass(qkv, options)),
    importance: ({ qkv, options, firstHead }, importance) =>
      on((truth) => truth.importance(qkv, { ...options, importance, firstHead })),
    close,
  };
}

/** Rows of all heads as one tensor; every head has as many. */
function rowTensor(heads: readonly Float64Array[], qkv: Qkv): Tensor<Float64Array> {
  const { batch, heads: count, valueDim } = attentionShape(qkv), size = heads[0].length;
  const data = new Float64Array(heads.length * size);
  heads.forEach((out, head) => data.set(out, head * size));
  return { data, shape: [batch, count, size / valueDim, valueDim] };
}

/** The mean over sampled rows, each for all that it stands for, of the mass that each key block has in them. */
function meanMass(
  heads: readonly Float64Array[],
  { rows, strata: { of, sizes } }: SampledRows,
  { qkv, blockM, blockN }: { readonly qkv: Qkv; readonly blockM: number; readonly blockN: number },
): Tensor<Float64Array> {
  const { batch, heads: count, seqQ, seqK } = attentionShape(qkv), N = Math.ceil(seqK / blockN);
  const shape = [batch, count, Math.ceil(seqQ / blockM), N],
    data = new Float64Array(batch * count * shape[2] * N);
  const counts = sizes.map(() => 0);
  for (const stratum of of) counts[stratum]++;
  heads.forEach((mass, head) => {
    const first = head * rows[head].length,
      weightOf = (i: number) => sizes[of[first + i]] / counts[of[first + i]];
    const taken = Map.groupBy(rows[head].keys(), (i) => Math.floor(rows[head][i] / blockM));
    for (const [m, indices] of taken) {
      const row = data.subarray((head * shape[2] + m) * N, (head * shape[2] + m + 1) * N);
      const all = indices.reduce((sum, i) => sum + weightOf(i), 0);
      for (const i of indices) {
        for (let j = 0; j < N; j++) row[j] += mass[i * N + j] * weightOf(i) / all;
      }
    }
  });
  return { data, shape };
}
