/**
 * The inputs of a sweep: traces and workloads, rounded to the kernels' element type, whole or head by head, in groups of
 * heads that fit into memory.
 *
 * @module
 */
import { openTraces, type TraceFile } from "../../../fixtures/trace_file.ts";
import { DEFAULT_TRACES } from "../../../fixtures/traces.ts";
import { nearestCube, roundTo, type WorkloadName } from "../../../fixtures/workloads.ts";
import type { Box } from "../../../reference/config/config.ts";
import { boxOf } from "../../options/model.ts";
import { requireInput } from "../../../reference/errors.ts";
import { ownKeyHeads } from "../../../reference/heads.ts";
import type { AttentionShape, FloatData, Qkv, Tensor } from "../../../reference/tensor.ts";
import { cutHeads, type HeadGroup, planMemory } from "./groups.ts";
import { visible } from "../../text/output.ts";
import type { VariantOptions } from "../options/variants.ts";
import { makeHeads } from "./workload_heads.ts";

/** One attention call of the sweep: its facts, and its heads, in groups that fit into memory. */
export interface SweepInput {
  /** The name of the trace or of the workload. */
  readonly name: string;
  /** Whether it is a seeded workload. */
  readonly isWorkload: boolean;
  /** SHA-256 of its file, in hexadecimal; workloads have none. */
  readonly sha256?: string;
  /** Its sizes. */
  readonly shape: AttentionShape;
  /** Whether it is causal. */
  readonly causal: boolean;
  /** The video that its tokens are, or those before its text. */
  readonly grid?: Box;
  /** Text tokens at the end. */
  readonly textLength: number;
  /** The head of the call that this is, counted over batch entries; left out: all. */
  readonly head?: number;
  /** Its heads. */
  readonly groups: readonly HeadGroup[];
  /** How many workers memory allows. */
  readonly workers: number;
}

/** The facts about an input that are known without its numbers. */
export type InputFacts = Omit<SweepInput, "groups" | "workers">;

