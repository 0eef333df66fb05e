/**
 * Whether subgroups multiply matrices as the kernels need it, found out by running a product.
 *
 * @module
 */
import { requireInput } from "../../../reference/errors.ts";
import type { Capabilities, MatrixShape } from "../capabilities.ts";
import type { Gpu } from "../gpu.ts";
import { buildKernel } from "../work/kernel.ts";
import { submitPass } from "../work/pass.ts";
import { download } from "../transfer.ts";
import { matrixDirectives } from "../../attention/matrix/directives.ts";

/** Lanes of a subgroup that kernels are laid out for. */
const LANES = 32;
/** Rows, columns and steps of a product that they can use, in any combination. */
const EDGES = [16, 8];

/** Products that `matrix/` of attention and of importance can use: the largest, of the fewest instructions, first. */
export const MATRIX_SHAPES: readonly MatrixShape[] = EDGES.flatMap((M) =>
  EDGES.flatMap((N) => EDGES.map((K) => ({ M, N, K, component: "f16", result: "f32" })))
).sort((a, b) => b.M * b.N * b.K - a.M * a.N * a.K);

/** The name of a product's sizes, M x N x K, such as `16x8x16`. */
export function matrixName({ M, N, K }: Pick<MatrixShape, "M" | "N" | "K">): string {
  return `${M}x${N}x${K}`;
}

/** The names of all products that kernels can use. */
export const MATRIX_NAMES: readonly string[] = MATRIX_SHAPES.map(matrixName);

/** The facts about a device that decide whether its matrix units can be used. */
type Listed = Pick<Capabilities, "matrixShapes" | "subgroupSizes" | "matrices">;

/**
 * The product of an adapter's list that kernels use: the largest that they can; undefined if there is none.
 *
 * @param device what its adapter lists
 * @param wanted the name of the only one that will do
 */
export function chooseMatrixShape(
  { matrixShapes }: Pick<Listed, "matrixShapes">,
  wanted?: string,
): MatrixShape | undefined {
  const usable = MATRIX_SHAPES.filter((each) => wanted === undefined || matrixName(each) === wanted);
  return usable.find((each) => matrixShapes.some((listed) => productText(listed) === productText(each)));
}

/**
 * Why kernels do not use the matrix units of a device, in a sentence; empty if they do.
 *
 * @param device what its adapter lists, and the product that kernels use
 * @param wanted the name of the only product that will do
 *
 * @example
 * ```ts
 * import { matrixProblem } from "./matrices.ts";
 * const device = { matrixShapes: [], subgroupSizes: { least: 32, most: 32 }, matrices: null };
 * console.log(matrixProblem(device)); // The adapter lists no products of matrices.
 * ```
 */
export function matrixProblem(device: Listed, wanted?: string): string {
  const { matrixShapes, subgroupSizes: { least, most }, matrices } = device;
  if (matrices !== null) return "";
  if (matrixShapes.length === 0) return "The adapter lists no products of matrices.";
  if (chooseMatrixShape(device, wanted) === undefined) {
    const need = `${wanted ?? "M x N x K"} f16 with sums in f32${wanted ? "" : ", M, N and K 8 or 16"}`;
    return `The adapter lists products of ${
      matrixShapes.map(productText).join(", ")
    }; kernels with matrix units need ${need}.`;
  }
  if (least !== LANES || most !== LANES) {
    const lanes = least === 0 ? "an unknown number of" : least === most ? least : `${least} to ${most}`;
    return `Subgroups of the adapter have ${lanes} lanes; kernels with matrix units need ${LANES} in every pipeline.`;
  }
  return "Matrix units are switched off, or gave a wrong product when one was tried.";
}

/** A product in words, such as `16x8x16 f16 with sums in f32`. */
export function productText({ component, result, ...sizes }: MatrixShape): string {
  return `${matrixName(sizes)} ${component} with sums in ${result}`;
}

/** Whether an adapter lists what kernels need: a product that they can use, in subgroups that always have 32 lanes. */
export function listsMatrices(device: Listed): boolean {
  const { least, most } = device.subgroupSizes;
  return least === LANES && most === LANES && chooseMatrixShape(device) !== undefined;
}

