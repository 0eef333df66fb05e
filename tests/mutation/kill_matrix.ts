/**
 * `deno task kill-matrix`: plants every mistake of the catalogue into the reference, and holds the kit to it: a
 * mistake has to be found and named. `--write` writes docs/kill-matrix.md.
 *
 * @module
 */
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { formatted } from "../../bench/text/formatted.ts";
import type { OptionReader } from "../../bench/options/reader.ts";
import type { KernelDType } from "../../reference/judge/tolerance.ts";
import { type Mistake, MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { suiteCases } from "../../fixtures/conformance/suites.ts";
import { bfloat16, type Simulation } from "../../fixtures/conformance/honest/attention.ts";
import { Catalogue } from "../../fixtures/conformance/diagnose/catalogue.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import { honestRow, markdown, type Matrix } from "./kill_page.ts";
import type { Outcome } from "./outcome.ts";
import { type Piece, PIECE_OPTIONS, recorded } from "../support/record.ts";
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

const HELP: CommandHelp = {
  name: "kill-matrix",
  usage: "[options]",
  about: [
    "Plants every mistake of the catalogue: the conformance kit has to find and name it. All cores are used; the whole " +
    "takes hours of one core, so it can be done in parts and go on where it stopped.",
  ],
  examples: ["deno task kill-matrix --record results/kill.jsonl --write"],
  options: [...PIECE_OPTIONS, { name: "write", value: "", help: "write docs/kill-matrix.md" }],
  exits: "a mistake survives",
};

/** A piece of the matrix for a worker: a mistake of a kind by its place in the catalogue, or a right kernel. */
export interface KillWork {
  readonly kind: "attention" | "stages" | "right" | "right stages";
  readonly suite: "smoke" | "standard";
  readonly place: number;
}

/** The pieces of one kind in one suite. */
function piecesOf(
  kind: KillWork["kind"],
  suite: KillWork["suite"],
  all: readonly { readonly name: string }[],
): Piece<KillWork>[] {
  return all.map(({ name }, place) => ({ key: `${kind}, ${suite}: ${name}`, work: { kind, suite, place } }));
}

/** All pieces: those that take longest first, so that no core waits long for another at the end. */
const PIECES: readonly Piece<KillWork>[] = [
  ...piecesOf("right", "standard", HONEST),
  ...piecesOf("right stages", "standard", HONEST_STAGES),
  ...(["standard", "smoke"] as const).flatMap((suite) => [
    ...piecesOf("attention", suite, MISTAKES),
    ...piecesOf("stages", suite, STAGE_MISTAKES),
  ]),
];

/** Everything, on all cores; null if this is a part. */
async function measureAll(read: OptionReader): Promise<Matrix | null> {
  const begin = performance.now();
  const results = await recorded<KillWork, unknown>(
    { task: "kill-matrix", pieces: PIECES, read },
    async (works, done) => {
      let count = 0;
      await spread<KillWork, unknown>(
        new URL("./kill_worker.ts", import.meta.url),
        works,
        (result, _, place) => {
          done(result, place);
          const minutes = (performance.now() - begin) / 60000;
          if (++count % 20 === 0) {
            console.error(
              `${count} of ${works.length} after ${minutes.toFixed(1)} min`,
            );
          }
        },
      );
    },
  );
  return results === null ? null : matrixOf(results);
}

/** The matrix that results of all pieces make. */
function matrixOf(results: readonly unknown[]): Matrix {
  const of = (kind: KillWork["kind"], suite: KillWork["suite"]) =>
    results.filter((_, i) => PIECES[i].work.kind === kind && PIECES[i].work.suite === suite);
  const right = (kind: "right" | "right stages", kernels: readonly { readonly name: string }[]) =>
    (of(kind, "standard") as ReturnType<typeof honestOutcome>[]).map((each, i) =>
      honestRow(kernels[i].name, each)
    );
  return {
    smoke: of("attention", "smoke") as Outcome[],
    standard: of("attention", "standard") as Outcome[],
    honest: right("right", HONEST),
    stages: {
      smoke: of("stages", "smoke") as StageOutcome[],
      standard: of("stages", "standard") as StageOutcome[],
    },
    honestStages: right("right stages", HONEST_STAGES),
  };
}

async function run({ read }: CommandLine): Promise<number> {
  const matrix = await measureAll(read);
  if (matrix === null) return 0;
  const { smoke, standard, stages, honest, honestStages } = matrix;
  for (const suite of ["smoke", "standard"] as const) {
    report(`stages in ${suite}`, stages[suite]);
    report(suite, matrix[suite]);
  }
  console.log([...honestStages, ...honest].join("\n"));
  if (read.flag("write")) {
    const path = new URL("../../docs/kill-matrix.md", import.meta.url);
    await Deno.writeTextFile(path, await formatted(markdown(matrix)));
  }
  const all = [...smoke, ...stages.smoke], others = [...standard, ...stages.standard];
  const survivors = all.filter(({ failing }, i) => failing + others[i].failing === 0);
  return survivors.length === 0 ? 0 : 1;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
