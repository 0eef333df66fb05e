/**
 * One case of a sweep: the choice of the method, the output of the kernel, and its distance from the truth.
 *
 * @module
 */
import { levelDensity } from "../../../reference/levels/density.ts";
import { droppedMass, massEntropy } from "../../../reference/judge/mass.ts";
import { droppedOfLse } from "../../../reference/masks/loss.ts";
import { choose } from "../../../reference/methods/fit.ts";
import type { BlockSelection, MaskSelection, Selection } from "../../../reference/methods/method.ts";
import { maskedAttentionParallel } from "../../../reference/parallel/masked.ts";
import { judges } from "../../../reference/judge/ladder.ts";
import type { Tolerance } from "../../../reference/judge/tolerance.ts";
import { attentionToleranceParallel } from "../../../reference/parallel/heads.ts";
import { attentionShape, type Tensor } from "../../../reference/tensor.ts";
import { workersFor } from "../truth/maker.ts";
import { type ImportanceCheck, joinChecks } from "../truth/importance_check.ts";
import { checkAllRows, joinAllRows, NO_CHECKS, pickRows, sampleFor } from "./all_rows.ts";
import type { Arranged, Attended, KernelVerdict } from "./arranged.ts";
import type { SweepCase } from "../plan/cases.ts";
import { type CaseErrors, errorsByHead, type HeadErrors, joinErrors } from "./errors.ts";
import { runChecked } from "./kernel.ts";
import { attendCorrected, isCorrected } from "./corrected.ts";
import { attendMask } from "./masked.ts";

/** The result of a case before its time is measured. */
export interface Judged extends CaseErrors {
  /** The case. */
  readonly given: SweepCase;
  /** `ok`, `wrong`, … as the column says. */
  readonly status: string;
  /** The density that was reached. */
  readonly density: number;
  /** The errors and the verdict of its kernel; null if none ran. */
  readonly kernel: KernelVerdict | null;
  /** Operations of choosing over those of dense attention. */
  readonly selectionCost: number;
  /** Mass that no token represents. */
  readonly droppedMass: number;
  /** How evenly softmax mass is spread over key blocks. */
  readonly massEntropy: number;
  /** The call on the GPU, ready to be timed; null if the method chose a mask that no kernel ran. */
  readonly ran: Attended | null;
  /** Whether kernels make all of the output: where a correction follows that has none, the method has no time. */
  readonly isWhole: boolean;
  /** The method's choice as a rule, if kernels can make it, or nothing is to be made. */
  readonly rule?: Selection["rule"];
  /** The errors of its heads. */
  readonly heads: readonly HeadErrors[];
  /** How near the device's importance is to the reference's; null if the CPU computed it, or the method has none. */
  readonly check: ImportanceCheck | null;
}

/**
 * Chooses, runs the kernel if there is a call on the GPU, and compares.
 *
 * @example
 * ```ts
 * import { cpuTruth } from "../truth/maker.ts";
 * import { arrangeGroup } from "./arrange.ts";
 * import { casesOf } from "../plan/cases.ts";
 * import { inputSources } from "../inputs/inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 * import { judgeCase } from "./judge.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options), group = { input, firstHead: 0, qkv: await input.groups[0].load() };
 * const tokens = await arrangeGroup(group, given, { options, maker: cpuTruth("cpu"), dense: null });
 * const { status } = await judgeCase(given, { ...tokens, attended: [], keeps: true, call: null });
 * console.log(status); // no-gpu
 * ```
 */
