/**
 * Times one call on the device: checked before, checked afterwards, beside a known call that tells slow stretches.
 *
 * @module
 */
import { download } from "../../kernels/device/transfer.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa, type ForwardOptions, type Psa } from "../../kernels/psa.ts";
import { pyramidAttention } from "../../reference/attention/attention.ts";
import { compare } from "../../reference/judge/metrics.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { attentionTolerance } from "../../reference/judge/tolerance.ts";
import { estimateMedian, type MedianEstimate } from "../timing/statistics.ts";
import { type GpuCase, levelsOf, nameOf } from "./cases.ts";
import { timeConfirmed } from "../timing/confirmed.ts";
import { type Data, inputsOf, makeData } from "./data.ts";

/** How much slower than its best the known call may be before a case is timed again. */
const SLOW = 1.15;

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
  const { shape: { heads, seqQ, seqK, headDim }, blockM, blockN, dtype } = given,
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
  const { relL2 } = compare(out, pyramidAttention(qkv, row, { blockM, blockN }).out);
  const bound = attentionTolerance(qkv, row, { dtype, accumulate: dtype, blockM, blockN }).relL2;
  if (!(relL2 <= bound)) {
    throw new Error(`${nameOf(given)} is wrong: relative L2 error ${relL2}, bound ${bound}.`);
  }
  return relL2;
}

/** A known call that tells whether the machine is in a slow stretch. */
export class Probe implements Disposable {
  #best = Infinity;

  /** Use {@link createProbe}. */
  constructor(readonly psa: Psa) {}

  /** Frees the buffers of the known call. */
  [Symbol.dispose](): void {
    this.psa[Symbol.dispose]();
  }

  /** Whether the machine is at its best speed now. */
  async isFast(): Promise<boolean> {
    const { milliseconds } = await this.psa.time({ levels: "dense", repetitions: 5, warmUp: 20 });
    const { median } = estimateMedian(milliseconds);
    this.#best = Math.min(this.#best, median);
    return median < SLOW * this.#best;
  }
}

/**
 * Builds the known call: small (smaller in software), dense, float32.
 *
 * @param gpu the device
 *
 * @example
 * ```ts
 * import { openGpu } from "../../mod.ts";
 * import { createProbe } from "./measure.ts";
 * using gpu = await openGpu();
 * using probe = await createProbe(gpu);
 * console.log(await probe.isFast());
 * ```
 */
export async function createProbe(gpu: Gpu): Promise<Probe> {
  const tokens = gpu.info.subgroupSize === 0 ? 512 : 2048;
  const shape = { batch: 1, heads: 4, kvHeads: 4, seqQ: tokens, seqK: tokens, headDim: 64, valueDim: 64 };
  return new Probe(
    await createPsa(gpu, {
      shape,
      config: {
        ...{ blockM: 128, blockN: 128, tile: 32, importance: { kind: "pooled" } },
        assignment: { mode: "density", density: 1 },
      },
      ready: ["dense"],
    }),
  );
}

/** How a case is timed. */
export interface MeasureOptions {
  /** The known call. */
  readonly probe: Probe;
  /** Milliseconds of warm-up in the same submission. */
  readonly warmUp: number;
  /** Timed repetitions; default 7. */
  readonly repetitions?: number;
  /** The most submissions of a case; default 6. */
  readonly tries?: number;
}

/**
 * Times a call on its last inputs, in several submissions, until the fastest is confirmed while the known call runs
 * at its best.
 *
 * @param psa the call, after it has run
 * @param options the known call, warm-up, repetitions
 * @param call levels to use instead of those that importance gives
 * @returns milliseconds of each repetition of the submission that counts
 */
export async function timeFast(
  psa: Psa,
  { probe, warmUp, repetitions = 7, tries }: MeasureOptions,
  call: ForwardOptions,
): Promise<readonly number[]> {
  return await timeConfirmed(async () => {
    const before = await probe.isFast();
    const { milliseconds } = await psa.time({ ...call, repetitions, warmUp });
    return { milliseconds, trusted: before && await probe.isFast() };
  }, { tries });
}

/**
 * Checks a case, times it and checks it again.
 *
 * @param gpu the device
 * @param given the case
 * @param options the known call, warm-up, repetitions
 * @returns milliseconds, and the relative L2 error of the rows that were checked
 * @throws {Error} if the output is wrong
 */
export async function measure(
  gpu: Gpu,
  given: GpuCase,
  options: MeasureOptions,
): Promise<MedianEstimate & { readonly relL2: number }> {
  const { shape, dtype, blockM, blockN } = given;
  const config = {
    ...{ blockM, blockN, tile: 32 },
    importance: { kind: "pooled" },
    assignment: { mode: "density", density: 0.5, shares: { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 } },
  } as const;
  using psa = await createPsa(gpu, { shape, config, dtype, ready: [] });
  const data = makeData({ shape, config, dtype });
  const levels = given.shares.length === 0 ? "dense" : levelsOf(given);
  await psa.run(inputsOf(shape, data), { levels });
  const relL2 = await checkBlock(gpu, psa, { given, data, levels });
  const times = await timeFast(psa, options, { levels });
  await checkBlock(gpu, psa, { given, data, levels });
  return { ...estimateMedian(times), relL2 };
}
