/**
 * `deno task kill-matrix`: plants every mistake of the catalogue into the reference, and holds the kit to it: a
 * mistake has to be found and named. `--write` writes docs/kill-matrix.md.
 *
 * @module
 */
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import type { KernelDType } from "../../reference/judge/tolerance.ts";
import { type Mistake, MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { bfloat16, type Simulation } from "../../fixtures/conformance/honest/attention.ts";
import { Catalogue } from "../../fixtures/conformance/diagnose/catalogue.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import type { Outcome } from "./outcome.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/deviations/stages/catalogue.ts";
import { spread } from "../support/spread.ts";
import { HONEST_STAGES, type StageOutcome } from "./kill_stages.ts";
import {
  judgedCase,
  judgeKernel,
  judgeMistake,
  simulated,
} from "../../fixtures/conformance/diagnose/planted.ts";

/** The cases of attention of a suite, with their truth. */
export function attentionCases(suite: string, dtype: KernelDType = "f32"): Judged[] {
  return suiteCases(suite, { dtype }).filter(({ stage }) => stage === "attention").map(judgedCase);
}

/** Plants mistakes, one at a time: every one of the catalogue, or some. */
export function killMatrix(
  cases: readonly Judged[],
  { mistakes = MISTAKES, catalogue = new Catalogue() }: {
    readonly mistakes?: readonly Mistake[];
    readonly catalogue?: Catalogue;
  } = {},
): Outcome[] {
  return mistakes.map((mistake) => {
    const read = judgeMistake(cases, mistake, catalogue);
    const failing = read.filter(({ verdict }) => verdict.problems.length > 0).length;
    const names = failing === 0 ? [] : catalogue.explain(read)?.names ?? [];
    return { mistake: mistake.name, failing, cases: cases.length, names };
  });
}

const whole = { sum: Math.fround, steps: Infinity, tile: 32 };

/** Kernels that are right: formats, orders of summation, tiles, weights rounded before the second product. */
export const HONEST: readonly {
  name: string;
  dtype: KernelDType;
  simulation: Simulation;
  halfSums?: boolean;
}[] = [
  { name: "f32, tiles of 32", dtype: "f32", simulation: { ...whole, store: Math.fround } },
  {
    name: "f32 from the last token to the first, one tile",
    dtype: "f32",
    simulation: { ...whole, store: Math.fround, tile: Infinity, backwards: true },
  },
  {
    name: "f32, 4 products at a time, tiles of 16",
    dtype: "f32",
    simulation: { ...whole, store: Math.fround, steps: 4, tile: 16 },
  },
  { name: "f16, tiles of 64", dtype: "f16", simulation: { ...whole, store: Math.f16round, tile: 64 } },
  {
    name: "f16 with sums of 64 in f16",
    dtype: "f16",
    simulation: { store: Math.f16round, sum: Math.f16round, steps: 64, tile: 64 },
    halfSums: true,
  },
  { name: "bf16, tiles of 128", dtype: "bf16", simulation: { ...whole, store: bfloat16, tile: 128 } },
];

/** How many cases an honest kernel fails, and how much of the budget it uses. */
export function honestOutcome(
  cases: readonly Judged[],
  { simulation, halfSums }: typeof HONEST[number],
): { failing: string[]; used: number } {
  const read = judgeKernel(cases, (judged) => simulated(judged, simulation), { halfSums });
  const failing = read.filter(({ verdict }) => verdict.problems.length > 0);
  const used = Math.max(...read.flatMap(({ verdict }) => Object.values(verdict.budget)));
  return { failing: failing.map(({ verdict }) => `${verdict.case}: ${verdict.problems.join("; ")}`), used };
}

/** How an outcome reads in the table. */
function cells({ failing, cases, names, mistake }: Outcome): string {
  if (failing === 0) return "no | |";
  return `${failing} of ${cases} | ${named(mistake, names)} |`;
}

/**
 * Whether a mistake is named rightly, as the tables say it.
 *
 * @param mistake its name
 * @param names what the diagnosis says
 */
export function named(mistake: string, names: readonly string[]): string {
  if (!names.includes(mistake)) return names.join(", ") || "no";
  return names.length === 1 ? "yes" : `one of ${names.length}`;
}

/** A table of mistakes, with what became of them in two suites. */
function table(smoke: readonly Outcome[], standard: readonly Outcome[], labels: readonly string[]): string[] {
  return [
    "| | mistake | wrong cases in smoke | named | wrong cases in standard | named |",
    "| --- | --- | --- | --- | --- | --- |",
    ...smoke.map((one, i) => `| ${labels[i]} | ${one.mistake} | ${cells(one)} ${cells(standard[i])}`),
  ];
}

/** Everything that the page says. */
interface Matrix {
  readonly smoke: readonly Outcome[];
  readonly standard: readonly Outcome[];
  readonly honest: readonly string[];
  readonly stages: { readonly smoke: readonly StageOutcome[]; readonly standard: readonly StageOutcome[] };
  readonly honestStages: readonly string[];
}

/** How many mistakes are killed and named in one of two suites. */
function counts(smoke: readonly Outcome[], standard: readonly Outcome[]): string {
  const killed = smoke.filter(({ failing }, i) => failing + standard[i].failing > 0).length;
  const named =
    smoke.filter(({ names, mistake }, i) => [...names, ...standard[i].names].includes(mistake)).length;
  return `Killed: ${killed} of ${smoke.length}; named: ${named}.`;
}

/** The page docs/kill-matrix.md. */
function markdown({ smoke, standard, honest, stages, honestStages }: Matrix): string {
  const right = ["| kernel | wrong cases | most of the budget used |", "| --- | --- | --- |"];
  return [
    "# What the conformance kit finds",
    "",
    "Written by `deno task kill-matrix --write`: each mistake of the catalogue is planted alone into the reference, and",
    "the cases of attention of a suite are judged and diagnosed. `one of 2` means that two mistakes give the same",
    `outputs in all cases that fail. ${counts(smoke, standard)}`,
    "",
    ...table(smoke, standard, smoke.map((_, i) => `${i + 1}`)),
    "",
    "Kernels that are right, in simulated arithmetic, over the whole standard suite:",
    "",
    ...right,
    ...honest,
    "",
    "## Gradients and single stages",
    "",
    `Mistakes of gradients and stages, over the cases of their stage. ${
      counts(stages.smoke, stages.standard)
    }`,
    "",
    ...table(stages.smoke, stages.standard, stages.smoke.map(({ stage }) => stage)),
    "",
    "Kernels that are right, over all cases of gradients and stages of the standard suite:",
    "",
    ...right,
    ...honestStages,
    "",
  ].join("\n");
}

/** Prints what was killed, and what was not named. */
function report(suite: string, outcomes: readonly Outcome[]): void {
  console.log(
    `${suite}: ${outcomes.filter(({ failing }) => failing > 0).length} of ${outcomes.length} killed`,
  );
  for (const { mistake, failing, names } of outcomes) {
    if (!names.includes(mistake)) {
      console.log(`${mistake}: ${failing} wrong, named ${names.join(" or ") || "-"}`);
    }
  }
}

/** A row of the table of right kernels; prints false alarms. */
function honestRow(name: string, { failing, used }: { failing: string[]; used: number }): string {
  failing.forEach((text) => console.log(`FALSE ALARM ${name}: ${text}`));
  return `| ${name} | ${failing.length} | ${Math.round(100 * used)} % |`;
}

const HELP: CommandHelp = {
  name: "kill-matrix",
  usage: "[--write]",
  about: ["Plants every mistake of the catalogue: the conformance kit has to find and name it."],
  examples: ["deno task kill-matrix"],
  options: [{ name: "write", value: "", help: "write docs/kill-matrix.md" }],
  exits: "a mistake survives",
};

/** A piece of the matrix for a worker: mistakes [first, end) of a kind, or the right kernel number `first`. */
export interface KillWork {
  readonly kind: "attention" | "stages" | "right" | "right stages";
  readonly suite: "smoke" | "standard";
  readonly first: number;
  readonly end: number;
}

/** Mistakes of a piece: as few as are worth sending. */
const PIECE = 8;

/** The pieces of one kind in one suite. */
function piecesOf(kind: KillWork["kind"], suite: KillWork["suite"], count: number): KillWork[] {
  const piece = kind.startsWith("right") ? 1 : PIECE;
  return Array.from({ length: Math.ceil(count / piece) }, (_, i) => ({
    ...{ kind, suite, first: i * piece, end: Math.min(count, (i + 1) * piece) },
  }));
}

/** Everything, on all cores: the largest pieces first. */
async function measureAll(): Promise<Matrix> {
  const works = (["standard", "smoke"] as const).flatMap((suite) => [
    ...piecesOf("attention", suite, MISTAKES.length),
    ...piecesOf("stages", suite, STAGE_MISTAKES.length),
  ]);
  works.push(...piecesOf("right", "standard", HONEST.length));
  works.push(...piecesOf("right stages", "standard", HONEST_STAGES.length));
  const onDone = (_: unknown, done: number) => {
    if (done % 20 === 0) console.error(`${done} of ${works.length} pieces`);
  };
  const results = await spread<KillWork, unknown>(
    new URL("./kill_worker.ts", import.meta.url),
    works,
    onDone,
  );
  const of = (kind: KillWork["kind"], suite: KillWork["suite"]) =>
    results.filter((_, i) => works[i].kind === kind && works[i].suite === suite);
  const right = (kind: "right" | "right stages", kernels: readonly { readonly name: string }[]) =>
    (of(kind, "standard") as ReturnType<typeof honestOutcome>[]).map((each, i) =>
      honestRow(kernels[i].name, each)
    );
  return {
    smoke: of("attention", "smoke").flat() as Outcome[],
    standard: of("attention", "standard").flat() as Outcome[],
    honest: right("right", HONEST),
    stages: {
      smoke: of("stages", "smoke").flat() as StageOutcome[],
      standard: of("stages", "standard").flat() as StageOutcome[],
    },
    honestStages: right("right stages", HONEST_STAGES),
  };
}

async function run({ read }: CommandLine): Promise<number> {
  const matrix = await measureAll(), { smoke, standard, stages, honest, honestStages } = matrix;
  for (const suite of ["smoke", "standard"] as const) {
    report(`stages in ${suite}`, stages[suite]);
    report(suite, matrix[suite]);
  }
  console.log([...honestStages, ...honest].join("\n"));
  if (read.flag("write")) {
    const path = new URL("../../docs/kill-matrix.md", import.meta.url);
    await Deno.writeTextFile(path, markdown(matrix));
  }
  const all = [...smoke, ...stages.smoke], others = [...standard, ...stages.standard];
  const survivors = all.filter(({ failing }, i) => failing + others[i].failing === 0);
  return survivors.length === 0 ? 0 : 1;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
