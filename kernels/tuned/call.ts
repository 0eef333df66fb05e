/**
 * The call of a tuned plan: every pass gathers the tokens of its heads into its order, runs all stages on them, and
 * scatters what comes out to where it belongs.
 *
 * @module
 */
import type { OrderConfig } from "../../reference/config/config.ts";
import { gilbertOrder, type Order, tileOrder } from "../../reference/order/order.ts";
import type { Tensor } from "../../reference/tensor.ts";
import type { CallBuffers, InputBuffers, OutputBuffers } from "../buffers.ts";
import type { Gpu } from "../device/gpu.ts";
import type { Moves } from "../order/moves.ts";
import { buildMove, buildOrderBuffer, type OrderBuffer, uploadOrder } from "../order/order.ts";
import type { Call, Pipeline } from "../parts.ts";
import { buildSelectedCall } from "../pipeline.ts";
import { shapeOfLevels } from "../plan.ts";
import { isTuned, type TunedPass } from "./plan.ts";

/**
 * Builds the call that selects its levels, as one configuration says or as the choice of each head does.
 *
 * @param gpu the device
 * @param pipeline the plan, and the buffers and moves of the whole call
 * @throws {InputError} if a buffer or a dispatch is beyond a limit of the device
 */
export async function buildChosenCall(gpu: Gpu, pipeline: Pipeline): Promise<Call> {
  const { plan, buffers, moves } = pipeline;
  if (!isTuned(plan)) return await buildSelectedCall(gpu, pipeline);
  const built: { readonly pass: TunedPass; readonly call: Call }[] = [];
  for (const pass of plan.passes) {
    const own = pass.isWhole ? { buffers, moves } : await buildOwn(gpu, pass, buffers);
    built.push({ pass, call: await buildSelectedCall(gpu, { plan: pass.plan, ...own }, pass.choices) });
  }
  return {
    stages: built.flatMap(({ call }) => call.stages),
    readLevels: async () => {
      const shape = shapeOfLevels(plan), size = shape[2] * shape[3];
      const data = new Int32Array(shape[0] * shape[1] * size);
      for (const { pass: { heads }, call } of built) {
        const levels: Tensor<Int32Array> = await call.readLevels();
        heads.forEach((head, i) => data.set(levels.data.subarray(i * size, (i + 1) * size), head * size));
      }
      return { data, shape };
    },
  };
}

/** The buffers of a pass, and the moves between them and those of the whole call. */
async function buildOwn(
  gpu: Gpu,
  pass: TunedPass,
  { inputs, outputs }: CallBuffers,
): Promise<Pick<Pipeline, "buffers" | "moves">> {
  const { plan: { bytes, itemBytes, shape: { seqQ, seqK, headDim, valueDim } }, heads, kvHeads } = pass;
  const buffer = (name: string, size: number) => gpu.createBuffer(`${name} of a pass`, { size });
  const arranged: InputBuffers & OutputBuffers = {
    ...{ q: buffer("q", bytes.q), k: buffer("k", bytes.k), v: buffer("v", bytes.v) },
    ...{ out: buffer("out", bytes.out), lse: buffer("lse", bytes.lse) },
  };
  const order = permutationOf(pass.order);
  const queries = buildRows(gpu, { heads, tokens: seqQ, order }),
    keys = buildRows(gpu, { heads: kvHeads, tokens: seqK, order });
  const move = (rows: OrderBuffer, ends: { from: GPUBuffer; to: GPUBuffer }, bytes: number, back: boolean) =>
    buildMove(gpu, rows, { ...ends, label: "order of a pass", heads: 1, tokens: rows.tokens, bytes, back });
  const gather = [
    await move(queries, { from: inputs.q, to: arranged.q }, headDim * itemBytes, false),
    await move(keys, { from: inputs.k, to: arranged.k }, headDim * itemBytes, false),
    await move(keys, { from: inputs.v, to: arranged.v }, valueDim * itemBytes, false),
  ];
  const scatter = [
    await move(queries, { from: arranged.out, to: outputs.out }, valueDim * itemBytes, true),
    await move(queries, { from: arranged.lse, to: outputs.lse }, 4, true),
  ];
  const { q, k, v } = arranged;
  const moves: Moves = {
    gather: [{ name: "order", encode: (to) => gather.forEach((encode) => encode(to)), outputs: { q, k, v } }],
    scatter: [{
      name: "order",
      encode: (to) => scatter.forEach((encode) => encode(to)),
      outputs: { ...outputs },
    }],
    arrange: () => {},
  };
  return { buffers: { inputs, outputs, arranged }, moves };
}

/** The permutation of an order that does not depend on tokens; of length 0 for raster. */
export function permutationOf(order: OrderConfig): Order["data"] {
  if (order.kind === "tile") return tileOrder(order.box, order.tile).data;
  if (order.kind === "gilbert") return gilbertOrder(order.box, { kind: order.variant }).data;
  return new Int32Array(0);
}

/** Of every row of some heads the row of the whole call that it comes from: heads one after the other, tokens in order. */
function buildRows(
  gpu: Gpu,
  { heads, tokens, order }: {
    readonly heads: readonly number[];
    readonly tokens: number;
    readonly order: Int32Array;
  },
): OrderBuffer {
  const data = new Int32Array(heads.length * tokens);
  heads.forEach((head, i) => {
    for (let token = 0; token < tokens; token++) {
      data[i * tokens + token] = head * tokens + (order[token] ?? token);
    }
  });
  const rows = buildOrderBuffer(gpu, { tokens: data.length, count: 1 });
  uploadOrder(gpu, rows, { data, shape: [data.length] });
  return rows;
}
