/**
 * Attention of some queries only: the truth of sampled rows if all rows would take hours.
 *
 * @module
 */
import { defaultScale } from "../scale.ts";
import { requireInput } from "../errors.ts";
import { type Head, headOf } from "../heads.ts";
import type { FloatData, Qkv, Tensor } from "../tensor.ts";
import { type PyramidAttentionOptions, requireCall } from "./call.ts";
import { evenUp, multiplyRows, ROWS, softmaxRow } from "./rows.ts";
import { headPyramid, visibleBlock } from "./visible.ts";

/** Some rows of the output of one head. */
export interface HeadRows {
  /** The query tokens, in the requested order. */
  readonly rows: readonly number[];
  /** Their outputs, [rows][value dimension]; 0 in a row that sees nothing. */
  readonly out: Float64Array;
  /** Their log-sum-exp, [rows]; -Infinity in a row that sees nothing. */
  readonly lse: Float64Array;
  /** Softmax mass of each key block, [rows][key blocks]; empty unless it is requested. */
  readonly mass: Float64Array;
}

/** Options of {@link attentionRows}. */
export interface SomeRowsOptions extends Partial<PyramidAttentionOptions> {
  /** Dense attention only: key block size in tokens, to get the mass of every key block too. */
  readonly massBlock?: number;
}

/**
 * Some rows of `pyramidAttention`, or of `denseAttention` without levels: the same numbers, at a cost that
 * grows with the number of rows. Each head also needs a float64 copy of its keys and values, and the
 * pyramid of the levels of these query blocks.
 *
 * @param qkv queries, keys and values
 * @param levels int32 [batch, heads, query blocks, key blocks], or null for dense attention
 * @param rowsOfHead for every (batch, head), the indices of the query tokens from 0, in any order; may be empty
 * @param options the options of attention; block sizes are needed if there are levels
 * @returns one entry for every (batch, head)
 * @throws {InputError} if anything about the call is wrong, or a row is not one of the queries
 *
 * @example
 * ```ts
 * import { attentionRows } from "./some_rows.ts";
 * import { tensor } from "../tensor.ts";
 * const q = tensor(new Float64Array(4 * 8), [1, 1, 4, 8]);
 * const v = tensor(new Float64Array([1, 3, 5, 7]), [1, 1, 4, 1]);
 * const [{ out }] = attentionRows({ q, k: q, v }, null, [[3, 1]], { causal: true });
 * console.log(out); // [4, 2]: the means of four values and of two
 * ```
 */
export function attentionRows(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  rowsOfHead: readonly (readonly number[])[],
  options: SomeRowsOptions = {},
): HeadRows[] {
  const call = requireCall(qkv, levels, options), { batch, heads, seqQ } = call.shape;
  requireRows(rowsOfHead, { heads: batch * heads, seqQ });
  return rowsOfHead.map((rows, index) => {
    const head = headOf(qkv, call.levels, index);
    return levels === null
      ? denseRows(head, rows, { ...call.options, massBlock: options.massBlock })
      : pyramidRows(head, rows, call.options);
  });
}

/** Throws unless there is one list for every head, of rows that exist. */
export function requireRows(
  rowsOfHead: readonly (readonly number[])[],
  { heads, seqQ }: { readonly heads: number; readonly seqQ: number },
): void {
  requireInput(
    rowsOfHead.length === heads,
    () => `\`rowsOfHead\` has ${rowsOfHead.length} lists; it should have one for each of the ${heads} heads.`,
  );
  const wrong = rowsOfHead.flat().find((row) => !(Number.isInteger(row) && row >= 0 && row < seqQ));
  requireInput(
    wrong === undefined,
    () => `\`rowsOfHead\` holds ${wrong}; it should hold rows from 0 to ${seqQ - 1}.`,
  );
}

/** The tokens that some rows read, in ascending order of position; each row sees a prefix of them. */
interface Seen {
  /** Keys, [number rounded up to even][head dimension]. */
  readonly keys: Float64Array;
  /** Values, [number …][value dimension]. */
  readonly values: Float64Array;
  /** The logarithm of the count of each. */
  readonly logCounts: Float64Array;
  /** The factor on q . k. */
  readonly scale: number;
  /** How many of the tokens a row sees. */
  readonly seen: (row: number) => number;
  /** Key block size for the mass. */
  readonly massBlock?: number;
}

