/**
 * Small attention calls for unit and property tests: a case is data with one canonical string, all numbers follow
 * from it, and a counter-example that fast-check has shrunk prints as that string.
 *
 * @module
 */
import fc from "fast-check";
import {
  caseName,
  compare,
  type PyramidAttentionOptions,
  type Qkv,
  type Random,
  seededRandom,
  type Tail,
  type Tensor,
} from "../../mod.ts";
import { assert } from "./assert.ts";
import { TEST_SEED } from "./seed.ts";

/** One small call of pyramid attention. */
export interface AttentionCase {
  readonly batch: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly seqQ: number;
  readonly seqK: number;
  readonly headDim: number;
  readonly valueDim: number;
  readonly blockM: number;
  readonly blockN: number;
  /** The levels that blocks are given at random. */
  readonly levels: readonly number[];
  readonly causal: boolean;
  readonly tail: Tail;
  readonly seed: number;
}

/** The tensors and options of a call. */
export interface AttentionCall {
  readonly qkv: Qkv<Float64Array>;
  readonly levels: Tensor<Int32Array>;
  readonly options: PyramidAttentionOptions;
}

/** The canonical string of a case. */
export function attentionCaseName({ levels, ...sizes }: AttentionCase): string {
  return caseName({ stage: "attention", ...sizes, levels: levels.join(",") });
}

/** A tensor of seeded numbers between -2 and 2. */
export function randomTensor(shape: readonly number[], random: Random): Tensor<Float64Array> {
  const size = shape.reduce((product, length) => product * length, 1);
  return { data: Float64Array.from({ length: size }, () => 4 * random.uniform() - 2), shape };
}

/** The tensors and options of a case. */
export function attentionCall(c: AttentionCase): AttentionCall {
  const random = seededRandom(c.seed);
  const q = randomTensor([c.batch, c.heads, c.seqQ, c.headDim], random);
  const k = randomTensor([c.batch, c.kvHeads, c.seqK, c.headDim], random);
  const v = randomTensor([c.batch, c.kvHeads, c.seqK, c.valueDim], random);
  const shape = [c.batch, c.heads, Math.ceil(c.seqQ / c.blockM), Math.ceil(c.seqK / c.blockN)];
  const entries = Int32Array.from(
    { length: shape[0] * shape[1] * shape[2] * shape[3] },
    () => c.levels[random.below(c.levels.length)],
  );
  const { blockM, blockN, causal, tail } = c;
  return { qkv: { q, k, v }, levels: { data: entries, shape }, options: { blockM, blockN, causal, tail } };
}

/** Random cases with every option crossed; `fixed` pins options. */
export function attentionCases(fixed: Partial<AttentionCase> = {}): fc.Arbitrary<AttentionCase> {
  const size = (max: number) => fc.integer({ min: 1, max });
  return fc.record({
    batch: size(2),
    kvHeads: size(2),
    group: size(3),
    seqQ: size(40),
    seqK: size(70),
    headDim: size(9),
    valueDim: size(9),
    blockM: size(16),
    blockN: fc.constantFrom(1, 2, 4, 8, 12, 16, 32),
    levels: fc.subarray([0, 1, 2, 4, 8, 16, 32], { minLength: 1 }),
    causal: fc.boolean(),
    tail: fc.constantFrom<Tail>("exact", "replicate"),
    seed: fc.nat(9999),
  }).map(({ group, ...drawn }) => {
    const options = { ...drawn, heads: drawn.kvHeads * group, ...fixed };
    const allowed = options.levels.filter((level) => level === 0 || options.blockN % level === 0);
    const made: AttentionCase = { ...options, levels: allowed.length > 0 ? allowed : [1] };
    return Object.defineProperty(made, fc.toStringMethod, { value: () => attentionCaseName(made) });
  });
}

/** Registers a test that a fact holds for random cases. */
export function factTest(
  name: string,
  fact: (c: AttentionCase) => void,
  { fixed, runs = 60 }: { fixed?: Partial<AttentionCase>; runs?: number } = {},
): void {
  Deno.test(
    name,
    () => fc.assert(fc.property(attentionCases(fixed), fact), { seed: TEST_SEED, numRuns: runs }),
  );
}

/** Asserts that no element of two tensors is further apart than `bound`; equal infinities agree. */
export function assertClose(got: Tensor, want: Tensor, bound = 1e-12): void {
  const { maxAbs, nonFinite } = compare(got, want);
  assert(maxAbs <= bound && nonFinite === 0, `differs by ${maxAbs}, non-finite values: ${nonFinite}`);
}

/**
 * Asserts that no element of two tensors is further apart than 1e-12 of the largest one, or of 1, the size of what
 * tests draw, where results are smaller; infinities agree.
 */
export function assertSame(got: Tensor, want: Tensor): void {
  let largest = 1;
  for (const x of want.data) if (Number.isFinite(x)) largest = Math.max(largest, Math.abs(x));
  assertClose(got, want, 1e-12 * largest);
}
