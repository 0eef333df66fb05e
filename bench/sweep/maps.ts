/**
 * The maps of a run for its report: the levels of chosen heads beside their true mass, and where the key blocks of one
 * query block lie in the frames of a video.
 *
 * @module
 */
import { renderChart } from "../chart.ts";
import {
  cellRuns,
  frameRuns,
  levelColours,
  levelName,
  mapChart,
  MASS_COLOURS,
  massClass,
} from "../report/maps.ts";
import type { ReportChart } from "../report/sections.ts";
import type { Tensor } from "../../reference/tensor.ts";
import type { SweepInput } from "./inputs.ts";
import type { Arranged, Judged } from "./judge.ts";

/** The density whose levels are drawn, or the one nearest to it. */
const DRAWN_DENSITY = 0.15;
/** Rows and columns of a map at most: of larger ones, evenly spread blocks are drawn. */
const MOST_ROWS = 32, MOST_COLUMNS = 96;
/** Frames in a row of the picture of a video, and tokens of a video at most. */
const FRAMES_ACROSS = 8, MOST_TOKENS = 8192;

/** A case that can be drawn. */
interface Drawn {
  readonly judged: Judged;
  readonly arranged: Arranged;
  readonly levels: Tensor<Int32Array>;
}

/**
 * Draws the maps of an input.
 *
 * @param input the input
 * @param judged its cases, each with what belongs to its order
 * @returns for the first and the last head, levels and mass; for a video, frames too; nothing if no case has levels
 */
export async function drawMaps(
  input: SweepInput,
  judged: readonly (readonly [Judged, Arranged])[],
): Promise<ReportChart[]> {
  const sparse = judged.flatMap(([each, arranged]): Drawn[] =>
    each.levels !== null && each.given.density < 1 ? [{ judged: each, arranged, levels: each.levels }] : []
  );
  const pyramids = sparse.filter(({ judged: { given } }) => given.method.name === "psa");
  const distance = ({ judged: { given } }: Drawn) => Math.abs(given.density - DRAWN_DENSITY);
  const [drawn] = (pyramids.length > 0 ? pyramids : sparse).toSorted((a, b) => distance(a) - distance(b));
  if (drawn === undefined) return [];
  const { batch, heads } = input.shape, charts: ReportChart[] = [];
  for (const head of new Set([0, batch * heads - 1])) {
    charts.push(await levelMap(input, drawn, head), await massMap(input, drawn, head));
  }
  const frames = await framesOf(input, drawn);
  return frames === null ? charts : [...charts, frames];
}

/** What a picture is of, in words. */
function subject({ name, head: own }: SweepInput, { judged: { given } }: Drawn, head: number): string {
  return `${name}, head ${
    own ?? head
  }, ${given.method.name} at density ${given.density}, ${given.layout.order.kind} order`;
}

/** One head of a matrix of blocks, thinned out if it is large. */
function thinned<Data extends Int32Array | Float64Array>({ data, shape }: Tensor<Data>, head: number) {
  const [, , rows, columns] = shape;
  const pick = (count: number, most: number) =>
    Array.from({ length: Math.min(count, most) }, (_, i) => Math.floor(i * count / Math.min(count, most)));
  const across = pick(columns, MOST_COLUMNS);
  const cells = pick(rows, MOST_ROWS).flatMap((m) =>
    across.map((j) => data[(head * rows + m) * columns + j])
  );
  return { cells, columns: across.length };
}

async function levelMap(input: SweepInput, drawn: Drawn, head: number): Promise<ReportChart> {
  const { cells, columns } = thinned(drawn.levels, head), what = subject(input, drawn, head);
  const colours = levelColours(cells), axes = { xTitle: "key block", yTitle: "query block" };
  const spec = mapChart(cellRuns(cells.map(levelName), { columns }), {
    title: `Levels: ${input.name}`,
    colours,
    ...axes,
  });
  return {
    name: `levels-${input.name}-${input.head ?? head}`,
    svg: await renderChart(spec),
    caption: `Levels of ${what}. Each row is a query block, each column a key block.`,
    alternative: `Map of the levels of ${what}: ${
      [...colours.keys()].map((name) => `${share(cells, name)} ${name}`).join(", ")
    }.`,
  };
}

/** The share of cells that have a level. */
function share(cells: readonly number[], name: string): string {
  return `${Math.round(100 * cells.filter((level) => levelName(level) === name).length / cells.length)} %`;
}

async function massMap(input: SweepInput, drawn: Drawn, head: number): Promise<ReportChart> {
  const mass = drawn.arranged.inputs.mass(), { cells, columns } = thinned(mass, head);
  const classes = cells.map((value) => massClass(value * mass.shape[3]));
  const what = `${input.name}, head ${input.head ?? head}`;
  const axes = { xTitle: "key block", yTitle: "query block" };
  const spec = mapChart(cellRuns(classes, { columns }), {
    title: `True mass: ${input.name}`,
    colours: MASS_COLOURS,
    ...axes,
  });
  return {
    name: `mass-${input.name}-${input.head ?? head}`,
    svg: await renderChart(spec),
    caption: `The true softmax mass of ${what}, relative to the mean over all key blocks.`,
    alternative: `Map of the true mass of the key blocks of ${what}.`,
  };
}

/** Where the key blocks of the middle query block of the first head lie in a video; null if the input is none. */
async function framesOf(input: SweepInput, drawn: Drawn): Promise<ReportChart | null> {
  const { grid } = input, { levels, arranged: { keyOrder, inputs: { sizes } } } = drawn;
  if (grid === undefined || sizes.seqK > MOST_TOKENS) return null;
  const [, , rows, columns] = levels.shape, m = Math.floor(rows / 2), colours = levelColours(levels.data);
  const names = new Array<string>(sizes.seqK);
  for (let n = 0; n < sizes.seqK; n++) {
    const token = keyOrder === undefined ? n : keyOrder[n];
    names[token] = levelName(levels.data[m * columns + Math.floor(n / sizes.blockN)]);
  }
  const box = [grid.depth, grid.height, grid.width] as const, what = subject(input, drawn, 0);
  const runs = frameRuns(names, { grid: box, across: FRAMES_ACROSS });
  return {
    name: `frames-${input.name}-${input.head ?? 0}`,
    svg: await renderChart(mapChart(runs, { title: `Frames: ${input.name}`, colours, width: 420 })),
    caption: `Where the key blocks of query block ${m} lie in the ${grid.depth} frames: ${what}.`,
    alternative:
      `The frames of the video, each token coloured by the level that query block ${m} gives it: ${what}.`,
  };
}
