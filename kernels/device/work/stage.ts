/**
 * The contract of a stage, and running stages in one submission, each with its time.
 *
 * @module
 */
import type { Gpu } from "../gpu.ts";
import { type Encode, encodePass } from "./pass.ts";
import { submitWithTimestamps } from "./timing.ts";

/** Names of the stages of the method. */
export type StageName = "order" | "pyramid" | "importance" | "levels" | "lists" | "attention";

const STAGE_NAMES: readonly StageName[] = ["order", "pyramid", "importance", "levels", "lists", "attention"];

/** A stage that is built for its buffers: the result of every `build…`. */
export interface Stage<Outputs extends StageOutputs = StageOutputs> {
  /** Which stage of the method it is; a call can have several of one name. */
  readonly name: StageName;
  /** Encodes the stage into a pass. */
  readonly encode: Encode;
  /** The buffers that the stage writes. The call owns them; their content is valid until its next run. */
  readonly outputs: Outputs;
}

/** Buffers by the names of their contents. */
export type StageOutputs = Readonly<Record<string, GPUBuffer>>;

/**
 * Milliseconds of each stage; a stage that did not run has 0. One whose timestamps ran backwards has NaN, and so has the
 * total, because its time is not known.
 */
export type StageTimings = Readonly<Record<StageName | "total", number>> & {
  /** The source of the times: with `wall` only the total is known. */
  readonly source: "timestamp" | "wall";
};

/**
 * Submits stages, one pass each, and waits until they are done.
 *
 * @param gpu the device
 * @param stages the stages in the order in which they run
 */
export async function submitStages(gpu: Gpu, stages: readonly Stage[]): Promise<StageTimings> {
  const { nanosecondsPerTick } = gpu.info, label = "psa";
  if (nanosecondsPerTick === 0) {
    const begin = performance.now();
    await gpu.scoped(label, () => {
      const encoder = gpu.device.createCommandEncoder();
      for (const { encode } of stages) encodePass(encoder, encode);
      gpu.device.queue.submit([encoder.finish()]);
    });
    await gpu.wait(gpu.device.queue.onSubmittedWorkDone(), { label });
    return { ...noTimes(), total: performance.now() - begin, source: "wall" };
  }
  const ticks = await submitWithTimestamps(
    gpu,
    label,
    (encoder, writes) => stages.forEach((each, i) => encodePass(encoder, each.encode, writes(i))),
    stages.length,
  );
  return stageTimings(stages, ticks.map((each) => each * nanosecondsPerTick / 1e6));
}

/**
 * Times by the names of stages.
 *
 * @param stages what ran
 * @param milliseconds of each; below 0: its timestamps ran backwards
 */
export function stageTimings(
  stages: readonly Pick<Stage, "name">[],
  milliseconds: readonly number[],
): StageTimings {
  const sums = noTimes();
  stages.forEach(({ name }, i) => sums[name] += milliseconds[i] < 0 ? NaN : milliseconds[i]);
  const total = Object.values(sums).reduce((sum, each) => sum + each, 0);
  return { ...sums, total, source: "timestamp" };
}

function noTimes(): Record<StageName, number> {
  return Object.fromEntries(STAGE_NAMES.map((name) => [name, 0])) as Record<StageName, number>;
}

/**
 * Runs one workgroup of every kernel and waits: drivers that compile when a kernel first runs have then done so.
 *
 * @param gpu the device
 * @param stages the stages, whose buffers may hold anything that their kernels have written, or zeros
 */
export async function warmUp(gpu: Gpu, stages: readonly Stage[]): Promise<void> {
  await gpu.scoped("warm-up", () => {
    const encoder = gpu.device.createCommandEncoder();
    encodePass(encoder, (pass) => {
      const one = {
        setPipeline: pass.setPipeline.bind(pass),
        setBindGroup: pass.setBindGroup.bind(pass),
        dispatchWorkgroups: () => pass.dispatchWorkgroups(1),
        dispatchWorkgroupsIndirect: () => pass.dispatchWorkgroups(1),
      };
      for (const { encode } of stages) encode(one);
    });
    gpu.device.queue.submit([encoder.finish()]);
  });
  await gpu.wait(gpu.device.queue.onSubmittedWorkDone(), { label: "warm-up" });
}
