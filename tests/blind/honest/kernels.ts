/**
 * Honest kernels: each is the C program of this folder with other places of roundings and orders of sums.
 *
 * @module
 */
import { type Tensor, tensor, writeSafetensors } from "../../../mod.ts";
import { roundTo } from "../../../fixtures/workloads.ts";
import { run } from "../mistakes/kernel.ts";
import type { HardCall, Storage } from "./data.ts";

/** How a kernel computes. */
export interface Honest {
  /** The format of inputs, pooled tokens and outputs. */
  readonly storage: Storage;
  /** The format of the factors of both products, if they are rounded. */
  readonly products?: "tf32";
  /** The format of weights before the second product. */
  readonly weights?: "f16" | "bf16";
  readonly tile: number;
  readonly splits?: number;
  readonly reversed?: boolean;
  readonly tree?: boolean;
  /** Whether scores are in base 2, with queries that are scaled, and rounded to storage, before. */
  readonly base2?: boolean;
  /** The way of the program of odd/ in which it computes. */
  readonly odd?: keyof typeof ODD;
  /** Whether scores are rounded to storage before the softmax. */
  readonly scores?: boolean;
}

/** The ways of odd/odd.c, odd/rare.c, odd/fixed.c and odd/more.c, by their numbers. */
const ODD = {
  lazy: 1,
  levels: 2,
  "two passes": 3,
  split: 4,
  smoothed: 5,
  counter: 6,
  "running mean": 7,
  first: 8,
  rotated: 9,
  sorted: 10,
  fixed: 11,
  tables: 12,
  compensated: 13,
  double: 14,
  rounded: 15,
  norms: 16,
  pairs: 17,
  scores: 18,
} as const;

/** All honest kernels by name. */
export const HONEST: Readonly<Record<string, Honest>> = {
  "f32 one tile": { storage: "f32", tile: 16384 },
  "f32 tile 16": { storage: "f32", tile: 16 },
  "f32 tile 64 base 2": { storage: "f32", tile: 64, base2: true },
  "f32 tile 256 reversed": { storage: "f32", tile: 256, reversed: true },
  "f32 tree": { storage: "f32", tile: 64, tree: true },
  "f32 four splits": { storage: "f32", tile: 64, splits: 4 },
  "f32 tf32 products": { storage: "f32", tile: 64, products: "tf32", base2: true },
  "f32 weights f16": { storage: "f32", tile: 64, weights: "f16" },
  "f16 weights f32": { storage: "f16", tile: 64 },
  "f16 weights f16": { storage: "f16", tile: 64, weights: "f16" },
  "f16 base 2 weights f16": { storage: "f16", tile: 32, weights: "f16", base2: true },
  "f16 four splits reversed": { storage: "f16", tile: 64, weights: "f16", splits: 4, reversed: true },
  "bf16 weights f32": { storage: "bf16", tile: 64 },
  "bf16 weights bf16": { storage: "bf16", tile: 64, weights: "bf16" },
  "bf16 base 2 tree": { storage: "bf16", tile: 128, weights: "bf16", base2: true, tree: true },
  "f32 rescaled by whole powers, polynomial 2^x": { storage: "f32", tile: 1, odd: "lazy" },
  "f32 a state a level, logistic shares": { storage: "f32", tile: 1, odd: "levels" },
  "f32 two passes, no division": { storage: "f32", tile: 1, odd: "two passes" },
  "f16 base 2 eight splits": { storage: "f16", tile: 48, weights: "f16", base2: true, odd: "split" },
  "f32 keys without their mean": { storage: "f32", tile: 1, odd: "smoothed" },
  "f32 states carried as a binary counter": { storage: "f32", tile: 1, odd: "counter" },
  "f32 running mean": { storage: "f32", tile: 1, odd: "running mean" },
  "f32 relative to the first score": { storage: "f32", tile: 1, odd: "first" },
  "f32 rotated, eight fused lanes": { storage: "f32", tile: 1, odd: "rotated" },
  "f16 weights sorted, 256 times as large": { storage: "f16", tile: 1, weights: "f16", odd: "sorted" },
  "f32 sums in whole numbers": { storage: "f32", tile: 1, odd: "fixed" },
  "f32 tables, reciprocal by Newton": { storage: "f32", tile: 1, base2: true, odd: "tables" },
  "f32 Kahan's sums": { storage: "f32", tile: 1, odd: "compensated" },
  "f32 sums in f64": { storage: "f32", tile: 1, odd: "double" },
  "f32 relative to the norms": { storage: "f32", tile: 1, odd: "norms" },
  "f32 tokens in steps, added in pairs": { storage: "f32", tile: 1, odd: "pairs" },
  "f16 total of rounded weights": { storage: "f16", tile: 48, weights: "f16", odd: "rounded" },
  "bf16 total of rounded weights": { storage: "bf16", tile: 48, weights: "bf16", odd: "rounded" },
  "f16 scores stored": { storage: "f16", tile: 1, scores: true, odd: "scores" },
  "bf16 scores stored": { storage: "bf16", tile: 1, scores: true, odd: "scores" },
};

