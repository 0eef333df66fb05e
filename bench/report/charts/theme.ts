/**
 * The style of every chart: colours that colour-blind readers can distinguish, and a shape and a dash
 * for each series in addition to its colour.
 *
 * @module
 */
import style from "../style.css" with { type: "text" };
import type { ChartSpec } from "./chart.ts";

/** The palette of Okabe and Ito without black and yellow, which vanish on a dark or a light page. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c"];
const SHAPES = ["circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right"];
const DASHES = [[1, 0], [6, 3], [2, 2]];

/**
 * Width of every chart in pixels, axes and legend included, so that texts have one size on a page.
 *
 * @example
 * ```ts
 * import { CHART_WIDTH } from "./theme.ts";
 * console.log(CHART_WIDTH); // 460
 * ```
 */
export const CHART_WIDTH = 460;
/**
 * Settings that keep the width of a chart fixed.
 *
 * @example
 * ```ts
 * import { CHART_FIT } from "./theme.ts";
 * console.log(CHART_FIT.type); // fit-x
 * ```
 */
export const CHART_FIT = { type: "fit-x", contains: "padding" } as const;

/** The levels that have a colour in the page's style, 1, 2, 4 ... 128: full stands out most, on light and on dark. */
const LEVELS = [1, 2, 4, 8, 16, 32, 64, 128];

/**
 * Colours of levels, from skipped (the page's own faint grey) over coarse to full.
 *
 * @example
 * ```ts
 * import { LEVEL_COLOURS } from "./theme.ts";
 * console.log(LEVEL_COLOURS[1]); // var(--level-1)
 * ```
 */
export const LEVEL_COLOURS: Readonly<Record<number, string>> = {
  0: "var(--skipped)",
  ...Object.fromEntries(LEVELS.map((level) => [level, `var(--level-${level})`])),
};

/**
 * The colours of the light page by their names in the style; a chart that stands alone has them written into it.
 *
 * @example
 * ```ts
 * import { LIGHT_COLOURS } from "./theme.ts";
 * console.log(LIGHT_COLOURS["var(--level-1)"]); // #5b2a64
 * ```
 */
export const LIGHT_COLOURS: Readonly<Record<string, string>> = Object.fromEntries(
  style.slice(0, style.indexOf("}")).matchAll(/(--[\w-]+): (#\w+);/g).map((
    [, name, colour],
  ) => [`var(${name})`, colour]),
);

/**
 * A chart with the colours of a light page in it, as it needs them when it stands alone.
 *
 * @example
 * ```ts
 * import { inColours } from "./theme.ts";
 * console.log(inColours("var(--ink)")); // #1c2024
 * ```
 */
export function inColours(svg: string): string {
  return Object.entries(LIGHT_COLOURS).reduce((text, [name, colour]) => text.replaceAll(name, colour), svg);
}

/**
 * The Vega-Lite configuration of every chart; colours of text and lines come from the page's style.
 *
 * @example
 * ```ts
 * import { CHART_CONFIG } from "./theme.ts";
 * console.log(CHART_CONFIG?.background); // transparent
 * ```
 */
export const CHART_CONFIG: ChartSpec["config"] = {
  background: "transparent",
  font: "system-ui, sans-serif",
  axis: {
    labelColor: "var(--ink)",
    titleColor: "var(--ink)",
    gridColor: "var(--line)",
    domainColor: "var(--ink)",
    tickColor: "var(--ink)",
    labelFontSize: 13,
    titleFontSize: 13,
    titleFontWeight: "normal",
    labelOverlap: "greedy",
    labelSeparation: 4,
  },
  legend: { labelColor: "var(--ink)", titleColor: "var(--ink)", labelFontSize: 13, labelLimit: 150 },
  view: { stroke: "var(--line)" },
  title: { color: "var(--ink)", fontSize: 14, anchor: "start", limit: 600 },
};

/** The scales of series: colour, shape and dash, the same for a method in every chart. */
export interface SeriesScales {
  /** The names of the series, in order. */
  readonly domain: readonly string[];
  /** A colour for each. */
  readonly colours: string[];
  /** A point shape for each. */
  readonly shapes: string[];
  /** A dash pattern for each. */
  readonly dashes: number[][];
}

/**
 * The scales of a set of methods.
 *
 * @param methods names in the order in which they are to be listed
 *
 * @example
 * ```ts
 * import { seriesScales } from "./theme.ts";
 * console.log(seriesScales(["psa", "random"]).colours.length); // 2
 * ```
 */
export function seriesScales(methods: readonly string[]): SeriesScales {
  return {
    domain: [...methods],
    colours: methods.map((_, i) => COLOURS[i % COLOURS.length]),
    shapes: methods.map((_, i) => SHAPES[(i + Math.floor(i / COLOURS.length)) % SHAPES.length]),
    dashes: methods.map((_, i) => DASHES[Math.floor(i / COLOURS.length) % DASHES.length]),
  };
}

/**
 * The scales of some of the methods: each looks as it does among all of them.
 *
 * @param scales the scales of all methods
 * @param methods those that a chart has
 *
 * @example
 * ```ts
 * import { scalesAmong, seriesScales } from "./theme.ts";
 * console.log(scalesAmong(seriesScales(["psa", "random"]), ["random"]).colours); // ["#d55e00"]
 * ```
 */
export function scalesAmong(scales: SeriesScales, methods: readonly string[]): SeriesScales {
  const { domain, colours, shapes, dashes } = scales;
  const own = <Value>(values: readonly Value[]) => values.filter((_, i) => methods.includes(domain[i]));
  return { domain: own(domain), colours: own(colours), shapes: own(shapes), dashes: own(dashes) };
}
