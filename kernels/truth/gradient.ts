/**
 * Gradients of one head in float64 on the device: with p the weights of a row, dp = dout . v and delta = sum of p dp, the
 * gradient of a score is ds = p (dp - delta + dlse); dq = scale * ds k, dk = scale * ds q, dv = p dout
 * (docs/definition.md#gradients). Query blocks are worked through in chunks, as for outputs.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../../reference/attention/call.ts";
import type { Gpu } from "../device/gpu.ts";
import { type Encode, submitPass } from "../device/work/pass.ts";
import { download } from "../device/transfer.ts";
import { expandTemplate } from "../wgsl/template.ts";
import { type Chunk, cutChunks, type HeadSizes, packCall, TILE, tilesOf } from "./chunks.ts";
import type { HeadTokensOfLevels } from "./head.ts";
import { buildTruth, type HeadCall, makeLists, place, placeCall, type PlacedHead, product } from "./run.ts";
import scoresGradientCode from "./scores_gradient.wgsl" with { type: "text" };
import softmaxCode from "./softmax.wgsl" with { type: "text" };
import tokensGradientTemplate from "./tokens_gradient.wgsl" with { type: "text" };

/** What flows back into a head, and its sizes beside those of the call. */
export interface HeadGradientWork {
  /** Gradient with respect to the outputs, [rows, value dimension]. */
  readonly dout: Float64Array;
  /** Gradient with respect to the log-sum-exps, [rows]. */
  readonly dlse: Float64Array;
  /** Channels of values. */
  readonly valueDim: number;
  /** Tokens of all levels on the device. */
  readonly tokens: number;
}

/** Gradients of a head: of its queries, and of the tokens of all levels. */
export interface HeadGradient {
  /** [rows, head dimension] */
  readonly queries: Float64Array;
  /** [tokens, head dimension] */
  readonly keys: Float64Array;
  /** [tokens, value dimension] */
  readonly values: Float64Array;
}

/** Buffers of a head's gradients. */
type Buffers = Readonly<
  Record<"dout" | "dlse" | "scale" | "weights" | "gradients" | "lse" | "dq" | "dk" | "dv", GPUBuffer>
>;

/** A chunk with the buffers of its lists. */
interface PlacedChunk {
  readonly chunk: Chunk;
  readonly uniform: GPUBuffer;
  readonly lists: GPUBuffer;
  readonly lengths: GPUBuffer;
  /** Whether all query blocks share one list. */
  readonly isShared: boolean;
}

/**
 * Runs a head backwards.
 *
 * @param gpu a device with float64
 * @param head its tokens and lists
 * @param options sizes, and what flows back
 */
export async function runGradient(
  gpu: Gpu,
  head: PlacedHead,
  { call, work }: { readonly call: HeadCall; readonly work: HeadGradientWork },
): Promise<HeadGradient> {
  using scope = gpu.scope();
  const { valueDim, tokens } = work, { lists } = head;
  const sizes: HeadSizes = { rows: call.rows, block: call.block, lengthOf: lists.lengthOf };
  const chunks = cutChunks(sizes, { bytes: call.bytes / 2 }); // weights and gradients of scores
  const room = (label: string, length: number) =>
    scope.createBuffer(`truth: ${label}`, { size: Math.max(16, 8 * length) });
  const most = Math.max(...chunks.map(({ tiles, width }) => tiles * TILE * width));
  const buffers: Buffers = {
    dout: place(scope, "output gradients", work.dout),
    dlse: place(scope, "gradients of log-sum-exps", work.dlse),
    scale: place(scope, "scale", Float64Array.of(call.scale)),
    weights: room("weights", most),
    gradients: room("gradients of scores", most),
    lse: room("log-sum-exps", Math.ceil(call.rows / call.block) * tilesOf(call.block) * TILE),
    dq: room("gradients of queries", call.rows * call.dim),
    dk: room("gradients of keys", tokens * call.dim),
    dv: room("gradients of values", tokens * valueDim),
  };
  for (const chunk of chunks) {
    using own = scope.scope();
    const made = makeLists(own, lists, { chunk, sizes });
    const listStride = made.isShared ? 0 : chunk.width;
    const uniform = placeCall(own, packCall(sizes, chunk, { listStride, shift: call.shift }));
    const write = await made.write(uniform);
    const placed = { ...made, uniform, chunk };
    const back = [
      ...await scoreSteps(own, head, { call, work, placed, buffers }),
      ...await tokenSteps(own, head, { call, work, placed, buffers }),
    ];
    await submitPass(own, [...write, ...back], { label: "truth: gradient" });
  }
  const read = async (buffer: GPUBuffer, length: number) =>
    new Float64Array(await download(scope, buffer, { size: 8 * length }));
  const queries = await read(buffers.dq, call.rows * call.dim);
  const keys = await read(buffers.dk, tokens * call.dim);
  return {
    queries: queries.map((x) => x * call.scale),
    keys: keys.map((x) => x * call.scale),
    values: await read(buffers.dv, tokens * valueDim),
  };
}

