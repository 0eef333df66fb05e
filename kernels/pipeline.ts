/**
 * The stages of the pipeline with their buffers, built for one shape and configuration. Kernels that a call does not
 * need (importance where levels are given, the dense kernel) are built when they are first needed.
 *
 * @module
 */
import type { Qkv, Tensor } from "../reference/tensor.ts";
import { type AttentionKernel, buildAttention } from "./attention/attention.ts";
import type { Gpu } from "./device/gpu.ts";
import type { Encode } from "./device/pass.ts";
import { download } from "./device/transfer.ts";
import { GivenLists, levelShape } from "./lists/given.ts";
import { groupTokens } from "./lists/naive.ts";
import { buildArrangement, type InputBuffers, type OutputBuffers } from "./buffers.ts";
import { preparePyramid } from "./pyramid/pyramid.ts";
import type { StagePass } from "./device/stage.ts";
import { prepareImportance } from "./importance/importance.ts";
import { prepareLevels } from "./levels/levels.ts";
import { prepareLists } from "./lists/build.ts";
import type { ResolvedSetup } from "./plan.ts";

/** Where the levels of a call come from. */
export type LevelSource =
  | { readonly kind: "selected" }
  | { readonly kind: "given"; readonly levels: Tensor<Int32Array> }
  | { readonly kind: "dense" };

/** The stages of a pipeline. */
export interface Stages {
  /** What a call reads. */
  readonly inputs: InputBuffers;
  /** What a call writes. */
  readonly outputs: OutputBuffers;
  /** Makes the order of the tokens where it depends on them; null: the inputs are on the device. */
  arrange(qkv: Qkv | null): void;
  /** The passes of a call. */
  passes(source: LevelSource): Promise<StagePass[]>;
  /** The levels that the last call used. */
  readLevels(source: LevelSource): Promise<Tensor<Int32Array>>;
}

/** Importance, levels and lists, and the buffer that the levels are in. */
interface Selection {
  readonly passes: readonly StagePass[];
  readonly attention: Encode;
  readonly levels: GPUBuffer;
}

/** Builds the stages. */
export async function buildStages(gpu: Gpu, setup: ResolvedSetup): Promise<Stages> {
  const arrangement = await buildArrangement(gpu, setup);
  const pyramid = await buildPyramids(gpu, setup, arrangement.arranged);
  const attention = once(() => buildKernel(gpu, setup, { buffers: arrangement.arranged, dense: false }));
  const dense = once(async () =>
    (await buildKernel(gpu, setup, { buffers: arrangement.arranged, dense: true }))()
  );
  const selection = once(async () =>
    buildSelection(gpu, setup, { ...arrangement.arranged, kernel: await attention() })
  );
  const given = new GivenLists(gpu, setup);
  const around = (passes: readonly StagePass[]) => [...arrangement.gather, ...passes, ...arrangement.scatter];
  return {
    inputs: arrangement.inputs,
    outputs: arrangement.outputs,
    arrange: arrangement.arrange,
    passes: async (source) => {
      if (source.kind === "dense") return around([{ stage: "attention", encode: await dense() }]);
      if (source.kind === "given") {
        const encode = await given.bind(source.levels, await attention());
        return around([...pyramid, { stage: "attention", encode }]);
      }
      const { passes, attention: encode } = await selection();
      return around([...pyramid, ...passes, { stage: "attention", encode }]);
    },
    readLevels: async (source) => {
      if (source.kind === "given") return source.levels;
      const shape = levelShape(setup);
      const size = shape.reduce((product, each) => product * each, 1);
      if (source.kind === "dense") return { data: new Int32Array(size).fill(1), shape };
      return {
        data: new Int32Array(await download(gpu, (await selection()).levels, { size: 4 * size })),
        shape,
      };
    },
  };
}

/** Builds something when it is first asked for. */
function once<Result>(build: () => Promise<Result>): () => Promise<Result> {
  let built: Promise<Result> | undefined;
  return () => built ??= build();
}

async function buildPyramids(
  gpu: Gpu,
  { shape, config, dtype, sections }: ResolvedSetup,
  { k, v }: InputBuffers,
): Promise<StagePass[]> {
  const { batch, kvHeads, seqK, headDim, valueDim } = shape;
  const common = {
    sections,
    heads: batch * kvHeads,
    tokens: seqK,
    dtype,
    tail: config.tail ?? "exact",
  } as const;
  const encodes = [
    await preparePyramid(gpu, k, { ...common, dim: headDim }),
    await preparePyramid(gpu, v, { ...common, dim: valueDim }),
  ];
  return encodes.map((encode) => ({ stage: "pyramid", encode }));
}

function buildKernel(
  gpu: Gpu,
  { shape, config, dtype, sections, scale }: ResolvedSetup,
  { buffers, dense }: { readonly buffers: InputBuffers & OutputBuffers; readonly dense: boolean },
): Promise<AttentionKernel> {
  const { blockM, blockN, causal = false, tail = "exact" } = config;
  const coarsest = Math.max(...sections.sections.map(({ level, tokens }) => tokens > 0 ? level : 1));
  const partial = !dense && tail === "exact" && shape.seqK % coarsest !== 0;
  return buildAttention(gpu, {
    ...{ shape, blockM, blockN, dtype, dense, causal, partial, scale, tail, sections, buffers },
  });
}

async function buildSelection(
  gpu: Gpu,
  { shape, config, dtype, firstHead, sections }: ResolvedSetup,
  { q, k, kernel }: { readonly q: GPUBuffer; readonly k: GPUBuffer; readonly kernel: AttentionKernel },
): Promise<Selection> {
  const importance = await prepareImportance(gpu, { q, k }, { shape, config, dtype, firstHead });
  const levels = await prepareLevels(gpu, { importance: importance.importance, k }, { shape, config, dtype });
  const group = groupTokens(sections, config.blockN), { mostGroups } = levels;
  const lists = await prepareLists(gpu, levels.levels, { shape, config, group, mostGroups });
  return {
    passes: [
      { stage: "importance", encode: importance.encode },
      { stage: "levels", encode: levels.encode },
      { stage: "lists", encode: lists.encode },
    ],
    attention: await kernel({ list: lists.list, offsets: lists.offsets }),
    levels: levels.levels,
  };
}
