/**
 * `deno task bench:gpu`: times attention on this GPU, dense and over the pyramid, by density and length, and the
 * stages before it.
 *
 * Every case is checked against the reference before it is timed, and its output again afterwards; a kernel that is
 * wrong is not timed. A measurement is the median of repetitions that follow a warm-up in the same submission; a time is
 * the median of at least eight measurements, with its interval. A small dense call is timed beside every measurement:
 * if it is slow, so was the machine, and the measurement is repeated.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { matrixName, matrixProblem } from "../../kernels/device/probe/matrices.ts";
import { requireInput } from "../../reference/errors.ts";
import { showFixed } from "../text/number.ts";
import { jsonLine, say, write } from "../text/output.ts";
import { openProbe, warmUpOf } from "../timing/clock.ts";
import { causalCases, type GpuCase, gpuCases, growthCases, nameOf, numberCases } from "./cases.ts";
import type { StageBench } from "./data.ts";
import { timeForward } from "./forward.ts";
import { type BenchTiming, measure } from "./measure.ts";
import { sentence, toRow } from "./row.ts";
import { ruleBenches, ruleName, timeRules } from "./rules.ts";
import { forwardBenches, stageBenches, timeStages } from "./stages.ts";

/** Parts of the bench, in the order in which they run. */
export const PARTS = [
  "table",
  "densities",
  "lengths",
  "causal",
  "numbers",
  "forward",
  "stages",
  "rules",
] as const;

/** Those that a model has. */
export const MODEL_PARTS: readonly BenchPart[] = ["forward", "stages"];

/** One of them. */
export type BenchPart = typeof PARTS[number];

/** The context of every part. */
interface Context {
  readonly gpu: Gpu;
  readonly tokens: number;
  /** Tokens of the longest call. */
  readonly longest: number;
  readonly filter: string;
  readonly timing: BenchTiming;
  readonly json: boolean;
  /** The calls of a model, in place of the bench's own; null: none. */
  readonly calls: readonly StageBench[] | null;
}

/** Times the cases of a part; a case is compared with the dense one of its sizes, and with an ideal time. */
async function runCases(
  context: Context,
  part: BenchPart,
  { cases, ideal }: {
    readonly cases: readonly GpuCase[];
    readonly ideal: (given: GpuCase, seen: Seen) => number;
  },
): Promise<number> {
  const { gpu, filter, timing } = context;
  const seen: Seen = new Map(), wanted = cases.filter((given) => nameOf(given).includes(filter));
  for (const given of wanted) {
    const measured = await measure(gpu, given, timing);
    seen.set(seenKey(given), measured.median);
    const dense = seen.get(seenKey({ ...given, blockN: 128, density: 1 })) ?? NaN;
    const row = toRow(given, measured, { part, dense, ideal: ideal(given, seen) });
    print(context, row, sentence(row));
  }
  return wanted.length;
}

/** Milliseconds of the cases before. */
type Seen = Map<string, number>;

function seenKey({ shape: { headDim, seqK }, dtype, blockN, density, causal, numbers }: GpuCase): string {
  const of = causal ? "causal " : numbers && numbers !== "normal" ? `${numbers} ` : "";
  return `${of}${headDim} ${seqK} ${dtype} ${blockN} ${showFixed(density, 3)}`;
}

/** Ideal: the dense time of the same sizes, times the density. */
function idealOfDensity(given: GpuCase, seen: Seen): number {
  return given.density * (seen.get(seenKey({ ...given, blockN: 128, density: 1 })) ?? NaN);
}

/** Ideal: the best time per pair of tokens among all lengths up to here, of dense attention, times the density. */
function idealOfLength({ shape: { seqQ, seqK }, density }: GpuCase, seen: Seen): number {
  const best = Math.min(
    ...[...seen].filter(([key]) => key.endsWith(" 1.000")).map(([key, ms]) =>
      ms / Number(key.split(" ")[1]) ** 2
    ),
  );
  return density * best * seqQ * seqK;
}

/** Times one part; how many cases it had. */
async function runPart(context: Context, part: BenchPart): Promise<number> {
  const { gpu, tokens } = context, growth = growthCases(tokens, context.longest);
  switch (part) {
    case "table":
      return await runCases(context, part, {
        cases: gpuCases(tokens, gpu.has("shader-f16")),
        ideal: idealOfDensity,
      });
    case "densities":
      return await runCases(context, part, { cases: growth.densities, ideal: idealOfDensity });
    case "lengths":
      return await runCases(context, part, { cases: growth.lengths, ideal: idealOfLength });
    case "causal":
      return await runCases(context, part, {
        cases: causalCases(tokens, gpu.has("shader-f16")),
        ideal: (given, seen) => seen.get(seenKey({ ...given, causal: false })) ?? NaN,
      });
    case "numbers":
      return await runCases(context, part, {
        cases: numberCases(tokens, gpu.has("shader-f16")),
        ideal: (given, seen) => seen.get(seenKey({ ...given, numbers: "alike" })) ?? NaN,
      });
    case "forward":
      return await runForward(context);
    case "stages":
      return await runStages(context);
    case "rules":
      return await runRules(context);
  }
}