/** A head, its call, and one chunk of it. */
interface ChunkContext {
  readonly call: HeadCall;
  readonly work: HeadGradientWork;
  readonly placed: PlacedChunk;
  readonly buffers: Buffers;
}

/** Weights, gradients of scores and of queries. */
async function scoreSteps(
  gpu: Gpu,
  { tokens: { queries, keys, values, facts } }: PlacedHead,
  { call, work: { valueDim }, placed: { chunk, uniform, lists, lengths }, buffers }: ChunkContext,
): Promise<Encode[]> {
  const { dout, dlse, scale, weights, gradients, lse, dq } = buffers, { tiles, width } = chunk;
  const workgroups = [width / TILE, tiles], rows = [tiles * TILE];
  return [
    await buildTruth(gpu, "scores", product({ OUTPUTS: false, PLAIN: false, DIM: call.dim }), {
      ...{ buffers: [uniform, queries, keys, lists, lengths, weights, facts, scale], workgroups },
    }),
    await buildTruth(gpu, "softmax", softmaxCode, { buffers: [uniform, weights, lse], workgroups: rows }),
    await buildTruth(gpu, "gradients of weights", product({ OUTPUTS: false, PLAIN: true, DIM: valueDim }), {
      ...{ buffers: [uniform, dout, values, lists, lengths, gradients], workgroups },
    }),
    await buildTruth(gpu, "gradients of scores", scoresGradientCode, {
      ...{ buffers: [uniform, weights, gradients, dlse], workgroups: rows },
    }),
    await buildTruth(gpu, "gradients of queries", product({ OUTPUTS: true, PLAIN: false, DIM: call.dim }), {
      buffers: [uniform, gradients, keys, lists, lengths, dq],
      workgroups: [Math.ceil(call.dim / TILE), tiles],
    }),
  ];
}

/** Gradients of tokens: a list that all query blocks share at once, else block by block. */
async function tokenSteps(
  gpu: Gpu,
  { tokens: { queries }, lists: { lengthOf } }: PlacedHead,
  { call, work: { valueDim }, placed, buffers }: ChunkContext,
): Promise<Encode[]> {
  const { chunk: { first, end, width, tiles }, uniform, lists, isShared } = placed;
  const { weights, gradients, dout, dk, dv } = buffers, each = tilesOf(call.block);
  const parts = isShared ? [[0, tiles, 0, lengthOf(first)]] : Array.from(
    { length: end - first },
    (_, m) => [m * each, each, m * width, lengthOf(first + m)],
  );
  const encodes: Encode[] = [];
  for (const numbers of parts.filter(([, , , length]) => length > 0)) {
    const part = place(gpu, "part of a chunk", Uint32Array.from(numbers));
    for (
      const [from, vectors, to, DIM] of [
        [gradients, queries, dk, call.dim],
        [weights, dout, dv, valueDim],
      ] as const
    ) {
      encodes.push(
        await buildTruth(gpu, "gradients of tokens", expandTemplate(tokensGradientTemplate, { DIM }), {
          buffers: [uniform, from, vectors, lists, part, to],
          workgroups: [Math.ceil(DIM / TILE), Math.ceil(numbers[3] / TILE)],
        }),
      );
    }
  }
  return encodes;
}

/**
 * Shares gradients of pooled tokens equally among the tokens that they average, and adds them up; the share of a copy goes
 * to the last token.
 *
 * @param pooled gradients of the tokens of all levels, [tokens, dim]
 * @param sum is added to, [key tokens, dim]
 * @param options where the levels lie, and how the tail is pooled
 */
export function unpoolGradient(
  pooled: Float64Array,
  sum: Float64Array,
  { dim, places, tail }: Pick<HeadTokensOfLevels, "places"> & Pick<PyramidAttentionOptions, "tail"> & {
    readonly dim: number;
  },
): void {
  const length = sum.length / dim;
  for (const [level, { firstRow, tokens }] of places) {
    for (let t = 0; t < tokens; t++) {
      const first = t * level, copies = tail === "replicate" && level > 1;
      const count = copies ? level : Math.min(level, length - first);
      for (let i = 0; i < count; i++) {
        const to = Math.min(first + i, length - 1) * dim, from = (firstRow + t) * dim;
        for (let c = 0; c < dim; c++) sum[to + c] += pooled[from + c] / count;
      }
    }
  }
}
