/**
 * One case of a sweep: what the method chooses, what the kernel makes of it, and how far that is from the truth.
 *
 * @module
 */
import { levelDensity } from "../../../reference/levels/density.ts";
import { droppedMass } from "../../../reference/judge/mass.ts";
import type { Selection } from "../../../reference/methods/method.ts";
import { judges } from "../../../reference/judge/ladder.ts";
import { compare, type Comparison } from "../../../reference/judge/metrics.ts";
import { pyramidAttentionParallel } from "../../../reference/parallel/parallel.ts";
import { attentionShape, type Tensor } from "../../../reference/tensor.ts";
import { attentionTolerance } from "../../../reference/judge/tolerance.ts";
import type { ArrangedTokens } from "./arrange.ts";
import type { SweepCase } from "../cases.ts";
import type { Gpu } from "../../../kernels/device/gpu.ts";
import type { PreparedCall, Psa } from "../../../kernels/psa.ts";
import { runChecked } from "./kernel.ts";

/** The call of an input on the GPU. */
export interface GpuCall {
  /** The device. */
  readonly gpu: Gpu;
  /** The call, with its tensors on the device. */
  readonly psa: Psa;
}

/** Tokens in the order of a layout, and what belongs to them. */
export interface Arranged extends ArrangedTokens {
  /** Dense attention in float64, in the order. */
  readonly truth: Tensor<Float64Array>;
  /** The call on the GPU; null if kernels are not asked for, or a device that is gone had it. */
  call: GpuCall | null;
  /** What was attended already; levels are null for dense attention. */
  readonly attended: { readonly levels: Tensor<Int32Array> | null; readonly made: Attended }[];
}

/** Attention over levels, and what the kernel that ran is worth. */
export interface Attended {
  /** The output: of the kernel if one ran, else of the reference. */
  readonly out: Tensor;
  /** The kernel's distance from the reference, its bound, and whether it is right; null if none ran. */
  readonly kernel: KernelVerdict | null;
  /** The case on the GPU; null if none ran, or a device that is gone had it. */
  prepared: PreparedCall | null;
}

/** What a kernel is worth. */
export interface KernelVerdict {
  /** Its relative L2 error against the reference of the same levels. */
  readonly relL2: number;
  /** The bound of that. */
  readonly bound: number;
  /** Whether it is right; null if its bound would accept zeros, and so judges nothing. */
  readonly isRight: boolean | null;
}

/** What is known of a case before its time is measured. */
export interface Judged {
  /** The case. */
  readonly given: SweepCase;
  /** `ok`, `wrong`, … as the column says. */
  readonly status: string;
  /** The density that was reached. */
  readonly density: number;
  /** Distance of the output from dense attention. */
  readonly error: Comparison;
  /** The same by rows and heads. */
  readonly spread: ErrorSpread;
  /** Relative L2 error of the kernel against the reference of the same levels, and its bound; null if none ran. */
  readonly kernel: Attended["kernel"];
  /** Operations of choosing over those of dense attention. */
  readonly selectionCost: number;
  /** Mass that no token stands for. */
  readonly droppedMass: number;
  /** What was attended, on the GPU ready to be timed; null if the method attends by itself. */
  readonly ran: Attended | null;
}

/** How an error spreads over rows and heads. */
export interface ErrorSpread {
  /** The largest relative L2 error of one row. */
  readonly worstRow: number;
  /** The largest of one head. */
  readonly worstHead: number;
  /** The mean over heads. */
  readonly headMean: number;
  /** The standard deviation over heads. */
  readonly headSpread: number;
}

/**
 * Chooses, runs the kernel if there is a call on the GPU, and compares.
 *
 * @example
 * ```ts
 * import { pyramidAttentionParallel } from "../../../reference/parallel/parallel.ts";
 * import { arrangeInput } from "./arrange.ts";
 * import { casesOf } from "../cases.ts";
 * import { inputSources } from "../inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 * import { judgeCase } from "./judge.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options);
 * const { out: truth } = await pyramidAttentionParallel(input.qkv, null, { workers: 0 });
 * const tokens = arrangeInput(input, given, { seed: 1, truth });
 * const { status } = await judgeCase(given, { ...tokens, truth, attended: [], call: null });
 * console.log(status); // no-gpu
 * ```
 */
export async function judgeCase(given: SweepCase, arranged: Arranged): Promise<Judged> {
  const { inputs, truth } = arranged, { method, density } = given;
  const selection = method.select(inputs, density);
  const ran = "levels" in selection ? await attend(given, selection.levels, arranged) : null;
  const finish = "levels" in selection && selection.finish ? selection.finish : (out: Tensor) => out;
  const out = "levels" in selection ? finish(ran?.out ?? truth) : selection.out;
  const kernel = ran?.kernel ?? null;
  return {
    given,
    status: statusOf(selection, { isRight: kernel?.isRight, gpu: arranged.call !== null }),
    density: selection.density,
    error: compare(out, truth),
    spread: errorSpread(out, truth),
    kernel,
    selectionCost: method.selectionCost(inputs),
    droppedMass: "levels" in selection
      ? droppedMass(selection.represented ?? selection.levels, inputs.mass(), {
        causal: inputs.causal,
        ...inputs.sizes,
      })
      : selection.droppedMass,
    ran,
  };
}

