/**
 * Random calls for tests of the stages on the device: shapes with tails and grouped heads, every option of a
 * configuration crossed. All numbers follow from the seed.
 *
 * @module
 */
import fc from "fast-check";
import type { DType, FloatData, PsaConfig, Ratio, Tensor } from "../../mod.ts";
import { seededRandom } from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { type Encode, submitPass } from "../../kernels/device/work/pass.ts";
import { poison } from "../../kernels/device/poison.ts";
import { download, upload } from "../../kernels/device/transfer.ts";
import type { Shares } from "../../reference/config/config.ts";
import type { AttentionShape } from "../../reference/tensor.ts";
import { ON_DAWN, openTestGpu } from "./implementation.ts";

/** One call of the whole method. */
export interface StageCase {
  readonly shape: AttentionShape;
  readonly config: PsaConfig;
  readonly dtype: "f16" | "f32";
  readonly seed: number;
}

/** Random quotas: distinct levels that divide the key block, ends that ascend to 1. */
function ratiosOf(levels: readonly number[], ends: readonly number[]): Ratio[] {
  const sorted = ends.slice(0, levels.length - 1).sort((a, b) => a - b).concat([1]);
  return levels.map((level, i): Ratio => [level, i === 0 ? 0 : sorted[i - 1], sorted[i]]);
}

/** Powers of two that divide a key block. */
function levelsOf(blockN: number): number[] {
  return Array.from({ length: Math.log2(blockN) + 1 }, (_, i) => 2 ** i);
}

/** Random assignments for a key block. */
function assignments(blockN: number): fc.Arbitrary<PsaConfig["assignment"]> {
  const some = fc.shuffledSubarray([0, ...levelsOf(blockN)], { minLength: 1, maxLength: 6 });
  const ends = fc.array(fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100), {
    minLength: 6,
    maxLength: 6,
  });
  const ratios = fc.tuple(some, ends).map(([levels, ends]) => ratiosOf(levels, ends));
  return fc.oneof(
    ratios.map((ratios) => ({ mode: "topk" as const, ratios })),
    fc.record({ ratios, minFullRatio: fc.constantFrom(0, 0.06, 0.3) }).map((drawn) => ({
      mode: "threshold" as const,
      ...drawn,
    })),
    fc.record({
      density: fc.integer({ min: 1, max: 100 }).map((percent) => percent / 100),
      shares: fc.constantFrom<Shares[]>({ 1: 1 }, { 1: 0.6, 2: 0.2, 4: 0.2 }, { 2: 0.5, 16: 0.5 }),
    }).map((drawn) => ({ mode: "density" as const, ...drawn })),
  );
}

/** Random cases; `fixed` pins parts of the configuration. */
export function stageCases(
  fixed: Partial<PsaConfig> = {},
  { tokens = 400 }: { readonly tokens?: number } = {},
): fc.Arbitrary<StageCase> {
  const blockSize = fc.constantFrom(16, 32, 64, 128);
  const shape = fc.record({
    batch: fc.constantFrom(1, 1, 2),
    kvHeads: fc.constantFrom(1, 2),
    group: fc.constantFrom(1, 1, 3),
    seqQ: fc.integer({ min: 1, max: tokens }),
    seqK: fc.integer({ min: 1, max: tokens }),
    headDim: fc.constantFrom(8, 16, 24, 64, 72, 128),
    valueDim: fc.constantFrom(8, 24, 64),
  }).map(({ group, ...drawn }) => ({ ...drawn, heads: drawn.kvHeads * group }));
  return fc.tuple(shape, blockSize, blockSize).chain(([shape, blockM, blockN]) =>
    fc.record({
      shape: fc.constant(shape),
      dtype: fc.constantFrom("f32" as const, "f16" as const),
      seed: fc.nat(9999),
      config: fc.record({
        blockM: fc.constant(blockM),
        blockN: fc.constant(blockN),
        tile: fc.constantFrom(...[1, 4, 16, 32].filter((tile) => tile <= blockN)),
        importance: importances(),
        assignment: assignments(blockN),
        similarityThresholds: fc.constantFrom(undefined, { 2: 0.1, 4: 0, 8: -0.1 }),
        textLength: fc.constantFrom(0, 0, Math.min(40, shape.seqK)),
        causal: fc.boolean(),
        tail: fc.constantFrom("exact" as const, "replicate" as const),
      }).map((config) => ({ ...config, ...fixed })),
    })
  ).map((drawn) => Object.assign(drawn, { [fc.toStringMethod]: () => stageCaseName(drawn) }));
}