// A is 1 + row + column / 16. B has a 1 in each column: loaded by rows, in the row before (modulo K), by columns in the row behind.
// What a matrix store of a subgroup has written its lanes read, and what they write a matrix load reads, with no barrier between, as
// kernels do: A's columns below N become those of the sum of both products, and are multiplied again.
function probeCode({ M, N, K }: MatrixShape): string {
  return `${matrixDirectives({ M, N, K })}
@group(0) @binding(0) var<storage, read_write> result: array<vec4f>;
var<workgroup> halves: array<vec4<u32>, 192>;
var<workgroup> sums: array<vec4<u32>, 192>;
@compute @workgroup_size(64) fn main(
  @builtin(subgroup_id) id: u32, @builtin(subgroup_invocation_id) lane: u32) {
  let subgroup = subgroupBroadcastFirst(id);
  let own = subgroup * 96u;
  let row = lane % 16u;
  let part = lane / 16u;
  var a = array<u32, 4>();
  var b = array<u32, 4>();
  for (var i = 0u; i < 4u; i++) {
    let at = part * 8u + 2u * i;
    let top = f32(1u + row) + f32(subgroup);
    a[i] = pack2x16float(vec2f(top + f32(at) / 16.0, top + f32(at + 1u) / 16.0));
    b[i] = pack2x16float(vec2f(f32((row + 1u) % ${K}u == at % ${K}u), f32((row + 1u) % ${K}u == (at + 1u) % ${K}u)));
  }
  halves[own + row * 3u + part] = vec4<u32>(a[0], a[1], a[2], a[3]);
  halves[own + 48u + row * 3u + part] = vec4<u32>(b[0], b[1], b[2], b[3]);
  workgroupBarrier();
  let left = subgroupMatrixLoad<Left, row_major>(&halves, own, 3u);
  let right = subgroupMatrixLoad<Right, row_major>(&halves, own + 48u, 3u);
  let transposed = subgroupMatrixLoad<Right, col_major>(&halves, own + 48u, 3u);
  var sum = subgroupMatrixMultiply<f32>(left, right);
  sum = subgroupMatrixMultiplyAccumulate(left, transposed, sum);
  subgroupMatrixStore<row_major>(&sums, own, sum, 6u);
  let low = bitcast<vec4f>(sums[own + row * 6u + part * 2u]);
  let high = bitcast<vec4f>(sums[own + row * 6u + part * 2u + 1u]);
  if (part < ${N / 8}u) {
    halves[own + row * 3u + part] =
      vec4<u32>(pack2x16float(low.xy), pack2x16float(low.zw), pack2x16float(high.xy), pack2x16float(high.zw));
  }
  let again = subgroupMatrixLoad<Left, row_major>(&halves, own, 3u);
  sum = subgroupMatrixMultiply<f32>(again, right);
  subgroupMatrixStore<row_major>(&sums, own, sum, 6u);
  for (var i = 0u; i < 2u; i++) {
    result[subgroup * 64u + row * 4u + part * 2u + i] = bitcast<vec4f>(sums[own + row * 6u + part * 2u + i]);
  }
}`;
}

/** Whether the result of the probe is right. */
function isRight(got: Float32Array, { M, N, K }: MatrixShape): boolean {
  const a = (subgroup: number, row: number, column: number) => 1 + row + subgroup + column / 16;
  return got.every((each, i) => {
    const subgroup = i >> 8, row = i >> 4 & 15, column = i & 15, before = (column + K - 1) % K;
    const first = a(subgroup, row, (before + K - 1) % K) + a(subgroup, row, (before + 1) % K);
    return row >= M || column >= N || each === (before < N ? first : a(subgroup, row, before));
  });
}

/**
 * The product that kernels use: the adapter lists it, and a test of it is right. Null if there is none.
 *
 * @param gpu the device
 * @param wanted the name of the only one that will do; true: any
 * @throws {InputError} if there is none and one was named
 */
export async function probeMatrices(gpu: Gpu, wanted: string | true = true): Promise<MatrixShape | null> {
  const name = wanted === true ? undefined : wanted, product = chooseMatrixShape(gpu.info, name);
  const isListed = product !== undefined && listsMatrices(gpu.info) && gpu.has("shader-f16");
  if (isListed && await multiplies(gpu, product)) return product;
  requireInput(
    name === undefined,
    () => `Kernels cannot use products of ${name} on this device. ${matrixProblem(gpu.info, name)}`,
  );
  return null;
}

/** Whether the test of a product is right. */
async function multiplies(gpu: Gpu, product: MatrixShape): Promise<boolean> {
  const buffer = gpu.createBuffer("matrix probe", { size: 4 * 2 * 16 * 16 });
  try {
    const encode = await buildKernel(gpu, probeCode(product), {
      label: "matrix probe",
      buffers: [buffer],
      workgroups: [1],
    });
    await submitPass(gpu, [encode], { label: "matrix probe" });
    return isRight(new Float32Array(await download(gpu, buffer)), product);
  } catch {
    return false; // the compiler refuses it
  } finally {
    gpu.destroyBuffer(buffer);
  }
}
