/**
 * Maps of one case: the levels that it chose for one head beside the true mass, and for videos where the keys of one
 * query block lie in the frames.
 *
 * @module
 */
import type { Box } from "../../reference/config/config.ts";
import type { Order } from "../../reference/order/order.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { renderChart } from "./chart.ts";
import { cellRuns, frameRuns, levelColours, levelName, mapChart, MASS_COLOURS, massClass } from "./maps.ts";
import type { ReportChart } from "./sections.ts";

/** What the maps of a case are drawn from. */
export interface MapSource {
  /** What is mapped, in words: input, method, density, order. */
  readonly title: string;
  /** A short name for files. */
  readonly name: string;
  /** Int32 [batch, heads, query blocks, key blocks]. */
  readonly levels: Tensor<Int32Array>;
  /** The true mass, of the same shape. */
  readonly mass: Tensor<Float64Array>;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** The video that the tokens are. */
  readonly grid?: Box;
  /** The order in which the tokens lie; default raster. */
  readonly order?: Order;
}

/** Frames that stand side by side. */
const FRAMES_ACROSS = 4;

/**
 * Draws the maps of the first head of a case.
 *
 * @param source levels, mass, and what is known of the tokens
 *
 * @example
 * ```ts
 * import { drawMaps } from "./level_maps.ts";
 * const shape = [1, 1, 2, 2];
 * const levels = { data: new Int32Array([1, 0, 2, 1]), shape };
 * const mass = { data: new Float64Array([0.9, 0.1, 0.4, 0.6]), shape };
 * const charts = await drawMaps({ title: "a case", name: "case", levels, mass, blockN: 16 });
 * console.log(charts.map(({ name }) => name)); // ["levels-case", "mass-case"]
 * ```
 */
export async function drawMaps(source: MapSource): Promise<ReportChart[]> {
  const { title, name, levels, mass } = source;
  const [, , rows, columns] = levels.shape, size = rows * columns;
  const own = [...levels.data.subarray(0, size)];
  const axes = { xTitle: "key block", yTitle: "query block" };
  const levelChart = mapChart(cellRuns(own.map(levelName), { columns }), {
    ...{ title: "Levels", colours: levelColours(own), ...axes },
  });
  const classes = Array.from(mass.data.subarray(0, size), (share) => massClass(share * columns));
  const massChart = mapChart(cellRuns(classes, { columns }), {
    title: "True mass",
    colours: MASS_COLOURS,
    ...axes,
  });
  const charts = [
    {
      name: `levels-${name}`,
      svg: await renderChart(levelChart),
      caption: `${title}: the level that each query block of the first head gives each key block.`,
      alternative: `Map of ${rows} query blocks by ${columns} key blocks. ${levelCounts(own)}`,
    },
    {
      name: `mass-${name}`,
      svg: await renderChart(massChart),
      caption: `${title}: where the softmax of dense attention has its mass, relative to the mean of a row.`,
      alternative: `Map of the true mass of ${rows} query blocks by ${columns} key blocks.`,
    },
  ];
  return source.grid ? [...charts, await drawFrames(source, source.grid)] : charts;
}

/** How many blocks have each level, in words. */
function levelCounts(levels: readonly number[]): string {
  const counts = [...Map.groupBy(levels, levelName)].map(([name, blocks]) => `${name}: ${blocks.length}`);
  return `${counts.join(", ")}.`;
}

/** Where the keys of the middle query block lie, frame by frame. */
async function drawFrames(
  { title, name, levels, blockN, order }: MapSource,
  grid: Box,
): Promise<ReportChart> {
  const [, , rows, columns] = levels.shape, m = Math.floor(rows / 2);
  const own = levels.data.subarray(m * columns, (m + 1) * columns);
  const tokens = grid.width * grid.height * grid.depth;
  const levelOf = new Int32Array(tokens);
  for (let n = 0; n < tokens; n++) levelOf[order ? order.data[n] : n] = own[Math.floor(n / blockN)];
  const runs = frameRuns(Array.from(levelOf, levelName), {
    grid: [grid.depth, grid.height, grid.width],
    across: FRAMES_ACROSS,
  });
  return {
    name: `frames-${name}`,
    svg: await renderChart(mapChart(runs, { title: "Frames", colours: levelColours(own) })),
    caption:
      `${title}: the ${grid.depth} frames in rows of ${FRAMES_ACROSS}; colour is the level that query block ${m} gives each token.`,
    alternative: `${grid.depth} frames of ${grid.height} by ${grid.width} tokens. Query block ${m}: ${
      levelCounts([...own])
    }`,
  };
}
