/**
 * `deno task kill-matrix:gpu`: plants mistakes into the WGSL of our own kernels, runs them on this machine's adapter, and
 * holds the conformance kit to it: every one has to be found. `--write` writes docs/kill-matrix-gpu.md.
 *
 * @module
 */
import { perform, runCommand } from "../../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../../bench/options/command_line.ts";
import { UNGUARDED } from "../../../bench/options/device.ts";
import { type OptionReader, requireName } from "../../../bench/options/reader.ts";
import { formatted } from "../../../bench/text/formatted.ts";
import { BACKENDS } from "../../../kernels/device/open/backend.ts";
import { type Piece, PIECE_OPTIONS, recorded } from "../../support/record.ts";
import { type Kernels, type MutantOutcome, MUTANTS, Planter, type PlantWork } from "./judge.ts";
import { markdown, type Outcomes, saidOf } from "./page.ts";

const HELP: CommandHelp = {
  name: "kill-matrix:gpu",
  usage: "[options]",
  about: ["Plants mistakes into our own WGSL: the conformance kit has to find them."],
  examples: [
    "deno task kill-matrix:gpu",
    "deno task kill-matrix:gpu --backend builtin,dawn --shard 2/16 --record part-2.jsonl",
  ],
  options: [
    ...PIECE_OPTIONS,
    { name: "write", value: "", help: "write docs/kill-matrix-gpu.md" },
    {
      name: "backend",
      value: "LIST",
      help: "WebGPU: builtin, dawn (npm's webgpu, if installed) or both, with a comma (default builtin)",
    },
    UNGUARDED,
  ],
  exits: "a mistake survives",
};

/** The pieces of some kernels: without a mistake, and with each. */
function piecesOf(device: PlantWork["device"], kernels: Kernels): Piece<PlantWork>[] {
  const key = `${device.backend}${device.robust ? "" : " unguarded"}, ${kernels}`;
  return [
    { key: `${key}: none`, work: { device, kernels, place: null } },
    ...MUTANTS[kernels].map(({ kernel, name }, place) => ({
      key: `${key}: ${kernel}: ${name}`,
      work: { device, kernels, place },
    })),
  ];
}

/** The requested kernels on the requested devices. Matrix units are Dawn's alone. */
function requested(
  read: OptionReader,
): { readonly device: PlantWork["device"]; readonly kernels: Kernels }[] {
  const names = read.list("backend", "builtin").map((name) => requireName("backend", name, BACKENDS));
  return names.flatMap((backend) => {
    const device = { backend, robust: !read.flag("unguarded") };
    const kinds: readonly Kernels[] = backend === "dawn" ? ["plain", "matrix"] : ["plain"];
    return kinds.map((kernels) => ({ device, kernels }));
  });
}

/** Prints what came of a piece. */
function tell({ device: { backend }, kernels, place }: PlantWork, outcome: MutantOutcome): void {
  const { failing, changed, cases } = outcome, of = `${backend}, ${kernels} kernels`;
  if (place === null) return console.log(`${of}, without a mistake: ${failing} of ${cases} wrong`);
  const mutant = MUTANTS[kernels][place];
  console.log(
    `${of}, ${mutant.kernel}: ${mutant.name}: ${failing} of ${changed} wrong; ${saidOf(outcome, mutant)}`,
  );
}

/** Whether kernels without a mistake are right, and every mistake is found, of those that could run. */
function isRight({ honest, planted }: Outcomes): boolean {
  return honest.failing === 0 && planted.every(({ failing, cases }) => failing > 0 || cases === 0);
}

async function run({ read }: CommandLine): Promise<number> {
  const asked = requested(read), parts = asked.map(({ device, kernels }) => piecesOf(device, kernels));
  const all = await recorded<PlantWork, MutantOutcome>(
    { task: "kill-matrix:gpu", pieces: parts.flat(), read },
    async (works, done) => {
      using planter = new Planter();
      for (const [place, work] of works.entries()) {
        const outcome = await planter.run(work);
        done(outcome, place);
        tell(work, outcome);
      }
    },
  );
  if (all === null) return 0;
  const left = [...all];
  const outcomes = parts.map(({ length }, i): Outcomes => {
    const [honest, ...planted] = left.splice(0, length);
    return { backend: asked[i].device.backend, kernels: asked[i].kernels, honest, planted };
  });
  if (read.flag("write")) {
    const path = new URL("../../../docs/kill-matrix-gpu.md", import.meta.url);
    await Deno.writeTextFile(path, await formatted(markdown(outcomes)));
  }
  return outcomes.every(isRight) ? 0 : 1;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
