/**
 * From importance to levels: the released quotas and thresholds with all of their rules (docs/definition.md#levels).
 *
 * @module
 */
import { causalBlocks, requireBlockCounts } from "./causal.ts";
import type { Ratio } from "../config/config.ts";
import { InputError, requireInput } from "../errors.ts";
import { isLevel, requireBlock } from "../pyramid/pyramid.ts";
import { ratioErrors } from "./ratios.ts";
import { requireTensor, type Tensor } from "../tensor.ts";

/** Options of {@link assignLevels}. */
export interface AssignOptions {
  /** `topk`: fractions of the number of key blocks; `threshold`: fractions of the cumulative importance. */
  readonly mode: "topk" | "threshold";
  /** [level, start, end], ends ascending up to 1; only `end` is used. */
  readonly ratios: readonly Ratio[];
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Key rows that a kernel processes at once, a power of two that divides `blockN`: pooled levels fill whole tiles. */
  readonly tile: number;
  /** Least share of level 1 in threshold mode; default 0.06. */
  readonly minFullRatio?: number;
  /** Text tokens at the end of the keys; their blocks are level 1; default 0. */
  readonly textLength?: number;
  /** Whether the future is skipped and the diagonal and the first block are level 1; default false. */
  readonly causal?: boolean;
  /** Largest level of each key block, int32 [batch, key heads, key blocks]; default none. */
  readonly cap?: Tensor<Int32Array>;
  /** Query block size in tokens; needed if causal. */
  readonly blockM?: number;
  /** Query tokens; needed if causal. */
  readonly seqQ?: number;
  /** Key tokens; needed if causal or with text. */
  readonly seqK?: number;
}

/**
 * The level that each query block gives each key block. Rows are sorted by descending importance, lower index first
 * among equals, and cut by quotas of the number of blocks (`topk`) or of the cumulative importance (`threshold`).
 * Then, in this order: text blocks are level 1; if causal, the future is 0, the diagonal and the first key block are 1;
 * no level is above its block's cap.
 *
 * @param importance [batch, heads, query blocks, key blocks]
 * @param options mode, ratios, block sizes and rules
 * @returns int32 of the same shape
 * @throws {InputError} if an option is not as described or does not fit `importance`, or `importance` holds NaN, an
 * infinity or a negative number
 *
 * @example
 * ```ts
 * import { assignLevels } from "./assign.ts";
 * import { tensor } from "../tensor.ts";
 * const importance = tensor(new Float64Array([0.1, 0.4, 0.2, 0.3]), [1, 1, 1, 4]);
 * const levels = assignLevels(importance, {
 *   mode: "topk",
 *   ratios: [[1, 0, 0.25], [2, 0.25, 0.75], [0, 0.75, 1]],
 *   blockN: 128,
 *   tile: 32,
 * });
 * console.log(levels.data); // Int32Array [0, 1, 2, 2]
 * ```
 */
export function assignLevels(importance: Tensor, options: AssignOptions): Tensor<Int32Array> {
  requireAssignment(importance, options);
  return cutByQuotas(importance, options);
}

/** {@link assignLevels} of inputs that have been checked. */
export function cutByQuotas(importance: Tensor, options: AssignOptions): Tensor<Int32Array> {
  const [batch, heads, rows, columns] = importance.shape;
  const levels = new Int32Array(importance.data.length);
  for (let row = 0; row < batch * heads * rows; row++) {
    const scores = importance.data.subarray(row * columns, (row + 1) * columns);
    const order = sortedBlocks(scores);
    let start = 0;
    for (const { level, end } of levelEnds(scores, order, options)) {
      for (; start < end; start++) levels[row * columns + order[start]] = level;
    }
  }
  const assigned = { data: levels, shape: [...importance.shape] };
  applyRules(assigned, options);
  return assigned;
}

/** The options of {@link assignLevels} that do not depend on importance. */
export type RuleOptions = Pick<
  AssignOptions,
  "blockM" | "blockN" | "seqQ" | "seqK" | "textLength" | "causal" | "cap"
>;

/**
 * The rules of docs/definition.md#levels that follow the quotas, in its order: text, causal, similarity cap. They hold for
 * levels that come from a budget as well.
 *
 * @param levels int32 [batch, heads, query blocks, key blocks]; changed in place
 * @param options the rules and the sizes that they need
 */
export function applyRules(levels: Tensor<Int32Array>, options: RuleOptions): void {
  applyText(levels, options);
  if (options.causal) applyCausal(levels, options);
  if (options.cap) applyCap(levels, options.cap);
}

/** Key blocks by descending importance, lower index first among equals. */
export function sortedBlocks(scores: ArrayLike<number>): number[] {
  return Array.from({ length: scores.length }, (_, j) => j).sort((a, b) => scores[b] - scores[a] || a - b);
}

/** The end of each level in the sorted row; levels follow each other without gaps. */
export function levelEnds(
  scores: ArrayLike<number>,
  order: readonly number[],
  { mode, ratios, blockN, tile, minFullRatio = 0.06 }: AssignOptions,
): { level: number; end: number }[] {
  const columns = order.length;
  const energy = mode === "threshold" ? cumulativeShares(scores, order) : [];
  const ascending = mode === "threshold" ? ratios.toSorted((a, b) => a[2] - b[2]) : ratios;
  let previous = 0;
  return ascending.map(([level, , fraction]) => {
    const unit = alignment(level, { blockN, tile }), room = columns - previous;
    let end = mode === "topk" ? Math.floor(columns * fraction) : crossing(energy, fraction, previous);
    if (mode === "topk" || unit > 1) end = previous + align(Math.max(0, end - previous), unit, room);
    else if (level === 1) end = Math.max(end, previous + Math.floor(columns * minFullRatio) + 1);
    previous = Math.max(previous, Math.min(end, columns));
    return { level, end: previous };
  });
}

