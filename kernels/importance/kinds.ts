/**
 * The rows and columns of the score matrix in each kind of importance.
 *
 * @module
 */
import type { PsaConfig } from "../../reference/config/config.ts";
import { sampleOffsets } from "../../reference/importance/importance.ts";
import type { AttentionShape } from "../../reference/tensor.ts";

/** The rows and columns of the product of queries and keys. */
export interface Product {
  /** Rows of a query block, and columns of a key block. */
  readonly rows: number;
  readonly columns: number;
  /** Rows and columns of a head that exist; the others are hidden. */
  readonly rowCount: number;
  readonly columnCount: number;
  /** Offsets of the sampled tokens: queries and then keys, for each (batch, head), or once for all. */
  readonly offsets: readonly (readonly number[])[];
  /** Tokens between one run of offsets and the next. */
  readonly strides: readonly [number, number];
  /** Offsets of a run. */
  readonly samples: readonly [number, number];
  /** Tokens concatenated to one row. */
  readonly parts: number;
  /** Factor on a product. */
  readonly factor: number;
  /** Sums of probabilities instead of maxima. */
  readonly sums: boolean;
}

/** The call whose importance is asked for. */
export interface ProductCall {
  /** The sizes of the call. */
  readonly shape: Omit<AttentionShape, "valueDim">;
  /** Block sizes, how blocks are scored, scale. */
  readonly config: Pick<PsaConfig, "blockM" | "blockN" | "importance" | "causal" | "scale">;
  /** Index of the first head among the batch * heads of a larger call: sampled tokens are drawn by it. */
  readonly firstHead: number;
  /** The numbers of the heads in the larger call; default they follow on `firstHead`. */
  readonly heads?: readonly number[];
}

/** The rows and columns of the score matrix of a call. */
export function productOf(call: ProductCall): Product {
  const { importance } = call.config;
  switch (importance.kind) {
    case "pooled":
      return pooledProduct(call);
    case "antidiagonal":
      return antidiagonalProduct(call, importance.stride);
    case "sampled":
      return sampledProduct(call, importance.seed);
    case "full":
      return sampledProduct(call, null);
  }
}

/** Rows that are tokens of their own, or of which one offset stands for all. */
const SINGLE = { offsets: [[0, 0]], samples: [1, 1] } as const;

/** Factor that brings q . k into units of log2. */
function factorOf({ shape: { headDim }, config: { scale = 1 / Math.sqrt(headDim) } }: ProductCall): number {
  return scale * Math.LOG2E;
}

function pooledProduct(call: ProductCall): Product {
  const { shape: { seqQ, seqK }, config: { blockM, blockN } } = call;
  return {
    ...SINGLE,
    ...{ rows: 1, columns: 1, rowCount: Math.ceil(seqQ / blockM), columnCount: Math.ceil(seqK / blockN) },
    ...{ strides: [1, 1], parts: 1, factor: factorOf(call), sums: true },
  };
}

function antidiagonalProduct(
  { shape: { seqQ, seqK, headDim }, config: { blockM, blockN } }: ProductCall,
  stride: number,
): Product {
  return {
    ...SINGLE,
    ...{ rows: blockM / stride, columns: blockN / stride },
    ...{ rowCount: Math.ceil(seqQ / stride), columnCount: Math.ceil(seqK / stride) },
    ...{ strides: [stride, stride], parts: stride, sums: true },
    factor: Math.LOG2E / (Math.sqrt(headDim) * stride),
  };
}

/** Some tokens of every block, drawn for each head; with no seed all of them. */
function sampledProduct(call: ProductCall, seed: number | null): Product {
  const { shape: { batch, heads, seqQ, seqK }, config: { blockM, blockN }, firstHead, heads: own } = call;
  const offsets = seed === null
    ? [{ query: range(blockM), key: range(blockN) }]
    : range(batch * heads).map((head) =>
      sampleOffsets({ blockM, blockN, seed, batchHead: own?.[head] ?? firstHead + head })
    );
  const rows = offsets[0].query.length, columns = offsets[0].key.length;
  return {
    ...{ rows, columns, samples: [rows, columns], strides: [blockM, blockN] },
    ...{ rowCount: Math.ceil(seqQ / blockM) * rows, columnCount: Math.ceil(seqK / blockN) * columns },
    offsets: offsets.map(({ query, key }) => [...query, ...key]),
    ...{ parts: 1, factor: factorOf(call), sums: false },
  };
}

/** 0, 1, … up to a length. */
function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}
