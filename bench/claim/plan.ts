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
import type { Box } from "../../reference/config/config.ts";
import { type AskedTruth, MOST_PAIRS, pairsOf } from "../sweep/truth/kinds.ts";
import { inputSources, type SweepInput } from "../sweep/inputs/inputs.ts";
import { defaultOptions, readOptions, type Shard, type SweepOptions } from "../sweep/options/options.ts";
import { type PlannedInput, planSweep } from "../sweep/plan/plan.ts";
import { type PlanRecord, recordOf } from "../sweep/plan/plan_record.ts";
import { variantsOf } from "../sweep/options/variants.ts";
import { CLAIMED, KINDS } from "./cells.ts";

/**
 * The options of the sweep: heads are taken one by one, so that intervals can be over heads. Methods
 * that choose for every query separately choose the same in every order: they run in raster order alone.
 */
const FULL = { perHead: true, densities: [.35, .2, .1, .05], heads: 6, kvHeads: 6 };
/** The same in a minute: short workloads at two densities. */
const QUICK = { ...FULL, densities: [.35, .2], seconds: 1, seq: 512 };

/** PSA and the methods that the page sets it against. */
const TOLD = METHODS.filter(({ name }) =>
  [CLAIMED, ...KINDS.flatMap(({ methods }) => methods)].includes(name)
);
/** All inputs. */
const ALL: Shard = { index: 1, count: 1 };

/** Seconds of timing that a head gets on a GPU: there a measurement takes some 50 ms, whatever the size. */
const ON_GPU = 3;

/**
 * Seconds of timing that a head gets: each of its cases once or twice; lines join all heads. On software Vulkan a case of
 * 4096 tokens takes a second.
 */
function secondsOf({ causal, shape: { seqQ: tokens } }: SweepInput, gpu: Gpu | null): number {
  if (gpu !== null && gpu.info.subgroupSize > 0) return ON_GPU;
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
  /** Which of how many parts of the inputs run here; default all. */
  readonly shard?: Shard;
  /** Options of a released model, by name, in place of all traces and workloads: preset, heads, grid, input, layers. */
  readonly model?: Readonly<Record<string, unknown>>;
}

/** All cases of a claim. */
export interface ClaimPlan {
  /** The options. */
  readonly request: ClaimRequest;
  /** The options that all inputs share. */
  readonly options: SweepOptions;
  /** The inputs, head by head, with their cases. */
  readonly inputs: readonly PlannedInput[];
  /** The number of cases. */
  readonly total: number;
  /** The part of them that environment.json keeps. */
  readonly record: PlanRecord;
}

/**
 * Plans a claim.
 *
 * @param request how much of it
 * @param context the device, whose limits inputs have to fit; null without kernels
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
  { quick, filter, truth = "auto", model, shard = ALL }: ClaimRequest,
  { gpu }: { readonly gpu: Gpu | null },
): Promise<ClaimPlan> {
  const names = TOLD.map(({ name }) => name);
  const options = { ...asked({ quick, model }, names), gpu: gpu !== null, truth };
  const given = model !== undefined ? [{}] : [
    ...(quick ? [] : TRACES).map((path) => ({ inputs: [path] })),
    ...WORKLOADS.map((name) => ({ workloads: [name] })),
  ];
  const inputs: PlannedInput[] = [];
  let total = 0;
  for (const one of given) {
    const [source] = await inputSources({ ...variantsOf(options)[0], ...one });
    const [input] = await source.load(), axes = axesOf(input, model === undefined ? null : options.orders);
    const own = { ...options, ...one, ...axes, ...(quick ? {} : { seconds: secondsOf(input, gpu) }) };
    const planned = (await planSweep(own, { gpu })).inputs.map((each) => ({
      ...each,
      cases: each.cases.filter(({ given: { method, layout, data } }) =>
        (method.granularity === "block" || layout.order.kind === "raster" || model !== undefined) &&
        matchesFilter(data, filter)
      ),
    }));
    for (const each of planned.filter(({ cases }) => cases.length > 0)) {
      inputs.push({ ...each, cases: each.cases.map(({ given }) => ({ given, index: ++total })) });
    }
  }
  requireInput(total > 0, `--filter is "${filter}"; no case matches it.`);
  requireInput(
    shard.count <= inputs.length,
    () => `--shard has ${shard.count} parts; there are only ${inputs.length} heads.`,
  );
  return {
    request: { quick, filter, truth, shard, ...(model === undefined ? {} : { model }) },
    options: { ...options, filter, shard },
    inputs: inputs.filter((_, i) => i % shard.count === shard.index - 1),
    total,
    record: await recordOf(inputs),
  };
}

/** The options that all inputs share, before the device is known. */
function asked(
  { quick, model }: Pick<ClaimRequest, "quick" | "model">,
  names: readonly string[],
): SweepOptions {
  if (model === undefined) return { ...defaultOptions(names), ...(quick ? QUICK : FULL) };
  const { densities, perHead } = quick ? QUICK : FULL;
  return { ...readOptions({ ...model, methods: [...names] }, names), densities, perHead };
}

/**
 * The orders and the methods that an input can have. A model has its own order; beyond 2^28 pairs of tokens a head,
 * methods that need the truth of all rows, which they choose from, are left out.
 */
function axesOf(
  { causal, grid, textLength, shape }: SweepInput,
  own: readonly string[] | null,
): Pick<SweepOptions, "orders" | "methods"> {
  const isLong = own !== null && pairsOf({ ...shape, batch: 1, heads: 1 }) > MOST_PAIRS;
  const cuts = ({ width, height, depth }: Box) =>
    grid !== undefined && (own === null || textLength === 0 &&
        grid.width % width === 0 && grid.height % height === 0 && grid.depth % depth === 0);
  const fits = ({ causal: takesCausal, gridTile, needsAllRows }: Method) =>
    (takesCausal || !causal) && (gridTile === undefined || cuts(gridTile)) &&
    !(isLong && needsAllRows === true);
  const methods = TOLD.filter(fits);
  return {
    orders: own ?? (causal || grid === undefined ? ["raster"] : ["raster", "tile", "gilbert"]),
    methods: methods.map(({ name }) => name),
  };
}
