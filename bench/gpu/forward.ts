/**
 * The whole method on the device against dense attention: order, pyramid, importance, levels, work lists, attention.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa } from "../../kernels/psa.ts";
import { estimateMedian, type MedianEstimate } from "../timing/statistics.ts";
import { checkBlock, type MeasureOptions, timeFast } from "./measure.ts";
import { inputsOf, makeData, type StageBench } from "./data.ts";

/** What was measured of a whole call. */
export interface ForwardTimes {
  /** The density that the configuration reached. */
  readonly density: number;
  /** Milliseconds of the whole method. */
  readonly forward: MedianEstimate;
  /** Milliseconds of dense attention by our own dense kernel. */
  readonly dense: MedianEstimate;
}

/**
 * Times the whole method and dense attention on the same inputs, after the last query block of both has been compared
 * with the reference, and again afterwards.
 *
 * @param gpu the device
 * @param bench sizes, configuration, element type
 * @param options the known call, warm-up, repetitions
 * @throws {Error} if an output is wrong
 */
export async function timeForward(
  gpu: Gpu,
  bench: StageBench,
  options: MeasureOptions,
): Promise<ForwardTimes> {
  const { shape, config, dtype } = bench, { blockM, blockN } = config;
  using psa = await createPsa(gpu, { shape, config, dtype });
  const data = makeData(bench), given = { shape, dtype, blockM, blockN, shares: [], density: 1 };
  const { levels, density } = await psa.forward(inputsOf(shape, data));
  const check = (levels_: typeof levels | "dense") => checkBlock(gpu, psa, { given, data, levels: levels_ });
  await check(levels);
  const forward = await timeFast(psa, options, {});
  await check(levels);
  const dense = await timeFast(psa, options, { levels: "dense" });
  await check("dense");
  return { density, forward: estimateMedian(forward), dense: estimateMedian(dense) };
}
