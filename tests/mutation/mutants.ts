/**
 * The mistakes that `deno task mutate` plants in the reference and in kernels: data, one text for another.
 *
 * @module
 */
import { kernelMutants } from "./kernel_mutants.ts";
import type { Mutant } from "./mutant.ts";
import { methodMutants } from "./method_mutants.ts";
import { selectionMutants } from "./selection_mutants.ts";

/** The tests that judge the reference: no GPU, no command line. */
export const REFERENCE_TESTS: readonly string[] = [
  "tests/reference/tensor_test.ts",
  "tests/reference/judge/metrics_test.ts",
  "tests/reference/pyramid/pyramid_test.ts",
  "tests/reference/attention/attention_test.ts",
  "tests/reference/naive/attention_test.ts",
  "tests/reference/naive/gradient_test.ts",
  "tests/reference/naive/importance_test.ts",
  "tests/reference/naive/levels_test.ts",
  "tests/reference/attention/gradient_test.ts",
  "tests/reference/attention/attention_property_test.ts",
  "tests/reference/order/order_test.ts",
  "tests/reference/psa_test.ts",
  "tests/reference/psa_examples_test.ts",
  "tests/reference/levels/golden_test.ts",
  "tests/reference/importance/importance_test.ts",
  "tests/reference/levels/levels_test.ts",
  "tests/reference/levels/levels_property_test.ts",
  "tests/reference/levels/budget_test.ts",
  "tests/reference/levels/budget_cap_property_test.ts",
  "tests/reference/levels/cap_segment_test.ts",
  "tests/reference/methods/rules_test.ts",
  "tests/reference/methods/outputs_test.ts",
  "tests/reference/methods/facts_test.ts",
  "tests/reference/methods/masks_test.ts",
  "tests/reference/methods/query_test.ts",
];

