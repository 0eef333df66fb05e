/**
 * Small cases of importance and levels for property tests: a case is data with one canonical string, all numbers
 * follow from it, and a counter-example that fast-check has shrunk prints as that string.
 *
 * @module
 */
import fc from "fast-check";
import {
  type AssignOptions,
  type Case,
  caseName,
  type Qkv,
  type Ratio,
  seededRandom,
  type Tensor,
} from "../../mod.ts";
import { randomTensor } from "./attention_case.ts";
import { TEST_SEED } from "./seed.ts";

/** One small case. */
export interface SelectionCase {
  readonly batch: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly seqQ: number;
  readonly seqK: number;
  readonly headDim: number;
  readonly blockM: number;
  readonly blockN: number;
  readonly tile: number;
  readonly stride: number;
  readonly causal: boolean;
  /** Text tokens at the end of the keys. */
  readonly text: number;
  readonly mode: "topk" | "threshold";
  /** The quotas as a word, `1:0.1,2:0.15,0:1`: levels and their ends. */
  readonly quotas: string;
  readonly density: number;
  readonly seed: number;
}

/** Random cases with every option crossed; `fixed` pins options. */
export function selectionCases(fixed: Partial<SelectionCase> = {}): fc.Arbitrary<SelectionCase> {
  const size = (max: number) => fc.integer({ min: 1, max });
  return fc.record({
    batch: size(2),
    kvHeads: size(2),
    group: size(3),
    seqQ: size(70),
    seqK: size(150),
    headDim: size(6),
    blockM: fc.constantFrom(4, 8, 16),
    blockN: fc.constantFrom(4, 8, 16),
    tile: fc.constantFrom(1, 2, 4),
    stride: fc.constantFrom(1, 2, 4),
    causal: fc.boolean(),
    text: fc.nat(20),
    mode: fc.constantFrom("topk" as const, "threshold" as const),
    levels: fc.subarray([1, 2, 4], { minLength: 1 }),
    ends: fc.array(fc.nat(100), { minLength: 3, maxLength: 3 }),
    percent: size(100),
    seed: fc.nat(9999),
  }).map(({ group, levels, ends, percent, ...drawn }) => {
    const ascending = ends.toSorted((a, b) => a - b);
    const quotas = [...levels.map((level, i) => `${level}:${ascending[i] / 100}`), "0:1"].join();
    const made = {
      ...drawn,
      heads: drawn.kvHeads * group,
      quotas,
      density: percent / 100,
      ...fixed,
    };
    const whole: SelectionCase = { ...made, text: Math.min(made.text, made.seqK) };
    return Object.defineProperty(whole, fc.toStringMethod, { value: () => selectionCaseName(whole) });
  });
}

/** The canonical string of a case. */
export function selectionCaseName(c: SelectionCase): string {
  const given: Case = { stage: "levels", ...c };
  return caseName(given);
}

/** Registers a test that a fact holds for random cases. */
export function selectionFact(
  name: string,
  fact: (c: SelectionCase) => void,
  { fixed, runs = 80 }: { fixed?: Partial<SelectionCase>; runs?: number } = {},
): void {
  Deno.test(`property: ${name}`, () => {
    fc.assert(fc.property(selectionCases(fixed), fact), { seed: TEST_SEED, numRuns: runs });
  });
}

/** The queries and keys of a case. */
export function queryKeyOf(c: SelectionCase): Pick<Qkv<Float64Array>, "q" | "k"> {
  const random = seededRandom(c.seed);
  return {
    q: randomTensor([c.batch, c.heads, c.seqQ, c.headDim], random),
    k: randomTensor([c.batch, c.kvHeads, c.seqK, c.headDim], random),
  };
}

/** Importance of a case, drawn at random without ties. */
export function importanceOf(c: SelectionCase): Tensor<Float64Array> {
  const random = seededRandom(c.seed, 1);
  const shape = [c.batch, c.heads, Math.ceil(c.seqQ / c.blockM), Math.ceil(c.seqK / c.blockN)];
  const size = shape.reduce((product, length) => product * length, 1);
  return { data: Float64Array.from({ length: size }, () => random.uniform() ** 4 + 1e-6), shape };
}

/** Caps of a case, drawn at random. */
export function capOf(c: SelectionCase): Tensor<Int32Array> {
  const random = seededRandom(c.seed, 2);
  const shape = [c.batch, c.kvHeads, Math.ceil(c.seqK / c.blockN)];
  const size = shape.reduce((product, length) => product * length, 1);
  return { data: Int32Array.from({ length: size }, () => 2 ** random.below(4)), shape };
}

/** The quotas of a case. */
export function ratiosOf({ quotas }: Pick<SelectionCase, "quotas">): Ratio[] {
  let start = 0;
  return quotas.split(",").map((word) => {
    const [level, end] = word.split(":").map(Number);
    const ratio: Ratio = [level, start, end];
    start = end;
    return ratio;
  });
}

/** The options of assignment of a case, without the rules that follow the quotas. */
export function quotaOptions(c: SelectionCase): AssignOptions {
  const { mode, blockM, blockN, tile, seqQ, seqK } = c;
  return { mode, ratios: ratiosOf(c), blockM, blockN, tile, seqQ, seqK };
}

/** The rows of a tensor: its last axis. */
export function rowsOf<Data extends Float64Array | Int32Array>(
  { data, shape }: { readonly data: Data; readonly shape: readonly number[] },
): Data[] {
  const width = shape[shape.length - 1];
  return Array.from(
    { length: data.length / width },
    (_, row) => data.subarray(row * width, (row + 1) * width) as Data,
  );
}
