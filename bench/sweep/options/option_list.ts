/**
 * The list of the sweep's options: what the help, the configuration file's schema and the parser go by.
 *
 * @module
 */
import { WORKLOADS } from "../../../fixtures/workloads.ts";

/** One option: its name, what its value is, what it does. */
export interface OptionHelp {
  readonly name: string;
  readonly value: string;
  readonly help: string;
}

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
  },
  { name: "workload", value: "NAME", help: `seeded input, may be repeated: ${WORKLOADS.join(", ")}` },
  { name: "seq", value: "N", help: "tokens of workloads (1024)" },
  { name: "heads", value: "N", help: "query heads of workloads (2)" },
  { name: "kv-heads", value: "N", help: "key heads of workloads (as --heads)" },
  { name: "dim", value: "N", help: "head dimension of workloads (64)" },
  { name: "batch", value: "N", help: "batch entries of workloads (1)" },
  { name: "seed", value: "N", help: "seed of everything random (1)" },
  { name: "densities", value: "D,D,…", help: "in (0, 1] (1,.5,.35,.25,.15,.1,.05)" },
  { name: "methods", value: "M,M,…", help: "methods to compare (dense,psa,block-topk)" },
  { name: "block-m", value: "N,N,…", help: "query block: 16, 32, 64 or 128 (128)" },
  { name: "block-n", value: "N,N,…", help: "key block: 16, 32, 64 or 128 (64)" },
  { name: "tile", value: "N,N,…", help: "key rows a kernel takes at once (32, or --block-n if less)" },
  { name: "dtype", value: "T,T,…", help: "f32 or f16 (f32)" },
  { name: "causal", value: "C,C,…", help: "true, false or input: as the input says (input)" },
  { name: "order", value: "O,O,…", help: "raster, tile or gilbert (raster)" },
  { name: "importance", value: "I,I,…", help: "sampled, full, pooled or antidiagonal" },
  { name: "grid", value: "T,Y,X", help: "the video that the tokens are, if the file does not say" },
  { name: "per-head", value: "", help: "every head is a case of its own" },
  { name: "filter", value: "TEXT", help: "only cases whose canonical string matches" },
  { name: "list", value: "", help: "list the cases and their number, run nothing" },
  { name: "confidence", value: "P", help: "confidence of the intervals of times (.95)" },
  { name: "precision", value: "P", help: "width of these intervals over the median to reach (.1)" },
  { name: "seconds", value: "N", help: "seconds to measure an input for at most (12)" },
  { name: "shard", value: "I/N", help: "only part I of N, balanced by cost; see deno task merge" },
  { name: "resume", value: "", help: "go on with the run that --out holds" },
  { name: "config", value: "FILE", help: "JSON with these options; see bench/sweep/sweep.schema.json" },
  { name: "out", value: "DIR", help: "folder of the results (results)" },
  { name: "plots", value: "", help: "write the charts one by one too, for papers" },
  { name: "json", value: "", help: "one JSON object a line on stdout, and nothing else there" },
  { name: "no-gpu", value: "", help: "the reference alone; rows say so" },
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
export const RUN_ONLY: readonly string[] = ["config", "help", "list", "resume"];

const HELP_COLUMN = 22, HELP_WIDTH = 80;

/**
 * The help of the command, for a terminal of 80 columns.
 *
 * @param methods the names of the methods there are
 *
 * @example
 * ```ts
 * import { helpText } from "./option_list.ts";
 * console.log(helpText(["psa"]).includes("--densities")); // true
 * ```
 */
export function helpText(methods: readonly string[]): string {
  const rows = OPTIONS.flatMap(({ name, value, help }) => {
    const text = name === "methods" ? `${help}: ${methods.join(", ")}` : help;
    const [first, ...more] = wrap(text, HELP_WIDTH - HELP_COLUMN);
    return [
      `  --${name} ${value}`.padEnd(HELP_COLUMN) + first,
      ...more.map((line) => " ".repeat(HELP_COLUMN) + line),
    ];
  });
  return [
    "deno task sweep [options]",
    "",
    "Correctness and speed of PSA across sparsity levels.",
    "",
    ...rows,
    "",
    "Exit codes: 0; 1 if a kernel is out of its bound; 2 for bad input.",
  ].join("\n");
}

/** Cuts a text into lines between words. */
function wrap(text: string, width: number): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = `${lines[lines.length - 1]} ${word}`.trimStart();
    if (longer.length <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
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
