/**
 * Token order on the device (docs/definition.md#orders): rows are gathered into the order of the blocks, and the
 * output is scattered back.
 *
 * @module
 */
import type { Order } from "../../reference/order/order.ts";
import type { Gpu } from "../device/gpu.ts";
import { buildKernel, spreadWorkgroups } from "../device/work/kernel.ts";
import type { Encode } from "../device/work/pass.ts";
import { upload } from "../device/transfer.ts";
import code from "./order.wgsl" with { type: "text" };

/** An order on the device. */
export interface OrderBuffer {
  /** Its indices. */
  readonly buffer: GPUBuffer;
  /** The number of tokens of a head that it moves; they are the first ones. */
  readonly tokens: number;
  /** The number of orders: one for all heads, or one for each (batch, head). */
  readonly count: number;
}

/** Rows that move. */
export interface MoveOptions {
  /** A name for error messages. */
  readonly label: string;
  /** The source and the destination: different buffers. */
  readonly from: GPUBuffer;
  /** Where the rows go. */
  readonly to: GPUBuffer;
  /** Heads of all batch entries. */
  readonly heads: number;
  /** Tokens of a head. */
  readonly tokens: number;
  /** Bytes of a token, a multiple of 4. */
  readonly bytes: number;
  /** Whether rows move from the order back to the original sequence; else into the order. */
  readonly back: boolean;
}

/**
 * Builds room for an order on the device.
 *
 * @param gpu the device
 * @param order sizes: tokens that it moves, and orders; to be filled by {@link uploadOrder}
 */
export function buildOrderBuffer(
  gpu: Gpu,
  { tokens, count }: { readonly tokens: number; readonly count: number },
): OrderBuffer {
  return { buffer: gpu.createBuffer("token order", { size: 4 * tokens * count }), tokens, count };
}

/** Writes an order, [tokens] or [batch, heads, tokens], into its buffer. */
export function uploadOrder(gpu: Gpu, { buffer }: OrderBuffer, order: Order): void {
  upload(gpu, buffer, { data: Int32Array.from(order.data) });
}

/**
 * Builds moving rows into an order, rearranged[n] = tokens[order[n]], or back from it, tokens[order[n]] = rearranged[n].
 *
 * @param gpu the device
 * @param order the order
 * @param options source, destination and direction
 * @returns encodes the dispatch into a pass
 */
export function buildMove(
  gpu: Gpu,
  order: OrderBuffer,
  { label, from, to, heads, tokens, bytes, back }: MoveOptions,
): Promise<Encode> {
  const width = bytes / 4;
  return buildKernel(gpu, code, {
    label,
    constants: {
      ...{ SCATTER: Number(back), WIDTH: width, HEADS: heads, TOKENS: tokens },
      ...{ ORDERED: order.tokens, ORDERS: order.count },
    },
    buffers: [order.buffer, from, to],
    workgroups: spreadWorkgroups(Math.ceil(heads * tokens * width / 256)),
  });
}