/** Attention over the levels that a method chose; those that several cases have are attended once. */
async function attend(given: SweepCase, chosen: Tensor<Int32Array>, arranged: Arranged): Promise<Attended> {
  const levels = given.method.name === "dense" ? null : chosen;
  const known = arranged.attended.find((each) =>
    levels === null || each.levels === null
      ? levels === each.levels
      : levels.data.every((level, at) => level === each.levels?.data[at])
  );
  if (known !== undefined) return known.made;
  const made = await attendLevels(given, levels, arranged);
  arranged.attended.push({ levels, made });
  return made;
}

/** Pairs of tokens a head up to which starting workers takes longer than the work. */
const SMALL = 2 ** 20;

/** By the kernel, which is compared with the reference, or by the reference alone. */
async function attendLevels(
  { data: { dtype } }: SweepCase,
  levels: Tensor<Int32Array> | null,
  { qkv, truth, inputs: { sizes, causal }, call }: Arranged,
): Promise<Attended> {
  const options = { blockM: sizes.blockM, blockN: sizes.blockN, causal };
  const isDense = levels === null || levelDensity(levels, { causal, ...sizes }) === 1;
  const { seqQ, seqK } = sizes, workers = seqQ * seqK <= SMALL ? { workers: 0 } : {};
  const reference = isDense
    ? truth
    : (await pyramidAttentionParallel(qkv, levels, { ...options, ...workers })).out;
  if (call === null) return { out: reference, kernel: null, prepared: null };
  const prepared = await call.psa.prepare(levels ?? "dense"), out = await runChecked(call.gpu, prepared);
  const format = dtype === "f16" ? "f16" : "f32";
  const bound = attentionTolerance(qkv, levels, { ...options, dtype: format, accumulate: format });
  const { relL2, maxAbs, nonFinite } = compare(out, reference);
  const isWithin = relL2 <= bound.relL2 && maxAbs <= bound.maxAbs && nonFinite === 0;
  const isRight = judges(bound, reference) || nonFinite > 0 ? isWithin : null;
  return { out, kernel: { relL2, bound: bound.relL2, isRight }, prepared };
}

function statusOf(
  selection: Selection,
  { isRight, gpu }: { readonly isRight: boolean | null | undefined; readonly gpu: boolean },
): string {
  if (isRight === false) return "wrong";
  if (isRight === null) return "unjudged";
  if (!gpu) return "no-gpu";
  if (selection.status !== "ok") return selection.status;
  return "levels" in selection ? "ok" : "reference";
}

/**
 * How the error of an output spreads over rows and heads. A row or head of which the truth is 0 has error 0 if the
 * output is 0 too, and infinity if not.
 *
 * @param out [batch, heads, query tokens, value dimension]
 * @param truth the same shape
 *
 * @example
 * ```ts
 * import { tensor } from "../../../reference/tensor.ts";
 * import { errorSpread } from "./judge.ts";
 * const truth = tensor(new Float64Array([1, 1]), [1, 1, 2, 1]);
 * console.log(errorSpread(tensor(new Float64Array([1, 2]), [1, 1, 2, 1]), truth).worstRow); // 1
 * ```
 */
export function errorSpread(out: Tensor, truth: Tensor<Float64Array>): ErrorSpread {
  const { batch, heads, seqQ, valueDim } = attentionShape({ q: truth, k: truth, v: truth });
  const relative = (difference2: number, norm2: number) =>
    difference2 === 0 ? 0 : Math.sqrt(difference2 / norm2);
  const byHead: number[] = [];
  let worstRow = 0;
  for (let head = 0, at = 0; head < batch * heads; head++) {
    let headDifference = 0, headNorm = 0;
    for (let row = 0; row < seqQ; row++) {
      let difference2 = 0, norm2 = 0;
      for (const end = at + valueDim; at < end; at++) {
        difference2 += (out.data[at] - truth.data[at]) ** 2;
        norm2 += truth.data[at] ** 2;
      }
      worstRow = Math.max(worstRow, relative(difference2, norm2));
      headDifference += difference2;
      headNorm += norm2;
    }
    byHead.push(relative(headDifference, headNorm));
  }
  const headMean = byHead.reduce((sum, error) => sum + error, 0) / byHead.length;
  const variance = byHead.reduce((sum, error) => sum + (error - headMean) ** 2, 0) / byHead.length;
  return { worstRow, worstHead: Math.max(...byHead), headMean, headSpread: Math.sqrt(variance) };
}