export async function judgeCase(given: SweepCase, arranged: Arranged): Promise<Judged> {
  const { inputs, truth, rows } = arranged, { method, density } = given;
  const selection = choose(method, inputs, density), isMask = "mask" in selection;
  const { out, droppedMass, ran } = isMask
    ? await overMask(given, selection, arranged)
    : await overLevels(given, selection, arranged);
  const kernel = ran?.kernel ?? null, heads = errorsByHead(out, truth, rows);
  if (ran !== null && !arranged.keeps) ran.out = null;
  return {
    given,
    status: statusOf(selection, { kernel, gpu: arranged.call !== null }),
    density: selection.density,
    ...joinErrors(heads),
    kernel,
    selectionCost: method.selectionCost({ ...inputs, headDim: inputs.qkv.q.shape[3] }),
    droppedMass,
    massEntropy: inputs.once("mass entropy", () => massEntropy(inputs.mass())),
    ran,
    ...(selection.rule === undefined ? {} : { rule: selection.rule }),
    isWhole: isMask || selection.finish === undefined || isCorrected(selection),
    heads,
    check: method.usesImportance ? arranged.check : null,
  };
}

/** The output of a choice, the mass that it drops, and what was attended on the way. */
interface Output extends Pick<Judged, "droppedMass" | "ran"> {
  readonly out: Tensor;
}

/** The output over levels, by the kernel if there is one, with what the method puts on top. */
async function overLevels(
  given: SweepCase,
  selection: BlockSelection,
  arranged: Arranged,
): Promise<Output> {
  const { inputs: { causal, sizes, mass }, truth, call } = arranged,
    { levels, represented = levels } = selection;
  const dropped = droppedMass(represented, mass(), { causal, ...sizes });
  if (call !== null && isCorrected(selection)) {
    const format = given.data.dtype === "f16" ? "f16" : "f32";
    const ran = await attendCorrected(selection, { arranged, call, format });
    return { out: ran.out!, ran, droppedMass: dropped };
  }
  const ran = await attend(given, levels, arranged), out = ran.out ?? truth;
  return { out: selection.finish?.(out) ?? out, ran, droppedMass: dropped };
}

/** The output over a mask, by the kernel if there is one, and by the reference on all cores. */
async function overMask(
  { data: { dtype } }: SweepCase,
  { mask }: MaskSelection,
  arranged: Arranged,
): Promise<Output> {
  const { inputs, maker: { workers } } = arranged, { qkv, scale } = inputs;
  const options = { scale, ...workersFor(qkv, workers) };
  const { out: reference, lse } = await maskedAttentionParallel(qkv, mask, options);
  const format = dtype === "f16" ? "f16" : "f32";
  const ran = await attendMask({ mask, reference, format }, arranged);
  return { out: ran?.out ?? reference, ran, droppedMass: droppedOfLse(lse, inputs.denseLse()) };
}

/** Attention over the levels that a method chose; those that several cases have are attended once. */
async function attend(given: SweepCase, chosen: Tensor<Int32Array>, arranged: Arranged): Promise<Attended> {
  const levels = given.method.name === "dense" ? null : chosen;
  const known = arranged.attended.find((each) =>
    each.correction !== undefined
      ? false
      : levels === null || each.levels === null
      ? levels === each.levels && each.mask === undefined
      : levels.data.every((level, at) => level === each.levels?.data[at])
  );
  if (known !== undefined && known.made.out !== null) return known.made;
  const made = await attendLevels(given, levels, arranged);
  arranged.attended.push({ levels, made });
  return made;
}

/** By the kernel, which is compared with the reference, or by the reference alone. */
async function attendLevels(
  { data: { dtype } }: SweepCase,
  levels: Tensor<Int32Array> | null,
  arranged: Arranged,
): Promise<Attended> {
  const { truth, rows, maker, tokens, inputs: { sizes, causal }, call } = arranged;
  const isDense = levels === null || levelDensity(levels, { causal, ...sizes }) === 1;
  const format = dtype === "f16" ? "f16" : "f32",
    bounds = () => boundOf(arranged, isDense ? null : levels, format);
  // where the device computes the truth, the CPU computes the bound meanwhile
  const meanwhile = call !== null && maker.kind === "gpu" ? bounds() : null;
  meanwhile?.catch(() => {}); // it is awaited below, unless something else fails before
  const reference = isDense ? truth : await maker.attention(tokens, levels, rows);
  if (call === null) return { out: reference, kernel: null, prepared: null };
  const prepared = await call.psa.prepare(levels ?? "dense"), all = await runChecked(call.gpu, prepared);
  const out = rows === null ? all : pickRows(all, rows);
  const heads = errorsByHead(out, reference, rows),
    { error: { relL2, maxAbs, nonFinite } } = joinErrors(heads);
  const bound = await (meanwhile ?? bounds());
  const everywhere = rows === null
    ? { ...NO_CHECKS, nonFinite }
    : await checkAllRows(arranged, { levels, all, call, bound, format });
  const isWithin = relL2 <= bound.relL2 && maxAbs <= bound.maxAbs && everywhere.nonFinite === 0;
  const isRight = everywhere.isRight && isWithin;
  const canJudge = judges(bound, reference) || everywhere.nonFinite > 0 || !everywhere.isRight;
  return {
    out,
    kernel: { ...everywhere, relL2, bound: bound.relL2, isRight: canJudge ? isRight : null, heads },
    prepared,
  };
}

