/** The bounds on gradients and importance: honest arithmetic stays inside, and uses a good part of them. */
import { buildCase } from "../../../fixtures/conformance/case_file.ts";
import { callOf } from "../../../fixtures/conformance/call.ts";
import { suiteCases } from "../../../fixtures/conformance/suites.ts";
import {
  antidiagonalImportance,
  compare,
  type FloatData,
  groupMaxImportance,
  type KernelDType,
  pooledImportance,
  pyramidAttentionGradient,
  type Qkv,
  type Tensor,
} from "../../../mod.ts";
import {
  gradientBounds,
  type ImportanceKind,
  importanceTensorBounds,
  type TensorBounds,
} from "../../../reference/judge/element_tolerance.ts";
import { toFloat64 } from "../../../reference/tensor.ts";
import { resolveCase } from "../../../fixtures/cases.ts";
import { loadGolden } from "../../../fixtures/golden.ts";
import { assert } from "../../support/assert.ts";
import { drawn } from "../../support/seed.ts";
import { bfloat16, type Simulation } from "../../../fixtures/conformance/honest/attention.ts";
import { simulateGradient, simulateImportance } from "../../../fixtures/conformance/honest/stages.ts";

type Formats = Pick<Simulation, "store" | "sum" | "steps" | "backwards">;
const KERNELS: readonly { name: string; dtype: KernelDType; accumulate?: "f16"; formats: Formats }[] = [
  { name: "f32", dtype: "f32", formats: { store: Math.fround, sum: Math.fround, steps: Infinity } },
  {
    name: "f32 backwards, 4 at a time",
    dtype: "f32",
    formats: { store: Math.fround, sum: Math.fround, steps: 4, backwards: true },
  },
  { name: "f16", dtype: "f16", formats: { store: Math.f16round, sum: Math.fround, steps: Infinity } },
  {
    name: "f16 with sums of 64 in f16",
    dtype: "f16",
    accumulate: "f16",
    formats: { store: Math.f16round, sum: Math.f16round, steps: 64 },
  },
  { name: "bf16", dtype: "bf16", formats: { store: bfloat16, sum: Math.fround, steps: 32 } },
];

/** The cases of a stage in the standard suite, with one of two seeds, which the commit draws; PSA_LONG=1 takes both. */
function casesOf(wanted: string, dtype: KernelDType) {
  return [0, 50].filter((_, i) => drawn(i, 2)).flatMap((seed) => suiteCases("standard", { dtype, seed }))
    .filter(({ stage }) => stage === wanted);
}

/** Importance in float64. */
function truthOfKind(qk: Pick<Qkv, "q" | "k">, options: ImportanceKind): Tensor<Float64Array> {
  if (options.kind === "groupmax") return groupMaxImportance(qk, options);
  return options.kind === "pooled" ? pooledImportance(qk, options) : antidiagonalImportance(qk, options);
}

/** The share of a bound that outputs take. */
function share(got: Tensor, want: Tensor, bound: { relL2: number; maxAbs: number }): number {
  const { relL2, maxAbs } = compare(got, want);
  return Math.max(relL2 / bound.relL2, maxAbs / bound.maxAbs);
}

/** Asserts that the worst part of a right tensor is within its own bound. */
function assertParts(got: Tensor, want: Tensor, { parts }: TensorBounds): void {
  const worst = parts(got, want);
  assert(worst !== undefined && worst.share <= 0.9, JSON.stringify(worst));
}

