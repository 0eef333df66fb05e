/**
 * The calls that `deno task bench:gpu` times.
 *
 * @module
 */
import { caseName } from "../../fixtures/cases.ts";
import { causalBlocks, type CausalSizes } from "../../reference/levels/causal.ts";
import { seededRandom } from "../../reference/random.ts";
import type { AttentionShape, Tensor } from "../../reference/tensor.ts";

/** Level and the share of the blocks that it gets, for some levels; the rest is skipped. None: dense. */
export type Mix = readonly (readonly [level: number, share: number])[];

/** One case: a call, and the shares of blocks that each level gets. */
export interface GpuCase {
  /** The sizes of the call. */
  readonly shape: AttentionShape;
  /** Element type. */
  readonly dtype: "f32" | "f16";
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** The share of each level; empty: dense. */
  readonly shares: Mix;
  /** The density that the shares make. */
  readonly density: number;
  /** Whether a query sees only keys up to its own position; default false. */
  readonly causal?: boolean;
  /** The distribution of queries and keys; default normal numbers. */
  readonly numbers?: Numbers;
}

/**
 * The distribution of queries and keys: `alike` queries are a hundredth of normal numbers, so that all scores of a row are alike and any
 * of them will do as its maximum; `normal`; `growing` keys have scores that grow along the sequence, so that the largest
 * ones are far above the first.
 */
export type Numbers = "alike" | "normal" | "growing";

/** Shares that make the densities .50, .15 and .05 (rounded). */
const MIXES: readonly Mix[] = [
  [[1, 0.4], [2, 0.1], [4, 0.1], [8, 0.2]],
  [[1, 0.1], [2, 0.05], [8, 0.2]],
  [[1, 0.02], [2, 0.02], [8, 0.16]],
];

/** Shares for a series of densities: up to .45, 70 % of the work at level 1, 15 % at level 2 and at level 8 each. */
const SERIES: readonly Mix[] = [
  [],
  [[1, 0.65], [2, 0.15], [8, 0.2]],
  MIXES[0],
  ...[0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02].map((density): Mix => [
    [1, 0.7 * density],
    [2, 2 * 0.15 * density],
    [8, 8 * 0.15 * density],
  ]),
];

/** Lengths of the series over tokens. */
const LENGTHS = [1024, 2048, 4096, 8192, 16384, 32768, 65536, 131072];

/** The sizes that cases are made from. */
interface CaseOptions {
  readonly headDim: number;
  readonly heads: number;
  readonly tokens: number;
  readonly dtype?: "f32" | "f16";
  readonly shares: Mix;
  readonly blockN?: number;
}

function makeCase({ headDim, heads, tokens, dtype = "f32", shares, blockN = 128 }: CaseOptions): GpuCase {
  return {
    shape: { batch: 1, heads, kvHeads: heads, seqQ: tokens, seqK: tokens, headDim, valueDim: headDim },
    ...{ dtype, blockM: 128, blockN, shares },
    density: shares.length === 0 ? 1 : shares.reduce((sum, [level, share]) => sum + share / level, 0),
  };
}

/**
 * The table of the bench: dense and pyramid, both widths, both types, and smaller key blocks.
 *
 * @param tokens tokens of a head
 * @param hasHalf whether the device has float16
 *
 * @example
 * ```ts
 * import { gpuCases } from "./cases.ts";
 * console.log(gpuCases(2048, false).length); // 12
 * ```
 */
export function gpuCases(tokens: number, hasHalf: boolean): GpuCase[] {
  const types = hasHalf ? ["f32", "f16"] as const : ["f32"] as const;
  return ([[128, 12], [64, 16]] as const).flatMap(([headDim, heads]) => [
    ...types.flatMap((dtype) =>
      [[], ...MIXES].map((shares) => makeCase({ headDim, heads, tokens, dtype, shares }))
    ),
    ...types.flatMap((dtype) =>
      [64, 32].map((blockN) => makeCase({ headDim, heads, tokens, dtype, shares: MIXES[1], blockN }))
    ),
  ]);
}

/** The types that a device has, of both widths, with the fastest first. */
function kernelsOf(hasHalf: boolean) {
  const types = hasHalf ? ["f16", "f32"] as const : ["f32"] as const;
  return types.flatMap((dtype) =>
    ([[128, 12], [64, 16]] as const).map(([headDim, heads]) => ({ headDim, heads, dtype }))
  );
}

