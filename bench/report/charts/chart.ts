/**
 * Charts: a Vega-Lite specification in, an SVG out. The one place that knows Vega.
 *
 * @module
 */
import { parse, View } from "npm:vega@6.4.0";
import { compile, type TopLevelSpec } from "npm:vega-lite@6.5.0";

/** A Vega-Lite specification of one chart. */
export type ChartSpec = TopLevelSpec;

/**
 * Renders a Vega-Lite chart to SVG, without a browser.
 *
 * @param spec the chart; its data must be inline
 * @throws {Error} the message of Vega about a specification that it cannot draw
 *
 * @example
 * ```ts
 * import { renderChart } from "./chart.ts";
 * const svg = await renderChart({
 *   data: { values: [{ density: 0.5, error: 0.1 }] },
 *   mark: "point",
 *   encoding: { x: { field: "density", type: "quantitative" }, y: { field: "error", type: "quantitative" } },
 * });
 * console.log(svg.startsWith("<svg")); // true
 * ```
 */
export async function renderChart(spec: ChartSpec): Promise<string> {
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
