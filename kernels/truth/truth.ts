/**
 * The truth in float64 on the device: what the reference computes, at the sizes of real models. Attention, block mass and
 * importance are products and softmaxes of whole rows, head by head, in chunks of query blocks whose scores fit into
 * memory. Tests hold it to the reference (1e-12).
 *
 * @module
 */
import { type AttentionResult, emptyResult } from "../../reference/attention/attention.ts";
import { type PyramidAttentionOptions, requireCall } from "../../reference/attention/call.ts";
import { headSlice, kvHeadOf } from "../../reference/heads.ts";
import type { AttentionGradient } from "../../reference/attention/gradient.ts";
import type { PsaConfig } from "../../reference/config/config.ts";
import { InputError } from "../../reference/errors.ts";
import { pooledImportance, sampleOffsets } from "../../reference/importance/importance.ts";
import {
  divideBySum,
  type HeadTokens,
  type QueryKey,
  strideGroups,
  tokensAt,
} from "../../reference/importance/scores.ts";
import type { MassOptions } from "../../reference/judge/mass.ts";
import { type Qkv, queryKeyShape, type Tensor, toFloat64 } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { TILE } from "./chunks.ts";
import { type Backflow, gradientOfHeads } from "./gradients.ts";
import { allLists, allTokens, listsOf } from "./head.ts";
import { KeptHeads } from "./kept.ts";
import { type ChunkWork, EVERYTHING, type HeadResult, placeTokens, runHead, sizesOf } from "./run.ts";

/** Options of {@link openTruth}. */
export interface TruthOptions {
  /** Bytes that scores may take at a time; default 1 GiB, or what one buffer of the device may hold. */
  readonly scratch?: number;
}

/** How importance is asked for: as in a configuration of the method, and where these heads begin in the whole call. */
export type TruthImportance = Pick<PsaConfig, "blockM" | "blockN" | "importance" | "causal" | "scale"> & {
  readonly firstHead?: number;
};

/**
 * Float64 truth on a device that has it.
 *
 * @param gpu the device
 * @param options how much memory scores may take
 * @throws {InputError} if the device has no float64 in shaders
 *
 * @example
 * ```ts
 * import { makeWorkload, openGpu, openTruth } from "../../mod.ts";
 * using gpu = await openGpu();
 * using truth = openTruth(gpu);
 * const { qkv } = makeWorkload("gaussian", { seqQ: 64, headDim: 16 });
 * const { out } = await truth.attention(qkv, null);
 * console.log(out.shape); // [1, 1, 64, 16]
 * ```
 */
export function openTruth(gpu: Gpu, { scratch = 1 << 30 }: TruthOptions = {}): Truth {
  if (!gpu.has("wgpu-shader-f64")) {
    throw new InputError(
      `${gpu.info.description} has no float64 in shaders; use the truth of the CPU, or that of sampled rows.`,
    );
  }
  return new Truth(gpu, Math.min(scratch, gpu.info.limits.maxStorageBufferBindingSize));
}

/**
 * Float64 truth on a device; made by {@link openTruth}. Tokens of heads stay on the device, up to 4 GiB, until another
 * call's tensors are attended or this is disposed of; all other buffers live only during a call.
 */
export class Truth implements Disposable {
  readonly #gpu: Gpu;
  readonly #bytes: number;
  readonly #kept: KeptHeads;

