/**
 * Drawings of maps: one path for each colour, which keeps the page small, in a frame with axes and a legend.
 *
 * @module
 */
import { escapeHtml } from "../html.ts";
import type { CellRun } from "./maps.ts";

/** Titles and colours of a map. */
export interface MapFrame {
  /** The title of the map. */
  readonly title: string;
  /** The names of the values and their colours, in the order of the legend. */
  readonly colours: ReadonlyMap<string, string>;
  /** The title of the horizontal axis; left out: no axes. */
  readonly xTitle?: string;
  /** The title of the vertical axis. */
  readonly yTitle?: string;
  /** Width in pixels, axes included; default {@link MAP_WIDTH}. */
  readonly width?: number;
}

/**
 * Width of a map in pixels, axes included.
 *
 * @example
 * ```ts
 * import { MAP_WIDTH } from "./map_chart.ts";
 * console.log(MAP_WIDTH); // 460
 * ```
 */
export const MAP_WIDTH = 460;

/** Margins of a map with axes, lines of text, and the most that a map is high. */
const LEFT = 54, TOP = 26, BOTTOM = 42, LINE = 20, HIGHEST = 460;

/**
 * A map of coloured cells, with its legend below.
 *
 * @param runs what {@link cellRuns} or {@link frameRuns} gave
 * @param frame titles and colours
 * @returns SVG in the colours of the page's style
 *
 * @example
 * ```ts
 * import { mapChart } from "./map_chart.ts";
 * import { cellRuns, levelColours } from "./maps.ts";
 * const svg = mapChart(cellRuns(["level 1"], { columns: 1 }), { title: "", colours: levelColours([1]) });
 * console.log(svg.startsWith("<svg")); // true
 * ```
 */
export function mapChart(runs: readonly CellRun[], frame: MapFrame): string {
  const right = Math.max(...runs.map(({ x2 }) => x2)), bottom = Math.max(...runs.map(({ y2 }) => y2));
  const hasAxes = frame.xTitle !== undefined, left = hasAxes ? LEFT : 0, width = frame.width ?? MAP_WIDTH;
  const across = width - left - 2,
    down = Math.min(HIGHEST, Math.max(40, Math.round(across * bottom / right)));
  const legend = legendOf(frame.colours, { width, top: TOP + down + (hasAxes ? BOTTOM : 12) });
  const [sx, sy] = [across / right, down / bottom].map((scale) => scale.toFixed(4));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${legend.bottom}" ` +
    `viewBox="0 0 ${width} ${legend.bottom}" font-family="system-ui, sans-serif" font-size="13" fill="var(--ink)">`,
    `<text x="${left}" y="16" font-weight="600">${escapeHtml(frame.title)}</text>`,
    `<g transform="translate(${left},${TOP}) scale(${sx},${sy})" shape-rendering="crispEdges">`,
    ...cellPaths(runs, frame.colours),
    "</g>",
    ...(hasAxes ? axesOf({ left, across, down, right, bottom }, frame) : []),
    ...legend.parts,
    "</svg>",
  ].join("\n");
}

/** One path for each colour, of all its cells. */
function cellPaths(runs: readonly CellRun[], colours: ReadonlyMap<string, string>): string[] {
  return [...Map.groupBy(runs, ({ value }) => value)].map(([value, own]) => {
    const cells = own.map(({ x, x2, y, y2 }) => `M${x} ${y}h${x2 - x}v${y2 - y}h${x - x2}z`);
    return `<path fill="${colours.get(value) ?? "none"}" d="${cells.join("")}"/>`;
  });
}

/** Where a map lies in its drawing, in pixels, and how many cells it has. */
interface Extent {
  readonly left: number;
  readonly across: number;
  readonly down: number;
  readonly right: number;
  readonly bottom: number;
}

/** A frame, numbers of cells along two sides, and what they count. */
function axesOf({ left, across, down, right, bottom }: Extent, { xTitle, yTitle }: MapFrame): string[] {
  const under = TOP + down, middle = TOP + down / 2;
  const small = 'font-size="12"';
  return [
    `<rect x="${left}" y="${TOP}" width="${across}" height="${down}" fill="none" stroke="var(--ink)"/>`,
    ...ticksOf(right).map((cell) => {
      const x = left + across * cell / right;
      return `<path d="M${x} ${under}v4" stroke="var(--ink)"/>` +
        `<text x="${x}" y="${under + 17}" text-anchor="middle" ${small}>${cell}</text>`;
    }),
    ...ticksOf(bottom).map((cell) => {
      const y = TOP + down * cell / bottom;
      return `<path d="M${left} ${y}h-4" stroke="var(--ink)"/>` +
        `<text x="${left - 7}" y="${y + 4}" text-anchor="end" ${small}>${cell}</text>`;
    }),
    `<text x="${left + across / 2}" y="${under + 34}" text-anchor="middle">${
      escapeHtml(xTitle ?? "")
    }</text>`,
    `<text transform="translate(14,${middle}) rotate(-90)" text-anchor="middle">${
      escapeHtml(yTitle ?? "")
    }</text>`,
  ];
}

/** Numbers along an axis of so many cells: steps of 1, 2 or 5 times a power of ten, at most five of them. */
function ticksOf(cells: number): number[] {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, cells / 4)));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => cells / each <= 4.5) ?? cells;
  return Array.from({ length: Math.floor(cells / step) + 1 }, (_, i) => i * step);
}

/** Squares with their names, in lines that fit; and where they end. */
function legendOf(
  colours: ReadonlyMap<string, string>,
  { width, top }: { readonly width: number; readonly top: number },
): { readonly parts: string[]; readonly bottom: number } {
  let x = 0, y = top;
  const parts = [...colours].map(([name, colour]) => {
    const wide = 34 + 7.4 * name.length;
    if (x > 0 && x + wide > width) [x, y] = [0, y + LINE];
    const part =
      `<rect x="${x + 0.5}" y="${y + 2.5}" width="13" height="13" fill="${colour}" stroke="var(--ink)"/>` +
      `<text x="${x + 20}" y="${y + 14}">${escapeHtml(name)}</text>`;
    x += wide;
    return part;
  });
  return { parts, bottom: y + LINE };
}
