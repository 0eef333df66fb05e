/**
 * The segment format, which the released kernel reads: key block indices grouped by level (docs/definition.md#segments).
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { isLevel } from "../pyramid/pyramid.ts";
import { requireTensor, type Tensor } from "../tensor.ts";

/** The levels of the released format, in its order; skipped blocks always come last. */
export const RELEASED_LEVELS: readonly number[] = [1, 2, 4, 8];

/** Options of {@link toSegments}. */
export interface SegmentOptions {
  /** The levels that have a segment, in order, without the skipped ones; default 1, 2, 4, 8. */
  readonly levels?: readonly number[];
  /** Importance of the same shape: blocks of a level then come by descending importance, else by index. */
  readonly importance?: Tensor;
}

/**
 * Levels as segments: in each row the key blocks of the first level, then -1, of the next, then -1, …, then the
 * skipped ones and -1.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]
 * @param options the levels that have a segment, and the order inside segments
 * @returns int32 [batch, heads, query blocks, key blocks + number of levels with the skipped one]
 * @throws {InputError} if a level has no segment or `importance` has another shape
 *
 * @example
 * ```ts
 * import { toSegments } from "./segments.ts";
 * import { tensor } from "../tensor.ts";
 * const levels = tensor(new Int32Array([0, 1, 4, 1]), [1, 1, 1, 4]);
 * console.log(toSegments(levels).data); // Int32Array [1, 3, -1, -1, 2, -1, -1, 0, -1]
 * ```
 */
export function toSegments(
  levels: Tensor<Int32Array>,
  { levels: listed = RELEASED_LEVELS, importance }: SegmentOptions = {},
): Tensor<Int32Array> {
  requireTensor("levels", levels);
  requireInput(
    levels.shape.length === 4,
    () => `\`levels\` has shape [${levels.shape}]; it should have four axes.`,
  );
  const slots = slotsOf(listed);
  const stray = levels.data.find((level) => !slots.includes(level));
  requireInput(stray === undefined, () => `\`levels\` holds ${stray}; segments exist for [${slots}] only.`);
  requireInput(
    importance === undefined || `${importance.shape}` === `${levels.shape}`,
    () =>
      `\`importance\` has shape [${importance?.shape}]; it should be that of \`levels\`, [${levels.shape}].`,
  );
  const columns = levels.shape[3], rows = levels.data.length / columns;
  const data = new Int32Array(rows * (columns + slots.length));
  for (let row = 0, to = 0; row < rows; row++) {
    const blocks = Array.from({ length: columns }, (_, j) => j);
    if (importance) {
      const scores = importance.data.subarray(row * columns, (row + 1) * columns);
      blocks.sort((a, b) => scores[b] - scores[a] || a - b);
    }
    for (const slot of slots) {
      for (const j of blocks) if (levels.data[row * columns + j] === slot) data[to++] = j;
      data[to++] = -1;
    }
  }
  return { data, shape: [...levels.shape.slice(0, 3), columns + slots.length] };
}

/**
 * Segments as levels: the inverse of {@link toSegments}.
 *
 * @param segments int32 [batch, heads, query blocks, key blocks + number of levels with the skipped one]
 * @param options the levels that have a segment, in order; default 1, 2, 4, 8
 * @returns int32 [batch, heads, query blocks, key blocks]
 * @throws {InputError} if a row is not made of segments that name each key block once
 *
 * @example
 * ```ts
 * import { fromSegments } from "./segments.ts";
 * import { tensor } from "../tensor.ts";
 * const segments = tensor(new Int32Array([1, 3, -1, -1, 2, -1, -1, 0, -1]), [1, 1, 1, 9]);
 * console.log(fromSegments(segments).data); // Int32Array [0, 1, 4, 1]
 * ```
 */
export function fromSegments(
  segments: Tensor<Int32Array>,
  { levels: listed = RELEASED_LEVELS }: Pick<SegmentOptions, "levels"> = {},
): Tensor<Int32Array> {
  requireTensor("segments", segments);
  const { data, shape } = segments;
  requireInput(shape.length === 4, () => `\`segments\` has shape [${shape}]; it should have four axes.`);
  const slots = slotsOf(listed), width = shape[3], columns = width - slots.length;
  requireInput(columns > 0, () => `\`segments\` has rows of ${width}; ${slots.length} segments need more.`);
  const levels = new Int32Array(data.length / width * columns).fill(-1);
  for (let row = 0; row < data.length / width; row++) {
    let slot = 0;
    for (const entry of data.subarray(row * width, (row + 1) * width)) {
      if (entry === -1) {
        slot++;
        continue;
      }
      const isNew = slot < slots.length && entry >= 0 && entry < columns && levels[row * columns + entry] < 0;
      requireInput(
        isNew,
        () => `\`segments\` names key block ${entry} twice, or outside its row, in row ${row}.`,
      );
      levels[row * columns + entry] = slots[slot];
    }
    requireInput(
      slot === slots.length && data[(row + 1) * width - 1] === -1,
      () => `\`segments\` has ${slot} ends of segments in row ${row}; it should have ${slots.length}.`,
    );
  }
  return { data: levels, shape: [...shape.slice(0, 3), columns] };
}

function slotsOf(levels: readonly number[]): number[] {
  const wrong = levels.find((level, i) => !isLevel(level, level) || levels.indexOf(level) !== i);
  requireInput(
    wrong === undefined,
    () => `\`levels\` lists ${wrong}; it should list different powers of two.`,
  );
  return [...levels, 0];
}
