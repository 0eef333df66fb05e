/**
 * Maps of one head: its true mass, the levels that methods chose for it, and for videos the keys of one
 * query block in the frames.
 *
 * @module
 */
import type { Box } from "../../../reference/config/config.ts";
import type { Order } from "../../../reference/order/order.ts";
import type { Tensor } from "../../../reference/tensor.ts";
import { listed, plural } from "../../text/number.ts";
import { mapChart } from "./map_chart.ts";
import { cellRuns, frameRuns, levelColours, levelName, MASS_COLOURS, massClass } from "./maps.ts";
import type { ReportChart } from "../sections/sections.ts";

/** The mass of one head, and the facts about its tokens. */
export interface MassSource {
  /** Input, head and order, in words. */
  readonly place: string;
  /** A short name for files. */
  readonly name: string;
  /** The true mass, float64 [batch, heads, query blocks, key blocks]; the first head is drawn. */
  readonly mass: Tensor<Float64Array>;
}

/** The levels that a method chose for one head. */
export interface LevelSource {
  /** The subject of the map in words: input, head, order. */
  readonly place: string;
  /** A short name for files. */
  readonly name: string;
  /** The method that chose the levels. */
  readonly method: string;
  /** The requested density. */
  readonly density: number;
  /** Int32 [batch, heads, query blocks, key blocks]; the first head is drawn. */
  readonly levels: Tensor<Int32Array>;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** The video that the tokens are. */
  readonly grid?: Box;
  /** The order in which the tokens lie; default raster. */
  readonly order?: Order;
}

/** Frames that stand side by side. */
const FRAMES_ACROSS = 4;
const AXES = { xTitle: "key block", yTitle: "query block" };

/**
 * Draws the mass of a head.
 *
 * @param source the mass
 *
 * @example
 * ```ts
 * import { drawMass } from "./level_maps.ts";
 * const mass = { data: new Float64Array([0.9, 0.1, 0.4, 0.6]), shape: [1, 1, 2, 2] };
 * console.log(drawMass({ place: "a case", name: "case", mass }).name); // mass-case
 * ```
 */
export function drawMass({ place, name, mass }: MassSource): ReportChart {
  const [, , rows, columns] = mass.shape;
  const classes = Array.from(mass.data.subarray(0, rows * columns), (share) => massClass(share * columns));
  return {
    name: `mass-${name}`,
    place,
    svg: mapChart(cellRuns(classes, { columns }), { title: "True mass", colours: MASS_COLOURS, ...AXES }),
    caption: `${place}: where the softmax of dense attention has its mass, relative to the mean of a row.`,
    alternative: `Map of the true mass of ${plural(rows, "query block")} by ${plural(columns, "key block")}.`,
  };
}

/**
 * Draws the levels of a head, and for a video where the keys of its middle query block in the frames.
 *
 * @param source levels, and the facts about the tokens
 *
 * @example
 * ```ts
 * import { drawLevels } from "./level_maps.ts";
 * const levels = { data: new Int32Array([1, 0, 2, 1]), shape: [1, 1, 2, 2] };
 * const source = { place: "a case", name: "case", method: "psa", density: 0.5, levels, blockN: 16 };
 * console.log(drawLevels(source).map(({ name }) => name)); // ["levels-case-psa"]
 * ```
 */
export function drawLevels(source: LevelSource): ReportChart[] {
  const { place, name, method, density, levels, grid } = source, [, , rows, columns] = levels.shape;
  const own = [...levels.data.subarray(0, rows * columns)];
  const runs = cellRuns(own.map(levelName), { columns }), title = `Levels of ${method} at density ${density}`;
  const chart = {
    ...{ name: `levels-${name}-${method}`, place, method },
    svg: mapChart(runs, { title, colours: levelColours(own), ...AXES }),
    caption:
      `${place}: the level of each pair of blocks, chosen by ${method} at requested density ${density}.`,
    alternative: `Map of ${plural(rows, "query block")} by ${plural(columns, "key block")}. ${
      levelCounts(own)
    }`,
  };
  return grid ? [chart, drawFrames(source, grid)] : [chart];
}

/** How many blocks have each level, in words. */
function levelCounts(levels: readonly number[]): string {
  const counts = [...Map.groupBy(levels, levelName)].map(([name, blocks]) => `${name}: ${blocks.length}`);
  return `${listed(counts)}.`;
}

/** The keys of the middle query block, frame by frame. */
function drawFrames({ place, name, method, levels, blockN, order }: LevelSource, grid: Box): ReportChart {
  const [, , rows, columns] = levels.shape, m = Math.floor(rows / 2);
  const own = levels.data.subarray(m * columns, (m + 1) * columns);
  const tokens = grid.width * grid.height * grid.depth;
  const levelOf = new Int32Array(tokens);
  for (let n = 0; n < tokens; n++) levelOf[order ? order.data[n] : n] = own[Math.floor(n / blockN)];
  const runs = frameRuns(Array.from(levelOf, levelName), {
    grid: [grid.depth, grid.height, grid.width],
    across: FRAMES_ACROSS,
  });
  const title = `Tokens that query block ${m} reads with ${method}, frame by frame`;
  return {
    ...{ name: `frames-${name}-${method}`, place, method },
    svg: mapChart(runs, { title, colours: levelColours(own) }),
    caption: `${place}: the ${grid.depth} frames in rows of ${FRAMES_ACROSS}; ` +
      `colour is the level that query block ${m} of ${rows} gives each token.`,
    alternative: `${grid.depth} frames of ${grid.height} by ${grid.width} tokens. Query block ${m}: ${
      levelCounts([...own])
    }`,
  };
}
