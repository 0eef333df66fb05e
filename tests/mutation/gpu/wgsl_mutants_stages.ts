/**
 * Mistakes planted into the WGSL of what comes before attention: importance, levels, the similarity cap, work lists.
 *
 * @module
 */
import type { WgslMutant } from "./wgsl_mutant.ts";

const lists = { kernel: "work lists", stage: "attention" } as const;

/** Mistakes in work lists. */
export const LISTS: readonly WgslMutant[] = [
  {
    ...lists,
    known: true,
    name: "levels of the first query block used for all",
    replace: [[/let row = index \* N;/g, "let row = group.y * M * N;"]],
  },
  {
    ...lists,
    known: true,
    name: "levels of head 0 used for all heads",
    replace: [[/let row = index \* N;/g, "let row = group.x * N;"]],
  },
  {
    ...lists,
    known: true,
    name: "last block dropped",
    replace: [[/if \(j >= N\)/g, "if (j + 1u >= N)"]],
  },
  {
    ...lists,
    known: false,
    name: "entries that pad a list are seen",
    replace: [[/list\[at - 1u\] \| ENTRY_FILLS/g, "list[at - 1u]"]],
  },
  {
    ...lists,
    known: false,
    name: "a list ends with its last full tile",
    replace: [[/\(at - begin \+ tile - 1u\)/g, "(at - begin)"]],
  },
  {
    ...lists,
    known: false,
    name: "the last token of every group is masked",
    replace: [[/return \(1u << count\) - 1u;/g, "return (1u << (count - 1u)) - 1u;"]],
  },
  {
    ...lists,
    known: false,
    name: "of blocks that share a group only the first is seen",
    replace: [[/t < count; t \+= tokens/g, "t < min(count, tokens); t += tokens"]],
  },
  {
    ...lists,
    known: false,
    name: "tokens behind the last key are seen",
    replace: [[/let count = min\(GROUP, [^;]*;/g, "let count = GROUP;"]],
  },
  {
    ...lists,
    known: false,
    name: "query blocks with lists of one length take the same turn",
    replace: [[/ \|\| \(others == length && other < row\)/g, ""]],
  },
  {
    ...lists,
    known: false,
    name: "offsets are the ends of lists",
    replace: [[/(let length = offsets\[row\];)\s*(offsets\[row\] = at;)\s*(at \+= length;)/g, "$1 $3 $2"]],
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
export const IMPORTANCE: readonly WgslMutant[] = [
  { ...importance, name: "importance without scale", replace: factor(root) },
  { ...importance, name: "importance with the scale twice", replace: factor(`1.0 / ${root}`) },
  { ...importance, name: "importance with exp2 without log2(e)", replace: factor("0.6931471805599453") },
  { ...importance, name: "importance with log2(e) and exp", replace: factor("1.4426950408889634") },
  {
    ...importance,
    name: "key heads taken modulo",
    replace: [[
      /head \/ GROUP \* K_TOKENS/g,
      "head % (arrayLength(&queries) / (Q_TOKENS * PIECES) / GROUP) * K_TOKENS",
    ]],
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
    replace: [[/, SUM_ROWS\)/g, ", true)"]],
  },
  {
    ...rows,
    known: false,
    name: "the maximum over key blocks is of the first half of them",
    replace: [
      [/j < N; j \+= 4u \* STEP\)/g, "j < N / 2u; j += 4u * STEP)"],
      [/let last = N - 1u;/g, "let last = max(N / 2u, 1u) - 1u;"],
    ],
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
export const LEVELS: readonly WgslMutant[] = [
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
export const CAP: readonly WgslMutant[] = [
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
    // A loop that ends there has barriers in control flow that is not uniform, which Dawn refuses.
    replace: [
      [/var cap = 1u;/g, "var cap = 1u; var failed = false;"],
      [/(\.threshold)\) (\{ cap = max\(cap, ratio\); \})/g, "$1 && !failed) $2 else { failed = true; }"],
    ],
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
