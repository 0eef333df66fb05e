/**
 * Checks of all rows of a kernel's output where the truth is that of sampled ones: no value is left from before
 * or not finite, values of 1 give 1, and keys in another order of blocks give the same.
 *
 * @module
 */
import { headSlice, kvHeadOf } from "../../../reference/heads.ts";
import type { SampledRows } from "../../../reference/judge/sampled_rows.ts";
import type { Tolerance } from "../../../reference/judge/tolerance.ts";
import type { RowSample } from "../../../reference/judge/tolerance_rows.ts";
import { seeingRows } from "../../../reference/judge/tolerance_rows.ts";
import { attentionToleranceParallel } from "../../../reference/parallel/heads.ts";
import { seededRandom } from "../../../reference/random.ts";
import {
  type AttentionShape,
  attentionShape,
  type FloatData,
  type Qkv,
  type Tensor,
} from "../../../reference/tensor.ts";
import type { AllRows, Arranged, GpuCall } from "./arranged.ts";
import { openCall, runChecked } from "./kernel.ts";

/** Where the truth of all rows is known, nothing of this is needed. */
export const NO_CHECKS: AllRows = { nonFinite: 0, onesMaxAbs: null, pathsRelL2: null, isRight: true };

/** Elements of a head up to which a bound looks at as many rows as a bound does by itself. */
const SMALL = 2 ** 20;
/** Rows, over all heads, that a bound looks at beyond that; and the longest of each head. */
const ROWS = 24, LONGEST = 1;

/** How many rows of a head a bound looks at: fewer of each where heads are large; undefined: its own number. */
export function sampleFor({ batch, heads, seqK, headDim }: AttentionShape): RowSample | undefined {
  if (seqK * headDim <= SMALL) return undefined;
  return { spread: Math.max(2, Math.ceil(ROWS / (batch * heads))), longest: LONGEST };
}

/** The rows of a tensor [batch, heads, tokens, dimension] that were sampled; every head has as many. */
export function pickRows(
  { data, shape: [batch, heads, tokens, dim] }: Tensor<FloatData>,
  { rows }: SampledRows,
): Tensor {
  const count = rows[0].length, Type = data.constructor as new (length: number) => FloatData;
  const picked = new Type(batch * heads * count * dim);
  rows.forEach((own, head) =>
    own.forEach((row, i) => {
      const from = (head * tokens + row) * dim;
      picked.set(data.subarray(from, from + dim), (head * count + i) * dim);
    })
  );
  return { data: picked, shape: [batch, heads, count, dim] };
}

/** The output of a kernel for some levels. */
interface Made {
  readonly levels: Tensor<Int32Array> | null;
  /** Its whole output. */
  readonly all: Tensor<FloatData>;
  readonly call: GpuCall;
  readonly bound: Tolerance;
  readonly format: "f16" | "f32";
}

/**
 * Checks all rows of a kernel's output.
 *
 * @param arranged the tokens
 * @param made levels, output, and the call on the device
 */
export async function checkAllRows(arranged: Arranged, made: Made): Promise<AllRows> {
  let nonFinite = 0;
  for (let at = 0; at < made.all.data.length; at++) if (!Number.isFinite(made.all.data[at])) nonFinite++;
  const onesMaxAbs = await distanceFromOne(arranged, made), onesBound = await onesBoundOf(arranged, made);
  const pathsRelL2 = await distanceOfPaths(arranged, made);
  const isRight = nonFinite === 0 && onesMaxAbs <= onesBound &&
    (pathsRelL2 === null || pathsRelL2 <= 2 * made.bound.relL2); // each of the two is within its bound of the truth
  return { nonFinite, onesMaxAbs, pathsRelL2, isRight };
}

/** The result over several groups of heads. */
export function joinAllRows(groups: readonly AllRows[]): AllRows {
  const most = (name: "onesMaxAbs" | "pathsRelL2") =>
    groups.some((group) => group[name] === null) ? null : Math.max(...groups.map((group) => group[name]!));
  return {
    nonFinite: groups.reduce((sum, group) => sum + group.nonFinite, 0),
    ...{ onesMaxAbs: most("onesMaxAbs"), pathsRelL2: most("pathsRelL2") },
    isRight: groups.every(({ isRight }) => isRight),
  };
}

/** Values of 1 in place of those of a call. */
function onesOf({ v: { data, shape } }: Qkv): Tensor<FloatData> {
  const Type = data.constructor as new (length: number) => FloatData;
  return { data: new Type(data.length).fill(1), shape };
}

