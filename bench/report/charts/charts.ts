/**
 * The charts of the report, as Vega-Lite specifications: data in, specification out, nothing drawn here.
 *
 * @module
 */
import type { ChartSpec } from "./chart.ts";
import { logTicks } from "./ticks.ts";
import { CHART_CONFIG, CHART_FIT, CHART_WIDTH, type SeriesScales } from "./theme.ts";

/** One point of a line: a method at a density, with the interval of its value. */
export interface SeriesPoint {
  /** The method. */
  readonly method: string;
  /** The horizontal position. */
  readonly x: number;
  /** The value. */
  readonly y: number;
  /** The lower end of the interval of `y`; left out: no interval. */
  readonly low?: number;
  /** The upper end of the interval of `y`. */
  readonly high?: number;
}

/** Titles, scales and ranges of the axes of a chart. */
export interface ChartFrame {
  /** The title of the chart. */
  readonly title: string;
  /** The title of the horizontal axis. */
  readonly xTitle: string;
  /** The title of the vertical axis. */
  readonly yTitle: string;
  /** The scales that distinguish the series. */
  readonly series: SeriesScales;
  /** The range of the vertical axis, so that charts side by side can be compared. */
  readonly yDomain?: readonly [number, number];
  /** Width of the whole chart in pixels, axes included; default {@link CHART_WIDTH}. */
  readonly width?: number;
}

const HEIGHT = 300;

/** The encoding of a series by colour, shape and dash, with one legend under the chart, as strong as the marks. */
function seriesEncoding({ domain, colours, shapes, dashes }: SeriesScales) {
  const legend = {
    ...{ title: null, orient: "bottom", columns: 3, symbolLimit: 0 },
    ...{ symbolOpacity: 1, symbolSize: 90, symbolStrokeWidth: 2 },
  } as const;
  return {
    color: { field: "method", type: "nominal", scale: { domain: [...domain], range: colours }, legend },
    shape: { field: "method", type: "nominal", scale: { domain: [...domain], range: shapes }, legend },
    strokeDash: { field: "method", type: "nominal", scale: { domain: [...domain], range: dashes }, legend },
  } as const;
}

/** A logarithmic axis over a field, with numbers between the decades. */
function logAxis(field: string, title: string, [low, high]: readonly [number, number]) {
  return {
    field,
    type: "quantitative" as const,
    title,
    scale: { type: "log" as const, domain: [low, high], nice: false },
    axis: { values: logTicks(low, high), format: "~g" },
  };
}

/** The range of values, with a margin of a tenth on either side. */
function domainOf(values: readonly (number | undefined)[]): readonly [number, number] {
  const there = values.filter((value) =>
    value !== undefined && value > 0 && Number.isFinite(value)
  ) as number[];
  return there.length === 0 ? [0.1, 1] : [Math.min(...there) / 1.1, Math.max(...there) * 1.1];
}

/**
 * Lines with points and intervals on two logarithmic axes: error or speed-up against density.
 *
 * @param points the points of all series
 * @param frame titles, scales and ranges
 *
 * @example
 * ```ts
 * import { lineChart } from "./charts.ts";
 * import { seriesScales } from "./theme.ts";
 * const series = seriesScales(["psa"]);
 * const spec = lineChart([{ method: "psa", x: 0.1, y: 0.2 }], { title: "", xTitle: "density", yTitle: "error", series });
 * console.log("layer" in spec); // true
 * ```
 */
export function lineChart(points: readonly SeriesPoint[], frame: ChartFrame): ChartSpec {
  const { color, shape, strokeDash } = seriesEncoding(frame.series);
  const x = logAxis("x", frame.xTitle, domainOf(points.map((point) => point.x)));
  const values = points.flatMap(({ y, low, high }) => [y, low, high]);
  const y = logAxis("y", frame.yTitle, frame.yDomain ?? domainOf(values));
  return {
    ...frameOf(frame, points),
    layer: [
      {
        transform: [{ filter: "isValid(datum.low)" }],
        mark: { type: "rule", strokeWidth: 1.5 },
        encoding: { x, y: { ...y, field: "low" }, y2: { field: "high" }, color },
      },
      { mark: { type: "line", strokeWidth: 2 }, encoding: { x, y, color, strokeDash } },
      { mark: { type: "point", filled: true, size: 60, opacity: 1 }, encoding: { x, y, color, shape } },
    ],
  };
}

/**
 * {@link lineChart} of speed-up against density, with the line of an ideal kernel, 1 / density.
 *
 * @param points measured speed-ups
 * @param frame titles, scales and ranges
 *
 * @example
 * ```ts
 * import { speedupChart } from "./charts.ts";
 * import { seriesScales } from "./theme.ts";
 * const frame = { title: "", xTitle: "density", yTitle: "speed-up", series: seriesScales(["psa"]) };
 * console.log("layer" in speedupChart([{ method: "psa", x: 0.1, y: 7 }], frame)); // true
 * ```
 */
export function speedupChart(points: readonly SeriesPoint[], frame: ChartFrame): ChartSpec {
  const densities = [...new Set(points.map(({ x }) => x))].sort((a, b) => a - b);
  const ideal = densities.map((x) => ({ method: "ideal", x, y: 1 / x }));
  const series = {
    domain: [...frame.series.domain, "ideal"],
    colours: [...frame.series.colours, "var(--ink)"],
    shapes: [...frame.series.shapes, "stroke"],
    dashes: [...frame.series.dashes, [2, 4]],
  };
  return lineChart([...points, ...ideal], { ...frame, series });
}

/** One point of the chart of error against cost. */
export interface ParetoPoint {
  /** The method. */
  readonly method: string;
  /** Milliseconds where a kernel ran, density + selection cost otherwise. */
  readonly cost: number;
  /** Relative L2 error against dense attention. */
  readonly error: number;
  /** Whether it is on the front. */
  readonly best: boolean;
}

/**
 * Error against cost, with the points that nothing beats joined by a line.
 *
 * @param points all methods at all densities
 * @param frame titles, scales and ranges
 *
 * @example
 * ```ts
 * import { paretoChart } from "./charts.ts";
 * import { seriesScales } from "./theme.ts";
 * const frame = { title: "", xTitle: "ms", yTitle: "error", series: seriesScales(["psa"]) };
 * console.log("layer" in paretoChart([{ method: "psa", cost: 1, error: 0.1, best: true }], frame)); // true
 * ```
 */
export function paretoChart(points: readonly ParetoPoint[], frame: ChartFrame): ChartSpec {
  const { color, shape } = seriesEncoding(frame.series);
  const x = logAxis("cost", frame.xTitle, domainOf(points.map(({ cost }) => cost)));
  const y = logAxis("error", frame.yTitle, domainOf(points.map(({ error }) => error)));
  return {
    ...frameOf(frame, points),
    layer: [
      {
        transform: [{ filter: "datum.best" }],
        mark: { type: "line", interpolate: "step-after", color: "var(--ink)", strokeWidth: 1, opacity: 0.6 },
        encoding: { x, y },
      },
      {
        mark: { type: "point", filled: true, opacity: 1 },
        encoding: {
          x,
          y,
          color,
          shape,
          size: { condition: { test: "datum.best", value: 130 }, value: 35 },
        },
      },
    ],
  };
}

/** What all charts have alike: title, size, colours, and their points as data. */
function frameOf({ title, width = CHART_WIDTH }: ChartFrame, points: readonly object[]) {
  return {
    ...{ title, width, autosize: CHART_FIT, height: HEIGHT, config: CHART_CONFIG },
    data: { values: points.map((point) => ({ ...point })) },
  };
}
