/**
 * The options of the sweep: what may be asked for, and what is said of anything else.
 *
 * @module
 */
import { WORKLOADS } from "../../fixtures/workloads.ts";
import { InputError, requireInput } from "../../reference/errors.ts";
import { closestString, parseArgs } from "../std.ts";

/** What a sweep was asked to do. */
export interface SweepOptions {
  /** Files and folders with traces. */
  readonly inputs: readonly string[];
  /** Names of seeded workloads. */
  readonly workloads: readonly string[];
  /** Query and key tokens of workloads. */
  readonly seq: number;
  /** Query heads of workloads. */
  readonly heads: number;
  /** Key heads of workloads. */
  readonly kvHeads: number;
  /** Head dimension of workloads. */
  readonly dim: number;
  /** Batch entries of workloads. */
  readonly batch: number;
  /** The seed of workloads, sampling, random methods and the order of measurements. */
  readonly seed: number;
  /** Densities to ask for. */
  readonly densities: readonly number[];
  /** Names of methods. */
  readonly methods: readonly string[];
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** Key rows that a kernel takes at once. */
  readonly tile: number;
  /** Element type of the kernels. */
  readonly dtype: "f32" | "f16";
  /** Orders of the tokens. */
  readonly orders: readonly string[];
  /** Ways to score key blocks; empty: the one that the input's kind has. */
  readonly importances: readonly string[];
  /** The video that the tokens are, [t, y, x], if the file does not say. */
  readonly grid: readonly [number, number, number] | null;
  /** Whether every head is a case of its own. */
  readonly perHead: boolean;
  /** Only cases whose canonical string this matches; empty: all. */
  readonly filter: string;
  /** Whether to list the cases and stop. */
  readonly list: boolean;
  /** Where results go. */
  readonly out: string;
  /** Whether rows go to stdout as JSON. */
  readonly json: boolean;
  /** Whether kernels run. */
  readonly gpu: boolean;
  /** Whether to print the help and stop. */
  readonly help: boolean;
}

/** One option: its name, what its value is, what it does. */
interface OptionHelp {
  readonly name: string;
  readonly value: string;
  readonly help: string;
}

/** All options, in the order of the help. */
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
  { name: "block-m", value: "N", help: "query block: 16, 32, 64 or 128 (128)" },
  { name: "block-n", value: "N", help: "key block: 16, 32, 64 or 128 (64)" },
  { name: "tile", value: "N", help: "key rows a kernel takes at once (32)" },
  { name: "dtype", value: "T", help: "f32 or f16 (f32)" },
  { name: "order", value: "O,O,…", help: "raster, tile or gilbert (raster)" },
  { name: "importance", value: "I,I,…", help: "sampled, full, pooled or antidiagonal" },
  { name: "grid", value: "T,Y,X", help: "the video that the tokens are, if the file does not say" },
  { name: "per-head", value: "", help: "every head is a case of its own" },
  { name: "filter", value: "TEXT", help: "only cases whose canonical string matches" },
  { name: "list", value: "", help: "list the cases and their number, run nothing" },
  { name: "out", value: "DIR", help: "folder of the results (results)" },
  { name: "json", value: "", help: "one JSON object a line on stdout, and nothing else there" },
  { name: "no-gpu", value: "", help: "the reference alone; rows say so" },
  { name: "help", value: "", help: "print this" },
];

const BLOCKS = [16, 32, 64, 128];
const ORDERS = ["raster", "tile", "gilbert"];
const IMPORTANCES = ["sampled", "full", "pooled", "antidiagonal"];
const MOST_HEAD_DIM = 256;

/** The help of the command. */
export function helpText(): string {
  const rows = OPTIONS.map(({ name, value, help }) => `  --${name} ${value}`.padEnd(22) + help);
  return [
    "deno task sweep [options]",
    "",
    "Correctness and speed of PSA across sparsity levels.",
    "",
    ...rows,
  ].join("\n");
}

/**
 * Reads the options of a command line.
 *
 * @param args the arguments
 * @param known the names of the methods there are
 * @throws {InputError} one sentence about the first option that is unknown or has a value that cannot be
 *
 * @example
 * ```ts
 * import { parseOptions } from "./options.ts";
 * console.log(parseOptions(["--densities", ".5,.1"], ["psa"]).densities); // [0.5, 0.1]
 * ```
 */
