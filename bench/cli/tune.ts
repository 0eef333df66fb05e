/**
 * `deno task tune`: what to use on a model: for every head the choice of levels that loses least at a density, proved on
 * inputs that it has not seen.
 *
 * @module
 */
import { dirname } from "node:path";
import { WORKLOADS } from "../../fixtures/workloads.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { openGpu } from "../../kernels/device/open/open.ts";
import { FAMILIES, IMPORTANCES, ORDERS } from "../../reference/config/tuned.ts";
import { readText } from "../../fixtures/guarded.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import type { CommandLine } from "../options/command_line.ts";
import { requireName } from "../options/reader.ts";
import { requireFolder, writeWhole } from "../sweep/files/write.ts";
import { messageOf, say } from "../text/output.ts";
import { withProgress } from "../text/progress.ts";
import { candidatesIn, formatTuned, parseTuned, type Tuned } from "../tune/file.ts";
import { forwardLines, measureForward } from "../tune/forward.ts";
import { openInputs, requireAlike, type SplitInputs, splitInputs, type TuneInput } from "../tune/inputs.ts";
import { headerOf, openJournal } from "../tune/journal.ts";
import type { Budget, Recall } from "../tune/measure.ts";
import { proofOf } from "../tune/proof.ts";
import { type ChoiceTimes, psaChoice } from "../tune/times.ts";
import { requireTunedFor } from "../tune/shape.ts";
import { choiceLines, proofLines } from "../tune/text.ts";
import { proveHeads, tuneInputs, type TuneOptions } from "../tune/tune.ts";
import { choiceTimes } from "../tune/times_on_device.ts";
import { type Command, EXIT } from "./command.ts";

const BUDGETS: readonly Budget[] = ["density", "cost"]; // time is an option of its own
/** Options of inputs that mean the same as in the sweep. */
const OF_INPUTS = ["heads", "kv-heads", "seq", "dim", "grid", "block-m", "block-n", "causal"];

/** The command. */
export const command: Command = {
  help: {
    name: "tune",
    usage: "--input FILE|DIR … | --workload NAME … [options]",
    about: [
      "Chooses, for every head, the method, order, importance and shares with the least error at a density, and whether " +
      "skipped blocks are replaced by one mean token each. The choice is made on some inputs by " +
      "successive halving and tested on others: the verdict says whether it beats psa with the paper's shares.",
    ],
    examples: [
      "deno task tune --workload video --density .1 --order raster,tile",
      "deno task tune --input layer1.safetensors --held-out layer2.safetensors",
    ],
    options: [
      { name: "input", value: "FILE|DIR", help: "safetensors with q, k, v; may be repeated", many: true },
      { name: "layers", value: "N,N-N,…", help: "layers of files with several layers (all)" },
      { name: "workload", value: "NAME", help: `seeded input: ${WORKLOADS.join(", ")}`, many: true },
      { name: "seeds", value: "N", help: "seeds of each workload, from --seed on (4)" },
      {
        name: "held-out",
        value: "FILE|DIR|P",
        help: "files to prove on, may be repeated; or the share of the inputs that is held out (.5)",
        many: true,
      },
      { name: "density", value: "D", help: "the density to keep, in (0, 1) (.1)" },
      { name: "budget", value: "B", help: "density, or cost: density and what choosing costs (density)" },
      {
        name: "time",
        value: "",
        help: "the budget is time: that of psa at the density, in the first order, measured on this GPU",
      },
      { name: "order", value: "O,O,…", help: "orders to try: raster, tile, gilbert (raster)" },
      {
        name: "importance",
        value: "I,I,…",
        help: `importances to try: ${IMPORTANCES.join(", ")} (all but full)`,
      },
      { name: "methods", value: "M,M,…", help: `methods to try: ${FAMILIES.join(", ")} (all)` },
      { name: "together", value: "", help: "one choice for all heads" },
      {
        name: "heads",
        value: "N",
        help: "number of heads of workloads (2), or heads of files, as in 0,3-5 (all)",
      },
      { name: "kv-heads", value: "N", help: "key heads of workloads (as --heads)" },
      { name: "seq", value: "N", help: "tokens of workloads (1024)" },
      { name: "dim", value: "N", help: "head dimension of workloads (64)" },
      { name: "grid", value: "T,Y,X", help: "size of the video in tokens, if the file does not give it" },
      { name: "causal", value: "C", help: "true, false, or input: taken from the input (input)" },
      { name: "block-m", value: "N", help: "query block: 16, 32, 64 or 128 (128)" },
      { name: "block-n", value: "N", help: "key block: 16, 32, 64 or 128 (64)" },
      { name: "seed", value: "N", help: "seed of everything that is drawn (1)" },
      { name: "out", value: "FILE", help: "where the choice goes (tuned.json)" },
      {
        name: "force",
        value: "",
        help: "replace the file that --out names, and what is left of a stopped tuning",
      },
      {
        name: "resume",
        value: "",
        help: "go on with a tuning that was stopped, from the journal beside --out",
      },
      { name: "from", value: "FILE", help: "choose nothing: prove this file on --input or --workload" },
    ],
  },
  async run(line) {
    const { given } = line;
    requireInput(
      given.input !== undefined || given.workload !== undefined,
      "There is no input; give several with --input or --workload.",
    );
    requireInput(
      given.input === undefined || given.workload === undefined,
      "--input and --workload were given; inputs of one tuning are either files or workloads.",
    );
    return given.from === undefined ? await tune(line) : await prove(line);
  },
};