/** Runs the kernel on values of 1: every row that sees a token is 1. */
async function distanceFromOne(
  { tokens: { qkv, options } }: Arranged,
  { levels, call: { gpu }, format }: Made,
): Promise<number> {
  const shape = attentionShape(qkv), blocks = { ...options, causal: options.causal ?? false };
  using psa = await openCall(gpu, { ...qkv, v: onesOf(qkv) }, { ...blocks, dtype: format });
  const { data } = await runChecked(gpu, await psa.prepare(levels ?? "dense"));
  const seen = levels === null ? null : seenRows(qkv, levels, blocks), dim = shape.valueDim;
  let most = 0;
  for (let at = 0; at < data.length; at++) {
    const want = seen === null || seen[Math.floor(at / dim)] === 1 ? 1 : 0,
      distance = Math.abs(data[at] - want);
    if (!(distance <= most)) most = Number.isNaN(distance) ? Infinity : distance;
  }
  return most;
}

/** Which rows of all heads see a token. */
function seenRows(
  { q, k, v }: Qkv,
  levels: Tensor<Int32Array>,
  options: { readonly blockM: number; readonly blockN: number; readonly causal: boolean },
): Uint8Array {
  const heads = q.shape[0] * q.shape[1], seen = new Uint8Array(heads * q.shape[2]);
  for (let head = 0; head < heads; head++) {
    const kvHead = kvHeadOf({ q, k }, head);
    const own = { q: headSlice(q, head), k: headSlice(k, kvHead), v: headSlice(v, kvHead) };
    for (const row of seeingRows({ qkv: own, levels: headSlice(levels, head) }, options)) {
      seen[head * q.shape[2] + row] = 1;
    }
  }
  return seen;
}

/** How far from 1 a right kernel may be. */
async function onesBoundOf(
  { tokens: { qkv, options }, rows, maker: { workers } }: Arranged,
  { levels, format }: Made,
): Promise<number> {
  const { maxAbs } = await attentionToleranceParallel({ ...qkv, v: onesOf(qkv) }, levels, {
    ...{ ...options, dtype: format, accumulate: format, workers, sample: { spread: 2, longest: LONGEST } },
    ...(rows === null ? {} : { rowsOfHead: rows.rows }),
  });
  return maxAbs;
}

/** Runs the kernel on keys whose blocks lie in another order, which changes nothing but the order of its sums. */
async function distanceOfPaths(
  { tokens: { qkv, options }, inputs: { sizes: { blockN, seqK } } }: Arranged,
  { levels, all, call: { gpu }, format }: Made,
): Promise<number | null> {
  if (options.causal) return null; // the order of keys says what a query sees
  const order = shuffled(Math.floor(seqK / blockN)); // a last, partial block stays where it is
  const moved = { ...qkv, k: movedBlocks(qkv.k, order, blockN), v: movedBlocks(qkv.v, order, blockN) };
  using psa = await openCall(gpu, moved, { ...options, causal: false, dtype: format });
  const other = await runChecked(
    gpu,
    await psa.prepare(levels === null ? "dense" : movedLevels(levels, order)),
  );
  let difference2 = 0, norm2 = 0;
  for (let at = 0; at < all.data.length; at++) {
    difference2 += (all.data[at] - other.data[at]) ** 2;
    norm2 += all.data[at] ** 2;
  }
  const distance = difference2 === 0 ? 0 : Math.sqrt(difference2 / norm2);
  return Number.isNaN(distance) ? Infinity : distance;
}

/** Numbers up to a count in a random order. */
function shuffled(count: number): number[] {
  const order = Array.from({ length: count }, (_, i) => i), random = seededRandom(1);
  for (let i = 0; i < count; i++) {
    const other = i + random.below(count - i);
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order;
}

/** The tokens of every head with its blocks in another order. */
function movedBlocks(
  { data, shape }: Tensor<FloatData>,
  order: readonly number[],
  block: number,
): Tensor<FloatData> {
  const [batch, heads, tokens, dim] = shape, moved = data.slice(), size = block * dim;
  for (let head = 0; head < batch * heads; head++) {
    const begin = head * tokens * dim;
    order.forEach((from, to) =>
      moved.set(data.subarray(begin + from * size, begin + (from + 1) * size), begin + to * size)
    );
  }
  return { data: moved, shape };
}

/** Levels whose key blocks were moved. */
function movedLevels({ data, shape }: Tensor<Int32Array>, order: readonly number[]): Tensor<Int32Array> {
  const columns = shape[3], moved = data.slice();
  for (let row = 0; row < data.length; row += columns) {
    order.forEach((from, to) => moved[row + to] = data[row + from]);
  }
  return { data: moved, shape };
}