/** Random ways to score blocks; strides divide every block. */
function importances(): fc.Arbitrary<PsaConfig["importance"]> {
  return fc.oneof(
    fc.record({ kind: fc.constant("sampled" as const), seed: fc.nat(99) }),
    fc.record({ kind: fc.constant("full" as const) }),
    fc.record({ kind: fc.constant("antidiagonal" as const), stride: fc.constantFrom(2, 4, 8, 16) }),
    fc.record({ kind: fc.constant("pooled" as const) }),
  );
}

/** The message of a failure: enough to run the case again. */
export function stageCaseName({ shape, config, dtype, seed }: StageCase): string {
  return JSON.stringify({ ...shape, ...config, dtype, seed });
}

/** Seeded numbers between -2 and 2 in an element type. */
export function randomTensor(
  shape: readonly number[],
  { dtype, seed }: { readonly dtype: DType; readonly seed: number },
): Tensor<Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer>> {
  const random = seededRandom(seed), size = shape.reduce((product, length) => product * length, 1);
  const numbers = { length: size }, next = () => 4 * random.uniform() - 2;
  return {
    data: dtype === "f16" ? Float16Array.from(numbers, next) : Float32Array.from(numbers, next),
    shape,
  };
}

/** Seeded q, k and v of a case. */
export function qkvOf({ shape, dtype, seed }: StageCase): {
  q: Tensor<Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer>>;
  k: Tensor<Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer>>;
  v: Tensor<Float16Array<ArrayBuffer> | Float32Array<ArrayBuffer>>;
} {
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  return {
    q: randomTensor([batch, heads, seqQ, headDim], { dtype, seed }),
    k: randomTensor([batch, kvHeads, seqK, headDim], { dtype, seed: seed + 1 }),
    v: randomTensor([batch, kvHeads, seqK, valueDim], { dtype, seed: seed + 2 }),
  };
}

/** A buffer with data in it. */
export function bufferOf(gpu: Gpu, { data }: Tensor): GPUBuffer {
  const buffer = gpu.createBuffer("test input", { size: data.byteLength });
  upload(gpu, buffer, { data: data as FloatData & ArrayBufferView<ArrayBuffer> });
  return buffer;
}

/** Runs stages in one pass after poisoning their output, and reads the output's first `length` words. */
export async function runStages(
  gpu: Gpu,
  stages: readonly { readonly encode: Encode }[],
  { output, length }: { readonly output: GPUBuffer; readonly length: number },
): Promise<ArrayBuffer> {
  poison(gpu, output);
  await submitPass(gpu, stages.map(({ encode }) => encode), { label: "test" });
  return await download(gpu, output, { size: 4 * length });
}

/** A row of importance, and by how much each entry may be off. */
export interface BoundedRow {
  readonly scores: Float64Array;
  readonly off: Float64Array;
}

/**
 * Whether errors within the bounds may give a row other levels. Two scores with different levels may change places; and
 * where importance decides how many blocks a level gets, the share of the first blocks may cross the end of a level.
 * The share on one side of an end errs by the sum of the bounds there. Both sides add up to 1, so the smaller error counts.
 */
export function isTie(
  { scores, off }: BoundedRow,
  levels: Int32Array,
  assignment: PsaConfig["assignment"],
): boolean {
  const order = Array.from(levels.keys()).sort((a, b) => scores[b] - scores[a] || a - b);
  const swapped = order.some((before, i) =>
    order.slice(i + 1).some((j) =>
      levels[j] !== levels[before] && scores[before] - scores[j] <= off[before] + off[j]
    )
  );
  if (swapped || assignment.mode !== "threshold") return swapped;
  const total = scores.reduce((sum, score) => sum + score, 0), all = off.reduce((sum, x) => sum + x, 0);
  let sum = 0, errors = 0;
  return order.some((j) => {
    const share = (sum += scores[j]) / total;
    errors += off[j];
    const error = Math.min(errors, all - errors) / total + 2 ** -23;
    return assignment.ratios.some(([, , end]) => Math.abs(share - end - 1e-6) <= error);
  });
}

/** Registers a test with a device of its own. */
export function gpuTest(name: string, test: (gpu: Gpu) => Promise<void>): void {
  const sanitize = ON_DAWN ? { sanitizeOps: false, sanitizeResources: false } : {};
  Deno.test(name, sanitize, async () => {
    using gpu = await openTestGpu();
    await test(gpu);
  });
}