/**
 * Causal calls, each behind the like that is not causal: dense and at density .15.
 *
 * @param tokens tokens of a head
 * @param hasHalf whether the device has float16
 *
 * @example
 * ```ts
 * import { causalCases } from "./cases.ts";
 * console.log(causalCases(2048, false).map(({ causal }) => causal)); // [false, true, false, true, false, true, false, true]
 * ```
 */
export function causalCases(tokens: number, hasHalf: boolean): GpuCase[] {
  return kernelsOf(hasHalf).flatMap((size) =>
    [[], MIXES[1]].flatMap((shares) =>
      [false, true].map((causal) => ({ ...makeCase({ ...size, tokens, shares }), causal }))
    )
  );
}

/**
 * Dense calls with equal, normal and growing scores. They show the cost of fixing the maximum of a row in advance, as
 * the kernel with matrix units does.
 *
 * @param tokens tokens of a head
 * @param hasHalf whether the device has float16
 *
 * @example
 * ```ts
 * import { numberCases } from "./cases.ts";
 * console.log(numberCases(2048, true)[0].numbers); // alike
 * ```
 */
export function numberCases(tokens: number, hasHalf: boolean): GpuCase[] {
  return kernelsOf(hasHalf).filter(({ dtype }) => !hasHalf || dtype === "f16").flatMap((size) =>
    (["alike", "normal", "growing"] as const).map((numbers) => ({
      ...makeCase({ ...size, tokens, shares: [] }),
      numbers,
    }))
  );
}

/**
 * How cost grows: with density at one length, and with the length, dense and at density .15. D=64, H=16, float32.
 *
 * @param tokens the length of the series over density
 * @param longest the longest of the series over length
 *
 * @example
 * ```ts
 * import { growthCases } from "./cases.ts";
 * console.log(growthCases(2048, 4096).lengths.length); // 6: three lengths, two densities
 * ```
 */
export function growthCases(
  tokens: number,
  longest: number,
): { densities: GpuCase[]; lengths: GpuCase[] } {
  const size = { headDim: 64, heads: 16 };
  return {
    densities: SERIES.map((shares) => makeCase({ ...size, tokens, shares })),
    lengths: LENGTHS.filter((length) => length <= longest).flatMap((length) =>
      [[], MIXES[1]].map((shares) => makeCase({ ...size, tokens: length, shares }))
    ),
  };
}

/**
 * The canonical string of a case.
 *
 * @param given the case
 *
 * @example
 * ```ts
 * import { gpuCases, nameOf } from "./cases.ts";
 * console.log(nameOf(gpuCases(2048, false)[0]));
 * // attention B=1 H=12 Lq=2048 Lk=2048 D=128 bm=128 bn=128 method=dense density=1
 * ```
 */
export function nameOf({ shape, dtype, blockM, blockN, shares, density, causal }: GpuCase): string {
  const method = shares.length === 0 ? "dense" : "psa";
  return caseName({
    stage: "attention",
    ...shape,
    blockM,
    blockN,
    dtype,
    ...(causal ? { causal } : {}),
    method,
    density: Number(density.toFixed(3)),
  });
}

/**
 * Random levels in the shares of a case, int32 [1, heads, query blocks, key blocks].
 *
 * @param given the case
 *
 * @example
 * ```ts
 * import { gpuCases, levelsOf } from "./cases.ts";
 * console.log(levelsOf(gpuCases(2048, false)[1]).shape); // [1, 12, 16, 16]
 * ```
 */
export function levelsOf({ shape, blockM, blockN, shares, causal = false }: GpuCase): Tensor<Int32Array> {
  const sizes = [1, shape.heads, Math.ceil(shape.seqQ / blockM), Math.ceil(shape.seqK / blockN)];
  const random = seededRandom(3), data = new Int32Array(sizes[1] * sizes[2] * sizes[3]);
  for (let at = 0; at < data.length; at++) {
    let left = random.uniform();
    for (const [level, share] of shares) {
      if (left < share) {
        data[at] = level;
        break;
      }
      left -= share;
    }
  }
  const levels = { data, shape: sizes };
  if (causal) hideFuture(levels, { blockM, blockN, seqQ: shape.seqQ, seqK: shape.seqK });
  return levels;
}

/** Skips the blocks that a query block does not see, and reads those that it sees in part at level 1. */
function hideFuture({ data, shape: [, , M, N] }: Tensor<Int32Array>, sizes: CausalSizes): void {
  const { isFuture, isDiagonal } = causalBlocks(sizes);
  for (let at = 0; at < data.length; at++) {
    const m = Math.floor(at / N) % M, j = at % N;
    if (isFuture(m, j)) data[at] = 0;
    else if (isDiagonal(m, j)) data[at] = 1;
  }
}
