/**
 * The whole forward of a tuned file beside `psa` on the device: error and time, on one input.
 *
 * @module
 */
import type { Gpu } from "../../kernels/device/gpu.ts";
import { createPsa, type Psa } from "../../kernels/psa.ts";
import { estimateRelativeError, sampleQueryRows } from "../../reference/judge/sampled_rows.ts";
import { attentionRowsParallel } from "../../reference/parallel/heads.ts";
import { attentionShape, type FloatData, type Qkv } from "../../reference/tensor.ts";
import { workersFor } from "../sweep/truth/maker.ts";
import { showFixed, showNumber } from "../text/number.ts";
import { tableLines } from "./text.ts";
import { clockOf, openProbe, warmUpOf } from "../timing/clock.ts";
import { measureInterleaved } from "../timing/interleaved.ts";
import type { MedianEstimate } from "../timing/statistics.ts";
import type { Tuned } from "./file.ts";
import type { TuneInput } from "./inputs.ts";
import { psaChoice, tunedCall } from "./times.ts";

/** One line: a call as it ran on the device. */
export interface ForwardRow {
  /** `psa` or `tuned`. */
  readonly name: string;
  /** Relative L2 error of all heads together against dense attention, over sampled rows. */
  readonly error: number;
  /** The density that was reached. */
  readonly density: number;
  /** Milliseconds of all stages; null if the clock gave none. */
  readonly time: MedianEstimate | null;
}

/** Sampled rows of a query block. */
const ROWS = 4;
/** When measuring ends. */
const MEASURING = { confidence: 0.95, precision: 0.02, seed: 1 }, SECONDS = 20;

/**
 * All heads of an input as one call in float32, each head with a key head of its own.
 *
 * @param input the input
 */
export async function wholeCall(input: TuneInput): Promise<Qkv<Float32Array>> {
  const heads: Qkv[] = [];
  for (const at of input.shape.heads.keys()) heads.push((await input.load(at)).qkv);
  const joined = (name: keyof Qkv) => {
    const [, , tokens, dim] = heads[0][name].shape, data = new Float32Array(heads.length * tokens * dim);
    heads.forEach((head, at) => data.set(head[name].data as FloatData as Float32Array, at * tokens * dim));
    return { data, shape: [1, heads.length, tokens, dim] };
  };
  return { q: joined("q"), k: joined("k"), v: joined("v") };
}

/**
 * Runs and times both, interleaved.
 *
 * @param gpu the device
 * @param input the input
 * @param about the file, the density to ask `psa` for, and after how many seconds measuring ends; default 20
 * @throws {InputError} if a head has a choice that kernels do not run
 */
export async function measureForward(
  gpu: Gpu,
  input: TuneInput,
  { tuned, psaAsked, seconds = SECONDS }: {
    readonly tuned: Tuned;
    readonly psaAsked: number;
    readonly seconds?: number;
  },
): Promise<ForwardRow[]> {
  const { shape, baselineOrder } = tuned,
    qkv = await wholeCall(input),
    psa = psaChoice(baselineOrder, shape.causal);
  const calls = {
    psa: shape.heads.map(() => ({ choice: psa, asked: psaAsked })),
    tuned: tuned.heads,
  };
  using open = new Opened();
  for (const [name, heads] of Object.entries(calls)) {
    const made = await createPsa(gpu, { shape: attentionShape(qkv), tuned: tunedCall(shape, tuned, heads) });
    open.all.set(name, made);
    await made.load(qkv);
  }
  const truth = await truthOf(qkv, tuned), rows: Omit<ForwardRow, "time">[] = [];
  for (const [name, made] of open.all) {
    const { out, density } = await made.forward(qkv);
    rows.push({ name, density, error: truth(out.data) });
  }
  using probe = await openProbe(gpu);
  const warmUp = warmUpOf(gpu);
  const clocks = [...open.all.values()].map((made) =>
    clockOf((timing) => made.time(timing), { warmUp }).measure
  );
  const measured = await measureInterleaved(clocks, { ...MEASURING, seconds, probe: probe.measure });
  return rows.map((row, i) => ({ ...row, time: measured[i].estimate }));
}

/** Calls that are open. */
class Opened implements Disposable {
  readonly all = new Map<string, Psa>();

  [Symbol.dispose](): void {
    for (const psa of this.all.values()) psa[Symbol.dispose]();
  }
}

/** The relative error of an output, from sampled rows of all heads. */
async function truthOf(
  qkv: Qkv,
  { blockM, seed, shape: { causal } }: Tuned,
): Promise<(out: ArrayLike<number>) => number> {
  const { seqQ, valueDim } = attentionShape(qkv);
  const { rows, strata } = sampleQueryRows(attentionShape(qkv), blockM, { seed, perBlock: ROWS, causal });
  const heads = await attentionRowsParallel(qkv, null, rows, { causal, ...workersFor(qkv, undefined) });
  return (out) => {
    const errors: number[] = [], norms: number[] = [];
    heads.forEach(({ out: right, rows: own }, head) =>
      own.forEach((row, i) => {
        let error = 0, norm = 0;
        for (let c = 0; c < valueDim; c++) {
          const want = right[i * valueDim + c];
          error += (out[(head * seqQ + row) * valueDim + c] - want) ** 2;
          norm += want ** 2;
        }
        errors.push(error);
        norms.push(norm);
      })
    );
    return estimateRelativeError(errors, norms, strata).relL2;
  };
}

/**
 * The rows as lines.
 *
 * @param rows what was measured
 * @param about the input, the device, and the order of `psa`
 */
export function forwardLines(
  rows: readonly ForwardRow[],
  { input, device, order }: { readonly input: string; readonly device: string; readonly order: string },
): string[] {
  const cells = rows.map(({ name, error, density, time }) => [
    ...[name === "psa" ? `psa, ${order}` : name, showFixed(error, 4), showFixed(density, 3)],
    ...time === null
      ? ["", ""]
      : [showNumber(time.median), `${showNumber(time.low)} to ${showNumber(time.high)}`],
  ]);
  return [
    `The whole forward on ${input}, measured on ${device}:`,
    ...tableLines([["", "error", "density", "ms", "95 % interval"], ...cells]),
  ];
}