for (const { name, dtype, accumulate, formats } of KERNELS) {
  Deno.test(`tolerance: right gradients stay inside and are not far from it, ${name}`, () => {
    for (const given of casesOf("gradient", dtype)) {
      const { qkv, levels, options } = callOf(given), { tensors } = buildCase(given);
      const dout = toFloat64(tensors.dout as Tensor<FloatData>);
      const bound = gradientBounds(qkv, levels, dout, { ...options, dtype, accumulate });
      const got = simulateGradient(qkv, levels, dout, { ...options, ...formats });
      for (const key of ["dq", "dk", "dv"] as const) {
        const part = share(got[key], tensors[`expected_${key}`], bound[key]);
        assert(part <= 0.5, `${key} takes ${part} of its bound in ${given.seed}`);
        assertParts(got[key], tensors[`expected_${key}`], bound[key]);
        // Sums of n terms in any order have partial sums of .4 n, random ones sqrt(n / 2); errors of terms count as
        // independent and as alike, which is twice the variance. Sums of some steps have that many times fewer roundings.
        const n = qkv.k.shape[2] * (Number.isFinite(formats.steps) ? formats.steps : 1);
        const least = dtype === "f32" ? 1 / (5.86 * 0.4 * Math.sqrt(2 * 2 * n)) : 0.04;
        assert(part > least, `${key} takes only ${part} of its bound in ${given.seed}`);
      }
    }
  });

  Deno.test(`tolerance: right importance stays inside and is not far from it, ${name}`, () => {
    for (const given of casesOf("importance", dtype)) {
      const { blockM, blockN, stride = 1, causal, importance: kind } = resolveCase(given),
        { tensors } = buildCase(given);
      const qk = { q: tensors.q, k: tensors.k } as Pick<Qkv, "q" | "k">;
      const kinds: ImportanceKind[] = kind === "groupmax"
        ? [{ kind, groupQ: blockM, groupK: blockN }, { kind, groupQ: 4, groupK: 8 }, {
          kind,
          groupQ: 1,
          groupK: 1,
        }]
        : [{ kind: kind as "pooled" | "antidiagonal", blockM, blockN, stride, causal }];
      for (const options of kinds) {
        const bound = importanceTensorBounds(qk, { ...options, dtype, accumulate });
        const want = truthOfKind(qk, options), got = simulateImportance(qk, { ...options, ...formats });
        const part = share(got, want, bound);
        assert(part <= 0.5, `${kind} takes ${part} of its bound`);
        assertParts(got, want, bound);
        // Where every key block is some query's best one, all weights are 1, and there is no error.
        const isEven = want.data.every((weight) => weight === want.data[0]);
        assert(isEven || part > 0.005, `${kind} takes only ${part} of its bound in ${given.seed}`);
      }
    }
  });
}

Deno.test("tolerance: what the released kernels give on an H100 stays inside, gradients", async () => {
  for (const { tensors, parameters } of await loadGolden("gradient")) {
    const float = (name: string) => tensors[name] as Tensor<FloatData>,
      levels = tensors.levels as Tensor<Int32Array>;
    const qkv = { q: float("q"), k: float("k"), v: float("v") }, dout = toFloat64(float("dout"));
    const { block_m: blockM, block_n: blockN, tail } = parameters as Record<string, never>;
    const options = { blockM, blockN, tail },
      bound = gradientBounds(qkv, levels, dout, { ...options, dtype: "f16" });
    const want = pyramidAttentionGradient(qkv, levels, float("dout"), options);
    for (const key of ["dq", "dk", "dv"] as const) {
      const part = share(float(key), want[key], bound[key]);
      assert(part > 0.02 && part <= 0.7, `${key} takes ${part} of its bound`);
      assertParts(float(key), want[key], bound[key]);
    }
  }
});

Deno.test("tolerance: what the released kernels give on an H100 stays inside, importance", async () => {
  for (const { tensors, parameters } of await loadGolden("importance")) {
    const qk = { q: tensors.q as Tensor<FloatData>, k: tensors.k as Tensor<FloatData> };
    const { group_q: groupQ, group_k: groupK } = parameters as Record<string, never>;
    const bound = importanceTensorBounds(qk, { kind: "groupmax", groupQ, groupK, dtype: "f16" });
    const want = groupMaxImportance(qk, { groupQ, groupK }), part = share(tensors.importance, want, bound);
    assert(part > 0.02 && part <= 0.7, `groupmax takes ${part} of its bound`);
    assertParts(tensors.importance, want, bound);
  }
  for (const { tensors, parameters } of await loadGolden("antidiagonal")) {
    const qk = { q: tensors.q as Tensor<FloatData>, k: tensors.k as Tensor<FloatData> };
    const { block, stride, causal } = parameters as Record<string, never>;
    const options = { blockM: block, blockN: block, stride, causal };
    const bound = importanceTensorBounds(qk, { kind: "antidiagonal", ...options, dtype: "f32" });
    const want = antidiagonalImportance(qk, options), part = share(tensors.importance, want, bound);
    assert(part > 0.002 && part <= 0.7, `antidiagonal takes ${part} of its bound`);
    assertParts(tensors.importance, want, bound);
  }
});
