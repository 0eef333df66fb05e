/**
 * Distances between a result and the float64 truth (docs/definition.md#accuracy).
 *
 * @module
 */
import { requireInput } from "../errors.ts";
import { requireTensor, type Tensor } from "../tensor.ts";

/** Distances between a result and the truth, over the whole tensor. */
export interface Comparison {
  /** Norm of the difference over the norm of the truth; 0 if both are zero, Infinity if only the truth is. */
  readonly relL2: number;
  /** Largest absolute difference of two elements. */
  readonly maxAbs: number;
  /** Cosine of the angle between the two tensors; 1 if both are zero, 0 if one is. */
  readonly cosine: number;
  /** Number of non-finite values of the result where the truth has a different value. */
  readonly nonFinite: number;
}

/**
 * Compares a result with the truth (docs/definition.md#accuracy). Two equal infinities, such as the log-sum-exp of two rows
 * that see nothing, agree. Any other pair with a non-finite value makes `relL2` and `maxAbs` infinite, so that no
 * bound accepts it; `cosine` is that of the finite pairs.
 *
 * @param got the result, any element type
 * @param want the truth, the same shape
 * @throws {InputError} if the shapes differ
 *
 * @example
 * ```ts
 * import { compare } from "./metrics.ts";
 * import { tensor } from "../tensor.ts";
 * const want = tensor(new Float64Array([3, 4]), [2]);
 * const got = tensor(new Float32Array([3, 4.5]), [2]);
 * const { relL2, maxAbs, cosine, nonFinite } = compare(got, want);
 * console.log(relL2.toFixed(3), maxAbs, cosine.toFixed(3), nonFinite); // 0.100 0.5 0.998 0
 * ```
 */
export function compare(got: Tensor, want: Tensor): Comparison {
  requireTensor("got", got);
  requireTensor("want", want);
  requireInput(
    got.shape.length === want.shape.length && got.shape.every((length, axis) => length === want.shape[axis]),
    () => `\`got\` has shape [${got.shape}]; it should have the shape of \`want\`, [${want.shape}].`,
  );
  const unit = Math.max(largest(got), largest(want)) || 1; // keeps the squares from over- or underflowing
  let difference2 = 0, got2 = 0, want2 = 0, product = 0, maxAbs = 0, nonFinite = 0, apart = false;
  for (let i = 0; i < got.data.length; i++) {
    const x = got.data[i], y = want.data[i];
    if (x === y && !Number.isFinite(x)) continue;
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      apart = true;
      if (!Number.isFinite(x)) nonFinite++;
      continue;
    }
    const a = x / unit, b = y / unit;
    difference2 += (a - b) ** 2;
    got2 += a * a;
    want2 += b * b;
    product += a * b;
    maxAbs = Math.max(maxAbs, Math.abs(x - y));
  }
  const relL2 = difference2 === 0 ? 0 : Math.sqrt(difference2 / want2);
  const cosine = got2 === 0 && want2 === 0 ? 1 : product / Math.sqrt(got2 * want2) || 0;
  return { relL2: apart ? Infinity : relL2, maxAbs: apart ? Infinity : maxAbs, cosine, nonFinite };
}

/** The largest finite magnitude of a tensor. */
function largest({ data }: Tensor): number {
  let most = 0;
  for (let i = 0; i < data.length; i++) {
    const magnitude = Math.abs(data[i]);
    if (magnitude > most && magnitude < Infinity) most = magnitude;
  }
  return most;
}
