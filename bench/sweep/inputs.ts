/**
 * What a sweep runs on: traces and workloads, rounded to the kernels' element type, whole or head by head.
 *
 * @module
 */
import { basename, extname } from "node:path";
import { DEFAULT_TRACES, loadTrace, tracePaths } from "../../fixtures/traces.ts";
import { makeWorkload, roundTo, type WorkloadName } from "../../fixtures/workloads.ts";
import type { Box } from "../../reference/config/config.ts";
import { requireInput } from "../../reference/errors.ts";
import {
  type AttentionShape,
  attentionShape,
  type FloatData,
  type Qkv,
  type Tensor,
} from "../../reference/tensor.ts";
import { headOf } from "../../reference/heads.ts";
import { showFixed } from "../text/number.ts";
import { visible } from "../text/output.ts";
import type { VariantOptions } from "./options/variants.ts";

/** One attention call that the sweep runs on. */
export interface SweepInput {
  /** The name of the trace or of the workload. */
  readonly name: string;
  /** Whether it is a seeded workload. */
  readonly isWorkload: boolean;
  /** SHA-256 of its file, in hexadecimal; workloads have none. */
  readonly sha256?: string;
  /** Queries, keys and values, rounded to the element type of the kernels. */
  readonly qkv: Qkv;
  /** Its sizes. */
  readonly shape: AttentionShape;
  /** Whether it is causal. */
  readonly causal: boolean;
  /** The video that its tokens are. */
  readonly grid?: Box;
  /** The head of the call that this is, counted over batch entries; left out: all. */
  readonly head?: number;
}

/** Where an input comes from, known before it is loaded. */
export interface InputSource {
  /** The name of the trace or of the workload. */
  readonly name: string;
  /** Its sizes, where they are known before it is made. */
  readonly shape?: AttentionShape;
  /** Loads or makes it: one call, or one a head. */
  load(): Promise<SweepInput[]>;
}

/**
 * The inputs that options ask for; by default a trace of a video model and one of a causal language model.
 *
 * @param options the options of one variant of the sweep
 * @throws {InputError} if a path leads to nothing that can be an input
 *
 * @example
 * ```ts
 * import { inputSources } from "./inputs.ts";
 * import { METHODS } from "../../reference/methods/mod.ts";
 * import { parseOptions } from "./options/options.ts";
 * import { variantsOf } from "./options/variants.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * console.log(source.name); // gaussian
 * ```
 */
export async function inputSources(options: VariantOptions): Promise<InputSource[]> {
  const given = await Promise.all(options.inputs.map(tracePaths));
  const none = options.inputs.length === 0 && options.workloads.length === 0;
  const paths = none ? DEFAULT_TRACES : given.flat();
  const sources: InputSource[] = [
    ...paths.map((path) => ({
      name: nameOf(path),
      load: async () => {
        const { qkv, grid = boxOf(options.grid), sha256, ...trace } = await loadTrace(path);
        const causal = options.causal ?? trace.causal;
        return split({ name: nameOf(path), isWorkload: false, sha256, qkv, causal, grid }, options);
      },
    })),
    ...options.workloads.map((name) => ({
      name,
      shape: workloadShape(options),
      load: () => Promise.resolve(workload(name, options)),
    })),
  ];
  return sources.map((source) => ({ ...source, load: () => loadOnce(source) }));
}

/** The name of a file without folder and ending; no character of it is one that a terminal obeys. */
function nameOf(path: string): string {
  return visible(basename(path, extname(path))).replaceAll(/[\t\n]/g, " ");
}

/** What was loaded last: the heads of an input are asked for one after the other. */
let last: { readonly source: InputSource; readonly inputs: Promise<SweepInput[]> } | undefined;

/** Loads a source, unless it is the one that was loaded last. */
function loadOnce(source: InputSource): Promise<SweepInput[]> {
  if (last?.source !== source) last = { source, inputs: source.load() };
  return last.inputs;
}

function workloadShape({ batch, heads, kvHeads, seq, dim }: VariantOptions): AttentionShape {
  return { batch, heads, kvHeads, seqQ: seq, seqK: seq, headDim: dim, valueDim: dim };
}

function workload(name: string, options: VariantOptions): SweepInput[] {
  const { seed, dtype, grid, causal } = options;
  requireMemory(name, options);
  const made = makeWorkload(name as WorkloadName, {
    ...{ ...workloadShape(options), seed, dtype },
    ...(grid ? { grid: boxOf(grid) } : {}),
    ...(causal === null ? {} : { causal }),
  });
  return split({ name, isWorkload: true, ...made }, options);
}

/** Bytes that making and judging a workload takes for each element of q, k, v and the output. */
const BYTES_PER_ELEMENT = 40;

/** Throws if a workload does not fit into memory. */
function requireMemory(name: string, { batch, heads, kvHeads, seq, dim }: VariantOptions): void {
  const needed = BYTES_PER_ELEMENT * batch * (2 * heads + 2 * kvHeads) * seq * dim;
  const { available } = Deno.systemMemoryInfo(), gibibytes = (bytes: number) => showFixed(bytes / 2 ** 30, 1);
  requireInput(
    needed <= available,
    () =>
      `--workload ${name} with ${seq} tokens needs about ${gibibytes(needed)} GiB of memory; ${
        gibibytes(available)
      } GiB are free.`,
  );
}

function boxOf(grid: readonly [number, number, number] | null): Box | undefined {
  return grid === null ? undefined : { depth: grid[0], height: grid[1], width: grid[2] };
}

/** Rounds an input to the kernels' type, and cuts it into heads if that is asked for. */
function split(input: Omit<SweepInput, "shape">, { dtype, perHead }: VariantOptions): SweepInput[] {
  const { grid } = input, { seqK } = attentionShape(input.qkv);
  requireInput(
    grid === undefined || grid.width * grid.height * grid.depth === seqK,
    () =>
      `The grid ${grid?.depth},${grid?.height},${grid?.width} of ${input.name} should hold its ${seqK} tokens.`,
  );
  const qkv = rounded(dtype, input.qkv), shape = attentionShape(qkv);
  if (!perHead) return [{ ...input, qkv, shape }];
  return Array.from({ length: shape.batch * shape.heads }, (_, head) => {
    const own = headOf(qkv, {
      data: new Int32Array(shape.batch * shape.heads),
      shape: [shape.batch, shape.heads, 1, 1],
    }, head).qkv;
    return { ...input, qkv: own, shape: attentionShape(own), head };
  });
}

function rounded(dtype: "f32" | "f16", { q, k, v }: Qkv): Qkv {
  const round = ({ data, shape }: Tensor<FloatData>) => ({ data: roundTo(dtype, data), shape });
  return { q: round(q), k: round(k), v: round(v) };
}
