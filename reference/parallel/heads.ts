/**
 * Work that is done head by head, on all cores: some rows of attention, importance, block mass, bounds. The same bits as
 * without workers.
 *
 * @module
 */
import type { PyramidAttentionOptions } from "../attention/call.ts";
import { requireCall } from "../attention/call.ts";
import { type HeadRows, requireRows, type SomeRowsOptions } from "../attention/some_rows.ts";
import { type Head, headOf } from "../heads.ts";
import { blockImportance, type ImportanceOf } from "../importance/by_config.ts";
import type { QueryKey } from "../importance/scores.ts";
import type { MassOptions } from "../judge/mass.ts";
import { arithmeticOf } from "../judge/arithmetic.ts";
import { deviationsOf, joinTolerances, type Tolerance, type ToleranceOptions } from "../judge/tolerance.ts";
import { type Qkv, queryKeyShape, type Tensor } from "../tensor.ts";
import { doHeadWork, type HeadWork, type HeadWorkResults } from "./head_work.ts";
import { copiedHead, cores, mapOnCores } from "./on_cores.ts";

/** Options of work that runs head by head. */
export interface HeadsOptions {
  /** How many workers to use; default one for every core; 0 computes in the calling thread. */
  readonly workers?: number;
  /** Called whenever a piece of work is finished, with the finished and all pieces. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * `attentionRows` on all cores, to the same bits; rows come back query block by query block.
 *
 * @param qkv queries, keys and values
 * @param levels the levels of the call, or null for dense attention
 * @param rowsOfHead for every (batch, head), the requested query tokens
 * @param options the options of attention, workers, progress
 * @returns one entry for every (batch, head)
 * @throws {InputError} if anything about the call is wrong, or a row is not one of the queries
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { attentionRowsParallel } from "./heads.ts";
 * const x = tensor(new Float64Array(4 * 64 * 8).map((_, i) => Math.sin(i)), [1, 4, 64, 8]);
 * const [{ out }] = await attentionRowsParallel({ q: x, k: x, v: x }, null, [[3], [], [], []], { workers: 2 });
 * console.log(out.length); // 8
 * ```
 */
export async function attentionRowsParallel(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  rowsOfHead: readonly (readonly number[])[],
  { workers = cores(), onProgress, massBlock, ...options }: SomeRowsOptions & HeadsOptions = {},
): Promise<HeadRows[]> {
  const call = requireCall(qkv, levels, options), { batch, heads, seqQ } = call.shape;
  requireRows(rowsOfHead, { heads: batch * heads, seqQ });
  // As many pieces as workers and no more: each pools the keys of its head anew.
  const cut = rowsOfHead.map((rows) => piecesOf(rows, call.options.blockM, workers / rowsOfHead.length));
  const works = cut.flatMap((pieces, index) =>
    pieces.map((rows) => (): HeadWork => {
      const head = copiedHead(headOf(qkv, call.levels, index));
      return { kind: "rows", head, rows, options: call.options, dense: levels === null, massBlock };
    })
  );
  const parts = await mapHeads<"rows">(works, { workers, onProgress });
  return cut.map((pieces) => joinRows(parts.splice(0, pieces.length)));
}

/**
 * {@link blockImportance} on all cores, to the same bits.
 *
 * @param qk queries and keys in the order of the blocks
 * @param config block sizes, importance, causal and scale
 * @param options workers, progress
 * @returns [batch, heads, query blocks, key blocks]
 * @throws {InputError} if tensors disagree or a stride does not divide the blocks
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { importanceParallel } from "./heads.ts";
 * const x = tensor(new Float64Array(2 * 64 * 8).map((_, i) => Math.sin(i)), [1, 2, 64, 8]);
 * const config = { blockM: 32, blockN: 16, importance: { kind: "full" } } as const;
 * console.log((await importanceParallel({ q: x, k: x }, config, { workers: 0 })).shape); // [1, 2, 2, 4]
 * ```
 */
export async function importanceParallel(
  { q, k }: QueryKey,
  config: ImportanceOf,
  options: HeadsOptions = {},
): Promise<Tensor<Float64Array>> {
  const { blockM, blockN, firstHead = 0 } = config, one = firstBlocks({ q, k }, config);
  blockImportance(one, config); // checks the call
  return await matrixOf({ q, k }, { blockM, blockN }, options, (head, index) => ({
    ...{ kind: "importance", head, config: { ...config, firstHead: firstHead + index } },
  }));
}

/**
 * Block mass on all cores, to the same bits as `blockMass`.
 *
 * @param qk queries and keys
 * @param options block sizes, `scale` and causal, workers, progress
 * @returns [batch, heads, query blocks, key blocks]
 * @throws {InputError} if tensors disagree
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { blockMassParallel } from "./heads.ts";
 * const q = tensor(new Float64Array(8), [1, 1, 4, 2]);
 * console.log((await blockMassParallel({ q, k: q }, { blockM: 4, blockN: 2, workers: 0 })).data); // [0.5, 0.5]
 * ```
 */
export async function blockMassParallel(
  { q, k }: QueryKey,
  { workers, onProgress, ...options }: MassOptions & HeadsOptions,
): Promise<Tensor<Float64Array>> {
  return await matrixOf(
    { q, k },
    options,
    { workers, onProgress },
    (head) => ({ kind: "mass", head, options }),
  );
}

/**
 * The bounds of `attentionTolerance` on all cores: the same up to the order of sums.
 *
 * @param qkv the inputs as the kernel reads them
 * @param levels the levels of the call, or null for dense attention
 * @param options the kernel's formats, the options of the call, workers, progress
 * @throws {InputError} if the tensors disagree or an option is unknown
 *
 * @example
 * ```ts
 * import { tensor } from "../tensor.ts";
 * import { attentionToleranceParallel } from "./heads.ts";
 * const x = tensor(new Float32Array(32 * 8).map((_, i) => Math.sin(i * i)), [1, 1, 32, 8]);
 * const bound = await attentionToleranceParallel({ q: x, k: x, v: x }, null, { dtype: "f32", workers: 0 });
 * console.log(bound.relL2 < 1e-4); // true
 * ```
 */
export async function attentionToleranceParallel(
  qkv: Qkv,
  levels: Tensor<Int32Array> | null,
  { workers, onProgress, rowsOfHead, ...options }: ToleranceOptions & HeadsOptions,
): Promise<Tolerance> {
  const call = requireCall(qkv, levels, options), { batch, heads, seqQ, valueDim } = call.shape;
  const { dtype, accumulate, arithmetic, sample } = options;
  const rows = rowsOfHead?.reduce((sum, own) => sum + own.length, 0) ?? batch * heads * seqQ;
  const deviations = deviationsOf({ rows, valueDim });
  const pieces = Math.max(1, Math.floor((workers ?? cores()) / (batch * heads)));
  const works = Array.from({ length: batch * heads * pieces }, (_, work) => (): HeadWork => {
    const index = Math.floor(work / pieces), piece = [work % pieces, pieces] as const;
    const judged = { dtype, accumulate, arithmetic, sample, piece, deviations, rows: rowsOfHead?.[index] };
    return {
      kind: "tolerance",
      head: copiedHead(headOf(qkv, call.levels, index)),
      options: call.options,
      judged,
    };
  });
  const parts = await mapHeads<"tolerance">(works, { workers, onProgress });
  return joinTolerances(parts, arithmeticOf(options));
}

/** A matrix of blocks per head. */
async function matrixOf(
  { q, k }: QueryKey,
  { blockM, blockN }: { readonly blockM: number; readonly blockN: number },
  options: HeadsOptions,
  workOf: (head: Head, index: number) => HeadWork,
): Promise<Tensor<Float64Array>> {
  const { batch, heads, seqQ, seqK } = queryKeyShape({ q, k });
  const shape = [batch, heads, Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)],
    none = noLevels(batch * heads);
  const works = Array.from(
    { length: batch * heads },
    (_, index) => () => workOf(copiedHead(headOf({ q, k, v: k }, none, index)), index),
  );
  const parts = await mapHeads<"importance" | "mass">(works, options);
  const data = new Float64Array(shape.reduce((product, length) => product * length, 1));
  parts.forEach((part, index) => data.set(part, index * part.length));
  return { data, shape };
}

