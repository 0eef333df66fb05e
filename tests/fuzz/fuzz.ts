/**
 * `deno task fuzz`: random cases for the readers of files and for the kernels until the time is up. A case that fails is
 * shrunk and saved in tests/fuzz/found, where a test picks it up. Exit code 1 if something was found.
 *
 * @module
 */
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { say } from "../../bench/text/output.ts";
import { requireInput } from "../../reference/errors.ts";
import { saveFinding } from "./found.ts";
import { closeGpu } from "./kernels.ts";
import { fuzzTarget, type Target } from "./target.ts";
import { KERNELS, READERS } from "./targets.ts";

const ALL = [...READERS, ...KERNELS];

const HELP: CommandHelp = {
  name: "fuzz",
  usage: "[options]",
  about: [
    "Fuzzes the readers of files, and the kernels against the reference. What fails is shrunk and saved in tests/fuzz/found.",
  ],
  examples: ["deno task fuzz --seconds 60 --seed 1"],
  options: [
    { name: "seconds", value: "N", help: "how long (60)" },
    { name: "seed", value: "N", help: "seed of the first round (of the clock)" },
    { name: "only", value: "T,T,…", help: `targets: ${ALL.map(({ name }) => name).join(", ")} (all)` },
  ],
  exits: "something was found",
};

/** The result for a target. */
interface Tally {
  runs: number;
  findings: number;
}

/** The mistakes found in this run, so that each mistake is saved once. */
const known = new Set<string>();

/** Fuzzes until the time is up; whether nothing was found. */
async function fuzz({ read }: CommandLine): Promise<number> {
  const seconds = read.between("seconds", [1, 1e6], 60);
  const seed = read.whole("seed", Date.now() % 2 ** 31), only = read.list("only", "");
  const strange = only.find((name) => !ALL.some((target) => target.name === name));
  requireInput(strange === undefined, () => `--only has "${strange}"; see --help for the targets.`);
  const targets = only.length === 0 ? ALL : ALL.filter(({ name }) => only.includes(name));
  say(`seed ${seed}, ${seconds} seconds, ${targets.length} targets`);
  const tallies = new Map(targets.map(({ name }) => [name, { runs: 0, findings: 0 }]));
  const end = performance.now() + 1000 * seconds;
  for (let round = 0; performance.now() < end; round++) {
    for (const target of targets) {
      if (performance.now() >= end) break;
      await runRound(target, (seed + round) % 2 ** 31, tallies.get(target.name)!);
    }
  }
  closeGpu();
  for (const [name, { runs, findings }] of tallies) {
    say(`${name.padEnd(14)} ${runs} cases, ${findings} found`);
  }
  const all = [...tallies.values()],
    sum = (key: keyof Tally) => all.reduce((sum, tally) => sum + tally[key], 0);
  say(`${sum("runs")} cases in ${seconds} seconds, ${sum("findings")} found`);
  return sum("findings") === 0 ? 0 : 1;
}

/** One round of a target. */
async function runRound(target: Target, seed: number, tally: Tally): Promise<void> {
  const { runs, finding } = await fuzzTarget(target, { seed });
  tally.runs += runs;
  if (finding === undefined) return;
  tally.findings++;
  const kind = `${target.name} ${finding.error.replace(/[\d\W]+/g, " ").slice(0, 60)}`;
  if (known.has(kind)) return; // the same mistake as one that was found, most likely
  known.add(kind);
  const name = await saveFinding(finding);
  say(`FOUND ${name} (seed ${seed}): ${finding.error.split("\n")[0].slice(0, 300)}`);
}

if (import.meta.main) {
  await runCommand(() => perform({ help: HELP, run: fuzz }, Deno.args));
}
