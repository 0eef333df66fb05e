/**
 * Gradients of a whole call in float64 on the device, head by head.
 *
 * @module
 */
import type { PyramidCall } from "../../reference/attention/call.ts";
import { type AttentionGradient, requireGradientShapes } from "../../reference/attention/gradient.ts";
import { headSlice, kvHeadOf } from "../../reference/heads.ts";
import { type FloatData, type Qkv, type Tensor, toFloat64 } from "../../reference/tensor.ts";
import type { Gpu } from "../device/gpu.ts";
import { runGradient, unpoolGradient } from "./gradient.ts";
import { allLists, listsOf } from "./head.ts";
import type { KeptHeads } from "./kept.ts";
import { sizesOf } from "./run.ts";

/** What flows back into a call. */
export interface Backflow {
  /** Gradient with respect to the outputs, [batch, heads, query tokens, value dimension]. */
  readonly dout: Tensor<FloatData>;
  /** Gradient with respect to the log-sum-exps, [batch, heads, query tokens]; default 0. */
  readonly dlse?: Tensor<FloatData>;
}

/** A checked call, and what flows back into it. */
interface GradientCall {
  readonly qkv: Qkv;
  readonly call: PyramidCall;
  readonly isDense: boolean;
  /** Bytes that scores may take. */
  readonly bytes: number;
  readonly flow: Backflow;
}

/** The gradients of all heads; heads that share keys and values add theirs up. */
export async function gradientOfHeads(
  gpu: Gpu,
  kept: KeptHeads,
  { qkv, call, isDense, bytes, flow }: GradientCall,
): Promise<AttentionGradient> {
  requireGradientShapes(call.shape, flow);
  const { batch, heads, seqQ, seqK, headDim, valueDim } = call.shape, { tail } = call.options;
  const [dq, dk, dv] = [qkv.q, qkv.k, qkv.v].map(({ data, shape }) => ({
    data: new Float64Array(data.length),
    shape,
  }));
  for (let index = 0; index < batch * heads; index++) {
    const dlse = flow.dlse && Float64Array.from(flow.dlse.data.subarray(index * seqQ, (index + 1) * seqQ));
    await kept.with(qkv, index, { levels: call.levels, call: call.options }, async ({ buffers, places }) => {
      const lists = isDense ? allLists(seqK) : listsOf(headSlice(call.levels, index), call.options, places);
      const tokens = [...places.values()].reduce((sum, place) => sum + place.tokens, 0);
      const work = {
        ...{ valueDim, tokens, dlse: dlse ?? new Float64Array(seqQ) },
        dout: toFloat64(headSlice(flow.dout, index)).data,
      };
      const head = { tokens: buffers, lists };
      const made = await runGradient(gpu, head, { call: sizesOf(call, bytes), work });
      const kvHead = kvHeadOf(qkv, index);
      headSlice(dq, index).data.set(made.queries);
      unpoolGradient(made.keys, headSlice(dk, kvHead).data, { dim: headDim, places, tail });
      unpoolGradient(made.values, headSlice(dv, kvHead).data, { dim: valueDim, places, tail });
    });
  }
  return { dq, dk, dv };
}
