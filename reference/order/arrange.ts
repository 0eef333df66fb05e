/**
 * The order stage of the method: tokens in a configuration's order (docs/definition.md#orders).
 *
 * @module
 */
import type { PsaConfig } from "../config/config.ts";
import type { FloatData, Qkv } from "../tensor.ts";
import { gilbertOrder, type Order, permuteTokens, semanticOrder, tileOrder } from "./order.ts";

/** Tokens in a configuration's order, and the orders that brought them there; none for raster order. */
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
 * `textLength` tokens, stays where it is.
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
  { order = { kind: "raster" }, textLength = 0 }: Pick<PsaConfig, "order" | "textLength">,
): ArrangedTokens<Data> {
  const { q, k, v } = qkv;
  const by = (queryOrder: Order, keyOrder: Order) => ({
    qkv: {
      q: permuteTokens(q, queryOrder),
      k: permuteTokens(k, keyOrder),
      v: permuteTokens(v, keyOrder),
    },
    queryOrder,
    keyOrder,
  });
  switch (order.kind) {
    case "raster":
      return { qkv };
    case "gilbert": {
      const shared = gilbertOrder(order.box);
      return by(shared, shared);
    }
    case "tile": {
      const shared = tileOrder(order.box, order.tile);
      return by(shared, shared);
    }
    case "semantic":
      return by(semanticOrder(q, { ...order, textLength }), semanticOrder(k, { ...order, textLength }));
  }
}
