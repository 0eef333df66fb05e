/**
 * The errors of stored tokens at each level of the pyramid. A kernel may pool a level from the one below it and store
 * each: then means that cancel later have been rounded, too.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../../attention/call.ts";
import type { PyramidLevel } from "../../pyramid/pyramid.ts";
import { type FloatData, type Tensor, toFloat64 } from "../../tensor.ts";
import type { Format } from "../arithmetic.ts";
import { SINGLE } from "./sum.ts";

/** Squared error of storing a value: one rounding, or all of it if it is subnormal, for it may be flushed to 0. */
export function storeError2({ unit, normal }: Format, value: number): number {
  return (Math.abs(value) < normal ? 1 : unit ** 2 / 3) * value ** 2;
}

/** Squared errors of inputs, which are stored already: they may be flushed to 0. */
export function inputErrors(data: Float64Array, { normal }: Format): Float64Array {
  return data.map((x) => Math.abs(x) < normal ? x ** 2 : 0);
}

/** Key block size and tail, and the format that tokens are stored in. */
type Stored = Pick<PyramidAttentionOptions, "blockN" | "tail"> & { readonly storage: Format };

/** The squared errors of all keys and values of a head, in the form of its pyramid of the levels in use. */
export function errorPyramid(
  { k, v }: { readonly k: Tensor<FloatData>; readonly v: Tensor<FloatData> },
  pyramid: ReadonlyMap<number, PyramidLevel>,
  options: Stored,
): Map<number, PyramidLevel> {
  const [keys, values] = [k, v].map((source) => {
    const levels = errorsByLevel(source, Math.max(...pyramid.keys()), options), width = source.shape[3];
    return (level: number) => {
      const data = levels.get(level)!;
      return { data, shape: [1, 1, data.length / width, width] };
    };
  });
  return new Map(
    [...pyramid].map(([level, { counts }]) => [level, { k: keys(level), v: values(level), counts }]),
  );
}

/** Runs of tokens: their means, the means of absolute values, the squared errors by rounding every mean, and lengths. */
interface Runs {
  readonly means: Float64Array;
  readonly sizes: Float64Array;
  readonly chain: Float64Array;
  readonly counts: Int32Array;
}

/** Squared errors of the elements of tokens at the levels 1, 2, 4, … up to `most`. */
function errorsByLevel(
  source: Tensor<FloatData>,
  most: number,
  { blockN, tail, storage }: Stored,
): Map<number, Float64Array> {
  const [, , tokens, width] = source.shape, single = toFloat64(source).data;
  const errors = new Map([[1, inputErrors(single, storage)]]);
  const whole = tail === "replicate" ? blockN : 1, count = Math.ceil(tokens / whole) * whole;
  const means = new Float64Array(count * width); // the last token is repeated
  means.set(single);
  for (let t = tokens; t < count; t++) means.copyWithin(t * width, (tokens - 1) * width, tokens * width);
  const chain = new Float64Array(means.length), counts = new Int32Array(count).fill(1);
  let runs: Runs = { means, sizes: means.map(Math.abs), chain, counts };
  for (let level = 2; level <= most; level *= 2) {
    runs = joined(runs, { width, storage });
    const { sizes, chain, counts } = runs, all = inputErrors(runs.means, storage); // as those of single tokens are
    for (let at = 0; at < all.length; at++) {
      const count = counts[Math.floor(at / width)];
      if (count === 1) continue;
      const rounded = Math.max(Math.log2(count) * storeError2(storage, runs.means[at]), chain[at]);
      all[at] = rounded + count * (SINGLE * sizes[at]) ** 2 / 3;
    }
    errors.set(level, all);
  }
  return errors;
}

/** Runs of twice the length; the last may be without a second half. */
function joined(
  { means, sizes, chain, counts }: Runs,
  { width, storage }: { readonly width: number; readonly storage: Format },
): Runs {
  const length = Math.ceil(counts.length / 2), made = () => new Float64Array(length * width);
  const to = { means: made(), sizes: made(), chain: made(), counts: new Int32Array(length) };
  for (let t = 0, at = 0; t < length; t++) {
    const second = 2 * t + 1 < counts.length ? counts[2 * t + 1] : 0;
    const count = to.counts[t] = counts[2 * t] + second, b = second / count, a = 1 - b;
    for (let c = 0, left = 2 * t * width, right = left + (second > 0 ? width : 0); c < width; c++) {
      const mean = to.means[at] = a * means[left + c] + b * means[right + c];
      to.sizes[at] = a * sizes[left + c] + b * sizes[right + c];
      to.chain[at++] = a ** 2 * chain[left + c] + b ** 2 * chain[right + c] +
        (second > 0 ? storeError2(storage, mean) : 0);
    }
  }
  return to;
}
