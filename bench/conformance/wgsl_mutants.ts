/**
 * Mistakes planted into the WGSL of our own kernels: a pattern of the text that a device gets, and what stands there
 * instead. The conformance kit has to find them, and to name those that its catalogue knows.
 *
 * @module
 */

/** One mistake in the text of a kernel. */
export interface WgslMutant {
  /** What is wrong; the catalogue's name where it has one. */
  readonly name: string;
  /** How the labels of the pipelines begin whose text is changed. */
  readonly kernel: string;
  /** The stage whose cases find it. */
  readonly stage: "attention" | "importance" | "levels" | "cap";
  /** What is replaced, all over the text, and by what. */
  readonly replace: readonly (readonly [pattern: RegExp, text: string])[];
  /** Whether the catalogue has the mistake, under this name. */
  readonly known: boolean;
}

const known = { kernel: "attention", stage: "attention", known: true } as const;
const unknown = { ...known, known: false } as const;
/** The catalogue has these for tiles of 32 keys: what a missing rescale does depends on the tile. */
const rescaleOutput = [/o\d_\d \*= shrink\.\w;/g, ""] as const;
const rescaleTotal = [/fma\(sum_([ab]), shrink, sum\)/g, "sum_$1 + sum"] as const;

/** Mistakes in attention, the pyramid and the order of tokens. */
const ATTENTION: readonly WgslMutant[] = [
  { ...known, name: "log term missing", replace: [[/select\(MASKED, bias,/g, "select(MASKED, 0.0,"]] },
  { ...known, name: "log term subtracted", replace: [[/select\(MASKED, bias,/g, "select(MASKED, -bias,"]] },
  {
    ...known,
    name: "log term is the level, not the count",
    replace: [[/let count = min\(1u << level, call\.seq_k - [^;]*;/g, "let count = 1u << level;"]],
  },
  {
    ...known,
    name: "scale applied twice",
    replace: [[/vec4f\(call\.scale\)/g, "vec4f(call.scale * call.scale * 0.6931471805599453)"]],
  },
  { ...unknown, name: "no rescale of the output from tile to tile of 128 keys", replace: [rescaleOutput] },
  { ...unknown, name: "no rescale of the total from tile to tile of 128 keys", replace: [rescaleTotal] },
  {
    ...unknown,
    name: "no rescale of the sums from tile to tile of 128 keys",
    replace: [rescaleOutput, rescaleTotal],
  },
  {
    ...known,
    name: "lse in base 2",
    replace: [[/\* 0\.6931471805599453, call\.minus_infinity/g, ", call.minus_infinity"]],
  },
  {
    ...known,
    name: "kv head mapped modulo",
    replace: [[
      /\(head % call\.heads\) \/ \(call\.heads \/ call\.kv_heads\)/g,
      "(head % call.heads) % call.kv_heads",
    ]],
  },
  {
    ...known,
    name: "kv head 0 for all heads of a batch entry",
    replace: [[/\(head % call\.heads\) \/ \(call\.heads \/ call\.kv_heads\)/g, "0u"]],
  },
  { ...known, name: "causal off by one, the own position unseen", replace: [[/- 1 - row;/g, "- row;"]] },
  { ...known, name: "causal off by one, the next position seen", replace: [[/- 1 - row;/g, "- 2 - row;"]] },
  {
    ...known,
    name: "causal aligned top-left instead of bottom-right",
    replace: [[/ty \* 8u\) \+ call\.position;/g, "ty * 8u);"]],
  },
  { ...known, name: "causal ignored", replace: [[/vec4<i32>\(late\) >/g, "vec4<i32>(-1) >"]] },
  { ...known, name: "no division by the total", replace: [[/\) \* inverse;/g, ");"]] },
  { ...known, name: "returns zeros", replace: [[/\) \* inverse;/g, ") * 0.0;"]] },
  {
    ...known,
    name: "pooled by the sum",
    kernel: "pyramid",
    replace: [[/return x \/ count;/g, "return x;"]],
  },
  {
    ...known,
    name: "tail divided by the level, not by the count",
    kernel: "pyramid",
    replace: [[/let count = min\([^;]*;/g, "let count = 1u << level;"]],
  },
  {
    ...unknown,
    name: "tokens that pad a group are counted",
    replace: [[/\(\(group >> \(24u \+ token\)\) & 1u\) == 1u/g, "true"]],
  },
  {
    ...unknown,
    name: "rows that see nothing are divided by their total",
    replace: [[/select\(1\.0 \/ sum, 0\.0, empty\)/g, "1.0 / sum"]],
  },
  {
    ...unknown,
    name: "half of the keys are those of the chunk before",
    replace: [[/kv\[next\]\[piece \* 4u \+ \du\]\[1\]\[k_lane\d\]\[token\] = f\d+\.\w;/g, ""]],
  },
  {
    ...unknown,
    name: "rows beyond the last query are written",
    replace: [[/if \(row < call\.seq_q\)/g, "if (true)"]],
  },
  {
    ...unknown,
    name: "values are stored one group further",
    replace: [[/kv\[next\]\[v_group(\d)\]/g, "kv[next][(v_group$1 + 1u) & 15u]"]],
  },
  {
    ...known,
    name: "order not undone",
    kernel: "order of",
    replace: [[/rows_out\[moved\] = rows_in\[index\]/g, "rows_out[index] = rows_in[index]"]],
  },
];

const importance = { kernel: "importance scores", stage: "importance", known: true } as const;
const rows = { ...importance, kernel: "importance rows" } as const;
const factor = (text: string) =>
  [
    [/(alias Word = f32;)/g, "$1 const CHANNELS = 4u * PIECES;"],
    [/(alias Word = vec2<f16>;)/g, "$1 const CHANNELS = 8u * PIECES;"],
    [/sum \* FACTOR/g, `sum * (FACTOR * ${text})`],
  ] as const;
const root = "sqrt(f32(CHANNELS))";

/** Mistakes in importance. */
const IMPORTANCE: readonly WgslMutant[] = [
  { ...importance, name: "importance without scale", replace: factor(root) },
  { ...importance, name: "importance with the scale twice", replace: factor(`1.0 / ${root}`) },
  { ...importance, name: "importance with exp2 without log2(e)", replace: factor("0.6931471805599453") },
  { ...importance, name: "importance with log2(e) and exp", replace: factor("1.4426950408889634") },
  {
    ...importance,
    name: "key heads taken modulo",
    replace: [[/head \/ GROUP \* K_TOKENS/g, "head % (arrayLength(&keys) / (K_TOKENS * PIECES)) * K_TOKENS"]],
  },
  {
    ...importance,
    name: "sum of the scores of a key block instead of their maximum",
    replace: [[/(combine2[^}]*)return largest;/g, "$1return a + b;"], [
      /(combine4[^}]*)return largest;/g,
      "$1return (a + b) + (c + d);",
    ]],
  },
  {
    ...importance,
    name: "causal forgotten in importance",
    replace: [[/if \(CAUSAL\)/g, "if (false)"]],
  },
  {
    ...importance,
    name: "both groups of an antidiagonal in ascending order",
    replace: [[/token \+ PARTS - 1u - part/g, "token + part"]],
  },
  {
    ...rows,
    name: "rows of importance are not divided by their sum",
    replace: [[/if \(!NORMALISE\)/g, "if (true)"]],
  },
  {
    ...rows,
    name: "mean over queries instead of the maximum",
    replace: [[/SUM_ROWS\);/g, "true);"]],
  },
  {
    ...rows,
    known: false,
    name: "the maximum over key blocks is of the first half of them",
    replace: [[/j < N; j \+= STEP\) \{ largest/g, "j < N / 2u; j += STEP) { largest"]],
  },
  {
    ...importance,
    kernel: "means of",
    name: "the tail of a block mean is divided by the whole block",
    replace: [[/sum \/ f32\(count\)/g, "sum / f32(BLOCK)"]],
  },
];

