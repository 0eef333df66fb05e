/**
 * The options of a sweep.
 *
 * @module
 */
import type { ModelName } from "../../../reference/config/presets.ts";
import type { AskedTruth } from "../truth/kinds.ts";
import type { TunedFile } from "./tuned_file.ts";
import type { BackendName } from "../../../kernels/device/open/backend.ts";

/** The options of a sweep, with defaults filled in. */
export interface SweepOptions {
  /** Files and folders with traces. */
  readonly inputs: readonly string[];
  /** Layers of files that hold several; empty: all. */
  readonly layers: readonly number[];
  /** Query heads of files, counted over batch entries; empty: all. */
  readonly chosenHeads: readonly number[];
  /** The released model whose shape and configuration are taken; null: none. */
  readonly preset: ModelName | null;
  /** Text tokens at the end of workloads. */
  readonly textLength: number;
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
  /** Names of methods; `all` means all that can run on an input. */
  readonly methods: readonly string[];
  /** A tuned file that is a method too; null: none. */
  readonly tuned: TunedFile | null;
  /** Query block sizes in tokens. */
  readonly blockM: readonly number[];
  /** Key block sizes in tokens. */
  readonly blockN: readonly number[];
  /** Key rows that a kernel takes at once; empty: 32, or the key block if that is smaller. */
  readonly tile: readonly number[];
  /** Element types of the kernels. */
  readonly dtype: readonly ("f32" | "f16")[];
  /** Whether calls are causal; null: taken from the input. */
  readonly causal: readonly (boolean | null)[];
  /** Orders of the tokens. */
  readonly orders: readonly string[];
  /** Ways to score key blocks; empty: the one that the input's kind has. */
  readonly importances: readonly string[];
  /** The video that the tokens are, [t, y, x], if the file does not say. */
  readonly grid: readonly [number, number, number] | null;
  /** Where the truth comes from. */
  readonly truth: AskedTruth;
  /** Sampled rows of a query block. */
  readonly truthRows: number;
  /** GiB that heads may take at a time. */
  readonly memory: number;
  /** Whether every head is a case of its own. */
  readonly perHead: boolean;
  /** Only cases whose canonical string this matches; empty: all. */
  readonly filter: string;
  /** Whether to list the cases and stop. */
  readonly list: boolean;
  /** The probability with which the interval of a median time covers the true median. */
  readonly confidence: number;
  /** How wide that interval may be, relative to the median, before measuring goes on. */
  readonly precision: number;
  /** Seconds that the measurements of one input may take at most. */
  readonly seconds: number;
  /** Whether whole calls are timed too. */
  readonly whole: boolean;
  /** Which of how many parts of the cases run here. */
  readonly shard: Shard;
  /** Whether to take up a run that stopped. */
  readonly resume: boolean;
  /** Whether to replace a run that is there. */
  readonly force: boolean;
  /** Where results go; null: to `results`, or the next of `results/2`, `results/3`, … that holds no run. */
  readonly out: string | null;
  /** Whether charts are written one by one too. */
  readonly plots: boolean;
  /** Whether rows go to stdout as JSON. */
  readonly json: boolean;
  /** Whether kernels run. */
  readonly gpu: boolean;
  /** The implementation of WebGPU. */
  readonly backend: BackendName;
  /** Whether it guards the indices of kernels. */
  readonly robust: boolean;
  /** Whether to print the help and stop. */
  readonly help: boolean;
}

/** A part of a sweep: number `index`, from 1, of `count`. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}