/** The outputs of a kernel. */
export interface Outputs {
  readonly out: Tensor<Float32Array>;
  readonly lse: Tensor<Float32Array>;
}

const FORMATS = { f32: 0, f16: 1, bf16: 2, tf32: 3 } as const;

/** Writes the inputs of a call where the C program reads them. */
export async function writeInputs(stem: string, { qkv, levels }: HardCall): Promise<void> {
  for (const [name, { data }] of Object.entries({ ...qkv, levels })) {
    await Deno.writeFile(
      `${stem}.${name}.bin`,
      new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    );
  }
}

/**
 * Runs an honest kernel.
 *
 * @param program the compiled C program; that of odd/ has `-odd` behind its name
 * @param kernel how it computes
 * @param options the call, and where its inputs lie and its outputs go
 */
export async function runHonest(
  program: string,
  kernel: Honest,
  { call, stem, to }: { readonly call: HardCall; readonly stem: string; readonly to: string },
): Promise<Outputs> {
  const { q, k } = call.qkv, [, heads, seqQ, dim] = q.shape, seqK = k.shape[2];
  const { storage, products = "f32", weights = "f32", tile, splits = 1 } = kernel;
  const sizes = [heads, seqQ, seqK, dim, call.blockM, call.blockN, Number(call.causal), call.scale];
  const ways = [FORMATS[storage], FORMATS[products], FORMATS[weights], tile, splits];
  const flags = [kernel.reversed, kernel.tree, kernel.base2].map((flag) => Number(flag ?? false));
  const odd = kernel.odd === undefined ? undefined : oddWords(call, ODD[kernel.odd], storage);
  const words = odd ?? [...sizes, ...ways, ...flags];
  const { code, text } = await run(odd ? `${program}-odd` : program, [stem, to, ...words.map(String)]);
  if (code !== 0) throw new Error(`${call.name}: ${text}`);
  const read = async (name: string) => new Float32Array((await Deno.readFile(`${to}.${name}.bin`)).buffer);
  return {
    out: tensor(await read("out"), [1, heads, seqQ, dim]),
    lse: tensor(await read("lse"), [1, heads, seqQ]),
  };
}

/** The words by which the program of odd/ is called: sizes with batch entries, key heads, width of values and tail; storage, way. */
function oddWords(
  { qkv: { q, k }, blockM, blockN, causal, scale }: HardCall,
  way: number,
  storage: Storage,
): number[] {
  const [batch, heads, seqQ, dim] = q.shape, sizes = [batch, heads, heads, seqQ, k.shape[2], dim, dim];
  return [...sizes, blockM, blockN, Number(causal), 0, scale, FORMATS[storage], way];
}

/** A call and outputs as a capture: tensors in the storage format, metadata as JSON. */
export function captureFile({ qkv, levels, ...call }: HardCall, { out, lse }: Outputs, storage: Storage): {
  readonly tensors: Record<string, Tensor>;
  readonly metadata: Record<string, string>;
  readonly bytes: Uint8Array<ArrayBuffer>;
} {
  const stored = ({ data, shape }: Tensor<Float32Array>): Tensor =>
    storage === "f16" ? { data: roundTo("f16", data), shape } : { data, shape };
  const { q, k, v } = qkv;
  const tensors = { q: stored(q), k: stored(k), v: stored(v), levels, out: stored(out), lse };
  const metadata = {
    block_m: `${call.blockM}`,
    block_n: `${call.blockN}`,
    tile: "32",
    causal: `${call.causal}`,
    scale: `${call.scale}`,
    tail: `"exact"`,
  };
  const bf16 = storage === "bf16" ? ["q", "k", "v", "out"] : [];
  return { tensors, metadata, bytes: writeSafetensors(tensors, metadata, { bf16 }) };
}
