/**
 * `deno task bench:gpu`: how fast attention runs on this GPU, dense and over the pyramid, and what comes before it.
 *
 * Every case is checked against the reference before it is timed, and its output again afterwards; a kernel that is
 * wrong is not timed. Times are medians of repetitions that follow a warm-up in the same submission. A small dense call
 * is timed beside every case: where it is slower than its best, the machine was, and the case is timed again.
 *
 * @module
 */
import { runCommand } from "./command.ts";
import { createPsa, type Psa } from "../kernels/psa.ts";
import { download } from "../kernels/device/transfer.ts";
import { type Gpu, openGpu } from "../kernels/device/gpu.ts";
import { caseName } from "../fixtures/cases.ts";
import { InputError, requireInput } from "../reference/errors.ts";
import { compare } from "../reference/metrics.ts";
import { seededRandom } from "../reference/random.ts";
import type { AttentionShape, Tensor } from "../reference/tensor.ts";
import { pyramidAttention } from "../reference/attention.ts";
import { attentionTolerance } from "../reference/tolerance.ts";
import { type Data, makeData, stageBenches, timeStages } from "./gpu/stages.ts";
import { estimateMedian } from "./statistics.ts";
import { closestString, parseArgs } from "./std.ts";

/** One case: a call, and the shares of blocks that each level gets. */
interface GpuCase {
  readonly shape: AttentionShape;
  readonly dtype: "f32" | "f16";
  readonly blockM: number;
  readonly blockN: number;
  /** Level to share of the blocks; empty: dense. */
  readonly shares: readonly (readonly [level: number, share: number])[];
  /** The density that the shares make. */
  readonly density: number;
}

/** What was measured of a case. */
interface GpuRow {
  readonly case: string;
  readonly density: number;
  readonly ms: number;
  readonly ms_low: number;
  readonly ms_high: number;
  readonly tflops: number;
  readonly speedup: number;
  readonly rel_l2: number;
}

/** Shares of levels that make the densities .50, .15 and .05 (rounded). */
const MIXES = [
  [[1, 0.4], [2, 0.1], [4, 0.1], [8, 0.2]],
  [[1, 0.1], [2, 0.05], [8, 0.2]],
  [[1, 0.02], [2, 0.02], [8, 0.16]],
] as const;

/** How much slower than its best the small call may be before a case is timed again. */
const SLOW = 1.15, MOST_TRIES = 4;

/** The table of the bench: dense and pyramid, both widths, both types, and smaller key blocks. */
function gpuCases(tokens: number, hasHalf: boolean): GpuCase[] {
  const widths = [[128, 12], [64, 16]] as const;
  const types = hasHalf ? ["f32", "f16"] as const : ["f32"] as const;
  const make = (
    headDim: number,
    heads: number,
    dtype: "f32" | "f16",
    mix: GpuCase["shares"],
    blockN = 128,
  ) => ({
    shape: { batch: 1, heads, kvHeads: heads, seqQ: tokens, seqK: tokens, headDim, valueDim: headDim },
    ...{ dtype, blockM: 128, blockN, shares: mix },
    density: mix.length === 0 ? 1 : mix.reduce((sum, [level, share]) => sum + share / level, 0),
  });
  return widths.flatMap(([headDim, heads]) => [
    ...types.flatMap((dtype) => [[], ...MIXES].map((mix) => make(headDim, heads, dtype, mix))),
    ...[64, 32].map((blockN) => make(headDim, heads, "f32", MIXES[1], blockN)),
  ]);
}

/** The canonical string of a case. */
function nameOf({ shape, dtype, blockM, blockN, shares, density }: GpuCase): string {
  const method = shares.length === 0 ? "dense" : "psa";
  return caseName({
    stage: "attention",
    ...shape,
    blockM,
    blockN,
    dtype,
    method,
    density: Number(density.toFixed(3)),
  });
}

/** Random levels in these shares. */
function levelsOf({ shape, blockM, blockN, shares }: GpuCase): Tensor<Int32Array> {
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
  return { data, shape: sizes };
}

