/**
 * The WGSL that ranks the key blocks of a row: by comparing all pairs in short rows, by buckets in long ones.
 *
 * @module
 */
import scanCode from "../wgsl/scan.wgsl" with { type: "text" };
import bucketsCode from "./buckets.wgsl" with { type: "text" };
import comparingCode from "./ranks.wgsl" with { type: "text" };
import rowsCode from "./rows.wgsl" with { type: "text" };

/** Key blocks of a row up to which all pairs are compared: on an H200 that is faster for 128, and slower for 256. */
const FEW = 192;
/** Key blocks whose importance buckets add up; longer rows have only ranks there. */
const MOST_WITH_ENERGY = 1024;

/**
 * The first part of the kernels that cut rows into levels: `place_row` hands every block of a row to their `take_place`.
 *
 * @param blocks key blocks of a row
 * @param options `energy`: whether they need the importance before each block as well
 */
export function ranksCode(blocks: number, { energy }: { readonly energy: boolean }): string {
  const isLong = blocks > FEW && (!energy || blocks <= MOST_WITH_ENERGY);
  return (isLong ? scanCode + bucketsCode : comparingCode) + rowsCode;
}
