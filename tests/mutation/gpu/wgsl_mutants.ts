/**
 * Mistakes planted into the WGSL of our own kernels: a pattern of the text that a device gets, and what stands there
 * instead. The conformance kit has to find them, and to name those that its catalogue knows.
 *
 * @module
 */

import { KNOWN as known, KV_HEAD_MODULO, LSE_IN_BASE_2, type WgslMutant } from "./wgsl_mutant.ts";
import { CAP, IMPORTANCE, LEVELS, LISTS } from "./wgsl_mutants_stages.ts";

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
  LSE_IN_BASE_2,
  KV_HEAD_MODULO,
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
    replace: [[/\(\(entry >> \(24u \+ token\)\) & 1u\) == 1u/g, "true"]],
  },
  {
    ...unknown,
    name: "rows that see nothing are divided by their total",
    replace: [[/select\(1\.0 \/ sum, 0\.0, empty\)/g, "1.0 / sum"]],
  },
  {
    ...unknown,
    name: "half of the keys are those of the chunk before",
    replace: [[/kv\[next\]\[piece(?: \* 4u \+ |\]\[)\du\]\[1\]\[k_lane\d\]\[token\] = f\d+\.\w;/g, ""]],
  },
  {
    ...unknown,
    name: "rows beyond the last query are written",
    replace: [[/if \(row < call\.seq_q\)/g, "if (true)"]],
  },
  {
    ...unknown,
    name: "values are stored one group further",
    replace: [
      [/kv\[next\]\[v_group(\d)\]/g, "kv[next][(v_group$1 + 1u) & 15u]"],
      [/v_group(\d) >> 2u\]\[v_group\d & 3u/g, "((v_group$1 + 1u) & 15u) >> 2u][(v_group$1 + 1u) & 3u"],
    ],
  },
  {
    ...known,
    name: "order not undone",
    kernel: "order of",
    replace: [[/rows_out\[moved\] = rows_in\[index\]/g, "rows_out[index] = rows_in[index]"]],
  },
];

/** All mutants. */
export const WGSL_MUTANTS: readonly WgslMutant[] = [...ATTENTION, ...LISTS, ...IMPORTANCE, ...LEVELS, ...CAP];
