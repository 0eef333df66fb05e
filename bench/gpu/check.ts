/**
 * Checks the outputs of a call before and after it is timed: rows of the last query block of its last head,
 * against the reference.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { download } from "../../kernels/device/transfer.ts";
import type { Psa } from "../../kernels/psa.ts";
import { pyramidAttention } from "../../reference/attention/attention.ts";
import { headSlice, kvHeadOf } from "../../reference/heads.ts";
import { compare } from "../../reference/judge/metrics.ts";
import { attentionTolerance } from "../../reference/judge/tolerance.ts";
import { arrangeTokens } from "../../reference/order/arrange.ts";
import type { AttentionShape, Tensor } from "../../reference/tensor.ts";
import { type Data, inputsOf } from "./data.ts";

/** Pairs of tokens that a check looks at: fewer rows of longer calls. */
const PAIRS = 2 ** 20;
/** Rows that the bound of a long call looks at. */
const LONG = { spread: 2, longest: 1 };

/** Rows of the last query block of a call, with their right outputs. */
export interface CheckedBlock {
  /** The call, for messages. */
  readonly name: string;
  /** Their tokens, in the order in which outputs lie. */
  readonly tokens: readonly number[];
  /** The reference's output, [1, 1, rows, value dimension]. */
  readonly truth: Tensor<Float64Array>;
  /** The bound on the relative L2 error. */
  readonly bound: number;
}

/**
 * The right outputs of the last query block of the last head.
 *
 * @param psa the call
 * @param given its name and inputs, and the levels that are used, in its order
 */
export function lastBlock(
  { shape, config, dtype }: Pick<Psa, "shape" | "config" | "dtype">,
  { name, data, levels }: {
    readonly name: string;
    readonly data: Readonly<Record<"q" | "k" | "v", Data>>;
    readonly levels: Tensor<Int32Array> | "dense";
  },
): CheckedBlock {
  const { blockM, blockN, causal } = config,
    { seqQ, seqK } = shape,
    { qkv, queryOrder } = lastHead(shape, {
      data,
      config,
    });
  const begin = Math.floor((seqQ - 1) / blockM) * blockM;
  const first = Math.max(begin, seqQ - Math.max(4, Math.floor(PAIRS / seqK))), dim = shape.headDim;
  const q = { data: qkv.q.data.subarray(first * dim), shape: [1, 1, seqQ - first, dim] } as typeof qkv.q;
  const columns = Math.ceil(seqK / blockN);
  const own = levels === "dense" ? new Int32Array(columns).fill(1) : levels.data.subarray(-columns);
  const row = { data: own, shape: [1, 1, 1, columns] }, call = { q, k: qkv.k, v: qkv.v };
  const options = { blockM, blockN, causal };
  return {
    name,
    tokens: Array.from({ length: seqQ - first }, (_, i) => queryOrder?.data[first + i] ?? first + i),
    truth: pyramidAttention(call, row, options).out,
    bound: attentionTolerance(call, row, {
      ...{ ...options, dtype, accumulate: dtype },
      sample: seqK * dim > PAIRS / 2 ? LONG : undefined,
    }).relL2,
  };
}

/** The last head in the order of the call. */
function lastHead(shape: AttentionShape, { data, config }: {
  readonly data: Readonly<Record<"q" | "k" | "v", Data>>;
  readonly config: Psa["config"];
}) {
  const { q, k, v } = inputsOf(shape, data),
    last = shape.batch * shape.heads - 1,
    key = kvHeadOf({ q, k }, last);
  return arrangeTokens({ q: headSlice(q, last), k: headSlice(k, key), v: headSlice(v, key) }, config);
}

/**
 * Compares the outputs of a call with the right ones.
 *
 * @param gpu the device
 * @param psa the call, after it has run
 * @param block the right outputs
 * @returns its relative L2 error
 * @throws {Error} if it is beyond the derived bound
 */
export async function checkBlock(
  gpu: Gpu,
  psa: Psa,
  { name, tokens, truth, bound }: CheckedBlock,
): Promise<number> {
  const { batch, heads, seqQ, valueDim } = psa.shape, bytes = psa.dtype === "f16" ? 2 : 4;
  const size = seqQ * valueDim * bytes, offset = (batch * heads - 1) * size;
  const got = await download(gpu, psa.outputs.out, { offset, size });
  const all = psa.dtype === "f16" ? new Float16Array(got) : new Float32Array(got);
  const out = new Float64Array(tokens.length * valueDim);
  tokens.forEach((token, i) => out.set(all.subarray(token * valueDim, (token + 1) * valueDim), i * valueDim));
  const { relL2 } = compare({ data: out, shape: truth.shape }, truth);
  if (!(relL2 <= bound)) throw new Error(`${name} is wrong: relative L2 error ${relL2}, bound ${bound}.`);
  return relL2;
}
