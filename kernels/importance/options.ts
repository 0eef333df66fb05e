/**
 * Options of building the importance stage.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import type { AttentionShape } from "../../reference/tensor.ts";

/** Queries and keys on the device, in the order of the blocks. */
export interface QueryKeyBuffers {
  /** Queries, [batch, heads, query tokens, head dimension]. */
  readonly q: GPUBuffer;
  /** Keys, [batch, key heads, key tokens, head dimension]. */
  readonly k: GPUBuffer;
}

/** Options of `buildImportance`. */
export interface ImportanceOptions {
  /** Queries and keys. */
  readonly buffers: QueryKeyBuffers;
  /** The sizes of the call. */
  readonly shape: Omit<AttentionShape, "valueDim">;
  /** Block sizes, how blocks are scored, causal, scale. */
  readonly config: Pick<PsaConfig, "blockM" | "blockN" | "importance" | "causal" | "scale">;
  /** Element type of q and k. */
  readonly dtype: "f16" | "f32";
  /** Bytes that scores may take at a time; default what `scratchBytes` of product.ts says. */
  readonly scratch?: number;
  /** Whether the product is unrolled in the text; default if the device has subgroups, that is, is not software. */
  readonly unroll?: boolean;
  /** Index of the first head among the batch * heads of a larger call: sampled tokens are drawn by it. Default 0. */
  readonly firstHead?: number;
  /** The numbers of the heads in the larger call; default they follow on `firstHead`. */
  readonly heads?: readonly number[];
}
