/**
 * Calls that exceed the limits of a device: they run some heads at a time.
 *
 * @module
 */
import { InputError, requireInput } from "../reference/errors.ts";
import { levelDensity } from "../reference/levels/density.ts";
import type { AttentionShape, Qkv, Tensor } from "../reference/tensor.ts";
import type { Capabilities } from "./device/capabilities.ts";
import type { Gpu } from "./device/gpu.ts";
import { createPsa, type ForwardOptions, type ForwardResult, type PsaSetup, type TunedSetup } from "./psa.ts";
import type { StageTimings } from "./device/work/stage.ts";
import { FORWARD_OPTIONS, requireGpu, requireOptions } from "./door.ts";
import { givenOf } from "./given.ts";
import { requireInputs } from "./inputs.ts";
import type { Mask } from "../reference/masks/mask.ts";
import { groupTokens } from "./lists/entry.ts";
import { occurringLevels, tokensOf } from "./lists/given.ts";
import { planLists, type PsaPlan, requireBytes } from "./plan.ts";
import { planCall } from "./tuned/plan.ts";

/** A call that runs in slices. */
export interface SlicedPsa {
  /** How many slices there are; 1: the call fits as it is. */
  readonly slices: number;
  /** The sizes of a slice. */
  readonly slice: AttentionShape;
  /** Runs all slices one after the other; as {@link Psa.forward}, on typed arrays. */
  forward(qkv: Qkv, options?: ForwardOptions): Promise<ForwardResult>;
}

/**
 * Plans a call that may exceed the limits of the device: its key heads, each with the query heads that share it,
 * are cut into as few equal slices as fit. A head is never cut. Results are those of the whole call.
 *
 * @param gpu the device
 * @param setup as for {@link createPsa}
 * @throws {InputError} naming the limit that a single key head exceeds, or a semantic order, which is made for all heads
 * together
 *
 * @example
 * ```ts
 * import { createSlicedPsa, makeWorkload, openGpu } from "../mod.ts";
 * const { qkv } = makeWorkload("gaussian", { heads: 2, seqQ: 256, headDim: 32 });
 * using gpu = await openGpu();
 * const psa = createSlicedPsa(gpu, {
 *   shape: { batch: 1, heads: 2, kvHeads: 2, seqQ: 256, seqK: 256, headDim: 32, valueDim: 32 },
 *   config: {
 *     blockM: 64,
 *     blockN: 32,
 *     tile: 32,
 *     importance: { kind: "pooled" },
 *     assignment: { mode: "density", density: 0.5 },
 *   },
 * });
 * const { out } = await psa.forward(qkv);
 * console.log(psa.slices, out.shape); // 1 [1, 2, 256, 32]
 * ```
 */
export function createSlicedPsa(gpu: Gpu, setup: PsaSetup | TunedSetup): SlicedPsa {
  requireGpu(gpu);
  const cut = cutCall(gpu.info, setup);
  return {
    slices: cut.slices,
    slice: cut.shape,
    forward: async (qkv, options) => {
      requireOptions(options, FORWARD_OPTIONS);
      return await runSlices(gpu, setup, { qkv, options });
    },
  };
}

/** How a call is cut: how many slices, and the sizes of one. */
export interface Cut {
  readonly slices: number;
  readonly shape: AttentionShape;
}

/**
 * Cuts a call: one key head of one batch entry is a unit; slices are equal numbers of them, and as few as fit.
 *
 * @param info what the device can do
 * @param setup as for {@link createPsa}
 * @param levels levels that are given
 * @throws {InputError} if the setup of the whole call is wrong, or naming the limit that a single key head exceeds
 */
export function cutCall(info: Capabilities, setup: PsaSetup | TunedSetup, levels?: Tensor<Int32Array>): Cut {
  const { order } = planCall(withoutLimits(info), setup).config;
  const units = setup.shape.batch * setup.shape.kvHeads;
  let refused: InputError | undefined;
  for (let slices = 1; slices <= units; slices++) {
    if (units % slices !== 0) continue;
    const shape = slices === 1 ? setup.shape : sliceShape(setup.shape, units / slices);
    try {
      const plan = planCall(info, partOf(setup, shape, 0));
      if (levels !== undefined) requireLists(info, plan, levels);
      requireInput(
        slices === 1 || order?.kind !== "semantic",
        () =>
          "`order` is semantic; it is made for all heads together, so this call cannot be cut into slices.",
      );
      return { slices, shape };
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      refused = error;
    }
  }
  if (units === 1 || order?.kind === "semantic") throw refused;
  throw new InputError(`A single key head of this call does not fit: ${refused?.message}`, {
    cause: refused,
  });
}

/** Throws if the work lists of given levels exceed a limit. */
function requireLists(info: Capabilities, plan: PsaPlan, levels: Tensor<Int32Array>): void {
  const { blockN } = plan.config, occurring = occurringLevels(levels), group = groupTokens(occurring, blockN);
  const { listBytes } = planLists(plan, {
    levels: occurring,
    tokens: tokensOf(levels, { blockN, group }),
  });
  requireBytes(info, "work lists", listBytes);
}

