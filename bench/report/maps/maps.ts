/**
 * Maps of the report: which level each query block gives each key block, where the true mass lies, and where in
 * the frames of a video the key blocks of one query block lie, as runs of equal cells with their colours.
 *
 * @module
 */
import { LEVEL_COLOURS } from "../charts/theme.ts";

/** A run of equal cells in one row of a map. */
export interface CellRun {
  /** The left edge. */
  readonly x: number;
  /** The right edge. */
  readonly x2: number;
  /** The upper edge. */
  readonly y: number;
  /** The lower edge. */
  readonly y2: number;
  /** The value of the cells: a level, or a class of mass. */
  readonly value: string;
}

/**
 * Joins equal neighbours of a row-major grid into runs.
 *
 * @param cells what each cell shows, row by row
 * @param options `columns` of the grid, and where its corner lies
 *
 * @example
 * ```ts
 * import { cellRuns } from "./maps.ts";
 * console.log(cellRuns(["1", "1", "0"], { columns: 3 }).length); // 2
 * ```
 */
export function cellRuns(
  cells: readonly string[],
  { columns, left = 0, top = 0 }: { readonly columns: number; readonly left?: number; readonly top?: number },
): CellRun[] {
  const runs: CellRun[] = [];
  for (let start = 0; start < cells.length;) {
    const row = Math.floor(start / columns);
    let end = start + 1;
    while (end < cells.length && end % columns !== 0 && cells[end] === cells[start]) end++;
    const x = left + start % columns;
    runs.push({ x, x2: x + end - start, y: top + row, y2: top + row + 1, value: cells[start] });
    start = end;
  }
  return runs;
}

/**
 * The runs of one query block's levels over the frames of a video, frames laid out in rows of `across`.
 *
 * @param levelOfToken the level that the query block gives the key block of each token, in raster order (t, y, x)
 * @param options the grid [frames, height, width] and how many frames stand in a row
 *
 * @example
 * ```ts
 * import { frameRuns } from "./maps.ts";
 * console.log(frameRuns(["1", "0", "0", "1"], { grid: [2, 1, 2], across: 2 }).length); // 4
 * ```
 */
export function frameRuns(
  levelOfToken: readonly string[],
  { grid: [frames, height, width], across }: {
    readonly grid: readonly [number, number, number];
    readonly across: number;
  },
): CellRun[] {
  return Array.from({ length: frames }, (_, t) => {
    const left = (t % across) * (width + 1), top = Math.floor(t / across) * (height + 1);
    const cells = levelOfToken.slice(t * height * width, (t + 1) * height * width);
    return cellRuns(cells, { columns: width, left, top });
  }).flat();
}

/**
 * The colours of the levels that occur, full first.
 *
 * @param levels levels in use
 *
 * @example
 * ```ts
 * import { levelColours } from "./maps.ts";
 * console.log([...levelColours([0, 1, 4]).keys()]); // ["level 1", "level 4", "skipped"]
 * ```
 */
export function levelColours(levels: Iterable<number>): Map<string, string> {
  const used = [...new Set(levels)].sort((a, b) => (a || Infinity) - (b || Infinity));
  return new Map(used.map((level) => [levelName(level), LEVEL_COLOURS[level] ?? LEVEL_COLOURS[8]]));
}

/**
 * The name of a level in a legend.
 *
 * @example
 * ```ts
 * import { levelName } from "./maps.ts";
 * console.log(levelName(0), levelName(2)); // skipped level 2
 * ```
 */
export function levelName(level: number): string {
  return level === 0 ? "skipped" : `level ${level}`;
}

/** Lower bounds of the classes of true mass, as multiples of the mean over the visible blocks. */
const MASS_CLASSES: readonly (readonly [number, string, string])[] = [
  [8, "over 8 x mean", "var(--level-1)"],
  [2, "2 to 8 x", "var(--level-2)"],
  [0.5, "0.5 to 2 x", "var(--level-4)"],
  [0.125, "0.125 to 0.5 x", "var(--level-16)"],
  [0, "less", "var(--skipped)"],
];

/**
 * The classes of true mass and their colours.
 *
 * @example
 * ```ts
 * import { MASS_COLOURS } from "./maps.ts";
 * console.log(MASS_COLOURS.size); // 5
 * ```
 */
export const MASS_COLOURS: ReadonlyMap<string, string> = new Map(
  MASS_CLASSES.map(([, name, colour]) => [name, colour]),
);

/**
 * The class of a block's true mass, relative to the mean of its row.
 *
 * @param ratio mass of the block over the mean mass of the blocks of the row
 *
 * @example
 * ```ts
 * import { massClass } from "./maps.ts";
 * console.log(massClass(10)); // "over 8 x mean"
 * ```
 */
export function massClass(ratio: number): string {
  return MASS_CLASSES.find(([least]) => ratio >= least)?.[1] ?? MASS_CLASSES[MASS_CLASSES.length - 1][1];
}