/** The sorted row's cumulative sum over its total. */
function cumulativeShares(scores: ArrayLike<number>, order: readonly number[]): number[] {
  const total = order.reduce((sum, j) => sum + scores[j], 0);
  let sum = 0;
  return order.map((j) => (sum += scores[j]) / total);
}

/** One past the entry that crosses the fraction; the previous end if not even the first entry stays under it. */
function crossing(energy: readonly number[], fraction: number, previous: number): number {
  const under = energy.filter((share) => share <= fraction + 1e-6).length;
  return under > 0 ? under + 1 : previous;
}

/**
 * How many key blocks of a level fill whole tiles: quotas come in multiples of it.
 *
 * @param level the level; a skipped block takes no room in a tile
 * @param sizes key block size and tile
 *
 * @example
 * ```ts
 * import { alignment } from "./assign.ts";
 * console.log(alignment(8, { blockN: 64, tile: 32 })); // 4
 * ```
 */
export function alignment(
  level: number,
  { blockN, tile }: { readonly blockN: number; readonly tile: number },
): number {
  return level === 0 ? 1 : Math.ceil(level * tile / blockN);
}

/** A length rounded up to a multiple, or the largest multiple that fits in the room. */
function align(length: number, unit: number, room: number): number {
  const up = Math.ceil(length / unit) * unit;
  return up >= room && length > 0 ? Math.floor(room / unit) * unit : up;
}

/** The key blocks that hold the text tokens at the end become level 1. */
function applyText(
  { data, shape }: Tensor<Int32Array>,
  { textLength = 0, blockN }: RuleOptions,
): void {
  const columns = shape[3], text = Math.ceil(textLength / blockN);
  for (let row = 0; row < data.length; row += columns) data.fill(1, row + columns - text, row + columns);
}

/** The future becomes 0, the diagonal and the first key block, where it is not future itself, 1. */
function applyCausal({ data, shape: [, , rows, columns] }: Tensor<Int32Array>, sizes: RuleOptions): void {
  const { isFuture, isDiagonal } = causalBlocks(sizes);
  for (let at = 0; at < data.length; at++) {
    const j = at % columns, m = Math.floor(at / columns) % rows;
    if (isFuture(m, j)) data[at] = 0;
    else if (j === 0 || isDiagonal(m, j)) data[at] = 1;
  }
}

/** No level is above its key block's cap. */
function applyCap(
  { data, shape: [, heads, rows, columns] }: Tensor<Int32Array>,
  cap: Tensor<Int32Array>,
): void {
  const kvHeads = cap.shape[1];
  for (let at = 0; at < data.length; at++) {
    const head = Math.floor(at / (rows * columns)), batch = Math.floor(head / heads);
    const kvHead = batch * kvHeads + Math.floor(head % heads / (heads / kvHeads));
    data[at] = Math.min(data[at], cap.data[kvHead * columns + at % columns]);
  }
}

/** Throws unless importance and options are as {@link assignLevels} describes them. */
export function requireAssignment(importance: Tensor, options: AssignOptions): void {
  const { mode, ratios, blockN, tile, minFullRatio = 0.06, textLength = 0, seqK, cap } = options;
  requireImportance(importance);
  requireBlockCounts("importance", importance, options);
  requireInput(
    mode === "topk" || mode === "threshold",
    () => `\`mode\` is "${mode}"; it should be "topk" or "threshold".`,
  );
  requireBlock("blockN", blockN);
  requireInput(
    isLevel(tile, blockN),
    () => `\`tile\` is ${tile}; it should be a power of two that divides \`blockN\`, ${blockN}.`,
  );
  const [error] = ratioErrors(ratios, blockN);
  if (error) throw new InputError(error);
  requireInput(
    minFullRatio >= 0 && minFullRatio <= 1,
    () => `\`minFullRatio\` is ${minFullRatio}; it should be a fraction from 0 to 1.`,
  );
  const keys = seqK ?? importance.shape[3] * blockN;
  requireInput(
    Number.isInteger(textLength) && textLength >= 0 && textLength <= keys,
    () => `\`textLength\` is ${textLength}; it should be a number of tokens from 0 to the ${keys} keys.`,
  );
  if (cap) requireCap(cap, importance.shape);
}

/**
 * Throws unless a tensor is importance: four axes, finite numbers that are not negative.
 *
 * @throws {InputError} naming the error
 */
export function requireImportance(importance: Tensor): void {
  requireTensor("importance", importance);
  const { data, shape } = importance;
  requireInput(
    shape.length === 4,
    () => `\`importance\` has shape [${shape}]; it should be [batch, heads, query blocks, key blocks].`,
  );
  for (let at = 0; at < data.length; at++) {
    if (!(data[at] >= 0 && data[at] < Infinity)) {
      throw new InputError(
        `\`importance\` holds ${data[at]}; it should hold finite numbers that are not negative.`,
      );
    }
  }
}

/** Throws unless a cap is [batch, key heads, key blocks] with levels. */
function requireCap(
  { data, shape }: Tensor<Int32Array>,
  [batch, heads, , columns]: readonly number[],
): void {
  requireInput(
    shape.length === 3 && shape[0] === batch && heads % shape[1] === 0 && shape[2] === columns,
    () => `\`cap\` has shape [${shape}]; it should be [${batch}, a divisor of ${heads}, ${columns}].`,
  );
  const wrong = data.find((level) => !isLevel(level, level));
  requireInput(wrong === undefined, () => `\`cap\` holds ${wrong}; it should hold powers of two.`);
}
