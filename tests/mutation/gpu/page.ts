/**
 * The page docs/kill-matrix-gpu.md.
 *
 * @module
 */
import type { BackendName } from "../../../kernels/device/open/backend.ts";
import { named } from "../kill_page.ts";
import { type Kernels, type MutantOutcome, MUTANTS } from "./judge.ts";
import type { WgslMutant } from "./wgsl_mutant.ts";

/** What came of some kernels on one implementation of WebGPU. */
export interface Outcomes {
  readonly backend: BackendName;
  readonly kernels: Kernels;
  /** Without a mistake. */
  readonly honest: MutantOutcome;
  /** With each mistake of their list. */
  readonly planted: readonly MutantOutcome[];
}

/** Implementations of WebGPU as they are called in headings. */
const TITLES: Readonly<Record<BackendName, string>> = {
  builtin: "Deno's WebGPU",
  dawn: "Dawn",
  auto: "any WebGPU",
};

/**
 * What the diagnosis says of a mutant.
 *
 * @param outcome what came of it
 * @param mutant the mutant
 */
export function saidOf({ mutant, failing, names, explained }: MutantOutcome, { known }: WgslMutant): string {
  const part = names.length > 0 && explained < failing ? ` (${explained} of ${failing})` : "";
  return `${known ? "" : "not in the catalogue: "}${named(mutant, names)}${part}`;
}

/** Whether it ran: on an adapter without matrix units, kernels that need them do not. */
function ran({ cases }: MutantOutcome): boolean {
  return cases > 0;
}

/** What is said on each implementation; once where all say the same. */
function said(all: readonly Outcomes[], mutant: WgslMutant, place: number): string {
  const texts = all.map(({ planted }) => ran(planted[place]) ? saidOf(planted[place], mutant) : "");
  if (texts.every((text) => text === texts[0])) return texts[0];
  return texts.map((text, i) => `${TITLES[all[i].backend]}: ${text}`).join("; ");
}

/** The table of some kernels, a column of wrong cases for each implementation. */
function table(all: readonly Outcomes[], mutants: readonly WgslMutant[]): string[] {
  const heads = all.map(({ backend }) => `wrong cases, ${TITLES[backend]}`);
  return [
    `| kernel | mistake | ${heads.join(" | ")} | named |`,
    `| --- | --- | ${heads.map(() => "---").join(" | ")} | --- |`,
    ...mutants.map((mutant, place) => {
      const counts = all.map(({ planted: { [place]: one } }) =>
        ran(one) ? `${one.failing} of ${one.changed}` : "not run"
      );
      return `| ${mutant.kernel} | ${mutant.name} | ${counts.join(" | ")} | ${said(all, mutant, place)} |`;
    }),
  ];
}

/** One line for each implementation. */
function sums({ backend, kernels, honest, planted }: Outcomes): string {
  const done = planted.filter(ran), killed = done.filter(({ failing }) => failing > 0).length;
  const known = MUTANTS[kernels].filter((mutant, place) => mutant.known && ran(planted[place])).length;
  const right = done.filter(({ mutant, names }) => names.includes(mutant)).length;
  const adapters = [...new Set([honest, ...done].map(({ adapter }) => adapter))].join(", ");
  const left = planted.length - done.length;
  return `- ${
    TITLES[backend]
  }, ${adapters}: without a mistake ${honest.failing} of ${honest.cases} cases are wrong; killed ${killed} of ${done.length}, named ${right} of the ${known} that the catalogue has${
    left === 0 ? "" : `; ${left} did not run there`
  }.`;
}

/**
 * The page.
 *
 * @param outcomes those of every implementation and its kernels
 */
export function markdown(outcomes: readonly Outcomes[]): string {
  const of = (kernels: Kernels) => outcomes.filter((one) => one.kernels === kernels && one.honest.cases > 0);
  const plain = of("plain"), matrix = of("matrix");
  return [
    "# Mistakes planted into our own WGSL",
    "",
    "Written by `deno task kill-matrix:gpu --write`: each mistake is planted alone into the text of a kernel, and the kernels",
    `run on the ${
      plain[0].honest.cases
    } cases of the smoke suite that they are made for, in float32. Wrong cases are counted among those whose`,
    "text the mistake changes; a name that explains only some of the wrong cases says how many.",
    "",
    ...plain.map(sums),
    "",
    ...table(plain, MUTANTS.plain),
    "",
    "Outputs have 4 KiB behind their end in which nothing may be written: a kernel that writes rows that do not exist is",
    "found wherever there are such rows. A missing barrier is not among the mutants: what it does depends on the machine.",
    "Work lists have no stage of their own in the suites: they are made on the device of the levels of a case, and judged by",
    "what attention makes of them; a test compares them with those of the host.",
    "",
    ...(matrix.length === 0 ? [] : [
      "## Attention by matrix units",
      "",
      "In float16, on the cases of attention of the smoke suite.",
      "",
      ...matrix.map(sums),
      "",
      ...table(matrix, MUTANTS.matrix),
      "",
    ]),
  ].join("\n");
}