const levels = { kernel: "levels", stage: "levels", known: true } as const;

/** Mistakes in levels. */
const LEVELS: readonly WgslMutant[] = [
  {
    ...levels,
    name: "blocks sorted by ascending importance",
    replace: [[/return importance\[base \+ j\];/g, "return 1.0 - importance[base + j];"]],
  },
  { ...levels, name: "text blocks forgotten", replace: [[/if \(j >= N - TEXT\) \{ level = 1; \}/g, ""]] },
  {
    ...levels,
    name: "text block that is partly text forgotten",
    replace: [[/j >= N - TEXT\)/g, "j > N - TEXT)"]],
  },
  { ...levels, name: "causal forgotten in levels", replace: [[/if \(CAUSAL\)/g, "if (false)"]] },
  {
    ...levels,
    name: "causal diagonal forgotten",
    replace: [[/else if \(j == 0u \|\| is_diagonal\([^{]*\{/g, "else if (j == 0u) {"]],
  },
  {
    ...levels,
    name: "first key block forgotten as a sink",
    replace: [[/else if \(j == 0u \|\| /g, "else if ("]],
  },
  { ...levels, name: "future blocks not skipped", replace: [[/\{ level = 0; \} else if/g, "{ } else if"]] },
  { ...levels, name: "causal levels aligned top-left", replace: [[/ \+ SEQ_K - SEQ_Q/g, ""]] },
  {
    ...levels,
    name: "forced full blocks forgotten",
    replace: [[/previous \+ MIN_FULL/g, "previous + 1u"]],
  },
  {
    ...levels,
    known: false,
    name: "blocks of the same rank as the end of a quota belong to it",
    replace: [[/rank < row_ends/g, "rank <= row_ends"]],
  },
];

const cap = { kernel: "similarity cap", stage: "cap", known: true } as const;

/** Mistakes in the similarity cap. */
const CAP: readonly WgslMutant[] = [
  {
    ...cap,
    name: "comparison of the cap inverted",
    replace: [[/mean > thresholds/g, "mean < thresholds"]],
  },
  {
    ...cap,
    name: "smallest ratio that passes instead of the largest",
    replace: [[/cap = max\(cap, ratio\)/g, "cap = select(min(cap, ratio), ratio, cap == 1u)"]],
  },
  {
    ...cap,
    name: "the cap stops at the first ratio that fails",
    replace: [[/(cap = max\(cap, ratio\); \})/g, "$1 else { t = RATIOS; }"]],
  },
  { ...cap, name: "cap is 0 where no ratio passes", replace: [[/var cap = 1u;/g, "var cap = 0u;"]] },
  {
    ...cap,
    name: "neighbours are compared instead of a group's first and last key",
    replace: [[/token \+ g \+ ratio - 1u/g, "token + g + 1u"]],
  },
  {
    ...cap,
    known: false,
    name: "keys are not divided by their length",
    replace: [[/product \/ length/g, "product"]],
  },
];

/** All mutants. */
export const WGSL_MUTANTS: readonly WgslMutant[] = [...ATTENTION, ...IMPORTANCE, ...LEVELS, ...CAP];
