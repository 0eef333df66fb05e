/**
 * `deno task kill-matrix:gpu`: plants mistakes into the WGSL of our own kernels, runs them on this machine's adapter, and
 * holds the conformance kit to it: every one has to be found. `--write` writes docs/kill-matrix-gpu.md.
 *
 * @module
 */
import { Gpu } from "../../kernels/device/gpu.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { BACKEND, openChosen, UNGUARDED } from "../../bench/options/device.ts";
import { Catalogue } from "../../fixtures/conformance/diagnose/catalogue.ts";
import { explainStages } from "../../fixtures/conformance/diagnose/stages.ts";
import { gpuAttention } from "../../bench/conformance/gpu_outputs.ts";
import { gpuStage } from "../../bench/conformance/gpu_stages.ts";
import { type Judged, judgeOutputs, type ReadCase } from "../../fixtures/conformance/judge/judge.ts";
import { attentionCases } from "./kill_matrix.ts";
import { named } from "./kill_page.ts";
import { stageCases } from "./kill_stages.ts";
import { outputFile } from "../../fixtures/conformance/diagnose/planted.ts";
import { readShard } from "../../bench/sweep/options/options.ts";
import { type Piece, PIECE_OPTIONS, recorded } from "../support/record.ts";
import { formatted } from "../../bench/text/formatted.ts";
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

/** The cases of the smoke suite that our kernels are made for. */
export function ourCases(): Judged[] {
  const stages = stageCases("smoke").filter(({ listed }) => /^(importance|levels|cap) /.test(listed.case));
  return [...attentionCases("smoke"), ...stages];
}

/** How an outcome reads in the table. */
function row(
  { mutant, failing, changed, names, explained }: MutantOutcome,
  { kernel, known }: WgslMutant,
): string {
  const part = names.length > 0 && explained < failing ? ` (${explained} of ${failing})` : "";
  const shown = `${named(mutant, names)}${part}`;
  return `| ${kernel} | ${mutant} | ${failing} of ${changed} | ${
    known ? shown : `not in the catalogue: ${shown}`
  } |`;
}

function markdown(outcomes: readonly MutantOutcome[], honest: MutantOutcome): string {
  const killed = outcomes.filter(({ failing }) => failing > 0).length;
  const known = WGSL_MUTANTS.filter((mutant) => mutant.known);
  const adapters = [...new Set([honest, ...outcomes].map(({ adapter }) => adapter))].join(", ");
  const right = outcomes.filter(({ mutant, names }) => names.includes(mutant)).length;
  return [
    "# Mistakes planted into our own WGSL",
    "",
    "Written by `deno task kill-matrix:gpu --write`: each mistake is planted alone into the text of a kernel, and the kernels",
    `run on the ${honest.cases} cases of the smoke suite that they are made for, in float32. Wrong cases are counted among those whose`,
    `text the mistake changes; a name that explains only some of the wrong cases says how many. Adapter: ${adapters}. Without a mistake ${honest.failing} cases are wrong.`,
    "",
    `Killed: ${killed} of ${outcomes.length}; named: ${right} of the ${known.length} that the catalogue has.`,
    "",
    "| kernel | mistake | wrong cases | named |",
    "| --- | --- | --- | --- |",
    ...outcomes.map((outcome, i) => row(outcome, WGSL_MUTANTS[i])),
    "",
    "Outputs have 4 KiB behind their end in which nothing may be written: a kernel that writes rows that do not exist is",
    "found wherever there are such rows. A missing barrier is not among the mutants: what it does depends on the machine.",
    "Work lists have no stage of their own in the suites: they are made on the device of the levels of a case, and judged by",
    "what attention makes of them; a test compares them with those of the host.",
    "",
  ].join("\n");
}

const HELP: CommandHelp = {
  name: "kill-matrix:gpu",
  usage: "[options]",
  about: ["Plants mistakes into our own WGSL: the conformance kit has to find them."],
  examples: ["deno task kill-matrix:gpu"],
  options: [
    ...PIECE_OPTIONS,
    { name: "write", value: "", help: "write docs/kill-matrix-gpu.md" },
    BACKEND,
    UNGUARDED,
  ],
  exits: "a mistake survives",
};

/** The kernels without a mistake, and with each. */
const PIECES: readonly Piece<WgslMutant | null>[] = [
  { key: "none", work: null },
  ...WGSL_MUTANTS.map((work) => ({ key: `${work.kernel}: ${work.name}`, work })),
];

/** Runs kernels on an adapter, and says what came of each. */
async function judgeAll(
  gpu: Gpu,
  mutants: readonly (WgslMutant | null)[],
  { catalogue, done }: {
    readonly catalogue: Catalogue;
    readonly done: (outcome: MutantOutcome, place: number) => void;
  },
): Promise<void> {
  const cases = ourCases();
  for (const [place, mutant] of mutants.entries()) {
    const own = cases.filter(({ listed }) => listed.case.startsWith(mutant ? `${mutant.stage} ` : ""));
    const outcome = await judgeMutant(gpu, mutant, { cases: own, catalogue });
    done(outcome, place);
    const { failing, cases: count } = outcome;
    console.log(mutant ? row(outcome, mutant) : `without a mistake: ${failing} of ${count} wrong`);
  }
}

async function run({ read }: CommandLine): Promise<number> {
  const catalogue = new Catalogue();
  let areMatricesRight = true;
  const outcomes = await recorded<WgslMutant | null, MutantOutcome>(
    { task: "kill-matrix:gpu", pieces: PIECES, read },
    async (mutants, done) => {
      if (mutants.length === 0) return;
      using gpu = await openChosen(read);
      await judgeAll(gpu, mutants, { catalogue, done });
      const isFirst = readShard(read.text("shard", "1/1")).index === 1; // once, and not in every part
      areMatricesRight = !isFirst || await matrixIsRight(gpu, catalogue);
    },
  );
  if (outcomes === null) return 0;
  const [honest, ...planted] = outcomes;
  if (read.flag("write")) {
    const path = new URL("../../docs/kill-matrix-gpu.md", import.meta.url);
    await Deno.writeTextFile(path, await formatted(markdown(planted, honest)));
  }
  const isRight = honest.failing === 0 && planted.every(({ failing }) => failing > 0);
  return isRight && areMatricesRight ? 0 : 1;
}

/** Whether attention by matrix units is right in float16, and every mistake in it is found; true where there are none. */
async function matrixIsRight(gpu: Gpu, catalogue: Catalogue): Promise<boolean> {
  if (!gpu.info.matrices) return true;
  const cases = attentionCases("smoke", "f16"), honest = await judgeMutant(gpu, null, { cases, catalogue });
  console.log(`by matrix units, without a mistake: ${honest.failing} of ${honest.cases} wrong`);
  let found = 0;
  for (const mutant of MATRIX_MUTANTS) {
    const outcome = await judgeMutant(gpu, mutant, { cases, catalogue });
    found += outcome.failing > 0 ? 1 : 0;
    console.log(row(outcome, mutant));
  }
  return honest.failing === 0 && found === MATRIX_MUTANTS.length;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