/** Chooses, proves, writes. */
async function tune(line: CommandLine): Promise<number> {
  const { read } = line, out = read.text("out", "tuned.json"), options = optionsOf(line);
  await requirePlace(out, read.flag("force") || read.flag("resume")); // killed behind its end, a tuning leaves both files
  const inputs = await splitOf(line), path = `${out}.part`;
  requireAlike(inputs);
  using gpu = options.budget === "time" ? await openGpu() : null;
  const begin = read.flag("resume") ? "resume" : read.flag("force") ? "anew" : "first";
  using journal = await openJournal(path, headerOf(inputs, { ...options, gpu: gpu?.info.description }), {
    begin,
  });
  try {
    const times = gpu && await choiceTimes(gpu, inputs.tuning[0], { ...options, recall: journal.recall });
    const tuned = await withProgress((onProgress) =>
      tuneInputs(inputs, { ...options, onProgress, journal, ...times === null ? {} : { times } })
    );
    const { proof, heldOut, baselineOrder: order } = tuned, lines = proofLines(proof, { heldOut, order });
    const measured = times && gpu ? await forwardOf(gpu, { tuned, times, input: inputs.heldOut[0] }) : [];
    await writeWhole(out, formatTuned(tuned));
    [...choiceLines(tuned), "", ...lines, ...measured].forEach((text) => say(text));
    say(`The choice of every head and the proof are in ${out}.`);
  } catch (error) {
    if (error instanceof InputError) await Deno.remove(path); // as it is asked for, it cannot be had: nothing to resume
    throw error;
  }
  await Deno.remove(path);
  return EXIT.right;
}

/** The whole forward beside `psa`, as lines. */
async function forwardOf(
  gpu: Gpu,
  { tuned, times, input }: { readonly tuned: Tuned; readonly times: ChoiceTimes; readonly input: TuneInput },
): Promise<string[]> {
  const psa = await times.spend(psaChoice(tuned.baselineOrder, tuned.shape.causal));
  const rows = await measureForward(gpu, input, { tuned, psaAsked: psa?.asked ?? tuned.density });
  return forwardLines(rows, { input: input.name, device: gpu.info.description, order: tuned.baselineOrder });
}

/** Throws unless a file can be written there: choosing may take hours. */
async function requirePlace(out: string, replaces: boolean): Promise<void> {
  const found = await Deno.lstat(out).catch(() => undefined);
  requireInput(
    found === undefined || found.isFile,
    () => `--out ${out} is a folder, a link or no regular file; nothing is written there.`,
  );
  requireInput(found === undefined || replaces, () => `--out ${out} is there already; --force replaces it.`);
  await requireFolder(dirname(out), out);
}

