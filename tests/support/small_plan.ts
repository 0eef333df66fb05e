/**
 * A sweep of a few rows without a GPU, planned in this process.
 *
 * @module
 */
import { describeEnvironment, type Environment } from "../../bench/sweep/files/environment.ts";
import { parseOptions } from "../../bench/sweep/options/options.ts";
import { planSweep, type SweepPlan } from "../../bench/sweep/plan/plan.ts";
import { METHODS } from "../../reference/methods/mod.ts";

const SMALL = "--seq 64 --dim 8 --block-m 16 --block-n 16 --densities 1,.5 --no-gpu".split(" ");

/** A plan, and what environment.json says of it. */
export interface SmallPlan extends SweepPlan {
  readonly environment: Environment;
}

/** Plans five rows of a workload, or those of other options. */
export async function smallPlan(...args: string[]): Promise<SmallPlan> {
  const more = args.some((arg) => arg === "--workload" || arg === "--input")
    ? []
    : ["--workload", "gaussian"];
  const options = parseOptions([...SMALL, ...more, ...args], METHODS.map(({ name }) => name));
  const plan = await planSweep(options, { gpu: null });
  const about = { gpu: null, record: plan.record, command: "deno task sweep" };
  return { ...plan, environment: await describeEnvironment(options, about) };
}
