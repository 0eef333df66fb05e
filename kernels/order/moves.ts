/**
 * Moves the tokens of a call between the order of the inputs and the order of the blocks
 * (docs/definition.md#orders).
 *
 * @module
 */
import type { OrderConfig } from "../../reference/config/config.ts";
import { InputError } from "../../reference/errors.ts";
import { gilbertOrder, type Order, semanticOrder, tileOrder } from "../../reference/order/order.ts";
import type { Qkv } from "../../reference/tensor.ts";
import type { CallBuffers } from "../buffers.ts";
import type { Gpu } from "../device/gpu.ts";
import type { Stage } from "../device/work/stage.ts";
import type { PsaPlan } from "../plan.ts";
import { buildMove, buildOrderBuffer, type OrderBuffer, uploadOrder } from "./order.ts";

/** The stages that move tokens, none in raster order. */
export interface Moves {
  /** Queries, keys and values into their order. */
  readonly gather: readonly Stage[];
  /** Outputs and log-sum-exps back. */
  readonly scatter: readonly Stage[];
  /** Computes the order if it depends on the tokens; null: the tokens are on the device, where k-means does not run. */
  readonly arrange: (qkv: Qkv | null) => void;
}

/**
 * Builds the stages that move the tokens of a call.
 *
 * @param gpu the device
 * @param plan the call
 * @param buffers tokens in the order of the inputs, and in the order of the blocks
 */
export async function buildMoves(gpu: Gpu, plan: PsaPlan, buffers: CallBuffers): Promise<Moves> {
  const { order = { kind: "raster" } } = plan.config;
  if (order.kind === "raster") return { gather: [], scatter: [], arrange: () => {} };
  const orders = buildOrders(gpu, plan, order);
  return {
    gather: [await buildGather(gpu, plan, { orders, buffers })],
    scatter: [await buildScatter(gpu, plan, { orders, buffers })],
    arrange: orders.arrange,
  };
}

/** The orders of queries and of keys. */
interface Orders {
  readonly query: OrderBuffer;
  readonly key: OrderBuffer;
  readonly arrange: (qkv: Qkv | null) => void;
}

/** Orders, and the buffers between which they move tokens. */
interface Ways {
  readonly orders: Orders;
  readonly buffers: CallBuffers;
}

/** Heads and tokens of queries and of keys. */
function sidesOf({ shape: { batch, heads, kvHeads, seqQ, seqK } }: PsaPlan) {
  return {
    query: { heads: batch * heads, tokens: seqQ },
    key: { heads: batch * kvHeads, tokens: seqK },
  };
}

async function buildGather(
  gpu: Gpu,
  plan: PsaPlan,
  { orders, buffers: { inputs, arranged } }: Ways,
): Promise<Stage> {
  const { headDim, valueDim } = plan.shape, sides = sidesOf(plan);
  const move = (name: "q" | "k" | "v", side: "query" | "key", channels: number) =>
    buildMove(gpu, orders[side], {
      ...{ label: `order of ${name}`, from: inputs[name], to: arranged[name], back: false },
      ...{ ...sides[side], bytes: channels * plan.itemBytes },
    });
  const encodes = [
    await move("q", "query", headDim),
    await move("k", "key", headDim),
    await move("v", "key", valueDim),
  ];
  const { q, k, v } = arranged;
  return { name: "order", encode: (pass) => encodes.forEach((encode) => encode(pass)), outputs: { q, k, v } };
}

async function buildScatter(
  gpu: Gpu,
  plan: PsaPlan,
  { orders, buffers: { outputs, arranged } }: Ways,
): Promise<Stage> {
  const sides = sidesOf(plan);
  const move = (name: "out" | "lse", bytes: number) =>
    buildMove(gpu, orders.query, {
      ...{ label: `order of ${name}`, from: arranged[name], to: outputs[name], back: true },
      ...{ ...sides.query, bytes },
    });
  const encodes = [await move("out", plan.shape.valueDim * plan.itemBytes), await move("lse", 4)];
  return {
    name: "order",
    encode: (pass) => encodes.forEach((encode) => encode(pass)),
    outputs: { ...outputs },
  };
}

/** Room for the orders of queries and keys, filled at once where they do not depend on the tokens. */
function buildOrders(gpu: Gpu, plan: PsaPlan, order: Exclude<OrderConfig, { kind: "raster" }>): Orders {
  if (order.kind === "semantic") return buildSemanticOrders(gpu, plan, order);
  const fixed: Order = order.kind === "tile"
    ? tileOrder(order.box, order.tile)
    : gilbertOrder(order.box, { kind: order.variant });
  const shared = buildOrderBuffer(gpu, { tokens: fixed.data.length, count: 1 });
  uploadOrder(gpu, shared, fixed);
  return { query: shared, key: shared, arrange: () => {} };
}

function buildSemanticOrders(
  gpu: Gpu,
  { shape: { batch, heads, kvHeads, seqQ, seqK }, config: { textLength = 0 } }: PsaPlan,
  order: Extract<OrderConfig, { kind: "semantic" }>,
): Orders {
  const query = buildOrderBuffer(gpu, { tokens: seqQ - textLength, count: batch * heads });
  const key = buildOrderBuffer(gpu, { tokens: seqK - textLength, count: batch * kvHeads });
  const arrange = (qkv: Qkv | null) => {
    if (qkv === null) {
      throw new InputError("A semantic order needs the tokens as typed arrays: k-means runs on the host.");
    }
    uploadOrder(gpu, query, semanticOrder(qkv.q, { ...order, textLength }));
    uploadOrder(gpu, key, semanticOrder(qkv.k, { ...order, textLength }));
  };
  return { query, key, arrange };
}