/** Checks the last query block of the last head; its relative L2 error. */
async function checkBlock(
  gpu: Gpu,
  psa: Psa,
  { given, data, levels }: {
    readonly given: GpuCase;
    readonly data: Readonly<Record<"q" | "k" | "v", Data>>;
    readonly levels: Tensor<Int32Array> | "dense";
  },
): Promise<number> {
  const { shape: { heads, seqQ, seqK, headDim }, blockM, blockN, dtype } = given,
    bytes = dtype === "f16" ? 2 : 4;
  const rows = blockM, first = ((heads - 1) * seqQ + seqQ - rows) * headDim;
  const part = (tokens: Data, from: number, count: number) => ({
    data: tokens.subarray(from, from + count * headDim) as Data,
    shape: [1, 1, count, headDim],
  });
  const key = (heads - 1) * seqK * headDim, columns = Math.ceil(seqK / blockN);
  const qkv = { q: part(data.q, first, rows), k: part(data.k, key, seqK), v: part(data.v, key, seqK) };
  const own = levels === "dense" ? new Int32Array(columns).fill(1) : levels.data.subarray(-columns);
  const row = { data: own, shape: [1, 1, 1, columns] };
  const got = await download(gpu, psa.outputs.out, { offset: first * bytes, size: rows * headDim * bytes });
  const out = {
    data: dtype === "f16" ? new Float16Array(got) : new Float32Array(got),
    shape: [1, 1, rows, headDim],
  };
  const { relL2 } = compare(out, pyramidAttention(qkv, row, { blockM, blockN }).out);
  const bound = attentionTolerance(qkv, row, { dtype, accumulate: dtype, blockM, blockN }).relL2;
  if (!(relL2 <= bound)) {
    throw new Error(`${nameOf(given)} is wrong: relative L2 error ${relL2}, bound ${bound}.`);
  }
  return relL2;
}

/** A known call that tells whether the machine is in a slow stretch. */
class Probe {
  #best = Infinity;

  constructor(readonly psa: Psa) {}

  /** Whether the machine is at its best speed now. */
  async isFast(): Promise<boolean> {
    const { milliseconds } = await this.psa.time({ levels: "dense", repetitions: 5, warmUp: 20 });
    const { median } = estimateMedian(milliseconds);
    this.#best = Math.min(this.#best, median);
    return median < SLOW * this.#best;
  }
}

/** Checks, times and checks again. */
async function measure(gpu: Gpu, given: GpuCase, { probe, warmUp }: { probe: Probe; warmUp: number }) {
  const { shape, dtype, blockM, blockN } = given;
  const config = {
    ...{ blockM, blockN, tile: 32 },
    importance: { kind: "pooled" },
    assignment: { mode: "density", density: 0.5, shares: { 1: 0.4, 2: 0.2, 4: 0.2, 8: 0.2 } },
  } as const;
  using psa = await createPsa(gpu, { shape, config, dtype });
  const data = makeData({ shape, config, dtype });
  const levels = given.shares.length === 0 ? "dense" : levelsOf(given);
  const { q, k, v } = data, { batch, heads, seqQ, seqK, headDim } = shape;
  const queries = [batch, heads, seqQ, headDim], keys = [batch, heads, seqK, headDim];
  await psa.run(
    { q: { data: q, shape: queries }, k: { data: k, shape: keys }, v: { data: v, shape: keys } },
    { levels },
  );
  const relL2 = await checkBlock(gpu, psa, { given, data, levels });
  let times: readonly number[] = [];
  for (let i = 0; i < MOST_TRIES; i++) {
    const before = await probe.isFast();
    times = (await psa.time({ levels, repetitions: 7, warmUp })).milliseconds;
    if (before && await probe.isFast()) break;
  }
  await checkBlock(gpu, psa, { given, data, levels });
  return { ...estimateMedian(times), relL2 };
}

