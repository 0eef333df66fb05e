/**
 * Given levels of a call, and the room that their work lists need.
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { TILE_TOKENS } from "./entry.ts";
import { levelsOfLayout, type PyramidLayout } from "../pyramid/layout.ts";

/** Pooled tokens that rows of levels ask for. */
export interface RowTokens {
  /** The most that a row asks for. */
  readonly most: number;
  /** Tiles of 128 of them that a row has on average. */
  readonly meanTiles: number;
  /** How many rows have 0, 1, 2, … quarters of such a tile, rounded up; left out: not known. */
  readonly rowsOfQuarters?: readonly number[];
}

/**
 * Checks given levels of a call.
 *
 * @param levels the levels
 * @param options the shape of the blocks, and the allowed levels
 * @throws {InputError} if they have a wrong type, shape or length, or a level that is not allowed
 */
export function requireLevels(
  levels: Tensor<Int32Array>,
  { shape, layout }: { readonly shape: readonly number[]; readonly layout: PyramidLayout },
): void {
  const should = `an int32 tensor [batch, heads, query blocks, key blocks] of shape [${shape}], or "dense"`;
  requireInput(
    typeof levels === "object" && levels !== null && levels.data instanceof Int32Array &&
      Array.isArray(levels.shape),
    () => `\`levels\` is ${nameOf(levels)}; it should be ${should}.`,
  );
  requireInput(
    `${levels.shape}` === `${shape}`,
    () => `\`levels\` has shape [${levels.shape}]; these blocks need [${shape}].`,
  );
  const size = shape.reduce((product, each) => product * each, 1);
  requireInput(
    levels.data.length === size,
    () => `\`levels\` has ${levels.data.length} numbers; its shape [${shape}] needs ${size}.`,
  );
  const known = new Set([0, ...levelsOfLayout(layout)]);
  const stray = levels.data.find((level) => !known.has(level));
  requireInput(
    stray === undefined,
    () => `\`levels\` holds ${stray}; this pipeline was built for ${[...known].join(", ")}.`,
  );
}

function nameOf(value: unknown): string {
  if (typeof value === "string") return `"${value}"`;
  const data = (value as { data?: unknown } | null)?.data ?? value;
  return data === null || data === undefined ? String(data) : `of type ${data.constructor.name}`;
}

/** The levels that occur, ascending, without 0. */
export function occurringLevels({ data }: Tensor<Int32Array>): number[] {
  return [...new Set(data)].filter((level) => level > 0).sort((a, b) => a - b);
}

/**
 * The pooled tokens that rows of levels ask for; a block counts for a group at least.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param options key block size, and tokens of a group
 */
export function tokensOf(
  { data, shape }: Tensor<Int32Array>,
  { blockN, group }: { readonly blockN: number; readonly group: number },
): RowTokens {
  const columns = shape[3], tokensOf = new Map([[0, 0]]);
  for (let level = 1; level <= blockN; level *= 2) tokensOf.set(level, Math.max(blockN / level, group));
  const rowsOfQuarters: number[] = [];
  let most = 1, tiles = 0;
  for (let row = 0; row < data.length; row += columns) {
    let tokens = 0;
    for (let j = 0; j < columns; j++) tokens += tokensOf.get(data[row + j])!;
    most = Math.max(most, tokens);
    const quarters = Math.ceil(4 * tokens / TILE_TOKENS);
    while (rowsOfQuarters.length <= quarters) rowsOfQuarters.push(0);
    rowsOfQuarters[quarters]++;
    tiles += Math.ceil(tokens / TILE_TOKENS);
  }
  return { most, meanTiles: tiles * columns / data.length, rowsOfQuarters };
}
