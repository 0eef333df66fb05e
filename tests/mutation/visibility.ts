/**
 * `deno task visibility`: which mistakes each case of a suite can see, and which cases see each mistake. A case sees a
 * mistake whose outputs or log-sum-exps are ten times as far from the truth as the bound allows.
 *
 * @module
 */
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { type Mistake, MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { type Candidate, candidatesOf } from "../../fixtures/conformance/diagnose/candidate.ts";
import { runnerOf } from "../../fixtures/conformance/diagnose/runner.ts";
import {
  type Evidence,
  evidenceOf,
  lseError,
  rowError,
  type Sample,
} from "../../fixtures/conformance/diagnose/evidence.ts";
import { callOfFile } from "../../fixtures/conformance/diagnose/of_case.ts";
import type { Judged } from "../../fixtures/conformance/judge/judge.ts";
import type { Tensor } from "../../reference/tensor.ts";
import { attentionCases } from "./kill_matrix.ts";

/** How many times the bound a mistake has to be away. */
export const MARGIN = 10;

/** Mistakes that no case sees with the margin, and why that has to be so. */
export const BELOW: Readonly<Record<string, string>> = JSON.parse(
  await Deno.readTextFile(new URL("below.json", import.meta.url)),
);

/** A case with its truth as outputs. */
export function rightCase(judged: Judged): Evidence {
  const { expected_out: out, expected_lse: lse } = judged.contents.tensors as Record<
    string,
    Tensor<Float64Array>
  >;
  const bound = JSON.parse(judged.contents.metadata.tolerance);
  return evidenceOf({ call: callOfFile(judged), output: { out, lse }, truth: { out, lse }, bound }, 0);
}

/** How many times the bound a mistake is away from the truth in a case: in some rows, or in all where that is not enough. */
export function marginOf(evidence: Evidence, mistake: Mistake): number {
  const candidate = candidatesOf(mistake)[0], some = marginIn(evidence, candidate, evidence.rows);
  return some >= MARGIN ? some : Math.max(some, marginIn(evidence, candidate, evidence.samples));
}

/** The same in some rows: the largest share that an output takes of one of its bounds. */
function marginIn({ given }: Evidence, candidate: Candidate, rows: readonly Sample[]): number {
  const row = runnerOf({ given }, candidate), { out: bound, lse: bounds } = given.bound;
  let error2 = 0, all2 = 0, most = 0, lse = 0;
  for (const { place, want, size2 } of rows) {
    const result = row(place);
    if (result.foreign) continue;
    const far = rowError(want.out, result.out);
    error2 += far;
    all2 += size2;
    if (far > 0) result.out.forEach((x, c) => most = Math.max(most, Math.abs(x - want.out[c])));
    lse = Math.max(lse, lseError(want.lse, result.lse));
  }
  const share = (now: number, limit?: number | null) => now === 0 || !limit ? 0 : now / limit;
  const shares = [
    share(Math.sqrt(error2 / (all2 || 1)), bound.relL2),
    share(most, bound.maxAbs),
    share(lse, bounds?.maxAbs),
  ];
  return shares.some(Number.isNaN) ? Infinity : Math.max(...shares);
}

/** How far each mistake is from the truth in each case, as multiples of the bound. */
export interface Visibility {
  readonly cases: readonly string[];
  /** By mistake, a margin for every case. */
  readonly margins: ReadonlyMap<string, readonly number[]>;
}

/** All margins. */
export function visibility(cases: readonly Judged[]): Visibility {
  const all = cases.map(rightCase);
  const margins = new Map(
    MISTAKES.map((mistake) => [mistake.name, all.map((one) => marginOf(one, mistake))]),
  );
  return { cases: cases.map(({ listed }) => listed.case), margins };
}

/** The mistakes that no case sees with the margin. */
export function unseen({ margins }: Visibility): string[] {
  return [...margins].filter(([, all]) => Math.max(0, ...all) < MARGIN).map(([name]) => name);
}

const HELP: CommandHelp = {
  name: "visibility",
  usage: "[options]",
  about: ["Says which mistakes each case of a suite can see, and which cases see each mistake."],
  examples: ["deno task visibility --suite smoke"],
  options: [
    { name: "suite", value: "S", help: "smoke, standard or full (smoke)" },
    {
      name: "mistakes",
      value: "TEXT",
      help: "for each mistake whose name holds this, the cases that see it",
    },
    { name: "case", value: "TEXT", help: "for each case whose name holds this, the mistakes that it sees" },
  ],
  exits: "a mistake is seen by no case, and tests/mutation/below.json does not say why",
};

const shown = (margin: number) => Number.isFinite(margin) ? margin.toPrecision(2) : "not finite";

function run({ read }: CommandLine): number {
  const [suite, named, wanted] = [
    read.text("suite", "smoke"),
    read.text("case", ""),
    read.text("mistakes", ""),
  ];
  const found = visibility(attentionCases(suite)), { cases, margins } = found;
  for (const [n, name] of cases.entries()) {
    const sees = [...margins].filter(([, all]) => all[n] >= MARGIN);
    console.log(`${String(sees.length).padStart(4)} of ${margins.size}  ${name}`);
    if (named === "" || !name.includes(named)) continue;
    for (const [mistake, all] of margins) console.log(`        ${shown(all[n]).padStart(10)}  ${mistake}`);
  }
  for (const [mistake, all] of margins) {
    if (wanted === "" || !mistake.includes(wanted)) continue;
    console.log(`\n${mistake}`);
    for (const [n, margin] of all.entries()) {
      if (margin > 0) console.log(`        ${shown(margin).padStart(10)}  ${cases[n]}`);
    }
  }
  const blind = unseen(found);
  console.log(`\nseen by no case with a margin of ${MARGIN}: ${blind.length}`);
  for (const name of blind) {
    const most = Math.max(0, ...margins.get(name)!);
    console.log(`${shown(most).padStart(10)}  ${name}${BELOW[name] ? `: ${BELOW[name]}` : ""}`);
  }
  return blind.some((name) => !(name in BELOW)) ? 1 : 0;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
