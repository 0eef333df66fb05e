/** Attention and its gradient against outputs of the released code, computed in float16 on a GPU. */
import {
  compare,
  type FloatData,
  pyramidAttention,
  pyramidAttentionGradient,
  type Qkv,
  readSafetensors,
  type Tail,
  type Tensor,
} from "../../../mod.ts";
import { assert } from "../../support/assert.ts";

/** The released code computes in float16: its own rounding is all that may stand between. */
const BOUND = 1e-3;

interface GoldenCase {
  case: number;
  block_m: number;
  block_n: number;
  causal?: boolean;
  kernel?: string;
  tail: Tail;
}

async function golden(name: string) {
  const url = new URL(`../../../fixtures/data/golden/${name}.safetensors`, import.meta.url);
  const { tensors, metadata } = readSafetensors(await Deno.readFile(url));
  return { tensors, cases: JSON.parse(metadata.cases) as GoldenCase[] };
}

/** The inputs of a golden case. */
function inputs(tensors: Record<string, Tensor>, { case: index, ...c }: GoldenCase) {
  const read = (name: string) => tensors[`${index}.${name}`] as Tensor<FloatData>;
  const qkv: Qkv = { q: read("q"), k: read("k"), v: read("v") };
  const levels = tensors[`${index}.levels`] as Tensor<Int32Array>;
  const options = { blockM: c.block_m, blockN: c.block_n, causal: c.causal ?? false, tail: c.tail };
  return { qkv, levels, options, read };
}

function assertNear(name: string, got: Tensor, want: Tensor): void {
  const { relL2, nonFinite } = compare(got, want);
  assert(relL2 < BOUND && nonFinite === 0, `${name}: relative error ${relL2}, non-finite ${nonFinite}`);
}

const attention = await golden("attention");
for (const c of attention.cases) {
  const name = `${c.case}: ${c.kernel} kernel, causal=${c.causal}, Lk=${
    attention.tensors[`${c.case}.k`].shape[2]
  }`;
  Deno.test(`golden attention ${name}`, () => {
    const { qkv, levels, options, read } = inputs(attention.tensors, c);
    assertNear("out", pyramidAttention(qkv, levels, options).out, read("out"));
  });
}

Deno.test("golden attention: the exact tail policy departs where the released kernel pads the last block", () => {
  const departing = attention.cases.filter((c) => {
    const { qkv, levels, options, read } = inputs(attention.tensors, c);
    const { out } = pyramidAttention(qkv, levels, { ...options, tail: "exact" });
    return compare(out, read("out")).relL2 > 0.05;
  });
  const padded = attention.cases.filter((c) => {
    const { qkv, levels, options } = inputs(attention.tensors, c), N = levels.shape[3];
    return qkv.k.shape[2] % options.blockN !== 0 &&
      levels.data.some((level, i) => i % N === N - 1 && level > 1);
  });
  assert(padded.length > 0);
  assert(departing.every((c) => padded.includes(c)) && departing.length === padded.length);
});

const gradient = await golden("gradient");
for (const c of gradient.cases) {
  Deno.test(`golden gradient ${c.case}: Lk=${gradient.tensors[`${c.case}.k`].shape[2]}`, () => {
    const { qkv, levels, options, read } = inputs(gradient.tensors, c);
    assertNear("out", pyramidAttention(qkv, levels, options).out, read("out"));
    const { dq, dk, dv } = pyramidAttentionGradient(qkv, levels, read("dout"), options);
    assertNear("dq", dq, read("dq"));
    assertNear("dk", dk, read("dk"));
    assertNear("dv", dv, read("dv"));
  });
}
