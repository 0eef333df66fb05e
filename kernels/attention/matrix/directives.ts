/**
 * The first lines of kernels with matrix units: the language features that they enable, and names for the matrix types.
 *
 * @module
 */

/**
 * Left and right factors are 16 x 16 halves, results 16 x 16 numbers in float32. The compiler cannot prove that matrices
 * are used in uniform control flow; kernels say why they are.
 */
export const MATRIX_DIRECTIVES = `enable f16;
enable subgroups;
enable chromium_experimental_subgroup_matrix;
diagnostic(off, chromium.subgroup_matrix_uniformity);
diagnostic(off, subgroup_uniformity);
alias Left = subgroup_matrix_left<f16, 16, 16>;
alias Right = subgroup_matrix_right<f16, 16, 16>;
alias Sums = subgroup_matrix_result<f32, 16, 16>;
`;
