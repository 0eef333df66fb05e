/**
 * The buffers that calls read and write.
 *
 * @module
 */
import type { Gpu } from "./device/gpu.ts";
import type { PsaPlan } from "./plan.ts";

/** The buffers of q, k and v. */
export interface InputBuffers {
  /** Queries. */
  readonly q: GPUBuffer;
  /** Keys; in the order of the blocks, they are followed by their pyramid. */
  readonly k: GPUBuffer;
  /** Values, the like. */
  readonly v: GPUBuffer;
}

/**
 * The buffers of outputs and log-sum-exps. The `Psa` that made them owns them: each call overwrites them, and they are
 * freed with it. Tokens are in the order of the inputs. A kernel of the caller may bind them as storage, or
 * copy from them.
 */
export interface OutputBuffers {
  /** Outputs, row-major [batch, heads, query tokens, value dimension], in the element type of the kernels. */
  readonly out: GPUBuffer;
  /** Natural log-sum-exps of the logits, row-major [batch, heads, query tokens], in float32. */
  readonly lse: GPUBuffer;
}

/** All buffers that a call reads and writes. */
export interface CallBuffers {
  /** Tokens in the order of the inputs. */
  readonly inputs: InputBuffers;
  /** The outputs of a call, in the order of the inputs. */
  readonly outputs: OutputBuffers;
  /** Both in the order of the blocks; the same buffers if that is the order of the inputs. */
  readonly arranged: InputBuffers & OutputBuffers;
}

/** Builds the buffers of a call. */
export function buildBuffers(gpu: Gpu, { bytes, config }: PsaPlan): CallBuffers {
  const buffer = (name: string, size: number) => gpu.createBuffer(name, { size });
  const arranged = {
    q: buffer("q", bytes.q),
    k: buffer("k", bytes.k),
    v: buffer("v", bytes.v),
    out: buffer("out", bytes.out),
    lse: buffer("lse", bytes.lse),
  };
  if ((config.order?.kind ?? "raster") === "raster") {
    const { q, k, v, out, lse } = arranged;
    return { inputs: { q, k, v }, outputs: { out, lse }, arranged };
  }
  return {
    inputs: {
      q: buffer("q as given", bytes.q),
      k: buffer("k as given", bytes.keys),
      v: buffer("v as given", bytes.values),
    },
    outputs: { out: buffer("out as given", bytes.out), lse: buffer("lse as given", bytes.lse) },
    arranged,
  };
}
