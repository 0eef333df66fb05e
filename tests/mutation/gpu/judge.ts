/**
 * Our own kernels with a mistake in their text, run on a device, judged and diagnosed.
 *
 * @module
 */
import { gpuAttention } from "../../../bench/conformance/gpu_outputs.ts";
import { gpuStage } from "../../../bench/conformance/gpu_stages.ts";
import type { DeviceChoice } from "../../../bench/options/device.ts";
import { Catalogue } from "../../../fixtures/conformance/diagnose/catalogue.ts";
import { outputFile } from "../../../fixtures/conformance/diagnose/planted.ts";
import { explainStages } from "../../../fixtures/conformance/diagnose/stages.ts";
import { type Judged, judgeOutputs, type ReadCase } from "../../../fixtures/conformance/judge/judge.ts";
import { Gpu } from "../../../kernels/device/gpu.ts";
import { openGpu } from "../../../kernels/device/open/open.ts";
import { InputError, requireInput } from "../../../reference/errors.ts";
import type { Tensor } from "../../../reference/tensor.ts";
import { attentionCases } from "../kill_matrix.ts";
import { stageCases } from "../kill_stages.ts";
import type { WgslMutant } from "./wgsl_mutant.ts";
import { WGSL_MUTANTS } from "./wgsl_mutants.ts";
import { MATRIX_MUTANTS } from "./wgsl_mutants_matrix.ts";

/** The result for one mutant. */
export interface MutantOutcome {
  /** The mutant's name. */
  readonly mutant: string;
  /** Cases that fail. */
  readonly failing: number;
  /** Cases whose kernels' text the mutant changed. */
  readonly changed: number;
  /** Cases that ran. */
  readonly cases: number;
  /** The names that the diagnosis gives. */
  readonly names: readonly string[];
  /** How many failing cases they explain. */
  readonly explained: number;
  /** The adapter that ran them. */
  readonly adapter: string;
}

/**
 * Runs work with a changed text of the kernels, and counts the pipelines that were changed.
 *
 * @param mutant what to change; null: nothing
 * @param work what to run
 * @returns how often the text of a pipeline was changed
 */
async function withMutant(mutant: WgslMutant | null, work: () => Promise<void>): Promise<number> {
  const original = Gpu.prototype.createPipeline;
  let changed = 0;
  Gpu.prototype.createPipeline = function (code, options) {
    const mutated = mutant !== null && options.label.startsWith(mutant.kernel)
      ? mutant.replace.reduce((text, [pattern, replacement]) => text.replace(pattern, replacement), code)
      : code;
    if (mutated !== code) changed++;
    return original.call(this, mutated, options);
  };
  try {
    await work();
    return changed;
  } finally {
    Gpu.prototype.createPipeline = original;
  }
}

/** The verdict on our kernels' outputs for a case; writes behind their buffers count. */
async function judgeOurs(gpu: Gpu, judged: Judged): Promise<ReadCase> {
  const { tensors, outside } = judged.listed.case.startsWith("attention ")
    ? await gpuAttention(gpu, judged)
    : { tensors: await gpuStage(gpu, judged), outside: "" };
  if (tensors === undefined) throw new InputError(`${judged.listed.case} has no kernel.`);
  const output = { ...outputFile(tensors as Record<string, Tensor>), metadata: { outside } };
  return { ...judged, output, verdict: judgeOutputs(judged, output) };
}

/**
 * Runs our kernels with a mistake on cases of one stage, and judges and diagnoses what they give.
 *
 * @param gpu the device
 * @param mutant the mistake; null: none
 * @param options the cases, and the catalogue to diagnose with; without it nothing is diagnosed
 * @throws {InputError} if the mutant's pattern is nowhere in the kernels' text
 */
