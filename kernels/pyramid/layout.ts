/**
 * Places of the levels of the pyramid in the buffers of keys and values: level 1, the input itself, first, then the
 * coarser levels, each row-major [heads, pooled tokens, channels]. Only this file and layout.wgsl know them.
 *
 * @module
 */
export { default as layoutTemplate } from "./layout.wgsl" with { type: "text" };

/** Where one level lies. */
export interface LevelRows {
  /** The level. */
  readonly level: number;
  /** The row at which it begins, counted in tokens over all heads. */
  readonly firstRow: number;
  /** Pooled tokens of a head; 0 if there is no such level. */
  readonly tokens: number;
}

/** The places of all levels, and the number of rows that they take. */
export interface PyramidLayout {
  /** By log2(level): 1, 2, 4, …, 128. */
  readonly levels: readonly LevelRows[];
  /** Rows of all levels. */
  readonly rows: number;
}

/** Levels that a kernel's table has room for: 1, 2, 4, …, 128. */
export const MOST_LEVELS = 8;
/** Bytes of the table in a kernel's uniforms. */
export const LAYOUT_BYTES = 16 * MOST_LEVELS;

/**
 * Lays out the levels of keys or values.
 *
 * @param heads heads of all batch entries
 * @param options key tokens, key block size, levels, and the tail policy
 */
export function pyramidLayout(
  heads: number,
  { seqK, blockN, levels, tail }: {
    readonly seqK: number;
    readonly blockN: number;
    readonly levels: readonly number[];
    readonly tail: "exact" | "replicate";
  },
): PyramidLayout {
  let rows = 0;
  const places = Array.from({ length: MOST_LEVELS }, (_, log) => {
    const level = 2 ** log, firstRow = rows;
    if (level > 1 && !levels.includes(level)) return { level, firstRow, tokens: 0 };
    const padded = tail === "replicate" && level > 1 ? Math.ceil(seqK / blockN) * blockN : seqK;
    const tokens = Math.ceil(padded / level);
    rows += heads * tokens;
    return { level, firstRow, tokens };
  });
  return { levels: places, rows };
}

/** The levels of a layout, finest first. */
export function levelsOfLayout({ levels }: PyramidLayout): number[] {
  return levels.flatMap(({ level, tokens }) => tokens > 0 ? [level] : []);
}

/** The same places with only some of the levels. */
export function onlyLevels({ levels, rows }: PyramidLayout, wanted: readonly number[]): PyramidLayout {
  return { rows, levels: levels.map((each) => wanted.includes(each.level) ? each : { ...each, tokens: 0 }) };
}

/** The table as kernels read it: [first row, tokens, 0, 0] for each level. */
export function packLayout({ levels }: PyramidLayout): number[] {
  return levels.flatMap(({ firstRow, tokens }) => [firstRow, tokens, 0, 0]);
}
