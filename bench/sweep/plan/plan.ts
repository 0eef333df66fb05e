/**
 * The plan of a sweep: all cases of all inputs, checked before anything runs, and the part of them that runs
 * here.
 *
 * @module
 */
import type { Gpu } from "../../../kernels/device/gpu.ts";
import { requireInput } from "../../../reference/errors.ts";
import { casesOf, type SweepCase } from "./cases.ts";
import { type InputSource, inputSources, type SweepInput } from "../inputs/inputs.ts";
import { methodsFor } from "./methods.ts";
import { chooseTruth, type TruthKind } from "../truth/kinds.ts";
import { requireFits } from "../run/kernel.ts";
import type { Shard, SweepOptions } from "../options/options.ts";
import { type PlanRecord, recordOf } from "./plan_record.ts";
import type { PlacedCase } from "../run/run.ts";
import { type VariantOptions, variantsOf } from "../options/variants.ts";

/** The cases of one input. */
export interface PlannedInput {
  /** Where the input comes from. */
  readonly source: InputSource;
  /** Its place among those that the source gives: more than one if heads are taken one by one. */
  readonly part: number;
  /** SHA-256 of its file; workloads have none. */
  readonly sha256?: string;
  /** The options of the variant that it is of. */
  readonly options: VariantOptions;
  /** The cases to run. */
  readonly cases: readonly PlacedCase[];
  /** Where its truth comes from. */
  readonly truth: TruthKind;
}

/** All that a sweep does. */
export interface SweepPlan {
  /** The inputs that have something to run here, with their cases. */
  readonly inputs: readonly PlannedInput[];
  /** Cases of the whole sweep, all shards together. */
  readonly total: number;
  /** Sentences about the methods that `all` leaves out, one per input. */
  readonly leftOut: readonly string[];
  /** The part of them that environment.json keeps. */
  readonly record: PlanRecord;
}

/** Dense attention in float64 costs an input about as much as so many of its cases at density 1. */
const INPUT_COST = 2;

/**
 * Plans a sweep. What a method does not depend on gives it no further cases: one that cuts tiles of its own is there
 * once, however many block sizes there are. Every input is loaded once a variant, so that a bad one is found before
 * anything is computed or written.
 *
 * @param options the options of the sweep
 * @param context the device, whose limits inputs have to fit; null without kernels
 * @throws {InputError} if an input is bad, exceeds a limit, or nothing is left to run
 *
 * @example
 * ```ts
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { planSweep } from "./plan.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions(args, METHODS.map(({ name }) => name));
 * console.log((await planSweep(options, { gpu: null })).total); // 3: dense, psa, block-topk
 * ```
 */
export async function planSweep(
  options: SweepOptions,
  { gpu }: { readonly gpu: Gpu | null },
): Promise<SweepPlan> {
  const inputs: PlannedInput[] = [], leftOut = new Set<string>();
  let total = 0;
  for (const variant of variantsOf(options)) {
    const known = new Set(inputs.flatMap(({ cases }) => cases.map(({ given: { name } }) => name)));
    for (const source of await inputSources(variant)) {
      const fits = (sized: Pick<SweepInput, "name" | "shape">) =>
        gpu && requireFits(gpu, { ...sized, options: { ...variant, causal: false } });
      if (source.shape !== undefined) fits({ name: source.name, shape: source.shape });
      for (const [part, input] of (await source.load()).entries()) {
        fits(input);
        leftOut.add(methodsFor(input, variant).leftOut);
        const own = casesOf(input, variant).filter(({ name }) => !known.has(name));
        const truth = chooseTruth(options.truth, {
          ...{ name: input.name, shape: input.shape, methods: own.map(({ method }) => method) },
          ...{ gpu, isListed: options.list || gpu === null && options.gpu },
        });
        inputs.push({
          source,
          part,
          sha256: input.sha256,
          options: variant,
          truth,
          cases: own.map((given) => ({ given, index: ++total })),
        });
      }
    }
  }
  requireInput(total > 0, `--filter is "${options.filter}"; no case matches it.`);
  requireDistinct(inputs);
  requireInput(
    options.shard.count <= total,
    () => `--shard has ${options.shard.count} parts; there are only ${total} cases.`,
  );
  const mine = shardOf(inputs, options.shard);
  return {
    total,
    leftOut: [...leftOut].filter((sentence) => sentence !== ""),
    record: await recordOf(inputs),
    inputs: inputs.map((input) => ({ ...input, cases: input.cases.filter(({ index }) => mine.has(index)) }))
      .filter(({ cases }) => cases.length > 0),
  };
}

/** Throws if two inputs have the same name, so that their rows could not be distinguished. */
function requireDistinct(inputs: readonly PlannedInput[]): void {
  const names = new Set<string>();
  for (const { given: { name } } of inputs.flatMap(({ cases }) => cases)) {
    requireInput(!names.has(name), () => `The case "${name}" comes up twice; inputs need different names.`);
    names.add(name);
  }
}

/**
 * The places of the cases of one shard. The dearest cases are dealt out first, each to the shard that has least to do.
 *
 * @param inputs all inputs with all cases
 * @param shard which part of how many
 *
 * @example
 * ```ts
 * import { shardOf } from "./plan.ts";
 * console.log(shardOf([], { index: 1, count: 2 }).size); // 0
 * ```
 */
export function shardOf(
  inputs: readonly Pick<PlannedInput, "cases">[],
  { index, count }: Shard,
): Set<number> {
  const costs = inputs.flatMap(({ cases }) =>
    cases.map((each) => ({
      index: each.index,
      cost: costOf(each.given) + INPUT_COST * size(each.given) / cases.length,
    }))
  ).sort((a, b) => b.cost - a.cost || a.index - b.index);
  const loads = new Float64Array(count), mine = new Set<number>();
  for (const each of costs) {
    const least = loads.indexOf(Math.min(...loads));
    loads[least] += each.cost;
    if (least === index - 1) mine.add(each.index);
  }
  return mine;
}

/**
 * The cost of a case: its attention.
 *
 * @example
 * ```ts
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { costOf, planSweep } from "./plan.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const options = parseOptions(args, METHODS.map(({ name }) => name));
 * const { inputs: [{ cases: [dense, psa] }] } = await planSweep(options, { gpu: null });
 * console.log(costOf(dense.given) / costOf(psa.given)); // 2
 * ```
 */
export function costOf(given: SweepCase): number {
  return given.density * size(given);
}

function size({ data: { batch, heads, seqQ, seqK, headDim, causal } }: SweepCase): number {
  return batch * heads * seqQ * seqK * headDim * (causal === true ? 0.5 : 1);
}

/**
 * How far a run is that goes through inputs in order, by what their cases cost.
 *
 * @param inputs the inputs with the cases that run
 * @returns the share of all work that is done when `share` of the i-th input is
 *
 * @example
 * ```ts
 * import { shareOfWork } from "./plan.ts";
 * console.log(shareOfWork([])(0, 1)); // NaN: there is no work
 * ```
 */
export function shareOfWork(
  inputs: readonly Pick<PlannedInput, "cases">[],
): (i: number, share: number) => number {
  const costs = inputs.map(({ cases }) => cases.reduce((sum, { given }) => sum + costOf(given), 0));
  const total = costs.reduce((sum, cost) => sum + cost, 0);
  let before = 0;
  const begins = costs.map((cost) => (before += cost) - cost);
  return (i, share) => (begins[i] + share * costs[i]) / total;
}
