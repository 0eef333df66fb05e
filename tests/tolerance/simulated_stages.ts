/**
 * The arithmetic of honest kernels for gradients and importance, carried out on the processor: every operation rounded
 * to the format that a kernel has at that place.
 *
 * @module
 */
import type { Qkv, Tensor } from "../../mod.ts";
import {
  headOf,
  headPyramid,
  kvHeadOf,
  type PyramidAttentionOptions,
  visibleBlock,
} from "../../reference/visible.ts";
import { blockMeans, strideGroups } from "../../reference/scores.ts";
import { toFloat64 } from "../../reference/tensor.ts";
import { headSlice } from "../../reference/visible.ts";
import type { ImportanceKind } from "../../reference/tolerance.ts";
import type { Simulation } from "./simulated.ts";

type Formats = Pick<Simulation, "store" | "sum" | "steps" | "backwards">;
const single = Math.fround;

/** A sum of rounded products, `steps` at a time in the format of sums, forwards or backwards. */
function total(length: number, product: (i: number) => number, { sum, steps, backwards }: Formats): number {
  let all = 0;
  for (let start = 0; start < length; start += steps) {
    let part = 0;
    for (let i = start; i < Math.min(start + steps, length); i++) {
      part = sum(part + sum(product(backwards ? length - 1 - i : i)));
    }
    all = single(all + part);
  }
  return all;
}

/** Gradients as a kernel computes them: scores again, stored outputs for delta, stored weights and score gradients. */
export function simulateGradient(
  qkv: Qkv,
  levels: Tensor<Int32Array>,
  dout: Tensor<Float64Array>,
  { blockM, blockN, scale, causal, tail, ...formats }: PyramidAttentionOptions & Formats,
): Record<"dq" | "dk" | "dv", Tensor<Float64Array>> {
  const options = { blockM, blockN, scale, causal, tail };
  const [dq, dk, dv] = [qkv.q, qkv.k, qkv.v].map(({ data, shape }) => ({
    data: new Float64Array(data.length),
    shape,
  }));
  for (let index = 0; index < levels.shape[0] * levels.shape[1]; index++) {
    const head = headOf(qkv, levels, index), pyramid = headPyramid(head, options), kv = kvHeadOf(qkv, index);
    const into = { dq: headSlice(dq, index), dk: headSlice(dk, kv), dv: headSlice(dv, kv) };
    const own = { q: toFloat64(head.qkv.q).data, dout: headSlice(dout, index).data };
    for (let m = 0; m < levels.shape[2]; m++) {
      addBlock(visibleBlock(head, pyramid, { ...options, m }), own, { into, formats });
    }
  }
  for (const { data } of [dk, dv]) data.forEach((x, at) => data[at] = formats.store(x));
  return { dq, dk, dv };
}

/** A query block of one head, with its queries and gradients of outputs, and where gradients go. */
type Block = ReturnType<typeof visibleBlock>;
type Own = Readonly<Record<"q" | "dout", Float64Array>>;
interface Target {
  readonly into: Readonly<Record<"dq" | "dk" | "dv", Tensor<Float64Array>>>;
  readonly formats: Formats;
}

/** Adds what one query block contributes: its own rows of dq, and sums over its rows for dk and dv. */
function addBlock(block: Block, own: Own, { into, formats }: Target): void {
  const { keys, values, counts, first } = block.tokens, { store } = formats;
  const stored = { keys: keys.map(store), values: values.map(store) };
  const [dim, valueDim] = [into.dq.shape[3], into.dv.shape[3]];
  const rows = Array.from({ length: block.rows.end - block.rows.first }, (_, r) => {
    const i = block.rows.first + r, q = own.q.subarray(i * dim, (i + 1) * dim);
    const dout = own.dout.subarray(i * valueDim, (i + 1) * valueDim);
    const row = rowGradient({ q, dout, seen: block.seen(i) }, { ...stored, counts }, {
      scale: block.scale,
      formats,
    });
    into.dq.data.set(row.dq, i * dim);
    return { ...row, q, dout };
  });
  counts.forEach((count, t) => {
    const unpool = ({ data, shape }: Tensor<Float64Array>, sum: (c: number) => number) => {
      const width = shape[3];
      for (let c = 0; c < width; c++) {
        const mean = sum(c) / count, share = count > 1 ? store(mean) : single(mean);
        for (let n = 0; n < count; n++) {
          const at = Math.min(first[t] + n, shape[2] - 1) * width + c;
          data[at] = single(data[at] + share);
        }
      }
    };
    unpool(
      into.dk,
      (c) => single(block.scale) * total(rows.length, (r) => (rows[r].ds[t] ?? 0) * rows[r].q[c], formats),
    );
    unpool(into.dv, (c) => total(rows.length, (r) => (rows[r].p[t] ?? 0) * rows[r].dout[c], formats));
  });
}

