/**
 * The order stage of the method: tokens in a configuration's order (docs/definition.md#orders).
 *
 * @module
 */
import type { PsaConfig } from "../config/config.ts";
import type { FloatData, Qkv } from "../tensor.ts";
import { requireBox, requireClusters, requireFit } from "./checks.ts";
import { gilbertCurve } from "./gilbert.ts";
import { clusterByCluster, type Order, permuted, tileByTile } from "./order.ts";

/** Tokens in a configuration's order, and the orders themselves; none for raster order. */
export interface ArrangedTokens<Data extends FloatData = FloatData> {
  /** The inputs, rearranged. */
  readonly qkv: Qkv<Data>;
  /** The order of the queries, and so of the output. */
  readonly queryOrder?: Order;
  /** The order of keys and values. */
  readonly keyOrder?: Order;
}

/**
 * The first stage of `psa`: tokens in the configuration's order (docs/definition.md#orders). Text, the tail of
 * `textLength` tokens, is not moved.
 *
 * @param qkv the inputs
 * @param config its `order` and `textLength` count
 * @throws {InputError} if the order does not fit the tokens
 *
 * @example
 * ```ts
 * import { arrangeTokens, makeWorkload, presetConfig } from "../../mod.ts";
 * const box = { width: 8, height: 8, depth: 4 };
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 16, grid: box });
 * const { queryOrder } = arrangeTokens(qkv, presetConfig("Wan2.1-1.3B", { box }));
 * console.log(queryOrder?.shape); // [256]
 * ```
 */
export function arrangeTokens<Data extends FloatData>(
  qkv: Qkv<Data>,
  config: Pick<PsaConfig, "order" | "textLength">,
): ArrangedTokens<Data> {
  const { order = { kind: "raster" }, textLength } = config, { q, k, v } = qkv;
  if (order.kind === "gilbert" || order.kind === "tile") requireBox("box", order.box);
  if (order.kind === "tile") requireBox("tile", order.tile);
  if (order.kind === "semantic") [q, k].forEach((x) => requireClusters(x, { ...order, textLength }));
  const orders = ordersOf(qkv, config);
  if (orders) {
    requireFit(q, orders.queryOrder);
    [k, v].forEach((x) => requireFit(x, orders.keyOrder));
  }
  return inOrders(qkv, orders);
}

/** {@link arrangeTokens} of inputs that have been checked. */
export function arrangeChecked<Data extends FloatData>(
  qkv: Qkv<Data>,
  config: Pick<PsaConfig, "order" | "textLength">,
): ArrangedTokens<Data> {
  return inOrders(qkv, ordersOf(qkv, config));
}

/** The orders of queries and keys. */
type Orders = Required<Pick<ArrangedTokens, "queryOrder" | "keyOrder">>;

/** The orders of a configuration; none for raster order. */
function ordersOf(
  { q, k }: Qkv,
  { order = { kind: "raster" }, textLength = 0 }: Pick<PsaConfig, "order" | "textLength">,
): Orders | undefined {
  const shared = (data: Order) => ({ queryOrder: data, keyOrder: data });
  switch (order.kind) {
    case "raster":
      return undefined;
    case "gilbert": {
      const data = gilbertCurve(order.box);
      return shared({ data, shape: [data.length] });
    }
    case "tile":
      return shared(tileByTile(order.box, order.tile));
    case "semantic": {
      const options = { ...order, textLength };
      return { queryOrder: clusterByCluster(q, options), keyOrder: clusterByCluster(k, options) };
    }
  }
}

/** Tokens in these orders. */
function inOrders<Data extends FloatData>(qkv: Qkv<Data>, orders?: Orders): ArrangedTokens<Data> {
  if (orders === undefined) return { qkv };
  const { q, k, v } = qkv, { queryOrder, keyOrder } = orders;
  return {
    qkv: {
      q: permuted(q, queryOrder),
      k: permuted(k, keyOrder),
      v: permuted(v, keyOrder),
    },
    queryOrder,
    keyOrder,
  };
}