/** The kernel's bound on the judged rows; all cases with the same levels share it. */
async function boundOf(
  { tokens: { qkv, options }, rows, maker: { workers }, once }: Arranged,
  levels: Tensor<Int32Array> | null,
  format: "f16" | "f32",
): Promise<Tolerance> {
  const sample = sampleFor(attentionShape(qkv)), formats = { dtype: format, accumulate: format };
  const make = () =>
    attentionToleranceParallel(qkv, levels, {
      ...{ ...options, ...formats, sample, workers: sample === undefined ? 0 : workers },
      ...(rows === null ? {} : { rowsOfHead: rows.rows }),
    });
  return levels === null ? await once(`bound ${format}`, make) : await make();
}

function statusOf(
  selection: Selection,
  { kernel, gpu }: { readonly kernel: KernelVerdict | null; readonly gpu: boolean },
): string {
  if (kernel?.isRight === false) return "wrong";
  if (kernel?.isRight === null) return "unjudged";
  if (!gpu) return "no-gpu";
  if (selection.status !== "ok") return selection.status;
  return kernel === null ? "reference" : "ok";
}

/** The states that a case takes from one of its groups of heads, the worst first. */
const NOT_OK = ["wrong", "lost", "failed", "skipped", "unjudged", "unreachable", "reference"];

/**
 * Joins the results of groups of heads into those of a case.
 *
 * @param groups the case in each group
 */
export function joinJudged(groups: readonly Judged[]): Judged {
  const [first] = groups;
  if (groups.length === 1) return first;
  const heads = groups.flatMap((group) => group.heads),
    share = (group: Judged) => group.heads.length / heads.length;
  const mean = (name: "density" | "droppedMass" | "massEntropy") =>
    groups.reduce((sum, group) => sum + share(group) * group[name], 0);
  const worst = (status: string) => groups.find((group) => group.status === status)?.status;
  return {
    ...first,
    ...joinErrors(heads),
    heads,
    check: joinChecks(groups.map(({ check }) => check)),
    status: NOT_OK.map(worst).find(Boolean) ?? first.status,
    density: mean("density"),
    droppedMass: mean("droppedMass"),
    massEntropy: mean("massEntropy"),
    kernel: groups.every(({ kernel }) => kernel !== null)
      ? joinVerdicts(groups.map(({ kernel }) => kernel!))
      : null,
  };
}

/** Joins the results of groups of heads: errors and bounds of norms add up as squares. */
function joinVerdicts(groups: readonly KernelVerdict[]): KernelVerdict {
  const heads = groups.flatMap((group) => group.heads),
    all = heads.reduce((sum, { truth2 }) => sum + truth2, 0);
  const bound2 = groups.reduce(
    (sum, group) => sum + group.bound ** 2 * group.heads.reduce((own, { truth2 }) => own + truth2, 0) / all,
    0,
  );
  const verdicts = groups.map(({ isRight }) => isRight);
  return {
    ...joinAllRows(groups.map((group) => ({ ...group, isRight: group.isRight !== false }))),
    relL2: joinErrors(heads).error.relL2,
    bound: Math.sqrt(bound2),
    isRight: verdicts.includes(false) ? false : verdicts.includes(null) ? null : true,
    heads,
  };
}