/** Rows of one head over levels, query block by query block. */
export function pyramidRows(
  head: Head,
  rows: readonly number[],
  options: PyramidAttentionOptions,
): HeadRows {
  const { q, v } = head.qkv, result = emptyRows(rows, v.shape[3]);
  const asked = Map.groupBy(rows.keys(), (i) => Math.floor(rows[i] / options.blockM));
  const columns = head.levels.shape[3];
  const used = new Set<number>();
  for (const m of asked.keys()) {
    for (const level of head.levels.data.subarray(m * columns, (m + 1) * columns)) used.add(level);
  }
  const levels = { data: Int32Array.from(used), shape: [1, 1, 1, used.size] };
  const pyramid = headPyramid({ qkv: head.qkv, levels }, options);
  for (const [m, indices] of asked) {
    const { tokens: { keys, values, counts }, scale, seen } = visibleBlock(head, pyramid, { ...options, m });
    attendRows(q, { keys, values, scale, seen, logCounts: Float64Array.from(counts, Math.log) }, {
      indices,
      result,
    });
  }
  return result;
}

/** Rows of one head over all of its keys. */
export function denseRows(
  { qkv: { q, k, v } }: Pick<Head, "qkv">,
  rows: readonly number[],
  { scale, causal = false, massBlock }: Pick<SomeRowsOptions, "scale" | "causal" | "massBlock">,
): HeadRows {
  const [, , seqQ, dim] = q.shape, seqK = k.shape[2];
  const blocks = massBlock === undefined ? 0 : Math.ceil(seqK / massBlock);
  const result = emptyRows(rows, v.shape[3], blocks);
  if (rows.length === 0) return result;
  const keys = new Float64Array(evenUp(seqK) * dim);
  keys.set(k.data);
  attendRows(q, {
    keys,
    values: Float64Array.from(v.data),
    logCounts: new Float64Array(seqK),
    scale: scale ?? defaultScale(dim),
    seen: (row) => causal ? Math.max(0, Math.min(seqK, row + seqK - seqQ + 1)) : seqK,
    massBlock,
  }, { indices: [...rows.keys()], result });
  return result;
}

/** The rows of a head before they are computed. */
function emptyRows(rows: readonly number[], valueDim: number, blocks = 0): HeadRows {
  return {
    rows,
    out: new Float64Array(rows.length * valueDim),
    lse: new Float64Array(rows.length),
    mass: new Float64Array(rows.length * blocks),
  };
}

/** Computes rows that read the same tokens, four at a time. */
function attendRows(
  q: Tensor<FloatData>,
  { keys, values, logCounts, scale, seen: seenBy, massBlock }: Seen,
  { indices, result: { rows, out, lse, mass } }: {
    readonly indices: readonly number[];
    readonly result: HeadRows;
  },
): void {
  const dim = q.shape[3], valueDim = out.length / rows.length, blocks = mass.length / rows.length;
  const queries = new Float64Array(ROWS * dim), weights = new Float64Array(ROWS * evenUp(logCounts.length));
  for (let first = 0; first < indices.length; first += ROWS) {
    const four = indices.slice(first, first + ROWS), seen = four.map((i) => seenBy(rows[i]));
    const until = Math.max(...seen);
    queries.fill(0);
    four.forEach((i, r) => {
      for (let c = 0; c < dim; c++) queries[c * ROWS + r] = scale * q.data[rows[i] * dim + c];
    });
    multiplyRows(queries, keys, { inner: dim, stride: dim, count: until, out: weights });
    four.forEach((i, r) => {
      lse[i] = softmaxRow(weights, r, { visible: seen[r], until, logCounts });
      const row = out.subarray(i * valueDim, (i + 1) * valueDim);
      for (let t = 0; t < seen[r]; t++) {
        const weight = weights[t * ROWS + r];
        for (let c = 0; c < valueDim; c++) row[c] += weight * values[t * valueDim + c];
      }
      if (massBlock === undefined) return;
      for (let t = 0; t < seen[r]; t++) mass[i * blocks + Math.floor(t / massBlock)] += weights[t * ROWS + r];
    });
  }
}