function toRow(given: GpuCase, measured: Awaited<ReturnType<typeof measure>>, dense: number): GpuRow {
  const { heads, seqQ, seqK, headDim } = given.shape, { median, low, high, relL2 } = measured;
  const work = given.density * 4 * heads * seqQ * seqK * headDim;
  return {
    ...{ case: nameOf(given), density: given.density, ms: median, ms_low: low, ms_high: high },
    ...{ tflops: work / median / 1e9, speedup: dense / median, rel_l2: relL2 },
  };
}

const HELP = `deno task bench:gpu [options]

How fast attention runs on this GPU, dense and over the pyramid, and what comes before it.

  --tokens N     tokens of a head (16384; 2048 in software)
  --filter TEXT  only cases whose canonical string contains it
  --json         one JSON object a line
  --no-stages    without the stages before attention
  --help         print this`;

async function main(args: readonly string[]): Promise<void> {
  const parsed = parseArgs(args, {
    string: ["tokens", "filter"],
    boolean: ["json", "help", "no-stages"],
    unknown: (arg) => {
      const names = ["tokens", "filter", "json", "no-stages", "help"];
      throw new InputError(`${arg} is no option; the nearest one is --${closestString(arg, names)}.`);
    },
  });
  if (parsed.help) return console.log(HELP);
  using gpu = await openGpu();
  const isSoftware = gpu.info.subgroupSize === 0,
    tokens = Number(parsed.tokens ?? (isSoftware ? 2048 : 16384));
  requireInput(
    Number.isInteger(tokens) && tokens > 0 && tokens % 128 === 0,
    () => `--tokens is "${parsed.tokens}"; it should be a multiple of 128.`,
  );
  const cases = gpuCases(tokens, gpu.has("shader-f16")).filter((given) =>
    nameOf(given).includes(String(parsed.filter ?? ""))
  );
  requireInput(cases.length > 0, () => `--filter "${parsed.filter}" matches no case.`);
  const say = (text: string) => parsed.json ? undefined : console.log(text);
  say(`${gpu.info.description}, ${tokens} tokens`);
  const small = { batch: 1, heads: 4, kvHeads: 4, seqQ: 2048, seqK: 2048, headDim: 64, valueDim: 64 };
  using known = await createPsa(gpu, {
    shape: small,
    config: {
      blockM: 128,
      blockN: 128,
      tile: 32,
      importance: { kind: "pooled" },
      assignment: { mode: "density", density: 1 },
    },
  });
  const probe = new Probe(known), warmUp = isSoftware ? 0 : 150;
  const dense = new Map<string, number>();
  for (const given of cases) {
    const measured = await measure(gpu, given, { probe, warmUp });
    const key = `${given.shape.headDim} ${given.dtype}`;
    if (given.shares.length === 0) dense.set(key, measured.median);
    const row = toRow(given, measured, dense.get(key) ?? NaN);
    if (parsed.json) console.log(JSON.stringify(row));
    say(
      `${row.case}\n    ${row.ms.toFixed(3)} ms (${row.ms_low.toFixed(3)} to ${row.ms_high.toFixed(3)}), ${
        row.tflops.toFixed(1)
      } TFLOP/s, ${row.speedup.toFixed(2)} times dense (ideal ${
        (1 / row.density).toFixed(2)
      }), relative error ${row.rel_l2.toExponential(1)}`,
    );
  }
  if (parsed["no-stages"] || parsed.filter) return;
  for (const bench of stageBenches(2 * tokens)) {
    const times = await timeStages(gpu, bench, { repetitions: 7, warmUp });
    if (parsed.json) console.log(JSON.stringify({ bench, times }));
    const { shape: { heads, headDim }, config, dtype } = bench;
    say(
      `stages D=${headDim} H=${heads} ${dtype} bn=${config.blockN} ${config.importance.kind}: pyramid ${
        times.pyramid.toFixed(3)
      }, importance ${times.importance.toFixed(3)}, levels ${times.levels.toFixed(3)}, lists ${
        times.lists.toFixed(3)
      }, attention ${times.attention.toFixed(3)} ms; before attention ${
        (100 * times.shareBefore).toFixed(1)
      } %`,
    );
  }
}

if (import.meta.main) await runCommand(() => main(Deno.args));
