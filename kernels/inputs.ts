/**
 * Checks the inputs of a call, and copies them to the buffers that the kernels read.
 *
 * @module
 */
import { requireInput } from "../reference/errors.ts";
import { type AttentionShape, dtypeOf, type Qkv, type Tensor } from "../reference/tensor.ts";
import type { InputBuffers } from "./buffers.ts";
import type { GivenLevels } from "./calls.ts";
import { GpuError } from "./device/errors.ts";
import type { Gpu } from "./device/gpu.ts";
import { kindOf } from "./door.ts";
import { upload } from "./device/transfer.ts";
import { requireLevels } from "./lists/given.ts";
import { type PsaPlan, shapeOfLevels } from "./plan.ts";

/**
 * Inputs that are already on the device: row-major, in the element type of the kernels (`Psa.dtype`), with the usage
 * COPY_SRC. Calls copy them and never write to them; their creator owns and frees them. `Psa.inputs` are the
 * exception: they belong to the `Psa`, are read without a copy, and may be larger than the tensors.
 */
export interface QkvBuffers {
  /** Queries, [batch, heads, query tokens, head dimension]. */
  readonly q: GPUBuffer;
  /** Keys, [batch, key heads, key tokens, head dimension]. */
  readonly k: GPUBuffer;
  /** Values, [batch, key heads, key tokens, value dimension]. */
  readonly v: GPUBuffer;
}

const NAMES = ["q", "k", "v"] as const;
/** The name of the copy in errors. */
const COPYING = "copying inputs";

/** Whether inputs are buffers of the device. */
export function areBuffers(qkv: Qkv | QkvBuffers): qkv is QkvBuffers {
  return typeof qkv?.q === "object" && qkv.q !== null && "usage" in qkv.q;
}

/**
 * Throws unless inputs fit the pipeline.
 *
 * @throws {InputError} naming the input, its value and the expected one
 */
export function requireInputs(qkv: Qkv | QkvBuffers, plan: PsaPlan): void {
  requireInput(
    typeof qkv === "object" && qkv !== null,
    () => `The inputs are ${kindOf(qkv)}; they should be { q, k, v }, tensors or buffers.`,
  );
  if (areBuffers(qkv)) requireBuffers(qkv, plan);
  else for (const name of NAMES) requireTensor(qkv[name], name, plan);
}

/**
 * Throws unless given levels fit the pipeline.
 *
 * @throws {InputError} if they have a wrong type, shape or length, or a level that the pipeline does not have
 */
export function requireCallLevels(levels: GivenLevels | undefined, plan: PsaPlan): void {
  if (levels === undefined || levels === "dense") return;
  requireLevels(levels, { shape: shapeOfLevels(plan), layout: plan.layout });
}

/** The expected shape of an input, and its layout. */
function shapeOf(name: typeof NAMES[number], shape: AttentionShape): { shape: number[]; layout: string } {
  const { batch, heads, kvHeads, seqQ, seqK, headDim, valueDim } = shape;
  return {
    q: { shape: [batch, heads, seqQ, headDim], layout: "[batch, heads, query tokens, head dimension]" },
    k: { shape: [batch, kvHeads, seqK, headDim], layout: "[batch, key heads, key tokens, head dimension]" },
    v: { shape: [batch, kvHeads, seqK, valueDim], layout: "[batch, key heads, key tokens, value dimension]" },
  }[name];
}