/** All mistakes. */
export const mutants: readonly Mutant[] = [
  {
    name: "the log term is missing",
    file: "reference/attention/attention.ts",
    find: "Float64Array.from(counts, Math.log);",
    replace: "new Float64Array(counts.length);",
  },
  {
    name: "the log term is taken in base 2",
    file: "reference/attention/attention.ts",
    find: "Float64Array.from(counts, Math.log);",
    replace: "Float64Array.from(counts, Math.log2);",
  },
  {
    name: "the scale is applied twice",
    file: "reference/attention/attention.ts",
    find: "factor: scale }",
    replace: "factor: scale * scale }",
  },
  {
    name: "a causal query does not see its own position",
    file: "reference/attention/visible.ts",
    find: "causal ? row + seqK - seqQ : Infinity",
    replace: "causal ? row + seqK - seqQ - 1 : Infinity",
  },
  {
    name: "causal positions are aligned top-left",
    file: "reference/attention/visible.ts",
    find: "causal ? row + seqK - seqQ : Infinity",
    replace: "causal ? row : Infinity",
  },
  {
    name: "a pooled token is visible from its first position on",
    file: "reference/attention/visible.ts",
    find: "if (first[middle] + counts[middle] - 1 <= position)",
    replace: "if (first[middle] <= position)",
  },
  {
    name: "the scale is 1 / D",
    file: "reference/attention/visible.ts",
    find: "scale: scale ?? defaultScale(dim)",
    replace: "scale: scale ?? 1 / dim",
  },
  {
    name: "pooled keys are sums",
    file: "reference/pyramid/pyramid.ts",
    find: "means[to + c] = sum / count;",
    replace: "means[to + c] = sum;",
  },
  {
    name: "a partial group is divided by its level",
    file: "reference/pyramid/pyramid.ts",
    find: "means[to + c] = sum / count;",
    replace: "means[to + c] = sum / level;",
  },
  {
    name: "the padding counts at level 1 too",
    file: "reference/pyramid/pyramid.ts",
    find: 'tail === "exact" || level === 1',
    replace: 'tail === "exact"',
  },
  {
    name: "values are not pooled",
    file: "reference/pyramid/pyramid.ts",
    find: "v: pooled(values)",
    replace: "v: pool(values, 1, counts)",
  },
  {
    name: "a partial token counts as a whole one",
    file: "reference/pyramid/pyramid.ts",
    find: "Math.min(level, tokens - t * level)",
    replace: "level",
  },
  {
    name: "the padding repeats the first token",
    file: "reference/pyramid/pyramid.ts",
    find: "sum += data[last + c]",
    replace: "sum += data[head * tokens * dim + c]",
  },
  {
    name: "the row maximum is not subtracted",
    file: "reference/attention/rows.ts",
    find: "Math.exp(scores[at] - max);",
    replace: "Math.exp(scores[at]);",
  },
  {
    name: "the log-sum-exp lacks the maximum",
    file: "reference/attention/rows.ts",
    find: "return max + Math.log(total);",
    replace: "return Math.log(total);",
  },
  {
    name: "key heads are taken modulo",
    file: "reference/heads.ts",
    find: "Math.floor((batchHead % heads) / (heads / kvHeads))",
    replace: "(batchHead % heads) % kvHeads",
  },
  {
    name: "the gradient of a pooled token goes whole to each token",
    file: "reference/attention/gradient.ts",
    find: "pooled[t * dim + c] / counts[t];",
    replace: "pooled[t * dim + c];",
  },
  {
    name: "the gradient of the softmax lacks its mean",
    file: "reference/attention/gradient.ts",
    find: "(dWeights[at] - delta + dlse)",
    replace: "(dWeights[at] + dlse)",
  },
  {
    name: "the gradient of the log-sum-exp is subtracted",
    file: "reference/attention/gradient.ts",
    find: "(dWeights[at] - delta + dlse)",
    replace: "(dWeights[at] - delta - dlse)",
  },
  {
    name: "the gradient of the queries lacks the scale",
    file: "reference/attention/gradient.ts",
    find: "= scale * dQueries[c * ROWS + r];",
    replace: "= dQueries[c * ROWS + r];",
  },
  {
    name: "relative error is taken over the result",
    file: "reference/judge/metrics.ts",
    find: "Math.sqrt(difference2 / want2)",
    replace: "Math.sqrt(difference2 / got2)",
  },
  {
    name: "non-finite values are passed over",
    file: "reference/judge/metrics.ts",
    find: "if (!Number.isFinite(x)) nonFinite++;",
    replace: "",
  },
  {
    name: "the curve's halves are not made even",
    file: "reference/order/gilbert.ts",
    find: "middle % 2 === 1 && length > 2",
    replace: "false",
  },
  {
    name: "the curve's way back starts at the wrong end",
    file: "reference/order/gilbert.ts",
    find: "return { step: -step, length };",
    replace: "return { step, length };",
  },
  {
    name: "frames and columns of a box are exchanged in the curve",
    file: "reference/order/gilbert.ts",
    find: "{ step: 1, length: width }",
    replace: "{ step: 1, length: depth }",
  },
  {
    name: "tiles run over rows before columns",
    file: "reference/order/order.ts",
    find: "data[count++] = x + box.width * (y + box.height * t);",
    replace: "data[count++] = y + box.height * (x + box.width * t);",
  },
  {
    name: "an order scatters where it should gather",
    file: "reference/order/order.ts",
    find:
      "const from = (head * length + order.data[row + n]) * dim;\n      rearranged.set(data.subarray(from, from + dim), (head * length + n) * dim);",
    replace:
      "const from = (head * length + n) * dim;\n      rearranged.set(data.subarray(from, from + dim), (head * length + order.data[row + n]) * dim);",
  },
  {
    name: "all heads take the order of the first",
    file: "reference/order/order.ts",
    find: "order.shape.length === 1 ? 0 : head * ordered",
    replace: "0",
  },
  {
    name: "tokens of a cluster lose their old order",
    file: "reference/order/order.ts",
    find: "labels[a] - labels[b] || a - b",
    replace: "labels[a] - labels[b] || b - a",
  },
  {
    name: "k-means leaves out the length of the centre",
    file: "reference/order/cluster.ts",
    find: "norms[c] - 2 *",
    replace: "-2 *",
  },
  {
    name: "k-means sums where it should take the mean",
    file: "reference/order/cluster.ts",
    find: "sums[i] / size",
    replace: "sums[i]",
  },
  {
    name: "the output stays in the order of the blocks",
    file: "reference/psa.ts",
    find: "const back = inverted(queryOrder);",
    replace: "const back = inverted(inverted(queryOrder));",
  },
  {
    name: "values keep raster order",
    file: "reference/order/arrange.ts",
    find: "v: permuted(v, keyOrder),",
    replace: "v,",
  },
  {
    name: "levels are chosen before the tokens are put in order",
    file: "reference/psa.ts",
    find: "const levels = levelsOfChecked(arranged.qkv, config);",
    replace: "const levels = levelsOfChecked(qkv, config);",
  },
  {
    name: "a budget of density forgets text and caps",
    file: "reference/levels/by_config.ts",
    find: "applyRules(levels, rules);",
    replace: "",
  },
  ...selectionMutants,
  ...methodMutants,
  ...kernelMutants,
];
