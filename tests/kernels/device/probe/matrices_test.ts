/** Kernels choose a product of matrices from the adapter's list; if none fits, a sentence says why. */
import { InputError, openGpu, parseCase } from "../../../../mod.ts";
import type { Capabilities, MatrixShape } from "../../../../kernels/device/capabilities.ts";
import {
  chooseMatrixShape,
  listsMatrices,
  MATRIX_SHAPES,
  matrixProblem,
} from "../../../../kernels/device/probe/matrices.ts";
import { assert, assertEquals, assertRejects } from "../../../support/assert.ts";
import { checkAttention } from "../../../support/attention_check.ts";
import { emulatedMatrices } from "../../../support/emulated_matrices.ts";

const halves = (M: number, N: number, K: number) => ({ M, N, K, component: "f16", result: "f32" });
const LANES = { least: 32, most: 32 };
const BYTES = { M: 16, N: 16, K: 32, component: "u8", result: "u32" };
const SHORT = { ...halves(8, 8, 8), result: "f16" };

Deno.test("matrices: the product is chosen from the adapter's list, wherever it stands there", () => {
  const device = { matrixShapes: [BYTES, halves(8, 8, 8), halves(16, 16, 16)], subgroupSizes: LANES };
  assertEquals(chooseMatrixShape(device), halves(16, 16, 16));
  assert(listsMatrices({ ...device, matrices: null }));
  assertEquals(matrixProblem({ ...device, matrices: halves(16, 16, 16) }), "");
  const others = { matrixShapes: [BYTES, halves(8, 8, 8), halves(16, 8, 16), halves(8, 16, 32)] };
  assertEquals(chooseMatrixShape(others), halves(16, 8, 16), "the largest that kernels can use");
  assertEquals(chooseMatrixShape(others, "8x8x8"), halves(8, 8, 8));
  assertEquals(chooseMatrixShape(others, "16x8x8"), undefined);
  assertEquals(chooseMatrixShape({ matrixShapes: [BYTES, SHORT] }), undefined, "bytes, sums in halves");
});

Deno.test("matrices: where they are not used, a sentence says why", () => {
  const problem = (matrixShapes: MatrixShape[], subgroupSizes = LANES) =>
    matrixProblem({ matrixShapes, subgroupSizes, matrices: null });
  assertEquals(problem([]), "The adapter lists no products of matrices.");
  assertEquals(
    problem([BYTES, SHORT]),
    "The adapter lists products of 16x16x32 u8 with sums in u32, 8x8x8 f16 with sums in f16; kernels with matrix units " +
      "need M x N x K f16 with sums in f32, M, N and K 8 or 16.",
  );
  assertEquals(
    problem([halves(16, 16, 16)], { least: 8, most: 32 }),
    "Subgroups of the adapter have 8 to 32 lanes; kernels with matrix units need 32 in every pipeline.",
  );
  assert(problem([halves(16, 16, 16)]).startsWith("Matrix units are switched off, or gave a wrong product"));
});

Deno.test("matrices: a test of every product is right where it should be, and a wrong one is found", async () => {
  for (const product of MATRIX_SHAPES) {
    using gpu = await openGpu({ gpu: emulatedMatrices([product]) });
    assertEquals(gpu.info.matrices, product);
  }
  const spoilt = emulatedMatrices([MATRIX_SHAPES[0]], {
    change: (code) => code.replace("x.y * z0.x", "x.x * z0.x"),
  });
  using gpu = await openGpu({ gpu: spoilt });
  assertEquals(gpu.info.matrices, null);
});

Deno.test("matrices: a product that is asked for is used, or a sentence says why it cannot be", async () => {
  const gpu = emulatedMatrices([halves(16, 16, 16), halves(16, 8, 8)]);
  using asked = await openGpu({ gpu, matrices: "16x8x8" });
  assertEquals(asked.info.matrices, halves(16, 8, 8));
  const refused = await assertRejects(() => openGpu({ gpu, matrices: "8x8x8" }), InputError);
  assertEquals(
    refused.message,
    "Kernels cannot use products of 8x8x8 on this device. The adapter lists products of 16x16x16 f16 with sums in f32, " +
      "16x8x8 f16 with sums in f32; kernels with matrix units need 8x8x8 f16 with sums in f32.",
  );
});

Deno.test("matrices: an adapter that lists other products alone runs kernels without them", async () => {
  using gpu = await openGpu({ gpu: emulatedMatrices([SHORT]) });
  const { matrixShapes, matrices }: Capabilities = gpu.info;
  assertEquals([matrixShapes.length, matrices], [1, null]);
  await checkAttention(
    gpu,
    parseCase("attention B=1 H=1 Lq=16 Lk=40 D=16 bm=16 bn=16 dtype=f16 levels=0,1,2"),
  );
});
