/**
 * Times one call on the device: checked before, checked afterwards, beside a known call that tells slow stretches.
 *
 * @module
 */
import { download } from "../../kernels/device/transfer.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa, type Psa } from "../../kernels/psa.ts";
import { pyramidAttention } from "../../reference/attention/attention.ts";
import { compare } from "../../reference/judge/metrics.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { attentionTolerance } from "../../reference/judge/tolerance.ts";
import { clockOf, type Probe, type Timed } from "../timing/clock.ts";
import { measureInterleaved } from "../timing/interleaved.ts";
import type { MedianEstimate } from "../timing/statistics.ts";
import { type GpuCase, levelsOf, nameOf } from "./cases.ts";
import { type Data, inputsOf, makeData } from "./data.ts";

/**
 * Checks the last query block of the last head of what a call has written.
 *
 * @param gpu the device
 * @param psa the call, after it has run
 * @param options the case, its inputs, and the levels that were used
 * @returns its relative L2 error
 * @throws {Error} if it is beyond the derived bound
 */
export async function checkBlock(
  gpu: Gpu,
  psa: Psa,
  { given, data, levels }: {
    readonly given: GpuCase;
    readonly data: Readonly<Record<"q" | "k" | "v", Data>>;
    readonly levels: Tensor<Int32Array> | "dense";
  },
): Promise<number> {
  const { shape: { heads, seqQ, seqK, headDim }, blockM, blockN, dtype, causal = false } = given,
    bytes = dtype === "f16" ? 2 : 4;
  const rows = blockM, first = ((heads - 1) * seqQ + seqQ - rows) * headDim;
  const part = (tokens: Data, from: number, count: number) => ({
    data: tokens.subarray(from, from + count * headDim) as Data,
    shape: [1, 1, count, headDim],
  });
  const key = (heads - 1) * seqK * headDim, columns = Math.ceil(seqK / blockN);
  const qkv = { q: part(data.q, first, rows), k: part(data.k, key, seqK), v: part(data.v, key, seqK) };
  const own = levels === "dense" ? new Int32Array(columns).fill(1) : levels.data.subarray(-columns);
  const row = { data: own, shape: [1, 1, 1, columns] };
  const got = await download(gpu, psa.outputs.out, { offset: first * bytes, size: rows * headDim * bytes });
  const out = {
    data: dtype === "f16" ? new Float16Array(got) : new Float32Array(got),
    shape: [1, 1, rows, headDim],
  };
  const { relL2 } = compare(out, pyramidAttention(qkv, row, { blockM, blockN, causal }).out);
  const bound = attentionTolerance(qkv, row, { dtype, accumulate: dtype, blockM, blockN, causal }).relL2;
  if (!(relL2 <= bound)) {
    throw new Error(`${nameOf(given)} is wrong: relative L2 error ${relL2}, bound ${bound}.`);
  }
  return relL2;
}

/** How cases are timed. */
export interface BenchTiming {
  /** The known call. */
  readonly probe: Probe;
  /** Milliseconds of warm-up in the same submission. */
  readonly warmUp: number;
  /** Seconds after which no piece is measured again. */
  readonly seconds: number;
}

/** Confidence of intervals, and the width over the median at which a case has been measured enough. */
const CONFIDENCE = 0.95, PRECISION = 0.02;

/**
 * Times pieces of work, interleaved, beside the known call.
 *
 * @param pieces what times each of them
 * @param timing the known call, warm-up, when to end
 * @returns a median with its interval for each
 * @throws {Error} if the device gives no time
 */
export async function timeTogether(
  pieces: readonly Timed[],
  { probe, warmUp, seconds }: BenchTiming,
): Promise<MedianEstimate[]> {
  const clocks = pieces.map((time) => clockOf(time, { warmUp }));
  const measured = await measureInterleaved(clocks.map(({ measure }) => measure), {
    ...{ confidence: CONFIDENCE, precision: PRECISION, seed: 1, seconds },
    probe: probe.measure,
  });
  return measured.map(({ estimate }) => {
    if (estimate === null) throw new Error("the device gave no time, again and again");
    return estimate;
  });
}

/**
 * Checks a case, times it and checks it again.
 *
 * @param gpu the device
 * @param given the case
 * @param timing the known call, warm-up, when to end
 * @returns milliseconds, and the relative L2 error of the rows that were checked
 * @throws {Error} if the output is wrong
 */
export async function measure(
  gpu: Gpu,
  given: GpuCase,
  timing: BenchTiming,
): Promise<MedianEstimate & { readonly relL2: number }> {
  const { shape, dtype, blockM, blockN, causal = false, numbers } = given;
  const config = {
    ...{ blockM, blockN, tile: 32, causal },
    importance: { kind: "pooled" },
    assignment: { mode: "density", density: 0.5, shares: { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 } },
  } as const;
  using psa = await createPsa(gpu, { shape, config, dtype, ready: [] });
  const data = makeData({ shape, dtype }, numbers);
  const levels = given.shares.length === 0 ? "dense" : levelsOf(given);
  await psa.run(inputsOf(shape, data), { levels });
  const relL2 = await checkBlock(gpu, psa, { given, data, levels });
  const [estimate] = await timeTogether([(options) => psa.time({ ...options, levels })], timing);
  await checkBlock(gpu, psa, { given, data, levels });
  return { ...estimate, relL2 };
}