/** Proves a file that was written before. */
async function prove(line: CommandLine): Promise<number> {
  const path = line.read.text("from", "");
  const text = await readText(path).catch((error) => {
    throw new InputError(`--from ${path} cannot be read: ${messageOf(error)}.`, { cause: error });
  });
  const tuned = parseTuned(text, path),
    { blockM, blockN, density, budget, seed, baselineOrder: order } = tuned;
  const heldOut = await filesOf(line, line.read.texts("input"));
  for (const { name, shape } of heldOut) requireTunedFor(tuned, shape, { path, input: name });
  const tuning = tuned.tunedOn.map((input): TuneInput => ({
    ...{ ...input, shape: tuned.shape },
    load: () => Promise.reject(new Error("inputs that were chosen on are not loaded again")),
  }));
  requireAlike({ tuning, heldOut });
  const options = { blockM, blockN, density, budget, seed, orders: [order] };
  using gpu = budget === "time" ? await openGpu() : null;
  const recall: Recall = (_, make) => make();
  const times = gpu && await choiceTimes(gpu, heldOut[0], { ...options, recall });
  const pairs = await withProgress((onProgress) =>
    proveHeads(heldOut, { candidates: candidatesIn(tuned), order }, {
      ...{ ...options, onProgress },
      ...times === null ? {} : { times },
    })
  );
  const measured = times && gpu ? await forwardOf(gpu, { tuned, times, input: heldOut[0] }) : [];
  [...proofLines(proofOf(pairs), { heldOut, order }), ...measured].forEach((text) => say(text));
  return EXIT.right;
}

/** Inputs to choose on, and those held out. */
async function splitOf(line: CommandLine): Promise<SplitInputs> {
  const { read } = line, held = read.texts("held-out"), inputs = await filesOf(line, read.texts("input"));
  const share = held.length === 0 ? DEFAULT_SHARE : held.length === 1 ? Number(held[0]) : NaN;
  if (Number.isNaN(share)) {
    return { tuning: inputs, heldOut: await filesOf(line, held, { layers: undefined }) };
  }
  requireInput(
    share > 0 && share < 1,
    () => `--held-out is ${held[0]}; a share should be above 0 and below 1.`,
  );
  return splitInputs(inputs, share, read.whole("seed", 1));
}

/** The share of the inputs that is held out. */
const DEFAULT_SHARE = 0.5;

/** Files, or without files the requested workloads. */
async function filesOf(
  { read, given }: CommandLine,
  input: readonly string[],
  own: Readonly<Record<string, unknown>> = { layers: given.layers },
): Promise<TuneInput[]> {
  const seed = read.whole("seed", 1),
    seeds = Array.from({ length: read.count("seeds", 4) }, (_, i) => seed + i);
  const values = Object.entries({
    ...Object.fromEntries(OF_INPUTS.map((name) => [name, given[name]])),
    ...(input.length > 0 ? { ...own, input } : { workload: given.workload }),
  });
  return await openInputs(Object.fromEntries(values.filter(([, value]) => value !== undefined)), seeds);
}

/** The options of the search. */
function optionsOf({ read }: CommandLine): TuneOptions {
  const block = (name: string, fallback: number) => read.someOf(name, [16, 32, 64, 128], `${fallback}`)[0];
  const isTimed = read.flag("time");
  const names = <Name extends string>(option: string, fallback: string, known: readonly Name[]) =>
    read.list(option, fallback).map((name) => requireName(option, name, known));
  const methods = names("methods", FAMILIES.join(","), FAMILIES);
  requireInput(
    !isTimed || read.text("budget", "") === "",
    "--time and --budget were given; the budget is either.",
  );
  return {
    ...{ blockM: block("block-m", 128), blockN: block("block-n", 64) },
    density: read.between("density", [0, 1], 0.1),
    budget: isTimed ? "time" : requireName("budget", read.text("budget", "density"), BUDGETS),
    seed: read.whole("seed", 1),
    together: read.flag("together"),
    orders: names("order", "raster", ORDERS),
    importances: names("importance", "sampled,pooled,antidiagonal", IMPORTANCES),
    methods,
  };
}
