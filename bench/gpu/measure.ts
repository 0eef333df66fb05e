/**
 * Times one call on the device, with checks before and after, and a known call that detects slow periods.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa } from "../../kernels/psa.ts";
import { clockOf, type Probe, type Timed } from "../timing/clock.ts";
import { measureInterleaved } from "../timing/interleaved.ts";
import type { MedianEstimate } from "../timing/statistics.ts";
import { type GpuCase, levelsOf, nameOf } from "./cases.ts";
import { checkBlock, lastBlock } from "./check.ts";
import { inputsOf, makeData } from "./data.ts";

/** How cases are timed. */
export interface BenchTiming {
  /** The known call. */
  readonly probe: Probe;
  /** Milliseconds of warm-up before a measurement ({@link clockOf}). */
  readonly warmUp: number;
  /** Seconds after which no piece is measured again. */
  readonly seconds: number;
}

/** Confidence of intervals, and the width over the median at which a case has been measured enough. */
const CONFIDENCE = 0.95, PRECISION = 0.02;

/**
 * Times pieces of work, interleaved, beside the known call.
 *
 * @param pieces functions that time each of them
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
  const block = lastBlock(psa, { data, levels, name: nameOf(given) });
  const relL2 = await checkBlock(gpu, psa, block);
  const [estimate] = await timeTogether([(options) => psa.time({ ...options, levels })], timing);
  await checkBlock(gpu, psa, block);
  return { ...estimate, relL2 };
}
