/**
 * The inputs of the claim: all traces and workloads, head by head, in every order that an input can have, with
 * every method of the page that it can have.
 *
 * @module
 */
import { matchesFilter } from "../../fixtures/cases.ts";
import { TRACES } from "../../fixtures/traces.ts";
import { WORKLOADS } from "../../fixtures/workloads.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import type { Method } from "../../reference/methods/method.ts";
import { METHODS } from "../../reference/methods/mod.ts";
import { requireInput } from "../../reference/errors.ts";
import type { AskedTruth } from "../sweep/truth/kinds.ts";
import { inputSources, type SweepInput } from "../sweep/inputs.ts";
import { defaultOptions, type SweepOptions } from "../sweep/options/options.ts";
import { type PlannedInput, planSweep } from "../sweep/plan.ts";
import { type PlanRecord, recordOf } from "../sweep/plan_record.ts";
import { variantsOf } from "../sweep/options/variants.ts";
import { CLAIMED, KINDS } from "./cells.ts";

/**
 * The options of the sweep: heads are taken one by one, so that intervals can be over heads. Methods
 * that choose for every query by itself choose the same in every order: they run in raster order alone.
 */
const FULL = { perHead: true, densities: [.35, .2, .1, .05], heads: 6, kvHeads: 6 };
/** The same in a minute: short workloads at two densities. */
const QUICK = { ...FULL, densities: [.35, .2], seconds: 1, seq: 512 };

/** PSA and the methods that the page sets it against. */
const TOLD = METHODS.filter(({ name }) =>
  [CLAIMED, ...KINDS.flatMap(({ methods }) => methods)].includes(name)
);

/** Seconds of timing that a head gets: each of its cases once or twice on software Vulkan; lines join all heads. */
function secondsOf({ causal, shape: { seqQ: tokens } }: SweepInput): number {
  return tokens < 4096 ? 5 : causal ? 10 : 30;
}

/** The options of a claim. */
export interface ClaimRequest {
  /** Whether only short workloads are run. */
  readonly quick: boolean;
  /** Only cases whose canonical string this matches; empty: all. */
  readonly filter: string;
  /** Where the truth comes from; default `auto`. Sampled rows cannot be had: some of the methods need all. */
  readonly truth?: Exclude<AskedTruth, "rows">;
}

/** All cases of a claim. */
export interface ClaimPlan {
  /** The options. */
  readonly request: ClaimRequest;
  /** The options that all inputs share. */
  readonly options: SweepOptions;
  /** The inputs, head by head, with their cases. */
  readonly inputs: readonly PlannedInput[];
  /** How many cases there are. */
  readonly total: number;
  /** The part of them that environment.json keeps. */
  readonly record: PlanRecord;
}

/**
 * Plans a claim.
 *
 * @param request how much of it
 * @param context the device, whose limits inputs have to fit; null if kernels are not asked for
 * @throws {InputError} if no case matches the filter
 *
 * @example
 * ```ts
 * import { planClaim } from "./plan.ts";
 * const { total } = await planClaim({ quick: true, filter: "workload=gaussian method=psa" }, { gpu: null });
 * console.log(total); // 12: six heads at two densities
 * ```
 */
export async function planClaim(
  { quick, filter, truth = "auto" }: ClaimRequest,
  { gpu }: { readonly gpu: Gpu | null },
): Promise<ClaimPlan> {
  const names = TOLD.map(({ name }) => name);
  const options = { ...defaultOptions(names), ...(quick ? QUICK : FULL), gpu: gpu !== null, truth };
  const given = [
    ...(quick ? [] : TRACES).map((path) => ({ inputs: [path] })),
    ...WORKLOADS.map((name) => ({ workloads: [name] })),
  ];
  const inputs: PlannedInput[] = [];
  let total = 0;
  for (const one of given) {
    const [source] = await inputSources({ ...variantsOf(options)[0], ...one });
    const [input] = await source.load();
    const own = { ...options, ...one, ...axesOf(input), ...(quick ? {} : { seconds: secondsOf(input) }) };
    const planned = (await planSweep(own, { gpu })).inputs.map((each) => ({
      ...each,
      cases: each.cases.filter(({ given: { method, layout, data } }) =>
        (method.granularity === "block" || layout.order.kind === "raster") && matchesFilter(data, filter)
      ),
    }));
    for (const each of planned.filter(({ cases }) => cases.length > 0)) {
      inputs.push({ ...each, cases: each.cases.map(({ given }) => ({ given, index: ++total })) });
    }
  }
  requireInput(total > 0, `--filter is "${filter}"; no case matches it.`);
  return {
    request: { quick, filter, truth },
    options: { ...options, filter },
    inputs,
    total,
    record: await recordOf(inputs),
  };
}

/** The orders and the methods that an input can have. */
function axesOf({ causal, grid }: SweepInput): Pick<SweepOptions, "orders" | "methods"> {
  const fits = (method: Method) =>
    (method.causal || !causal) && (method.gridTile === undefined || grid !== undefined);
  const methods = TOLD.filter(fits);
  return {
    orders: causal || grid === undefined ? ["raster"] : ["raster", "tile", "gilbert"],
    methods: methods.map(({ name }) => name),
  };
}