/** Runs work on all cores; the results in the order of the work. */
export async function mapHeads<Kind extends HeadWork["kind"]>(
  works: readonly (() => HeadWork)[],
  { workers = cores(), onProgress }: HeadsOptions,
): Promise<HeadWorkResults[Kind][]> {
  const results = new Array<HeadWorkResults[Kind]>(works.length);
  await mapOnCores<HeadWork, HeadWorkResults[Kind]>(works, {
    ...{ workers, onProgress },
    here: (work) => doHeadWork(work) as HeadWorkResults[Kind],
    onResult: (result, index) => void (results[index] = result),
  });
  return results;
}

/** Rows cut into runs, none inside a query block; a head without rows has one piece. */
function piecesOf(rows: readonly number[], blockM: number, pieces: number): number[][] {
  const blocks = [...Map.groupBy(rows, (row) => Math.floor(row / blockM)).values()];
  const count = Math.max(1, Math.min(blocks.length, Math.ceil(pieces)));
  return Array.from(
    { length: count },
    (_, i) =>
      blocks.slice(Math.floor(i * blocks.length / count), Math.floor((i + 1) * blocks.length / count)).flat(),
  );
}

function joinRows(parts: readonly HeadRows[]): HeadRows {
  const join = (name: "out" | "lse" | "mass") => Float64Array.from(parts.flatMap((part) => [...part[name]]));
  return {
    rows: parts.flatMap(({ rows }) => rows),
    ...{ out: join("out"), lse: join("lse"), mass: join("mass") },
  };
}

/** Levels of heads that have none. */
export function noLevels(heads: number): Tensor<Int32Array> {
  return { data: new Int32Array(heads), shape: [1, heads, 1, 1] };
}

/** The first query and key block of a call, on which it is checked at no cost. */
function firstBlocks(
  { q, k }: QueryKey,
  { blockM, blockN }: PyramidAttentionOptions | ImportanceOf,
): QueryKey {
  const first = ({ data, shape: [, , tokens, dim] }: Qkv["q"], block: number) => {
    const length = Math.min(tokens, block);
    return { data: data.subarray(0, length * dim), shape: [1, 1, length, dim] } as Qkv["q"];
  };
  queryKeyShape({ q, k });
  return { q: first(q, blockM), k: first(k, blockN) };
}