/** The calls of a part that this device can run, and whose names were asked for. */
function benchesOf({ gpu, calls, filter }: Context, own: readonly StageBench[]): StageBench[] {
  const all = calls?.flatMap((call) => (["f32", "f16"] as const).map((dtype) => ({ ...call, dtype }))) ?? own;
  return all.filter((bench) =>
    (bench.dtype === "f32" || gpu.has("shader-f16")) && stageName(bench).includes(filter)
  );
}

/** The whole method against dense attention. */
async function runForward(context: Context): Promise<number> {
  const { tokens, longest } = context, lengths = [tokens, 2 * tokens, 4 * tokens];
  const benches = benchesOf(context, forwardBenches(longest > tokens ? lengths : [2 * tokens]));
  for (const bench of benches) {
    const { forward, dense, density } = await timeForward(context.gpu, bench, context.timing);
    const speedup = dense.median / forward.median, name = stageName(bench);
    const times = `${showFixed(forward.median, 3)} ms, dense ${showFixed(dense.median, 3)} ms`;
    print(
      context,
      { part: "forward", bench: name, density, forward, dense, speedup },
      `forward ${name} density ${showFixed(density, 3)}: ${times}: ${showFixed(speedup, 2)} times as fast`,
    );
  }
  return benches.length;
}

/** Every stage of the whole method. */
async function runStages(context: Context): Promise<number> {
  const benches = benchesOf(context, stageBenches(2 * context.tokens));
  for (const bench of benches) {
    const times = await timeStages(context.gpu, bench, context.timing), name = stageName(bench);
    const { shareBefore, ...stages } = times;
    const text = Object.entries(stages).map(([stage, ms]) => `${stage} ${showFixed(ms, 3)}`).join(", ");
    print(
      context,
      { part: "stages", bench: name, ...times },
      `stages ${name}: ${text} ms; before attention ${showFixed(100 * shareBefore, 1)} %`,
    );
  }
  return benches.length;
}

/** Whole calls that choose keys for every query. */
async function runRules(context: Context): Promise<number> {
  const { gpu, filter, tokens } = context;
  const benches = ruleBenches(tokens).filter((bench) =>
    (bench.dtype === "f32" || gpu.has("shader-f16")) && ruleName(bench).includes(filter)
  );
  for (const bench of benches) {
    const times = await timeRules(gpu, bench, context.timing), of = ruleName(bench);
    const text = times.map(({ name, time }) => `${name} ${showFixed(time.median, 3)}`).join(", ");
    print(context, { part: "rules", bench: of, times }, `rules ${of}: ${text} ms`);
  }
  return benches.length;
}

/** What a row says of its device: the WebGPU, and the product of matrices if kernels use one. */
function deviceOf({ info: { implementation: backend, matrices } }: Gpu): Record<string, string> {
  return { backend, ...(matrices ? { matrices: matrixName(matrices) } : {}) };
}

/** Prints a measurement, as JSON or as a sentence. */
function print({ gpu, json }: Context, row: object, text: string): void {
  if (json) write(jsonLine({ ...deviceOf(gpu), ...row }) + "\n");
  else say(text);
}

function stageName(
  { shape: { heads, headDim, seqK }, config: { blockN, importance, assignment }, dtype, name }: StageBench,
): string {
  const stride = importance.kind === "antidiagonal" ? ` ${importance.stride}` : "";
  return `${
    name === undefined ? "" : `${name} `
  }D=${headDim} H=${heads} L=${seqK} ${dtype} bn=${blockN} ${importance.kind}${stride} ${assignment.mode}`;
}

/** The options of the benchmark. */
export interface BenchOptions {
  /** Tokens of a head; undefined: 16384, or 1024 in software. */
  readonly tokens?: number;
  /** Parts of the bench. */
  readonly parts: readonly BenchPart[];
  /** Only cases whose canonical string contains it; empty: all. */
  readonly filter: string;
  /** Seconds after which a case is not measured again; default 5, in software 0.5. */
  readonly seconds?: number;
  /** Whether every row is one object of JSON. */
  readonly json: boolean;
  /** The calls of a model, in place of the bench's own. */
  readonly calls?: readonly StageBench[];
}

/**
 * Runs the bench and prints its measurements.
 *
 * @param gpu the device
 * @param options the parts and their sizes
 * @throws {InputError} if the filter matches no case
 */
export async function runBench(
  gpu: Gpu,
  { tokens: asked, parts, filter, json, calls, seconds }: BenchOptions,
): Promise<void> {
  const isSoftware = gpu.info.subgroupSize === 0, tokens = asked ?? (isSoftware ? 1024 : 16384);
  using probe = await openProbe(gpu);
  const timing = { probe, warmUp: warmUpOf(gpu) ?? 0, seconds: seconds ?? (isSoftware ? 0.5 : 5) };
  const context = {
    gpu,
    tokens,
    longest: isSoftware ? tokens : 8 * tokens,
    filter,
    timing,
    json,
    calls: calls ?? null,
  };
  const { description, implementation, matrices } = gpu.info;
  if (!json) {
    const size = calls === undefined ? `, ${tokens} tokens` : "";
    say(
      `${description} through ${implementation}${
        matrices ? `, matrix units ${matrixName(matrices)}` : ""
      }${size}`,
    );
    if (!matrices) say(`no matrix units: ${matrixProblem(gpu.info)}`);
  }
  let count = 0;
  for (const part of parts) count += await runPart(context, part);
  requireInput(count > 0, () => `--filter "${filter}" matches no case.`);
}