  /** Use {@link openTruth}. */
  constructor(gpu: Gpu, bytes: number) {
    [this.#gpu, this.#bytes, this.#kept] = [gpu, bytes, new KeptHeads(gpu)];
  }

  /** Frees what stays on the device. */
  [Symbol.dispose](): void {
    this.#kept[Symbol.dispose]();
  }

  /**
   * Attention over the pyramid, or dense attention (docs/definition.md#attention).
   *
   * @param qkv queries, keys and values
   * @param levels int32 [batch, heads, query blocks, key blocks], or null for dense attention
   * @param options as for the reference's pyramidAttention; block sizes are needed if there are levels
   * @returns out [batch, heads, query tokens, value dimension] and lse [batch, heads, query tokens]
   * @throws {InputError} if the tensors disagree, or a head is beyond a limit of the device
   */
  async attention(
    qkv: Qkv,
    levels: Tensor<Int32Array> | null,
    options: Partial<PyramidAttentionOptions> & { readonly onHead?: (done: number, of: number) => void } = {},
  ): Promise<AttentionResult> {
    const call = requireCall(qkv, levels, options),
      { batch, heads, seqQ, seqK, valueDim } = call.shape;
    const { out, lse } = emptyResult(call.shape);
    for (let index = 0; index < batch * heads; index++) {
      const sizes = sizesOf(call, this.#bytes);
      const own = headSlice(call.levels, index);
      const result = await this.#kept.with(
        qkv,
        index,
        { levels: call.levels, call: call.options },
        (head) =>
          runHead(this.#gpu, {
            tokens: head.buffers,
            lists: levels === null ? allLists(seqK) : listsOf(own, call.options, head.places),
          }, { call: sizes, work: { softmax: true, valueDim } }),
      );
      out.data.set(result.out, index * seqQ * valueDim);
      lse.data.set(result.lse, index * seqQ);
      options.onHead?.(index + 1, batch * heads);
    }
    return { out, lse };
  }

  /**
   * The gradient of attention with the levels held fixed (docs/definition.md#gradients), as the reference's
   * `pyramidAttentionGradient`.
   *
   * @param qkv queries, keys and values
   * @param levels int32 [batch, heads, query blocks, key blocks], or null for dense attention
   * @param options those of {@link attention}; `dout` [batch, heads, query tokens, value dimension] flows back into the
   * outputs, and `dlse` [batch, heads, query tokens], if it is given, into the log-sum-exps
   * @returns dq, dk and dv, each of its input's shape
   * @throws {InputError} if the tensors disagree, or a head is beyond a limit of the device
   */
  async gradient(
    qkv: Qkv,
    levels: Tensor<Int32Array> | null,
    options: Partial<PyramidAttentionOptions> & Backflow,
  ): Promise<AttentionGradient> {
    const call = requireCall(qkv, levels, options);
    return await gradientOfHeads(this.#gpu, this.#kept, {
      ...{ qkv, call, isDense: levels === null, bytes: this.#bytes, flow: options },
    });
  }

