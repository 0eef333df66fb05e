/**
 * Thresholds that are bisected to a density.
 *
 * @module
 */
import type { Tensor } from "../tensor.ts";
import type { BlockSelection, MethodInputs, SelectionStatus } from "./method.ts";
import { levelShape, selectionOf } from "./select.ts";

/** Halvings of an interval in a search for a threshold. */
const HALVINGS = 40;

/** Options of {@link bisected}. */
export interface BisectOptions {
  /** The greatest value of the parameter; the search runs from 0 to it. */
  readonly most: number;
  /** Levels [query blocks, key blocks] of a head at a value of the parameter; density does not fall as it grows. */
  readonly levelsAt: (parameter: number, batchHead: number) => Int32Array;
}

/**
 * A threshold budget: one parameter per head, bisected to the largest value whose density does not exceed the
 * requested one. If even 0 exceeds it, that head gets its levels at 0 and the status is `unreachable`.
 *
 * @param inputs the call
 * @param density the mean of 1 / level to stay under
 * @param options the parameter
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { bisected } from "./bisect.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const levelsAt = (p: number) => Int32Array.of(p > 0.3 ? 1 : 0, p > 0.7 ? 1 : 0);
 * console.log(bisected(inputs, 0.5, { most: 1, levelsAt }).levels.data); // [1, 0]
 * ```
 */
export function bisected(
  inputs: MethodInputs,
  density: number,
  { most, levelsAt }: BisectOptions,
): BlockSelection {
  const shape = levelShape(inputs), size = shape[2] * shape[3];
  const data = new Int32Array(shape[0] * shape[1] * size);
  let status: SelectionStatus = "ok";
  for (let head = 0; head < shape[0] * shape[1]; head++) {
    const fits = (parameter: number) => {
      const levels = { data: levelsAt(parameter, head), shape: [1, 1, shape[2], shape[3]] };
      return selectionOf(inputs, levels).density <= density;
    };
    const parameter = largestThatFits(fits, most);
    if (parameter === null) status = "unreachable";
    data.set(levelsAt(parameter ?? 0, head), head * size);
  }
  return selectionOf(inputs, { data, shape }, status);
}

/** The largest value in [0, most] that fits, after 40 halvings; null if 0 does not. */
export function largestThatFits(fits: (value: number) => boolean, most: number): number | null {
  if (fits(most)) return most;
  if (!fits(0)) return null;
  return halved(fits, { low: 0, high: most });
}

/**
 * The largest value that fits, between one that does and one that does not, after some halvings.
 *
 * @param fits whether a value fits; what is less than one that fits does too
 * @param options the two ends, and how often the distance is halved; default 40
 */
export function halved(
  fits: (value: number) => boolean,
  { low, high, times = HALVINGS }: { readonly low: number; readonly high: number; readonly times?: number },
): number {
  let [least, most] = [low, high];
  for (let i = 0; i < times; i++) {
    const middle = (least + most) / 2;
    if (fits(middle)) least = middle;
    else most = middle;
  }
  return least;
}

/**
 * A threshold budget of a binary mask in which every block has an entry, the parameter from which on it is taken:
 * -Infinity for one that is forced, Infinity for one that cannot be seen.
 *
 * @param inputs the call
 * @param density the share of blocks to stay under
 * @param options the entries [batch, heads, query blocks, key blocks], and whether an entry takes part at its very value
 *
 * @example
 * ```ts
 * import { methodInputs } from "./inputs.ts";
 * import { bisectedEntries } from "./bisect.ts";
 * import { tensor } from "../tensor.ts";
 * const x = tensor(new Float64Array(32 * 8), [1, 1, 32, 8]);
 * const inputs = methodInputs({ q: x, k: x, v: x }, { blockM: 32, blockN: 16 });
 * const entries = tensor(new Float64Array([0.7, 0.3]), [1, 1, 1, 2]);
 * console.log(bisectedEntries(inputs, 0.5, { entries, inclusive: true }).levels.data); // [0, 1]
 * ```
 */
export function bisectedEntries(
  inputs: MethodInputs,
  density: number,
  { entries, inclusive }: { readonly entries: Tensor<Float64Array>; readonly inclusive: boolean },
): BlockSelection {
  const [, , rows, columns] = entries.shape, size = rows * columns;
  const levelsAt = (parameter: number, head: number) =>
    Int32Array.from(
      entries.data.subarray(head * size, (head + 1) * size),
      (entry) => entry < parameter || (inclusive && entry === parameter) ? 1 : 0,
    );
  return bisected(inputs, density, { most: 1, levelsAt });
}