/** The gradient of one query, its weights as they are stored, and the gradients of its scores. */
function rowGradient(
  { q, dout, seen }: { readonly q: Float64Array; readonly dout: Float64Array; readonly seen: number },
  { keys, values, counts }: Pick<Block["tokens"], "keys" | "values" | "counts">,
  { scale, formats }: { readonly scale: number; readonly formats: Formats },
): Record<"dq" | "p" | "ds", number[]> {
  const { store } = formats, dim = q.length, valueDim = dout.length;
  const all = [...counts.keys()].slice(0, seen);
  const factor = single(scale * Math.LOG2E), scaled = q.map((x) => store(single(x * factor)));
  const s = all.map((t) =>
    single(total(dim, (c) => scaled[c] * keys[t * dim + c], formats) + single(Math.log2(counts[t])))
  );
  const max = Math.max(...s), sum = s.reduce((a, x) => single(a + single(2 ** single(x - max))), 0);
  const lse = single(max + single(Math.log2(sum))), p = s.map((x) => single(2 ** single(x - lse)));
  const out = Array.from(
    { length: valueDim },
    (_, c) => store(total(seen, (t) => store(p[t]) * values[t * valueDim + c], formats)),
  );
  const delta = total(valueDim, (c) => dout[c] * out[c], { ...formats, sum: single });
  const dp = all.map((t) => total(valueDim, (c) => dout[c] * values[t * valueDim + c], formats));
  const ds = p.map((x, t) => store(single(x * single(dp[t] - delta))));
  const dq = Array.from(
    { length: dim },
    (_, c) => store(single(scale) * total(seen, (t) => ds[t] * keys[t * dim + c], formats)),
  );
  return { dq, p: p.map(store), ds };
}

/** Importance as a kernel computes it: scaled queries and pooled blocks are stored, and so is the result. */
export function simulateImportance(
  { q, k }: Pick<Qkv, "q" | "k">,
  { store, ...options }: ImportanceKind & Formats,
): Tensor<Float64Array> {
  const formats = { ...options, store }, results: number[] = [];
  let shape: number[] = [];
  for (let index = 0; index < q.shape[0] * q.shape[1]; index++) {
    let queries = toFloat64(headSlice(q, index)), keys = toFloat64(headSlice(k, kvHeadOf({ q, k }, index)));
    let groupQ = 1, groupK = 1, scale = 1 / Math.sqrt(q.shape[3]), causal = false;
    if (options.kind === "groupmax") ({ groupQ, groupK } = options);
    else if (options.kind === "pooled") {
      [queries, keys] = [blockMeans(queries, options.blockM), blockMeans(keys, options.blockN)];
    } else {
      const { stride } = options;
      [queries, keys] = [strideGroups(queries, stride, true), strideGroups(keys, stride, false)];
      [groupQ, groupK] = [options.blockM / stride, options.blockN / stride];
      [scale, causal] = [scale / stride, options.causal ?? false];
    }
    const a = queries.data.map((x) => store(single(store(x) * single(scale * Math.LOG2E)))),
      b = keys.data.map(store);
    const dim = queries.shape[3], rows = queries.shape[2], columns = keys.shape[2];
    shape = [q.shape[0], q.shape[1], Math.ceil(rows / groupQ), Math.ceil(columns / groupK)];
    const out = new Float64Array(shape[2] * shape[3]);
    for (let i = 0; i < rows; i++) {
      const seen = causal ? Math.min(columns, Math.max(0, i + columns - rows + 1)) : columns;
      const s = Array.from(
        { length: seen },
        (_, j) => total(dim, (c) => a[i * dim + c] * b[j * dim + c], formats),
      );
      const max = Math.max(...s), p = s.map((x) => single(2 ** single(x - max)));
      const sum = p.reduce((x, y) => single(x + y), 0);
      p.forEach((x, j) => {
        const at = Math.floor(i / groupQ) * shape[3] + Math.floor(j / groupK);
        out[at] = options.kind === "groupmax"
          ? Math.max(out[at], x)
          : single(out[at] + (groupK > 1 ? store(x / sum) : x / sum));
      });
    }
    for (let m = 0; m < shape[2]; m++) {
      const row = out.subarray(m * shape[3], (m + 1) * shape[3]),
        sum = row.reduce((x, y) => single(x + y), 0);
      results.push(...row.map((x) => store(options.kind === "groupmax" ? x / sum : x)));
    }
  }
  return { data: Float64Array.from(results), shape };
}
