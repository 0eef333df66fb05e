/**
 * The first lines of kernels with matrix units: the language features that they enable, and names for the matrix types.
 *
 * @module
 */
import type { MatrixShape } from "../../device/capabilities.ts";

/**
 * Left factors are M x K halves, right ones K x N, results M x N numbers in float32; types name columns first. The compiler
 * cannot prove that matrices are used in uniform control flow; kernels say why they are.
 *
 * @param product the sizes of a product
 */
export function matrixDirectives({ M, N, K }: Pick<MatrixShape, "M" | "N" | "K">): string {
  return `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
diagnostic(off, subgroup_uniformity);
alias Left = subgroup_matrix_left<f16, ${K}, ${M}>;
alias Right = subgroup_matrix_right<f16, ${N}, ${K}>;
alias Sums = subgroup_matrix_result<f32, ${N}, ${M}>;
`;
}
