/**
 * Whole calls that choose keys for every query, beside dense attention and the whole method: choosing, work lists, attention.
 *
 * @module
 */
import { makeWorkload } from "../../fixtures/workloads.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa } from "../../kernels/psa.ts";
import type { BestKeys, KeyRule } from "../../reference/methods/method.ts";
import { attentionShape, type FloatData, type Qkv, type Tensor } from "../../reference/tensor.ts";
import type { MedianEstimate } from "../timing/statistics.ts";
import { type BenchTiming, timeTogether } from "./measure.ts";

/** A call whose keys are chosen in several ways. */
export interface RuleBench {
  /** Query heads and key heads. */
  readonly heads: number;
  /** Tokens of a head. */
  readonly tokens: number;
  /** Element type. */
  readonly dtype: "f32" | "f16";
}

/** The time of a way to choose. */
export interface RuleTime {
  /** `dense`, `psa`, or the method. */
  readonly name: string;
  /** The density that was reached. */
  readonly density: number;
  /** Milliseconds of the whole call. */
  readonly time: MedianEstimate;
}

/** The density, head dimension and blocks of all calls. */
const DENSITY = 0.1, DIM = 64, BLOCKS = { blockM: 128, blockN: 64, tile: 64 } as const;
/** How far a density may be from the one that was asked for, beside one block of keys. */
const SLACK = 0.01;

/** The calls of a number of tokens: many heads of a quarter of it, and few heads of all. */
export function ruleBenches(tokens: number): RuleBench[] {
  return [[16, tokens / 4], [4, tokens]].flatMap(([heads, own]) =>
    (["f32", "f16"] as const).map((dtype) => ({ heads, tokens: own, dtype }))
  );
}

/** The name of a call. */
export function ruleName({ heads, tokens, dtype }: RuleBench): string {
  return `D=${DIM} H=${heads} L=${tokens} ${dtype} bn=${BLOCKS.blockN} density ${DENSITY}`;
}

/**
 * Times all ways to choose, interleaved, on a video workload.
 *
 * @param gpu the device
 * @param bench sizes and element type
 * @param timing the known call, warm-up, when to end
 * @throws {Error} if a call reaches another density than was asked for, or gives numbers that are not finite
 */
export async function timeRules(gpu: Gpu, bench: RuleBench, timing: BenchTiming): Promise<RuleTime[]> {
  const { heads, tokens, dtype } = bench;
  const made = makeWorkload("video", { seqQ: tokens, headDim: DIM, heads, dtype, seed: 1 }).qkv;
  const typed = ({ data, shape }: Tensor<FloatData>) => ({
    data: dtype === "f16" ? Float16Array.from(data) : Float32Array.from(data),
    shape,
  });
  const qkv: Qkv = { q: typed(made.q), k: typed(made.k), v: typed(made.v) };
  using psa = await createPsa(gpu, {
    ...{ shape: attentionShape(qkv), dtype, ready: [] },
    config: {
      ...{ ...BLOCKS, importance: { kind: "sampled", seed: 1 } },
      assignment: { mode: "density", density: DENSITY },
    },
  });
  await psa.load(qkv);
  const calls = [{ name: "dense", call: await psa.prepare("dense") }, {
    name: "psa",
    call: await psa.prepare(),
  }];
  for (const [name, rule] of Object.entries(rulesOf(bench))) {
    calls.push({ name, call: await psa.prepare({ rule }) });
  }
  const densities: number[] = [];
  for (const { name, call } of calls) {
    const { out, density } = await call.forward();
    const off = Math.abs(density - (name === "dense" ? 1 : DENSITY));
    if (!(off <= SLACK + BLOCKS.blockN / tokens) || !out.data.every(Number.isFinite)) {
      throw new Error(`${name} of ${ruleName(bench)} is wrong: its density is ${density}.`);
    }
    densities.push(density);
  }
  const times = await timeTogether(calls.map(({ call }) => (options) => call.time(options)), timing);
  return calls.map(({ name }, i) => ({ name, density: densities[i], time: times[i] }));
}

/** The rules of methods that choose for single queries, without what methods compute before: tables alone. */
function rulesOf({ heads, tokens }: RuleBench): Record<string, KeyRule> {
  const per = (of: (query: number) => number) => Int32Array.from({ length: tokens }, (_, i) => of(i));
  const count = (all: number) => per(() => Math.max(1, Math.round(DENSITY * all)));
  const best = (
    unit: number,
    about: Pick<BestKeys, "together"> & { readonly hasOwn: boolean },
  ): BestKeys => ({
    ...{ kind: "best", unit, together: about.together, first: false, seen: per(() => tokens) },
    counts: count(Math.ceil(tokens / unit)),
    own: per((i) => about.hasOwn ? Math.floor(i / unit) : -1),
  });
  const thresholds = Float64Array.from({ length: 3 * heads }, (_, i) => QUARTILES[i % 3]);
  return {
    moba: best(BLOCKS.blockN, { together: false, hasOwn: true }),
    ssa: best(16, { together: true, hasOwn: true }),
    "adamas-scaled": { kind: "nearest", thresholds, seen: per(() => tokens), counts: count(tokens) },
    "token-topk": best(1, { together: false, hasOwn: false }),
  };
}

/** Thresholds of codes: quartiles of numbers of unit variance. */
const QUARTILES = [-0.67448975, 0, 0.67448975];