export async function judgeMutant(
  gpu: Gpu,
  mutant: WgslMutant | null,
  { cases, catalogue }: { readonly cases: readonly Judged[]; readonly catalogue?: Catalogue },
): Promise<MutantOutcome> {
  const read: ReadCase[] = [];
  let changed = 0;
  for (const judged of cases) {
    const times = await withMutant(mutant, async () => {
      read.push(await judgeOurs(gpu, judged));
    });
    changed += times > 0 ? 1 : 0;
  }
  requireInput(
    mutant === null || changed > 0,
    () => `The mutant "${mutant?.name}" is nowhere in the text of the kernel ${mutant?.kernel}.`,
  );
  const failing = read.filter(({ verdict }) => verdict.problems.length > 0).length;
  const [found] = failing === 0 || catalogue === undefined
    ? []
    : mutant?.stage === "attention"
    ? [catalogue.explain(read)]
    : explainStages(read);
  return {
    ...{ mutant: mutant?.name ?? "none", failing, changed, cases: cases.length },
    ...{ names: found?.names ?? [], explained: found?.explained ?? 0, adapter: gpu.info.description },
  };
}

/** The cases of attention of the smoke suite, or those of its other stages that our kernels are made for. */
function casesOf(kernels: Kernels, isAttention: boolean): Judged[] {
  if (isAttention) return attentionCases("smoke", kernels === "matrix" ? "f16" : "f32");
  return stageCases("smoke").filter(({ listed }) => /^(importance|levels|cap) /.test(listed.case));
}

/** The cases of the smoke suite that our kernels are made for. */
export function ourCases(): Judged[] {
  return [...casesOf("plain", true), ...casesOf("plain", false)];
}

/** The kernels whose text is changed: those for every device, in float32, or those for matrix units, in float16. */
export type Kernels = "plain" | "matrix";

/** The mistakes in kernels. */
export const MUTANTS: Readonly<Record<Kernels, readonly WgslMutant[]>> = {
  plain: WGSL_MUTANTS,
  matrix: MATRIX_MUTANTS,
};

/** A device, and kernels that run on it without a mistake (`place` is null) or with the mistake at a place of their list. */
export interface PlantWork {
  readonly device: DeviceChoice;
  readonly kernels: Kernels;
  readonly place: number | null;
}

/** Plants mistakes; devices, cases and the catalogue are made once. */
export class Planter implements Disposable {
  #catalogue = new Catalogue();
  #gpus = new Map<string, Gpu>();
  #cases = new Map<string, Judged[]>();

  /**
   * Runs kernels on the cases that see their mistake.
   *
   * @param work the device, and what is planted
   * @returns an outcome of no case if the device has no matrix units, and the kernels need them
   */
  async run({ device, kernels, place }: PlantWork): Promise<MutantOutcome> {
    const gpu = await this.#open(device), mutant = place === null ? null : MUTANTS[kernels][place];
    if (kernels === "matrix" && !gpu.info.matrices) {
      const nothing = { failing: 0, changed: 0, cases: 0, names: [], explained: 0 };
      return { mutant: mutant?.name ?? "none", ...nothing, adapter: gpu.info.description };
    }
    const stage = mutant?.stage ?? (kernels === "matrix" ? "attention" : undefined);
    const all = stage === undefined
      ? [...this.#made(kernels, true), ...this.#made(kernels, false)]
      : this.#made(kernels, stage === "attention");
    const cases = all.filter(({ listed }) => stage === undefined || listed.case.startsWith(`${stage} `));
    return await judgeMutant(gpu, mutant, { cases, catalogue: this.#catalogue });
  }

  async #open(device: DeviceChoice): Promise<Gpu> {
    const key = JSON.stringify(device), gpu = this.#gpus.get(key) ?? await openGpu(device);
    this.#gpus.set(key, gpu);
    return gpu;
  }

  #made(kernels: Kernels, isAttention: boolean): Judged[] {
    const key = `${kernels} ${isAttention}`, made = this.#cases.get(key) ?? casesOf(kernels, isAttention);
    this.#cases.set(key, made);
    return made;
  }

  /** Closes the devices. */
  [Symbol.dispose](): void {
    for (const gpu of this.#gpus.values()) gpu[Symbol.dispose]();
  }
}
