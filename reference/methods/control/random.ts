/**
 * Random blocks.
 *
 * @module
 */
import { seededRandom } from "../../random.ts";
import type { Tensor } from "../../tensor.ts";
import type { BlockMethod, MethodInputs } from "../method.ts";
import { levelShape, ranked } from "../select.ts";

/**
 * Uniformly drawn blocks; a query block keeps the key blocks of its own positions. On flat heads random keys beat most
 * selections, for the largest scores alone are a biased sample: a comparison without this control misleads.
 */
export const random: BlockMethod = {
  name: "random",
  rule: "the block's own key blocks, the others drawn with a seed",
  granularity: "block",
  basis: "control",
  source: "this project",
  causal: true,
  usesImportance: false,
  selectionCost: () => 0,
  select: (inputs, density) => ({
    ...ranked(inputs, drawnImportance(inputs), density),
    rule: { kind: "fixed" }, // the draw knows no token
  }),
};

/** Random scores in [0, 1), and 1 for own blocks. */
function drawnImportance(inputs: MethodInputs): Tensor<Float64Array> {
  const shape = levelShape(inputs), [batch, heads, rows, columns] = shape;
  const data = new Float64Array(batch * heads * rows * columns);
  for (let head = 0; head < batch * heads; head++) {
    const { uniform } = seededRandom(inputs.seed, inputs.firstHead + head);
    for (let at = 0; at < rows * columns; at++) {
      data[head * rows * columns + at] = isOwn(inputs, Math.floor(at / columns), at % columns)
        ? 1
        : uniform();
    }
  }
  return { data, shape };
}

/** Whether a key block holds a position of a query block; sequences are aligned at their ends. */
function isOwn({ sizes: { blockM, blockN, seqQ, seqK } }: MethodInputs, m: number, j: number): boolean {
  const first = m * blockM + seqK - seqQ, end = Math.min((m + 1) * blockM, seqQ) + seqK - seqQ;
  return j * blockN < end && (j + 1) * blockN > first;
}