/** Where an input comes from, known before it is loaded. */
export interface InputSource {
  /** The name of the trace or of the workload. */
  readonly name: string;
  /** Its sizes, where they are known before it is made. */
  readonly shape?: AttentionShape;
  /** The facts about it: one call, or one per head. Numbers that fit into one group are loaded at once. */
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
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * console.log(source.name); // gaussian
 * ```
 */
export async function inputSources(options: VariantOptions): Promise<InputSource[]> {
  const none = options.inputs.length === 0 && options.workloads.length === 0;
  const paths = none ? DEFAULT_TRACES : options.inputs;
  const traces = (await Array.fromAsync(paths, (path) => openTraces(path))).flat().filter(({ layer }) =>
    options.layers.length === 0 || layer !== undefined && options.layers.includes(layer)
  );
  requireInput(
    traces.length > 0 || paths.length === 0,
    () => `--layers is ${options.layers}; no input has such a layer.`,
  );
  const sources: InputSource[] = [
    ...traces.map((trace) => ({
      name: nameOf(trace),
      load: async () => inputsOf({ ...ofTrace(trace, options), sha256: await trace.checksum() }, options),
    })),
    ...options.workloads.map((name) => ({
      name,
      shape: workloadShape(options),
      load: () => inputsOf(ofWorkload(name as WorkloadName, options), options),
    })),
  ];
  return sources.map((source) => ({ ...source, load: () => loadOnce(source) }));
}

/** The name of a file without folder and ending; no character of it is one that a terminal obeys. */
function nameOf({ name }: TraceFile): string {
  return visible(name).replaceAll(/[\t\n]/g, " ");
}

/** The last input that was loaded: its heads are needed one after the other. */
let last: { readonly source: InputSource; readonly inputs: Promise<SweepInput[]> } | undefined;

/** Loads a source, unless it is the one that was loaded last. */
function loadOnce(source: InputSource): Promise<SweepInput[]> {
  if (last?.source !== source) last = { source, inputs: source.load() };
  return last.inputs;
}

/** A call whose heads can be read one by one. */
interface ReadableCall extends Omit<SweepInput, "groups" | "head" | "workers"> {
  /** Query heads [first, end), counted over batch entries, with their key heads. */
  read(range: readonly [first: number, end: number], workers: number): Promise<Qkv>;
}

/** The call of a file, or some of its heads. */
function ofTrace(trace: TraceFile, options: VariantOptions): ReadableCall {
  const { shape, textLength } = trace,
    name = nameOf(trace),
    { batch, heads } = shape,
    { chosenHeads } = options;
  const chosen = chosenHeads.length > 0
    ? chosenHeads
    : Array.from({ length: batch * heads }, (_, head) => head);
  const wrong = chosen.find((head) => head >= batch * heads);
  requireInput(
    wrong === undefined,
    () => `--heads names head ${wrong} of ${name}; its heads are 0 to ${batch * heads - 1}.`,
  );
  const isSome = chosenHeads.length > 0;
  return {
    ...{ name, isWorkload: false, textLength, causal: options.causal ?? trace.causal },
    shape: isSome ? { ...shape, batch: 1, heads: chosen.length, kvHeads: chosen.length } : shape,
    grid: trace.grid ?? boxOf(options.grid),
    read: async ([first, end]) => await ownKeys(await trace.read(chosen.slice(first, end)), isSome),
  };
}

/** A call in which every head has its own key head, if that is requested. */
function ownKeys(qkv: Qkv, isAsked: boolean): Qkv {
  return isAsked ? ownKeyHeads(qkv) : qkv;
}

function workloadShape({ batch, heads, kvHeads, seq, dim }: VariantOptions): AttentionShape {
  return { batch, heads, kvHeads, seqQ: seq, seqK: seq, headDim: dim, valueDim: dim };
}

function ofWorkload(name: WorkloadName, options: VariantOptions): ReadableCall {
  const { seed, dtype, textLength } = options,
    shape = workloadShape(options),
    group = shape.heads / shape.kvHeads;
  const tokens = { seqQ: shape.seqQ - textLength, seqK: shape.seqK - textLength, textLength };
  const isVideo = name === "video" || name === "model" || options.grid !== null;
  const grid = isVideo ? boxOf(options.grid) ?? nearestCube(tokens.seqK) : undefined;
  const causal = options.causal ?? name === "sinks";
  return {
    ...{ name, isWorkload: true, shape, causal, textLength, grid },
    async read([first, end], workers) {
      const keyHeads = [Math.floor(first / group), Math.ceil(end / group)] as const;
      const made = { ...shape, ...tokens, seed, dtype, causal, keyHeads, ...(grid ? { grid } : {}) };
      const { q, k, v } = await makeHeads({ name, options: made, workers });
      const size = shape.seqQ * shape.headDim, skip = first - keyHeads[0] * group;
      const heads = { data: q.data.subarray(skip * size, (skip + end - first) * size) as FloatData };
      return { q: { ...heads, shape: [1, end - first, ...q.shape.slice(2)] }, k, v };
    },
  };
}

/** The inputs that a call is: one, or one per head; in groups of heads that fit into memory. */
async function inputsOf(call: ReadableCall, options: VariantOptions): Promise<SweepInput[]> {
  const { read, ...about } = call, { dtype, perHead } = options, { name, shape, grid, textLength } = about;
  const { batch, heads, kvHeads, seqK } = shape;
  requireInput(
    grid === undefined || grid.width * grid.height * grid.depth + textLength === seqK,
    () =>
      `The grid ${grid?.depth},${grid?.height},${grid?.width} of ${name} should hold its ${
        seqK - textLength
      } tokens${textLength > 0 ? " before the text" : ""}.`,
  );
  const { groupHeads, workers } = planMemory(name, { shape, bytes: options.memory * 2 ** 30 });
  const fits = batch * heads <= groupHeads, single = { ...shape, batch: 1, heads: 1, kvHeads: 1 };
  const groupOf = ([first, end]: readonly [number, number]): HeadGroup => ({
    ...{ firstHead: first, heads: end - first },
    load: async () =>
      rounded(dtype, shaped(await read([first, end], workers), { shape, whole: end - first })),
  });
  const ranges = perHead
    ? Array.from({ length: batch * heads }, (_, head) => [head, head + 1] as [number, number])
    : cutHeads({ batch, heads, kvHeads }, groupHeads);
  const groups = ranges.map(groupOf).map((group) => fits ? remembered(group) : group);
  if (fits) { for (const group of groups) await group.load(); // what is bad about the numbers shows now
   }
  if (!perHead) return [{ ...about, groups, workers }];
  return groups.map((group, head) => ({
    ...{ ...about, shape: single, head, workers, groups: [{ ...group, firstHead: 0 }] },
  }));
}

/** A group that is loaded once. */
function remembered(group: HeadGroup): HeadGroup {
  let loaded: Promise<Qkv> | undefined;
  return { ...group, load: () => loaded ??= group.load() };
}

/** All heads of a call with batch entries: their tensors as they are, with the axes of the call. */
function shaped(
  { q, k, v }: Qkv,
  { shape: { batch, heads, kvHeads }, whole }: { readonly shape: AttentionShape; readonly whole: number },
): Qkv {
  if (batch === 1 || whole < batch * heads) return { q, k, v };
  const entries = ({ data, shape: [, , tokens, dim] }: Tensor<FloatData>, count: number) => ({
    ...{ data, shape: [batch, count, tokens, dim] },
  });
  return { q: entries(q, heads), k: entries(k, kvHeads), v: entries(v, kvHeads) };
}

function rounded(dtype: "f32" | "f16", { q, k, v }: Qkv): Qkv {
  const round = ({ data, shape }: Tensor<FloatData>) => ({ data: roundTo(dtype, data), shape });
  return { q: round(q), k: round(k), v: round(v) };
}
