/**
 * The command line of a sweep, made from its options: the record of a run has the sweep itself, not
 * the arguments of the process.
 *
 * @module
 */
import { optionWords, quoted } from "../../options/shell.ts";
import { parseOptions } from "./options.ts";
import type { SweepOptions } from "./sweep_options.ts";

/** The value of an option: one, several, or whether a flag is there. */
type Given = string | boolean | readonly string[];

const list = (values: readonly unknown[]) => values.join(",");

/** The value of an option of workloads; empty where files alone are swept. */
const ofWorkloads =
  (of: (options: SweepOptions) => string, ofFiles = (_: SweepOptions) => "") => (options: SweepOptions) =>
    options.inputs.length > 0 && options.workloads.length === 0 ? ofFiles(options) : of(options);

/** The value of each option of the command line; options of a single call (such as --list) are not here. */
const SAID: Readonly<Record<string, (options: SweepOptions) => Given>> = {
  input: ({ inputs }) => inputs,
  layers: ({ layers }) => list(layers),
  preset: ({ preset }) => preset ?? "",
  workload: ({ workloads }) => workloads,
  seq: ofWorkloads(({ seq }) => String(seq)),
  heads: ofWorkloads(({ heads }) => String(heads), ({ chosenHeads }) => list(chosenHeads)),
  "kv-heads": ofWorkloads(({ kvHeads }) => String(kvHeads)),
  dim: ofWorkloads(({ dim }) => String(dim)),
  batch: ({ batch }) => String(batch),
  seed: ({ seed }) => String(seed),
  densities: ({ densities }) => list(densities),
  methods: ({ methods }) => list(methods),
  tuned: ({ tuned }) => tuned?.path ?? "",
  "block-m": ({ blockM }) => list(blockM),
  "block-n": ({ blockN }) => list(blockN),
  tile: ({ tile }) => list(tile),
  dtype: ({ dtype }) => list(dtype),
  causal: ({ causal }) => list(causal.map((value) => value ?? "input")),
  order: ({ orders }) => list(orders),
  importance: ({ importances }) => list(importances),
  grid: ({ grid }) => list(grid ?? []),
  truth: ({ truth }) => truth,
  "truth-rows": ({ truthRows }) => String(truthRows),
  memory: ({ memory }) => String(memory),
  "per-head": ({ perHead }) => perHead,
  filter: ({ filter }) => filter,
  confidence: ({ confidence }) => String(confidence),
  precision: ({ precision }) => String(precision),
  seconds: ({ seconds }) => String(seconds),
  whole: ({ whole }) => whole,
  shard: ({ shard: { index, count } }) => `${index}/${count}`,
  resume: ({ resume }) => resume,
  force: ({ force }) => force,
  out: ({ out }) => out ?? "",
  plots: ({ plots }) => plots,
  json: ({ json }) => json,
  backend: ({ backend }) => backend,
  unguarded: ({ robust }) => !robust,
  "no-gpu": ({ gpu }) => !gpu,
};

/** The default methods of a sweep. */
const USUAL_METHODS = ["dense", "psa", "block-topk"];

/**
 * The command line that gives these options, without defaults.
 *
 * @param options the options of a sweep
 *
 * @example
 * ```ts
 * import { commandOf } from "./command.ts";
 * import { parseOptions } from "./options.ts";
 * const options = parseOptions(["--seq=256", "--no-gpu"], ["dense", "psa", "block-topk"]);
 * console.log(commandOf(options)); // deno task sweep --seq 256 --no-gpu
 * ```
 */
export function commandOf(options: SweepOptions): string {
  const model = options.preset === null ? [] : ["--preset", options.preset];
  const usual = {
    ...parseOptions(model, [...new Set([...USUAL_METHODS, "psa-released", ...options.methods])]),
    preset: null,
  };
  const words = Object.entries(SAID).flatMap(([name, of]) => {
    const given = of(options);
    if (given === "") return [];
    if (String(given) === String(of(name === "kv-heads" ? { ...usual, kvHeads: options.heads } : usual))) {
      return [];
    }
    return (Array.isArray(given) ? given : [given]).flatMap((value) => optionWords(name, value));
  });
  return quoted(["deno", "task", "sweep", ...words]);
}
