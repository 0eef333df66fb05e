/** Kernels choose a product of matrices from the adapter's list; if none fits, a sentence says why. */
import { openGpu, parseCase } from "../../../../mod.ts";
import {
  chooseMatrixShape,
  listsMatrices,
  matrixProblem,
} from "../../../../kernels/device/probe/matrices.ts";
import { assert, assertEquals } from "../../../support/assert.ts";
import { checkAttention } from "../../../support/attention_check.ts";
import { EMULATED, emulatedMatrices } from "../../../support/emulated_matrices.ts";

const halves = (M: number, N: number, K: number) => ({ M, N, K, component: "f16", result: "f32" });
const LANES = { least: 32, most: 32 };

Deno.test("matrices: the product is chosen from the adapter's list, wherever it stands there", () => {
  const bytes = { M: 16, N: 16, K: 32, component: "u8", result: "u32" };
  const device = { matrixShapes: [bytes, halves(8, 8, 8), halves(16, 16, 16)], subgroupSizes: LANES };
  assertEquals(chooseMatrixShape(device), halves(16, 16, 16));
  assert(listsMatrices({ ...device, matrices: false }));
  assertEquals(matrixProblem({ ...device, matrices: true }), "");
  assertEquals(chooseMatrixShape({ matrixShapes: [bytes, halves(8, 8, 8), halves(16, 8, 16)] }), undefined);
  const short = { ...halves(16, 16, 16), result: "f16" };
  assertEquals(chooseMatrixShape({ matrixShapes: [short] }), undefined, "sums in halves");
});

Deno.test("matrices: where they are not used, a sentence says why", () => {
  const problem = (matrixShapes: ReturnType<typeof halves>[], subgroupSizes = LANES) => {
    const device = { matrixShapes, subgroupSizes, matrices: false };
    return matrixProblem(device);
  };
  assertEquals(problem([]), "The adapter lists no products of matrices.");
  assertEquals(
    problem([halves(8, 8, 8)]),
    "The adapter lists products of 8 x 8 x 8 f16 with sums in f32; kernels with matrix units need one of " +
      "16 x 16 x 16 f16 with sums in f32.",
  );
  assertEquals(
    problem([halves(16, 16, 16)], { least: 8, most: 32 }),
    "Subgroups of the adapter have 8 to 32 lanes; kernels with matrix units need 32 in every pipeline.",
  );
  assert(problem([halves(16, 16, 16)]).startsWith("Matrix units are switched off, or gave a wrong product"));
});

Deno.test("matrices: an adapter that lists other products alone runs kernels without them", async () => {
  using gpu = await openGpu({ gpu: emulatedMatrices([{ ...EMULATED, M: 8, N: 8, K: 8 }]) });
  assertEquals([gpu.info.matrixShapes.length, gpu.info.matrices], [1, false]);
  await checkAttention(
    gpu,
    parseCase("attention B=1 H=1 Lq=16 Lk=40 D=16 bm=16 bn=16 dtype=f16 levels=0,1,2"),
  );
});