function requireTensor(given: Tensor, name: typeof NAMES[number], { shape, dtype }: PsaPlan): void {
  const { shape: should, layout } = shapeOf(name, shape);
  const wanted = `${layout}, here [${should}]`;
  requireInput(
    typeof given === "object" && given !== null && "data" in given,
    () => `\`${name}\` is ${kindOf(given)}; it should be { data, shape }, the shape ${wanted}.`,
  );
  requireInput(
    ArrayBuffer.isView(given.data),
    () => `\`${name}.data\` is ${kindOf(given.data)}; it should be a typed array of ${dtype}.`,
  );
  requireInput(
    Array.isArray(given.shape),
    () => `\`${name}.shape\` is ${kindOf(given.shape)}; it should be a list, ${wanted}.`,
  );
  requireInput(
    given.shape.length === 4,
    () => `\`${name}\` has shape [${given.shape}]; it should be ${wanted}.`,
  );
  requireInput(
    `${given.shape}` === `${should}`,
    () => `\`${name}\` has shape [${given.shape}]; this pipeline was built for ${wanted}.`,
  );
  const size = should.reduce((product, each) => product * each, 1);
  requireInput(
    given.data.length === size,
    () => `\`${name}\` holds ${given.data.length} numbers; its shape [${should}] needs ${size}.`,
  );
  const Type = dtype === "f16" ? "Float16Array" : "Float32Array", is = given.data.constructor.name;
  requireInput(
    dtypeOf(given) === dtype && is === Type,
    () =>
      `\`${name}\` is a ${is}; this pipeline was built for ${dtype}: convert it with ${Type}.from(data), or build the ` +
      `pipeline with another \`dtype\`.`,
  );
}

function requireBuffers(qkv: QkvBuffers, plan: PsaPlan): void {
  const bytes = { q: plan.bytes.q, k: plan.bytes.keys, v: plan.bytes.values };
  for (const name of NAMES) {
    const { size, usage } = qkv[name] ?? {};
    requireInput(
      usage !== undefined,
      () => `\`${name}\` is ${kindOf(qkv[name])}; it should be a buffer, as \`q\` is.`,
    );
    requireInput(
      size >= bytes[name],
      () => `The buffer of \`${name}\` has ${size} bytes; the shape needs ${bytes[name]}.`,
    );
    requireInput(
      (usage & GPUBufferUsage.COPY_SRC) !== 0,
      () => `The buffer of \`${name}\` lacks the usage COPY_SRC; make it with GPUBufferUsage.COPY_SRC.`,
    );
  }
}

/** Copies checked inputs into buffers. */
export async function loadInputs(
  gpu: Gpu,
  qkv: Qkv | QkvBuffers,
  { inputs, plan }: { readonly inputs: InputBuffers; readonly plan: PsaPlan },
): Promise<void> {
  if (!areBuffers(qkv)) {
    for (const name of NAMES) {
      upload(gpu, inputs[name], { data: qkv[name].data as Float32Array<ArrayBuffer> });
    }
    return;
  }
  const bytes = { q: plan.bytes.q, k: plan.bytes.keys, v: plan.bytes.values };
  const copy = (names: readonly (typeof NAMES[number])[]) =>
    gpu.scoped(COPYING, () => {
      const encoder = gpu.device.createCommandEncoder();
      for (const name of names) {
        if (qkv[name] !== inputs[name]) {
          encoder.copyBufferToBuffer(qkv[name], 0, inputs[name], 0, bytes[name]);
        }
      }
      gpu.device.queue.submit([encoder.finish()]);
    });
  try {
    await copy(NAMES);
  } catch (error) {
    if (!(error instanceof GpuError && error.kind === "validation" && error.label === COPYING)) throw error;
    throw await refusedBuffer(error, copy);
  }
}

/** The error of a buffer that the device refused to copy: WebGPU does not say beforehand whose a buffer is. */
async function refusedBuffer(
  error: GpuError,
  copy: (names: readonly (typeof NAMES[number])[]) => Promise<void>,
): Promise<GpuError> {
  for (const name of NAMES) {
    const isRight = await copy([name]).then(() => true, () => false);
    if (isRight) continue;
    const message =
      `${COPYING}: \`${name}\` is a buffer that this device cannot copy; it should be made by ` +
      `\`gpu.device\`, and be neither destroyed nor mapped. Make it there and unmap it, or pass tensors. The device ` +
      `says: ${error.message.replace(`${COPYING}: `, "")}`;
    return new GpuError(message, { kind: error.kind, label: error.label });
  }
  return error;
}
