/**
 * The columns of sweep.csv and their descriptions. Rows have one property per column.
 *
 * @module
 */

/** The value of a cell; null is an empty cell. */
export type Cell = string | number | null;

/**
 * Every column with its description, in the order of the file.
 *
 * @example
 * ```ts
 * import { COLUMNS } from "./columns.ts";
 * console.log(COLUMNS.density); // the density reached
 * ```
 */
export const COLUMNS = {
  case: "the canonical string of the case, the key of the row",
  status:
    "ok; wrong: the kernel exceeds its bound; unjudged: zeros would pass that bound; lost, failed: the device was lost or failed, twice; skipped: no device could be opened any more; unreachable: forced blocks alone exceed the density; no-gpu: kernels were not run; reference: no kernel ran, because the device has no room for the mask",
  method: "the method that chose the levels",
  dtype: "element type of the kernel",
  seed: "seed of the input, of sampling and of random methods",
  batch: "batch entries",
  heads: "query heads",
  kv_heads: "key heads",
  seq_q: "query tokens",
  seq_k: "key tokens",
  head_dim: "head dimension",
  block_m: "query block size in tokens",
  block_n: "key block size in tokens",
  tile: "key rows that a kernel reads at once",
  density_requested: "the requested density",
  density: "the density reached",
  sparsity: "1 - density",
  rel_l2: "relative L2 error of the output against dense attention in float64",
  max_abs: "largest absolute error against dense attention",
  cosine: "cosine similarity to dense attention",
  non_finite: "values of the output that are not finite where those of the truth are",
  kernel_rel_l2: "relative L2 error of the kernel against the float64 reference of the same levels or mask",
  gpu_ms_median:
    "median time of the kernels in milliseconds, levels or mask given: pyramid, attention, and what corrects its output; choosing and work lists are not in it",
  gpu_ms_iqr: "distance between the quartiles of these times",
  speedup: "median time of our dense kernel divided by that of this row, in the same run",
  tflops_actual: "density * 4 B H Lq Lk D divided by the time",
  tflops_effective: "4 B H Lq Lk D divided by the time",
  order: "order of the tokens",
  importance: "how key blocks are scored",
  head: "the head of the input, counted over batch entries; empty when all are taken together",
  granularity:
    "what levels or masks are chosen for: block (levels), query, head, or group of queries (masks)",
  basis:
    "what the method was made from: code, paper, summary (of a paper), stand-in (for a rule that was not available), ablation, own, control",
  selection_cost: "operations of choosing, relative to dense attention",
  dropped_mass: "softmax mass of the pairs that no token represents, mean over rows",
  alignment_loss:
    "SmoothL1 of dense attention against the output, mean over its numbers: the loss that SSA trains with",
  mass_entropy:
    "how evenly softmax mass is spread over key blocks: its entropy relative to equal shares, mean over query blocks; 0: one block has all, 1: all have the same",
  input: "the trace or workload",
  causal: "whether the input is causal",
  kernel_bound: "the derived bound on kernel_rel_l2",
  rel_l2_worst_row: "largest relative L2 error of one row of the output",
  rel_l2_worst_head: "largest relative L2 error of one head",
  rel_l2_head_mean: "mean over heads of the relative L2 error",
  rel_l2_head_spread: "standard deviation over heads of the relative L2 error",
  gpu_ms_low:
    "lower end of the confidence interval of the median time; empty where too few measurements have none",
  gpu_ms_high: "upper end of the confidence interval of the median time; empty where it has none",
  gpu_ms_confidence: "confidence of that interval, corrected for the checks at which measuring could end",
  gpu_samples: "times that were taken",
  gpu_repeated: "measurements while the machine was slow, discarded and repeated",
  timing: "source of times: timestamp, wall, or none",
  gpu_ms_times: "all measurements that were kept, in milliseconds and in order, separated by spaces",
  truth:
    "where the truth comes from: cpu, gpu (float64 on the device), or rows (sampled rows on the CPU: errors are estimates)",
  truth_rows: "number of query rows over all heads from which errors were computed",
  rel_l2_low: "lower end of the 95 % interval of rel_l2 where it is an estimate; else empty",
  rel_l2_high: "upper end of that interval; else empty",
  ones_max_abs:
    "with sampled rows: largest distance from 1, over all rows, of the kernel's output for values of 1; else empty",
  paths_rel_l2:
    "with sampled rows: relative L2 distance, over all rows, of the kernel's output from that with key blocks in another order; else empty",
  importance_error:
    "largest distance, over some query blocks, of the device's importance from the reference's, relative to the row's largest; empty where the CPU computed it",
  importance_ties:
    "key blocks of these query blocks that have another rank on the device than in the reference, of almost equal importance; empty where the CPU computed it",
  whole_ms_median:
    "with --whole: median time of the whole call in milliseconds, with choosing and work lists; empty where part of the choice is made on the CPU (docs/method-times.md says for which methods)",
  whole_ms_low: "lower end of the confidence interval of that time",
  whole_ms_high: "upper end of that interval",
  backend:
    "the implementation of WebGPU that the kernel ran on: builtin, dawn, given (to the library by its caller), or none",
  index: "place of the case in the whole sweep, from 1",
} as const;

/** The name of a column. */
export type Column = keyof typeof COLUMNS;

/**
 * Names of all columns in order.
 *
 * @example
 * ```ts
 * import { COLUMN_NAMES } from "./columns.ts";
 * console.log(COLUMN_NAMES[0]); // case
 * ```
 */
export const COLUMN_NAMES = Object.keys(COLUMNS) as readonly Column[];

const WORD_COLUMNS = [
  "case",
  "status",
  "method",
  "dtype",
  "order",
  "importance",
  "head",
  "granularity",
  "basis",
  "input",
  "causal",
  "timing",
  "backend",
  "gpu_ms_times",
  "truth",
] as const;

/** Columns that hold words; the others hold numbers. */
type WordColumn = typeof WORD_COLUMNS[number];

/**
 * Whether a column holds words.
 *
 * @example
 * ```ts
 * import { isWordColumn } from "./columns.ts";
 * console.log(isWordColumn("method"), isWordColumn("density")); // true false
 * ```
 */
export function isWordColumn(name: Column): name is WordColumn {
  return WORD_COLUMNS.includes(name as WordColumn);
}

const NUMBER_COLUMNS = [
  "seed",
  "batch",
  "heads",
  "kv_heads",
  "seq_q",
  "seq_k",
  "head_dim",
  "block_m",
  "block_n",
  "tile",
  "density_requested",
  "density",
  "sparsity",
  "truth_rows",
  "index",
] as const;

/** Columns that every row fills with a number. */
type NumberColumn = typeof NUMBER_COLUMNS[number];

/**
 * Whether a column of numbers may have an empty cell.
 *
 * @example
 * ```ts
 * import { mayBeEmpty } from "./columns.ts";
 * console.log(mayBeEmpty("gpu_ms_median"), mayBeEmpty("seed")); // true false
 * ```
 */
export function mayBeEmpty(name: Column): boolean {
  return !NUMBER_COLUMNS.includes(name as NumberColumn);
}

/** One row of a sweep. */
export type SweepRow =
  & { readonly [name in WordColumn]: string }
  & { readonly [name in NumberColumn]: number }
  & { readonly [name in Exclude<Column, WordColumn | NumberColumn>]: number | null };
