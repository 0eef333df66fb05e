/**
 * Mistakes planted into the kernel of attention by matrix units, for cases in float16 on devices that have them.
 *
 * @module
 */
import { KNOWN as known, KV_HEAD_MODULO, LSE_IN_BASE_2, type WgslMutant } from "./wgsl_mutant.ts";

const unknown = { ...known, known: false } as const;

/** The mutants. */
export const MATRIX_MUTANTS: readonly WgslMutant[] = [
  {
    ...known,
    name: "log term missing",
    replace: [[/f32\(level\)/g, "0.0"], [/log2\(vec4f\(count\)\)/g, "vec4f()"]],
  },
  {
    ...known,
    name: "scale applied twice",
    replace: [[/vec4f\(SCALE\)/g, "vec4f(SCALE * SCALE * 0.6931471805599453)"]],
  },
  LSE_IN_BASE_2,
  KV_HEAD_MODULO,
  {
    ...known,
    name: "causal off by one, the own position unseen",
    replace: [[/> vec4<i32>\(position(\d)\)/g, ">= vec4<i32>(position$1)"]],
  },
  { ...known, name: "no division by the total", replace: [[/\* inverse\d/g, ""]] },
  {
    ...unknown,
    name: "values are those of the tile before",
    replace: [[/let v_tile = min\(tile \+ (\d)u, last\);/g, "let v_tile = min(tile + $1u - 1u, last);"]],
  },
  {
    ...unknown,
    name: "keys are those of the tile before",
    replace: [[/let k_tile = min\(tile \+ 3u, last\);/g, "let k_tile = min(tile + 2u, last);"]],
  },
  {
    ...unknown,
    name: "every second group of four weights is 0",
    replace: [[
      /let h(\d) = vec2<u32>\(half_pair\(w([1357])\.xy\), half_pair\(w\d\.zw\)\);/g,
      "let h$1 = vec2<u32>();",
    ]],
  },
  {
    ...unknown,
    name: "entries that pad a list are seen",
    replace: [[/MASKED, entry_fills\(entry\)\)/g, "MASKED, false)"], [
      /& vec4<bool>\(!entry_fills\(entry\)\)/g,
      "",
    ]],
  },
  {
    ...unknown,
    name: "sums of a row are those of its first half",
    replace: [[/(sum\d) = shared_rows\[(row\d)\] \+ [^;]*;/g, "$1 = shared_rows[$2];"]],
  },
  {
    ...unknown,
    name: "rows beyond the last query are written",
    replace: [[/row < row_end && piece/g, "piece"]],
  },
];
