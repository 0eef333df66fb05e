import type { ReportRow } from "../../bench/report/rows/rows.ts";

/** Rows of a made-up run: two inputs, three methods, four densities. */
export function someRows(change: (row: ReportRow) => ReportRow = (row) => row): ReportRow[] {
  const rows: ReportRow[] = [];
  for (const [i, input] of ["trace-a", "trace-c"].entries()) {
    for (const [j, method] of ["dense", "psa", "block-topk"].entries()) {
      for (const density of method === "dense" ? [1] : [0.5, 0.25, 0.1]) {
        rows.push(change({
          case: `attention input=${input} method=${method} density=${density}`,
          input,
          status: "ok",
          method,
          order: "raster",
          importance: "sampled",
          head: "",
          ...{ block_m: 128, block_n: 64, tile: 32, dtype: "f32", causal: "false" },
          density_requested: density,
          density: density * 0.99,
          selection_cost: method === "dense" ? 0 : 1 / 32,
          rel_l2: method === "dense" ? 0 : (0.05 + 0.02 * i + 0.03 * j) / density,
          kernel_rel_l2: 1e-6 * (1 + i),
          ...{ rel_l2_low: null, rel_l2_high: null },
          ...{ gpu_ms_median: 10 * density, gpu_ms_low: 9.9 * density, gpu_ms_high: 10.1 * density },
          speedup: 0.9 / density,
        }));
      }
    }
  }
  return rows;
}
