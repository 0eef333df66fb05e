/**
 * Whether subgroups multiply matrices as the kernels need it, found out by running a product.
 *
 * @module
 */
import type { Capabilities, MatrixShape } from "../capabilities.ts";
import type { Gpu } from "../gpu.ts";
import { buildKernel } from "../work/kernel.ts";
import { submitPass } from "../work/pass.ts";
import { download } from "../transfer.ts";
import { MATRIX_DIRECTIVES } from "../../attention/matrix/directives.ts";

/** Lanes of a subgroup that kernels are laid out for. */
const LANES = 32;

/** Products that there are kernels for, the fastest first: `matrix/` of attention and of importance. */
const KERNEL_SHAPES: readonly MatrixShape[] = [
  { M: 16, N: 16, K: 16, component: "f16", result: "f32" },
];
/** Rows and columns of the product that is tried. */
const EDGE = KERNEL_SHAPES[0].M;

/** The facts about a device that decide whether its matrix units can be used. */
type Listed = Pick<Capabilities, "matrixShapes" | "subgroupSizes" | "matrices">;

/** The product of an adapter's list that kernels use: the first that there is a kernel for; undefined if there is none. */
export function chooseMatrixShape({ matrixShapes }: Pick<Listed, "matrixShapes">): MatrixShape | undefined {
  return KERNEL_SHAPES.find((wanted) => matrixShapes.some((listed) => nameOf(listed) === nameOf(wanted)));
}

/**
 * Why kernels do not use the matrix units of a device, in a sentence; empty if they do.
 *
 * @param device what its adapter lists, and whether kernels use it
 *
 * @example
 * ```ts
 * import { matrixProblem } from "./matrices.ts";
 * const device = { matrixShapes: [], subgroupSizes: { least: 32, most: 32 }, matrices: false };
 * console.log(matrixProblem(device)); // The adapter lists no products of matrices.
 * ```
 */
export function matrixProblem(device: Listed): string {
  const { matrixShapes, subgroupSizes: { least, most }, matrices } = device;
  if (matrices) return "";
  if (matrixShapes.length === 0) return "The adapter lists no products of matrices.";
  if (chooseMatrixShape(device) === undefined) {
    return `The adapter lists products of ${
      matrixShapes.map(nameOf).join(", ")
    }; kernels with matrix units need one of ${KERNEL_SHAPES.map(nameOf).join(", ")}.`;
  }
  if (least !== LANES || most !== LANES) {
    const lanes = least === 0 ? "an unknown number of" : least === most ? least : `${least} to ${most}`;
    return `Subgroups of the adapter have ${lanes} lanes; kernels with matrix units need ${LANES} in every pipeline.`;
  }
  return "Matrix units are switched off, or gave a wrong product when one was tried.";
}

/** A product in words, rows of the left factor x columns of the right one x depth. */
function nameOf({ M, N, K, component, result }: MatrixShape): string {
  return `${M} x ${N} x ${K} ${component} with sums in ${result}`;
}

/** Whether an adapter lists what kernels need: a product that there is a kernel for, in subgroups that always have 32 lanes. */
export function listsMatrices(device: Listed): boolean {
  const { least, most } = device.subgroupSizes;
  return least === LANES && most === LANES && chooseMatrixShape(device) !== undefined;
}

// A is 1 + row + column / 16, B the identity shifted by a column. What a matrix store of a subgroup has written its lanes read, and
// what they write a matrix load reads, with no barrier between, as kernels do.
const PROBE = `${MATRIX_DIRECTIVES}
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
    b[i] = pack2x16float(vec2f(f32((row + 1u) % 16u == at), f32((row + 1u) % 16u == at + 1u)));
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
  halves[own + row * 3u + part] =
    vec4<u32>(pack2x16float(low.xy), pack2x16float(low.zw), pack2x16float(high.xy), pack2x16float(high.zw));
  let again = subgroupMatrixLoad<Left, row_major>(&halves, own, 3u);
  sum = subgroupMatrixMultiply<f32>(again, right);
  subgroupMatrixStore<row_major>(&sums, own, sum, 6u);
  for (var i = 0u; i < 2u; i++) {
    result[subgroup * 64u + row * 4u + part * 2u + i] = bitcast<vec4f>(sums[own + row * 6u + part * 2u + i]);
  }
}`;

/** The right result of the probe. */
function expected(): number[] {
  const a = (subgroup: number, row: number, column: number) => 1 + row + subgroup + (column & 15) / 16;
  return Array.from({ length: 2 * EDGE * EDGE }, (_, i) => {
    const subgroup = i >> 8, row = i >> 4 & 15, column = (i & 15) + 15;
    return a(subgroup, row, column + 15) + a(subgroup, row, column + 1);
  });
}

/**
 * Whether matrices can be used: the adapter lists the products that kernels need, and a test product is right.
 *
 * @param gpu the device
 */
export async function probeMatrices(gpu: Gpu): Promise<boolean> {
  if (!listsMatrices(gpu.info) || !gpu.has("shader-f16")) return false;
  const want = expected(), buffer = gpu.createBuffer("matrix probe", { size: 4 * want.length });
  try {
    const encode = await buildKernel(gpu, PROBE, {
      label: "matrix probe",
      buffers: [buffer],
      workgroups: [1],
    });
    await submitPass(gpu, [encode], { label: "matrix probe" });
    const got = new Float32Array(await download(gpu, buffer));
    return want.every((each, i) => each === got[i]);
  } catch {
    return false; // the compiler refuses it
  } finally {
    gpu.destroyBuffer(buffer);
  }
}
