/**
 * Running the stages of the pipeline in one submission, each with its time.
 *
 * @module
 */
import type { Gpu } from "./gpu.ts";
import { type Encode, encodePass } from "./pass.ts";
import { submitWithTimestamps } from "./timing.ts";

/** Names of the stages of the pipeline. */
export type StageName = "order" | "pyramid" | "importance" | "levels" | "lists" | "attention";

const STAGE_NAMES: readonly StageName[] = ["order", "pyramid", "importance", "levels", "lists", "attention"];

/** A stage and what encodes it; a stage may have several. */
export interface StagePass {
  /** The stage. */
  readonly stage: StageName;
  /** Encodes it into a pass. */
  readonly encode: Encode;
}

/** Milliseconds of each stage; a stage that did not run has 0. */
export type StageTimings = Readonly<Record<StageName | "total", number>> & {
  /** Where the figures come from: with `wall` only the total is known. */
  readonly source: "timestamp" | "wall";
};

/**
 * Submits the stages, one pass each, and waits until they are done.
 *
 * @param gpu the device
 * @param passes the stages in the order in which they run
 */
export async function runStages(gpu: Gpu, passes: readonly StagePass[]): Promise<StageTimings> {
  const sums = Object.fromEntries(STAGE_NAMES.map((name) => [name, 0])) as Record<StageName, number>;
  if (gpu.info.nanosecondsPerTick === 0) {
    const begin = performance.now();
    await gpu.scoped("psa", () => submit(gpu, passes));
    await gpu.device.queue.onSubmittedWorkDone();
    return { ...sums, total: performance.now() - begin, source: "wall" };
  }
  const ticks = await submitWithTimestamps(
    gpu,
    "psa",
    (encoder, writes) => passes.forEach((each, i) => encodePass(encoder, each.encode, writes(i))),
    passes.length,
  );
  passes.forEach(({ stage }, i) => sums[stage] += Math.max(0, ticks[i]) * gpu.info.nanosecondsPerTick / 1e6);
  const total = Object.values(sums).reduce((sum, each) => sum + each, 0);
  return { ...sums, total, source: "timestamp" };
}

function submit(gpu: Gpu, passes: readonly StagePass[]): void {
  const encoder = gpu.device.createCommandEncoder();
  for (const { encode } of passes) encodePass(encoder, encode);
  gpu.device.queue.submit([encoder.finish()]);
}
