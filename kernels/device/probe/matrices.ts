/**
 * Whether subgroups multiply matrices as the kernels need it, found out by running a product.
 *
 * @module
 */
import type { Capabilities } from "../capabilities.ts";
import type { Gpu } from "../gpu.ts";
import { buildKernel } from "../kernel.ts";
import { submitPass } from "../pass.ts";
import { download } from "../transfer.ts";
import { MATRIX_DIRECTIVES } from "../../attention/matrix/directives.ts";

/** Rows, columns and depth of the products that kernels are laid out for, and lanes of a subgroup. */
const EDGE = 16, LANES = 32;

/** Whether an adapter lists products of 16 x 16 halves with sums in float32, in subgroups that always have 32 lanes. */
export function listsMatrices({ matrixShapes, subgroupSizes: { least, most } }: Capabilities): boolean {
  return least === LANES && most === LANES &&
    matrixShapes.some(({ M, N, K, component, result }) =>
      M === EDGE && N === EDGE && K === EDGE && component === "f16" && result === "f32"
    );
}

// A is 1 + row + column / 16, B the identity shifted by a column. What one lane stores another reads, as kernels do.
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
  for (var i = 0u; i < 2u; i++) {
    result[subgroup * 64u + row * 4u + part * 2u + i] = bitcast<vec4f>(sums[own + row * 6u + part * 2u + i]);
  }
}`;

/** The right result of the probe. */
function expected(): number[] {
  const a = (subgroup: number, row: number, column: number) => 1 + row + subgroup + (column & 15) / 16;
  return Array.from({ length: 2 * EDGE * EDGE }, (_, i) => {
    const subgroup = i >> 8, row = i >> 4 & 15, column = i & 15;
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
