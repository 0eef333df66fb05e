/**
 * Where the levels of the pyramid lie in the buffers of keys and values: level 1, the input itself, first, then the
 * coarser levels, each row-major [heads, pooled tokens, channels].
 *
 * @module
 */

/** One level in a buffer. */
export interface Section {
  /** The level. */
  readonly level: number;
  /** The row at which it begins, counted in tokens over all heads. */
  readonly firstRow: number;
  /** Pooled tokens of a head. */
  readonly tokens: number;
}

/** The sections of a buffer and the rows that they take. */
export interface Sections {
  /** By log2(level); levels that are not in use have no tokens. */
  readonly sections: readonly Section[];
  /** Rows of all sections. */
  readonly rows: number;
}

/** Levels that a kernel's table has room for: 1, 2, 4, …, 128. */
export const MOST_LEVELS = 8;

/**
 * Lays out the levels of keys or values.
 *
 * @param heads heads of all batch entries
 * @param options key tokens, key block size, levels in use, and what a partial block pools
 */
export function layOutSections(
  heads: number,
  { seqK, blockN, levels, tail }: {
    readonly seqK: number;
    readonly blockN: number;
    readonly levels: readonly number[];
    readonly tail: "exact" | "replicate";
  },
): Sections {
  let rows = 0;
  const sections = Array.from({ length: MOST_LEVELS }, (_, log) => {
    const level = 2 ** log, firstRow = rows;
    if (level > 1 && !levels.includes(level)) return { level, firstRow, tokens: 0 };
    const padded = tail === "replicate" && level > 1 ? Math.ceil(seqK / blockN) * blockN : seqK;
    const tokens = Math.ceil(padded / level);
    rows += heads * tokens;
    return { level, firstRow, tokens };
  });
  return { sections, rows };
}

/** The table of sections as the kernels read it: [first row, tokens, 0, 0] for each level. */
export function packSections({ sections }: Sections): number[] {
  return sections.flatMap(({ firstRow, tokens }) => [firstRow, tokens, 0, 0]);
}