  /**
   * The true mass of every pair of blocks, as the reference's `blockMass`.
   *
   * @param qk queries and keys
   * @param options block sizes, `scale` and causal
   * @returns [batch, heads, query blocks, key blocks]
   * @throws {InputError} if the tensors disagree
   */
  async blockMass(
    qk: QueryKey,
    { blockM, blockN, scale, causal = false }: MassOptions,
  ): Promise<Tensor<Float64Array>> {
    const { seqQ, seqK, headDim } = queryKeyShape(qk), N = Math.ceil(seqK / blockN);
    return await this.#byHead(qk, { blockM, blockN }, async (q, k, { row }) => {
      const { blocks } = await this.#score(q, k, {
        block: blockM,
        scale: scale ?? 1 / Math.sqrt(headDim),
        shift: causal ? seqK - seqQ : EVERYTHING,
        work: { softmax: true, blocks: { count: N, columns: seqK, size: blockN, maxima: false } },
      });
      for (let m = 0; m * blockM < seqQ; m++) {
        const rows = Math.min(blockM, seqQ - m * blockM);
        row(m).set(blocks.subarray(m * N, (m + 1) * N).map((sum) => sum / rows));
      }
    });
  }

  /**
   * Importance of key blocks (docs/definition.md#importance), as the reference's `blockImportance`.
   *
   * @param qk queries and keys in the order of the blocks
   * @param config block sizes, kind, causal and scale
   * @returns [batch, heads, query blocks, key blocks]
   * @throws {InputError} if the tensors disagree
   */
  async importance(qk: QueryKey, config: TruthImportance): Promise<Tensor<Float64Array>> {
    const { importance, blockM, blockN, firstHead = 0 } = config;
    switch (importance.kind) {
      case "pooled": // a product of means: small enough for the CPU at any length
        return pooledImportance(qk, config);
      case "antidiagonal":
        return await this.#antidiagonal(qk, config, importance.stride);
      case "full":
      case "sampled": {
        const all = { query: range(blockM), key: range(blockN) };
        const offsetsOf = (batchHead: number) =>
          importance.kind === "full"
            ? all
            : sampleOffsets({ blockM, blockN, seed: importance.seed, batchHead: firstHead + batchHead });
        return await this.#groupMax(qk, config, offsetsOf);
      }
    }
  }

  async #antidiagonal(
    qk: QueryKey,
    { blockM, blockN, causal }: TruthImportance,
    stride: number,
  ): Promise<Tensor<Float64Array>> {
    const { seqQ, seqK, headDim } = queryKeyShape(qk), N = Math.ceil(seqK / blockN);
    return await this.#byHead(qk, { blockM, blockN }, async (q, k, { row }) => {
      const queries = strideGroups(q, stride, true), keys = strideGroups(k, stride, false);
      const { blocks } = await this.#score(queries, keys, {
        block: blockM / stride,
        scale: 1 / (Math.sqrt(headDim) * stride),
        shift: causal ? Math.floor((seqK - seqQ) / stride) : EVERYTHING,
        work: {
          softmax: true,
          blocks: { count: N, columns: keys.shape[2], size: blockN / stride, maxima: false },
        },
      });
      for (let m = 0; m * blockM < seqQ; m++) row(m).set(blocks.subarray(m * N, (m + 1) * N));
    });
  }

  /** The reference's groupMaxImportance of the tokens at some offsets, from the largest score of each row and block. */
  async #groupMax(
    qk: QueryKey,
    { blockM, blockN, scale }: TruthImportance,
    offsetsOf: (batchHead: number) => { readonly query: readonly number[]; readonly key: readonly number[] },
  ): Promise<Tensor<Float64Array>> {
    const { headDim } = queryKeyShape(qk);
    return await this.#byHead(qk, { blockM, blockN }, async (q, k, { row, batchHead }) => {
      const { query, key } = offsetsOf(batchHead);
      const queries = tokensAt(q, blockM, query), keys = tokensAt(k, blockN, key);
      const rows = queries.shape[2], N = keys.shape[2] / key.length;
      const { blocks } = await this.#score(queries, keys, {
        block: TILE,
        scale: scale ?? 1 / Math.sqrt(headDim),
        shift: EVERYTHING,
        work: {
          softmax: false,
          blocks: { count: N, columns: keys.shape[2], size: key.length, maxima: true },
        },
      });
      for (let i = 0; i < rows; i++) {
        const largest = blocks.subarray(i * N, (i + 1) * N), weights = row(Math.floor(i / query.length));
        const top = largest.reduce((most, score) => Math.max(most, score), -Infinity);
        largest.forEach((score, j) => weights[j] = Math.max(weights[j], Math.exp(score - top)));
      }
      for (let m = 0; m < rows / query.length; m++) divideBySum(row(m));
    });
  }

  /** Runs one head of queries against one of keys, without values. */
  async #score(
    q: HeadTokens,
    k: HeadTokens,
    { block, scale, shift, work }: {
      readonly block: number;
      readonly scale: number;
      readonly shift: number;
      readonly work: ChunkWork;
    },
  ): Promise<HeadResult> {
    const [, , rows, dim] = q.shape;
    using scope = this.#gpu.scope();
    const tokens = placeTokens(scope, {
      queries: q.data,
      ...allTokens(k.data, k.shape[2]),
    });
    return await runHead(scope, { tokens, lists: allLists(k.shape[2]) }, {
      call: { rows, block, dim, scale, shift, bytes: this.#bytes },
      work,
    });
  }

  /** Importance or mass, head by head; `row(m)` is the row of query block m, zeros at first. */
  async #byHead(
    { q, k }: QueryKey,
    { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
    compute: (
      q: HeadTokens,
      k: HeadTokens,
      head: { readonly row: (m: number) => Float64Array; readonly batchHead: number },
    ) => Promise<void>,
  ): Promise<Tensor<Float64Array>> {
    const { batch, heads, seqQ, seqK } = queryKeyShape({ q, k });
    const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)], [, , M, N] = shape;
    const data = new Float64Array(batch * heads * M * N);
    for (let batchHead = 0; batchHead < batch * heads; batchHead++) {
      const row = (m: number) => data.subarray((batchHead * M + m) * N, (batchHead * M + m + 1) * N);
      const keys = headSlice(k, kvHeadOf({ q, k }, batchHead));
      await compute(toFloat64(headSlice(q, batchHead)), toFloat64(keys), { row, batchHead });
    }
    return { data, shape };
  }
}

/** 0, 1, … up to a length. */
function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
