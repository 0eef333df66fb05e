/**
 * The buffers of a call, and what moves tokens between the order in which they are given and the one in which blocks
 * are cut (docs/definition.md#orders).
 *
 * @module
 */
import { InputError } from "../reference/errors.ts";
import { gilbertOrder, type Order, semanticOrder, tileOrder } from "../reference/order/order.ts";
import type { Qkv } from "../reference/tensor.ts";
import type { Gpu } from "./device/gpu.ts";
import type { Encode } from "./device/pass.ts";
import type { StagePass } from "./device/stage.ts";
import type { ResolvedSetup } from "./plan.ts";
import {
  createOrderBuffer,
  type OrderBuffer,
  prepareGather,
  prepareScatter,
  uploadOrder,
} from "./order/order.ts";

/** The buffers of q, k and v. */
export interface InputBuffers {
  readonly q: GPUBuffer;
  readonly k: GPUBuffer;
  readonly v: GPUBuffer;
}

/** The buffers of outputs and log-sum-exps. */
export interface OutputBuffers {
  readonly out: GPUBuffer;
  readonly lse: GPUBuffer;
}

/** Buffers of the call in the order in which blocks are cut, and how tokens come there and back. */
export interface Arrangement {
  readonly inputs: InputBuffers;
  readonly outputs: OutputBuffers;
  readonly arranged: InputBuffers & OutputBuffers;
  readonly gather: readonly StagePass[];
  readonly scatter: readonly StagePass[];
  readonly arrange: (qkv: Qkv | null) => void;
}

/** Makes the buffers of a call, and what moves tokens if they have an order. */
export async function buildArrangement(gpu: Gpu, setup: ResolvedSetup): Promise<Arrangement> {
  const { shape, dtype, sections } = setup, bytes = dtype === "f16" ? 2 : 4;
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  const rows = { q: batch * heads * seqQ, k: batch * kvHeads * seqK };
  const outputs = (name: string): OutputBuffers => ({
    out: gpu.createBuffer(`out${name}`, { size: rows.q * valueDim * bytes }),
    lse: gpu.createBuffer(`lse${name}`, { size: rows.q * 4 }),
  });
  const q = (name: string) => gpu.createBuffer(name, { size: rows.q * headDim * bytes });
  const k = gpu.createBuffer("k", { size: sections.rows * headDim * bytes });
  const v = gpu.createBuffer("v", { size: sections.rows * valueDim * bytes });
  const order = setup.config.order ?? { kind: "raster" };
  if (order.kind === "raster") {
    const buffers = { q: q("q"), k, v, ...outputs("") };
    const { out, lse } = buffers;
    return {
      inputs: buffers,
      outputs: { out, lse },
      arranged: buffers,
      gather: [],
      scatter: [],
      arrange: () => {},
    };
  }
  const inputs = {
    q: q("q as given"),
    k: gpu.createBuffer("k as given", { size: rows.k * headDim * bytes }),
    v: gpu.createBuffer("v as given", { size: rows.k * valueDim * bytes }),
  };
  const arranged = { q: q("q"), k, v, ...outputs(" arranged") };
  return { inputs, arranged, ...await buildMoves(gpu, setup, { inputs, arranged, given: outputs("") }) };
}

/** What gathers tokens into their order and scatters outputs back. */
async function buildMoves(
  gpu: Gpu,
  { shape, config, dtype }: ResolvedSetup,
  { inputs, arranged, given }: {
    readonly inputs: InputBuffers;
    readonly arranged: InputBuffers & OutputBuffers;
    readonly given: OutputBuffers;
  },
): Promise<Pick<Arrangement, "outputs" | "gather" | "scatter" | "arrange">> {
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape, bytes = dtype === "f16" ? 2 : 4;
  const orders = makeOrders(gpu, { shape, config });
  const queries = { heads: batch * heads, tokens: seqQ }, keys = { heads: batch * kvHeads, tokens: seqK };
  const gather = [
    await prepareGather(gpu, orders.query, {
      label: "order of q",
      from: inputs.q,
      to: arranged.q,
      ...queries,
      bytes: headDim * bytes,
    }),
    await prepareGather(gpu, orders.key, {
      label: "order of k",
      from: inputs.k,
      to: arranged.k,
      ...keys,
      bytes: headDim * bytes,
    }),
    await prepareGather(gpu, orders.key, {
      label: "order of v",
      from: inputs.v,
      to: arranged.v,
      ...keys,
      bytes: valueDim * bytes,
    }),
  ];
  const scatter = [
    await prepareScatter(gpu, orders.query, {
      label: "order of out",
      from: arranged.out,
      to: given.out,
      ...queries,
      bytes: valueDim * bytes,
    }),
    await prepareScatter(gpu, orders.query, {
      label: "order of lse",
      from: arranged.lse,
      to: given.lse,
      ...queries,
      bytes: 4,
    }),
  ];
  const passes = (encodes: readonly Encode[]) =>
    encodes.map((encode) => ({ stage: "order" as const, encode }));
  return { outputs: given, gather: passes(gather), scatter: passes(scatter), arrange: orders.arrange };
}

/** Room for the orders of queries and keys, filled at once where they do not depend on the tokens. */
function makeOrders(
  gpu: Gpu,
  { shape, config }: Pick<ResolvedSetup, "shape" | "config">,
): { query: OrderBuffer; key: OrderBuffer; arrange: (qkv: Qkv | null) => void } {
  const { batch, heads, kvHeads, seqQ, seqK } = shape, { order, textLength = 0 } = config;
  if (order?.kind === "semantic") {
    const query = createOrderBuffer(gpu, { tokens: seqQ - textLength, count: batch * heads });
    const key = createOrderBuffer(gpu, { tokens: seqK - textLength, count: batch * kvHeads });
    const arrange = (qkv: Qkv | null) => {
      if (qkv === null) {
        throw new InputError("A semantic order needs the tokens as typed arrays: k-means runs on the host.");
      }
      uploadOrder(gpu, query, semanticOrder(qkv.q, { ...order, textLength }));
      uploadOrder(gpu, key, semanticOrder(qkv.k, { ...order, textLength }));
    };
    return { query, key, arrange };
  }
  const fixed: Order = order?.kind === "tile"
    ? tileOrder(order.box, order.tile)
    : gilbertOrder(boxOf(order), { kind: order?.kind === "gilbert" ? order.variant : "curve" });
  const shared = createOrderBuffer(gpu, { tokens: fixed.data.length, count: 1 });
  uploadOrder(gpu, shared, fixed);
  return { query: shared, key: shared, arrange: () => {} };
}

function boxOf(order: ResolvedSetup["config"]["order"]) {
  if (order?.kind !== "gilbert") throw new InputError("`order` should be raster, gilbert, tile or semantic.");
  return order.box;
}
