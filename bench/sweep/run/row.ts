/**
 * A row of the sweep from what is known of its case.
 *
 * @module
 */
import type { SweepRow } from "../rows/columns.ts";
import type { InputFacts } from "../inputs/inputs.ts";
import type { Judged } from "./judge.ts";
import type { TruthKind } from "../truth/kinds.ts";
import type { Measured } from "../../timing/interleaved.ts";
import type { MedianEstimate } from "../../timing/statistics.ts";

/** The times of a case, and what they are set beside. */
export interface CaseTimes extends Measured {
  /** Where they come from. */
  readonly source: "timestamp" | "wall";
  /** Median time of our dense kernel in the same run. */
  readonly denseMedian: number;
  /** The time of the whole call, choosing included; null if it was not measured, or kernels do not make the choice. */
  readonly whole?: MedianEstimate | null;
}

/** The values of a row that do not come from the case. */
export interface RowContext {
  /** The input. */
  readonly input: InputFacts;
  /** Place of the case in the whole sweep, from 1. */
  readonly index: number;
  /** Times; null if no kernel ran. */
  readonly times: CaseTimes | null;
  /** Where the truth comes from. */
  readonly truth: TruthKind;
  /** The implementation of WebGPU that kernels run on; default `builtin`. */
  readonly backend?: string;
}

/**
 * The row of a case.
 *
 * @param judged the case and its errors
 * @param context input, place and times
 *
 * @example
 * ```ts
 * import { cpuTruth } from "../truth/maker.ts";
 * import { arrangeGroup } from "./arrange.ts";
 * import { casesOf } from "../plan/cases.ts";
 * import { inputSources } from "../inputs/inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 * import { judgeCase } from "./judge.ts";
 * import { makeRow } from "./row.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options), group = { input, firstHead: 0, qkv: await input.groups[0].load() };
 * const tokens = await arrangeGroup(group, given, { options, maker: cpuTruth("cpu"), dense: null });
 * const judged = await judgeCase(given, { ...tokens, attended: [], keeps: true, call: null });
 * console.log(makeRow(judged, { input, index: 1, times: null, truth: "cpu" }).timing); // none
 * ```
 */
export function makeRow(
  judged: Judged,
  { input, index, times, truth, backend = "builtin" }: RowContext,
): SweepRow {
  const { given: { name, data, method, layout, importance, density }, error, spread, kernel } = judged;
  const { shape } = input, { interval, check } = judged;
  return {
    case: name,
    status: judged.status,
    method: method.name,
    dtype: data.dtype ?? "f32",
    seed: data.seed ?? 0,
    batch: shape.batch,
    heads: shape.heads,
    kv_heads: shape.kvHeads,
    seq_q: shape.seqQ,
    seq_k: shape.seqK,
    head_dim: shape.headDim,
    block_m: layout.blockM,
    block_n: layout.blockN,
    tile: data.tile ?? 32,
    density_requested: density,
    density: judged.density,
    sparsity: 1 - judged.density,
    rel_l2: error.relL2,
    max_abs: error.maxAbs,
    cosine: error.cosine,
    non_finite: Math.max(error.nonFinite, kernel?.nonFinite ?? 0),
    kernel_rel_l2: kernel?.relL2 ?? null,
    ...timeColumns(times, { density: judged.density, flops: denseFlops(shape) }),
    order: layout.order.kind,
    importance,
    head: input.head === undefined ? "" : String(input.head),
    granularity: method.granularity,
    basis: method.basis,
    selection_cost: judged.selectionCost,
    dropped_mass: judged.droppedMass,
    alignment_loss: judged.alignmentLoss,
    mass_entropy: judged.massEntropy,
    input: input.name,
    causal: String(input.causal),
    kernel_bound: kernel?.bound ?? null,
    rel_l2_worst_row: spread.worstRow,
    rel_l2_worst_head: spread.worstHead,
    rel_l2_head_mean: spread.headMean,
    rel_l2_head_spread: spread.headSpread,
    truth,
    truth_rows: judged.heads.reduce((sum, head) => sum + head.count, 0),
    rel_l2_low: interval?.low ?? null,
    rel_l2_high: interval?.high ?? null,
    ones_max_abs: kernel?.onesMaxAbs ?? null,
    paths_rel_l2: kernel?.pathsRelL2 ?? null,
    importance_error: check?.error ?? null,
    importance_ties: check?.ties ?? null,
    ...wholeColumns(times),
    backend: kernel ? backend : "none",
    index,
  };
}

/**
 * A row without its times: those of several adapters cannot stand in one table.
 *
 * @param row the row
 *
 * @example
 * ```ts
 * import type { SweepRow } from "../rows/columns.ts";
 * import { withoutTimes } from "./row.ts";
 * console.log(withoutTimes({ gpu_ms_median: 1, density: 0.5 } as SweepRow).gpu_ms_median); // null
 * ```
 */
export function withoutTimes(row: SweepRow): SweepRow {
  return { ...row, ...timeColumns(null, { density: row.density, flops: 0 }), ...wholeColumns(null) };
}

/** 4 B H Lq Lk D. */
function denseFlops({ batch, heads, seqQ, seqK, headDim }: InputFacts["shape"]): number {
  return 4 * batch * heads * seqQ * seqK * headDim;
}

/** The columns of the whole call. */
function wholeColumns(
  times: CaseTimes | null,
): Pick<SweepRow, "whole_ms_median" | "whole_ms_low" | "whole_ms_high"> {
  const whole = times?.whole ?? null, interval = whole !== null && whole.confidence > 0;
  return {
    whole_ms_median: whole?.median ?? null,
    whole_ms_low: interval ? whole.low : null,
    whole_ms_high: interval ? whole.high : null,
  };
}

type TimeColumns = Pick<
  SweepRow,
  | "gpu_ms_median"
  | "gpu_ms_iqr"
  | "speedup"
  | "tflops_actual"
  | "tflops_effective"
  | "gpu_ms_low"
  | "gpu_ms_high"
  | "gpu_ms_confidence"
  | "gpu_samples"
  | "gpu_repeated"
  | "timing"
  | "gpu_ms_times"
>;

function timeColumns(
  times: CaseTimes | null,
  { density, flops }: { readonly density: number; readonly flops: number },
): TimeColumns {
  if (times === null || times.estimate === null) {
    const none = {
      gpu_ms_median: null,
      gpu_ms_iqr: null,
      speedup: null,
      tflops_actual: null,
      tflops_effective: null,
    };
    const intervals = { gpu_ms_low: null, gpu_ms_high: null, gpu_ms_confidence: null };
    return { ...none, ...intervals, gpu_samples: 0, gpu_repeated: 0, timing: "none", gpu_ms_times: "" };
  }
  const { median, low, high, confidence, iqr } = times.estimate, interval = confidence > 0;
  return {
    gpu_ms_median: median,
    gpu_ms_iqr: iqr,
    speedup: Number.isFinite(times.denseMedian) ? times.denseMedian / median : null,
    tflops_actual: density * flops / median / 1e9,
    tflops_effective: flops / median / 1e9,
    gpu_ms_low: interval ? low : null,
    gpu_ms_high: interval ? high : null,
    gpu_ms_confidence: confidence,
    gpu_samples: times.times.length,
    gpu_repeated: times.repeated,
    timing: times.source,
    gpu_ms_times: times.times.map((ms) => Number(ms.toPrecision(6))).join(" "),
  };
}