/** The sizes of some key heads and the query heads that share them. */
function sliceShape(shape: AttentionShape, kvHeads: number): AttentionShape {
  return { ...shape, batch: 1, kvHeads, heads: kvHeads * shape.heads / shape.kvHeads };
}

/** The setup of a slice, with the choices of its heads where each has one. */
function partOf<Setup extends PsaSetup | TunedSetup>(
  setup: Setup,
  shape: AttentionShape,
  firstHead: number,
): Setup {
  if (!("tuned" in setup)) return { ...setup, shape, firstHead };
  const heads = setup.tuned.heads.slice(firstHead, firstHead + shape.batch * shape.heads);
  return { ...setup, shape, firstHead, tuned: { ...setup.tuned, heads } };
}

async function runSlices(
  gpu: Gpu,
  setup: PsaSetup | TunedSetup,
  { qkv, options = {} }: { readonly qkv: Qkv; readonly options?: ForwardOptions },
): Promise<ForwardResult> {
  const { levels, mask } = options, given = levels === "dense" ? undefined : levels;
  const whole = planCall(withoutLimits(gpu.info), setup);
  requireInputs(qkv, whole);
  givenOf(options, whole);
  const { slices, shape } = cutCall(gpu.info, setup, given), results: ForwardResult[] = [];
  const ready = levels === undefined && mask === undefined ? ["selected" as const] : [];
  if (slices === 1) {
    using psa = await createPsa(gpu, { ...setup, ready });
    return await psa.forward(qkv, options);
  }
  for (let i = 0; i < slices; i++) {
    const own = <Data extends Tensor["data"]>(tensor: Tensor<Data>) => part(tensor, { i, slices });
    using psa = await createPsa(gpu, { ...partOf(setup, shape, i * shape.heads), ready });
    const inputs = { q: own(qkv.q), k: own(qkv.k), v: own(qkv.v) };
    const ownMask = mask && maskOfHeads(mask, { first: i * shape.heads, heads: shape.heads });
    results.push(await psa.forward(inputs, { levels: given ? own(given) : levels, mask: ownMask }));
  }
  return join(results, { ...whole, isMasked: mask !== undefined });
}

/** The part of a mask that some heads have, as a batch of one. */
function maskOfHeads(
  { shape: [, , ...rest], words, rows, visible }: Mask,
  { first, heads }: { readonly first: number; readonly heads: number },
): Mask {
  return {
    ...{ shape: [1, heads, ...rest], words },
    rows: (head, begin, end) => rows(first + head, begin, end),
    visible: (head, query, key) => visible(first + head, query, key),
  };
}

/** The capabilities of the device without its limits, to check a whole call; only its slices have limits. */
function withoutLimits(info: Capabilities): Capabilities {
  return { ...info, limits: new Proxy({}, { get: () => Infinity }) };
}

/** The i-th of equal parts of a tensor [batch, heads, …], as a batch of one. */
function part<Data extends Tensor["data"]>(
  { data, shape: [batch, heads, ...rest] }: Tensor<Data>,
  { i, slices }: { readonly i: number; readonly slices: number },
): Tensor<Data> {
  const length = data.length / slices;
  return {
    data: data.subarray(i * length, (i + 1) * length) as Data,
    shape: [1, batch * heads / slices, ...rest],
  };
}

function join(
  results: readonly ForwardResult[],
  { shape, config, isMasked }: PsaPlan & { readonly isMasked: boolean },
): ForwardResult {
  const { batch, heads, seqQ, seqK } = shape, { blockM, blockN, causal } = config;
  const levels = joinTensors(results.map((each) => each.levels), { batch, heads });
  return {
    out: joinTensors(results.map(({ out }) => out), { batch, heads }),
    lse: joinTensors(results.map(({ lse }) => lse), { batch, heads }),
    levels,
    density: isMasked
      ? results.reduce((sum, { density }) => sum + density, 0) / results.length // slices have as many heads each
      : levelDensity(levels, { causal, blockM, blockN, seqQ, seqK }),
    timings: results.map(({ timings }) => timings).reduce(addTimings),
  };
}

function joinTensors<Data extends Int32Array | Float32Array | Float16Array>(
  parts: readonly Tensor<Data>[],
  { batch, heads }: { readonly batch: number; readonly heads: number },
): Tensor<Data> {
  const each = parts[0].data.length;
  const data = new (parts[0].data.constructor as new (length: number) => Data)(each * parts.length);
  parts.forEach((part, i) => data.set(part.data, i * each));
  return { data, shape: [batch, heads, ...parts[0].shape.slice(2)] };
}

function addTimings(a: StageTimings, b: StageTimings): StageTimings {
  const sums = Object.fromEntries(
    Object.entries(a).map(([name, ms]) => [name, typeof ms === "number" ? ms + (b[name as "total"]) : ms]),
  );
  return sums as StageTimings;
}