export function parseOptions(args: readonly string[], known: readonly string[]): SweepOptions {
  const parsed = parseArgs(args, {
    string: OPTIONS.filter(({ value }) => value !== "").map(({ name }) => name),
    boolean: OPTIONS.filter(({ value }) => value === "").map(({ name }) => name),
    collect: ["input", "workload"],
    unknown: refuse,
  });
  const read = new Reader(parsed);
  const heads = read.count("heads", 2), blockN = read.oneOf("block-n", BLOCKS, 64);
  return {
    inputs: read.texts("input"),
    workloads: read.texts("workload").map((name) => requireName("workload", name, WORKLOADS)),
    seq: read.count("seq", 1024),
    heads,
    kvHeads: requireDivisor(read.count("kv-heads", heads), heads),
    dim: requireDim(read.count("dim", 64)),
    batch: read.count("batch", 1),
    seed: read.whole("seed", 1),
    densities: read.list("densities", "1,.5,.35,.25,.15,.1,.05").map(requireFraction),
    methods: read.list("methods", "dense,psa,block-topk").map((name) => requireName("methods", name, known)),
    blockM: read.oneOf("block-m", BLOCKS, 128),
    blockN,
    tile: read.oneOf("tile", BLOCKS, 32),
    dtype: requireName("dtype", read.text("dtype", "f32"), ["f32", "f16"]) as "f32" | "f16",
    orders: read.list("order", "raster").map((name) => requireName("order", name, ORDERS)),
    importances: read.list("importance", "").map((name) => requireName("importance", name, IMPORTANCES)),
    grid: readGrid(read.text("grid", "")),
    perHead: parsed["per-head"] === true,
    filter: read.text("filter", ""),
    list: parsed.list === true,
    out: read.text("out", "results"),
    json: parsed.json === true,
    gpu: parsed["no-gpu"] !== true,
    help: parsed.help === true,
  };
}

/** Refuses what is no option, and names the nearest. */
function refuse(arg: string): never {
  const names = OPTIONS.map(({ name }) => name);
  if (!arg.startsWith("-")) {
    throw new InputError(`"${arg}" is no option; options begin with --, as in --input.`);
  }
  const name = arg.replace(/^-+/, "").replace(/=.*$/, "");
  throw new InputError(`--${name} is no option; the nearest one is --${closestString(name, names)}.`);
}

/** Reads values of options by kind. */
class Reader {
  constructor(readonly parsed: Readonly<Record<string, unknown>>) {}

  text(name: string, fallback: string): string {
    const value = this.parsed[name];
    requireInput(value !== "", () => `--${name} is empty; it needs a value.`);
    return value === undefined ? fallback : String(value);
  }

  texts(name: string): string[] {
    const values = (this.parsed[name] ?? []) as string[];
    requireInput(values.every((value) => value !== ""), () => `--${name} is empty; it needs a value.`);
    return values;
  }

  list(name: string, fallback: string): string[] {
    const text = this.text(name, fallback);
    const items = text === "" ? [] : text.split(",").map((item) => item.trim());
    requireInput(items.every((item) => item !== ""), () => `--${name} is "${text}"; it has an empty entry.`);
    return [...new Set(items)];
  }

  whole(name: string, fallback: number): number {
    const text = this.text(name, String(fallback));
    requireInput(
      /^\d+$/.test(text) && Number.isSafeInteger(Number(text)),
      () => `--${name} is "${text}"; it should be a whole number, 0 or more.`,
    );
    return Number(text);
  }

  count(name: string, fallback: number): number {
    const value = this.whole(name, fallback);
    requireInput(value > 0, () => `--${name} is ${value}; it should be at least 1.`);
    return value;
  }

  oneOf(name: string, allowed: readonly number[], fallback: number): number {
    const text = this.text(name, String(fallback));
    requireInput(
      allowed.includes(Number(text)),
      () => `--${name} is "${text}"; it should be one of ${allowed.join(", ")}.`,
    );
    return Number(text);
  }
}

function requireName(option: string, name: string, known: readonly string[]): string {
  requireInput(
    known.includes(name),
    () =>
      `--${option} is "${name}"; it should be one of ${known.join(", ")}. The nearest is ${
        closestString(name, known)
      }.`,
  );
  return name;
}

function requireFraction(text: string): number {
  const density = Number(text);
  requireInput(
    density > 0 && density <= 1,
    () => `--densities has "${text}"; densities should be above 0 and at most 1.`,
  );
  return density;
}

function requireDivisor(kvHeads: number, heads: number): number {
  requireInput(heads % kvHeads === 0, () => `--kv-heads is ${kvHeads}; it should divide --heads, ${heads}.`);
  return kvHeads;
}

function requireDim(dim: number): number {
  requireInput(
    dim % 8 === 0 && dim <= MOST_HEAD_DIM,
    () => `--dim is ${dim}; it should be a multiple of 8 up to ${MOST_HEAD_DIM}.`,
  );
  return dim;
}

function readGrid(text: string): [number, number, number] | null {
  if (text === "") return null;
  const sizes = text.split(",").map(Number);
  requireInput(
    sizes.length === 3 && sizes.every((size) => Number.isInteger(size) && size > 0),
    () => `--grid is "${text}"; it should be three whole numbers T,Y,X.`,
  );
  return [sizes[0], sizes[1], sizes[2]];
}
