/**
 * The list of the sweep's options, used by the help, the configuration file's schema and the parser.
 *
 * @module
 */
import { WORKLOADS } from "../../../fixtures/workloads.ts";
import { PRESET } from "../../options/model.ts";
import { BACKEND, UNGUARDED } from "../../options/device.ts";
import type { CommandHelp, OptionHelp } from "../../options/command_line.ts";

/**
 * All options, in the order of the help.
 *
 * @example
 * ```ts
 * import { OPTIONS } from "./option_list.ts";
 * console.log(OPTIONS[0].name); // input
 * ```
 */
export const OPTIONS: readonly OptionHelp[] = [
  {
    name: "input",
    value: "FILE|DIR",
    help: "safetensors with q, k, v; may be repeated (default: two traces)",
    many: true,
  },
  { name: "layers", value: "N,N-N,…", help: "layers of files with several layers (all)" },
  PRESET,
  {
    name: "workload",
    value: "NAME",
    help: `seeded input, may be repeated: ${WORKLOADS.join(", ")}`,
    many: true,
  },
  { name: "seq", value: "N", help: "tokens of workloads (1024)" },
  {
    name: "heads",
    value: "N",
    help: "number of heads of workloads (2), or heads of files, as in 0,3-5 (all)",
  },
  { name: "kv-heads", value: "N", help: "key heads of workloads (as --heads)" },
  { name: "dim", value: "N", help: "head dimension of workloads (64)" },
  { name: "batch", value: "N", help: "batch entries of workloads (1)" },
  { name: "seed", value: "N", help: "seed of everything random (1)" },
  { name: "densities", value: "D,D,…", help: "in (0, 1] (1,.5,.35,.25,.15,.1,.05)" },
  {
    name: "methods",
    value: "M,M,…",
    help: "methods to compare, or all that can run on the input (dense,psa,block-topk)",
  },
  { name: "tuned", value: "FILE", help: "also the choice of each head in a file that deno task tune wrote" },
  { name: "block-m", value: "N,N,…", help: "query block: 16, 32, 64 or 128 (128)" },
  { name: "block-n", value: "N,N,…", help: "key block: 16, 32, 64 or 128 (64)" },
  { name: "tile", value: "N,N,…", help: "key rows that a kernel reads at once (32, or --block-n if less)" },
  { name: "dtype", value: "T,T,…", help: "f32 or f16 (f32)" },
  { name: "causal", value: "C,C,…", help: "true, false, or input: taken from the input (input)" },
  { name: "order", value: "O,O,…", help: "raster, tile or gilbert (raster)" },
  { name: "importance", value: "I,I,…", help: "sampled, full, pooled or antidiagonal" },
  { name: "grid", value: "T,Y,X", help: "size of the video in tokens, if the file does not give it" },
  { name: "truth", value: "T", help: "auto, cpu, gpu (float64 on the device) or rows (a sample) (auto)" },
  { name: "truth-rows", value: "N", help: "sampled rows of a query block (2)" },
  { name: "memory", value: "N", help: "memory for heads that are read at a time, in GiB (2)" },
  { name: "per-head", value: "", help: "every head is a case of its own" },
  { name: "filter", value: "TEXT", help: "only cases whose canonical string matches" },
  { name: "list", value: "", help: "list the cases and their number, run nothing" },
  { name: "confidence", value: "P", help: "confidence of the intervals of times (.95)" },
  { name: "precision", value: "P", help: "stop when intervals are this narrow, relative to the median (.1)" },
  { name: "seconds", value: "N", help: "limit of seconds for the times of an input (12)" },
  { name: "whole", value: "", help: "time whole calls too: choosing, work lists and attention" },
  { name: "shard", value: "I/N", help: "only part I of N, balanced by cost; see deno task merge" },
  { name: "resume", value: "", help: "continue the run in --out, or else the last run" },
  { name: "force", value: "", help: "replace the run in --out" },
  { name: "config", value: "FILE", help: "JSON with these options; see bench/sweep/sweep.schema.json" },
  { name: "out", value: "DIR", help: "folder of the results (results, or its next free number)" },
  { name: "plots", value: "", help: "also write each chart as a file, for papers" },
  { name: "json", value: "", help: "print one JSON object per line, and nothing else" },
  BACKEND,
  UNGUARDED,
  { name: "no-gpu", value: "", help: "run only the float64 reference, no kernels" },
  { name: "help", value: "", help: "print this" },
];

/**
 * Options that are of one call and not of a configuration.
 *
 * @example
 * ```ts
 * import { RUN_ONLY } from "./option_list.ts";
 * console.log(RUN_ONLY.includes("resume")); // true
 * ```
 */
export const RUN_ONLY: readonly string[] = ["config", "force", "help", "list", "resume"];

/**
 * The help of the command.
 *
 * @param methods the names of all methods
 *
 * @example
 * ```ts
 * import { sweepHelp } from "./option_list.ts";
 * console.log(sweepHelp(["psa"]).name); // sweep
 * ```
 */
export function sweepHelp(methods: readonly string[]): CommandHelp {
  return {
    name: "sweep",
    usage: "[options]",
    about: [
      "Runs methods on the same inputs at several densities: how far each is from dense attention, whether the kernels are " +
      "right, and how fast they are. Without options: two traces of trained models, three methods, seven densities.",
    ],
    examples: [
      "deno task sweep",
      "deno task sweep --no-gpu --workload video --densities .5,.25,.1",
      "deno task sweep --input layer.safetensors --methods dense,psa,xattention,random --per-head",
    ],
    options: OPTIONS.map((option) =>
      option.name === "methods" ? { ...option, help: `${option.help}: ${methods.join(", ")}` } : option
    ),
    exits: "a kernel exceeds its bound",
  };
}

/**
 * The JSON schema of a configuration file.
 *
 * @example
 * ```ts
 * import { configSchema } from "./option_list.ts";
 * console.log(Object.keys(configSchema().properties).includes("densities")); // true
 * ```
 */
export function configSchema(): { readonly properties: Readonly<Record<string, unknown>> } {
  const text = { type: ["string", "number"] };
  const kinds = { flag: { type: "boolean" }, value: { anyOf: [text, { type: "array", items: text }] } };
  const options = OPTIONS.filter(({ name }) => !RUN_ONLY.includes(name));
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Options of deno task sweep",
    type: "object",
    additionalProperties: false,
    properties: {
      $schema: { type: "string" },
      ...Object.fromEntries(options.map(({ name, value, help }) => [
        name,
        { description: help, ...(value === "" ? kinds.flag : kinds.value) },
      ])),
    },
  };
  return schema;
}
