/**
 * One right call, dumped in the ways in which strangers dump: each is right, or refused in a sentence. None is wrong, and
 * the same call with one wrong row is right in none.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import { pyramidAttention, type Tensor, tensor, writeSafetensors } from "../../../mod.ts";
import { roundToBf16 } from "../../../fixtures/bf16.ts";
import { hardCall } from "../honest/data.ts";
import { move, task } from "./move.ts";

const CALL = hardCall("random, causal, tail", "f32");
const TOLD: Record<string, string> = {
  ...{ block_m: "64", block_n: "64", causal: "True", scale: "0.125", tail: "exact" },
};

/** The call as its kernel saw it, with outputs in float64. */
function dumped(): Record<string, Tensor> {
  const { out, lse } = pyramidAttention(CALL.qkv, CALL.levels, CALL);
  return { ...CALL.qkv, levels: CALL.levels, out, lse };
}

const floats = ({ data, shape }: Tensor) => tensor(Float32Array.from(data), shape);
const narrow = (all: Record<string, Tensor>) => ({ ...all, out: floats(all.out), lse: floats(all.lse) });
const called = (all: Record<string, Tensor>, names: Record<string, string>) =>
  Object.fromEntries(Object.entries(all).map(([name, x]) => [names[name] ?? name, x]));
const squeezed = ({ data, shape }: Tensor) => tensor(data, shape.slice(1));

/** Tensors [B, H, L, D] as [B, L, H, D]. */
function tokensFirst({ data, shape: [batch, heads, tokens, dim] }: Tensor): Tensor {
  const moved = Float32Array.from(data, (_, at) => {
    const c = at % dim, head = Math.floor(at / dim) % heads, token = Math.floor(at / dim / heads) % tokens;
    const entry = Math.floor(at / dim / heads / tokens);
    return data[((entry * heads + head) * tokens + token) * dim + c];
  });
  return tensor(moved, [batch, tokens, heads, dim]);
}

type Dump = readonly [
  what: string,
  verdict: "right" | "unjudged",
  change: (all: Record<string, Tensor>) => Record<string, Tensor>,
  told?: Record<string, string>,
  options?: { readonly bf16: readonly string[] },
];

const inLayout = (all: Record<string, Tensor>) => ({
  ...all,
  ...Object.fromEntries(["q", "k", "v", "out"].map((name) => [name, tokensFirst(all[name])])),
});

const DUMPS: readonly Dump[] = [
  ["plain", "right", narrow],
  ["outputs in float64", "right", (all) => all],
  ["without log-sum-exps", "right", (all) => {
    const { lse: _, ...others } = narrow(all);
    return others;
  }],
  ["levels as floats", "right", (all) => ({ ...narrow(all), levels: floats(all.levels) })],
  ["log-sum-exps with a last axis", "right", (all) => {
    const own = narrow(all);
    return { ...own, lse: tensor(own.lse.data, [...own.lse.shape, 1]) };
  }],
  ["outputs in f16", "right", (all) => ({
    ...narrow(all),
    out: tensor(Float16Array.from(all.out.data), all.out.shape),
  })],
  [
    "outputs in bf16",
    "right",
    (all) => ({
      ...narrow(all),
      out: tensor(roundToBf16(all.out.data), all.out.shape),
    }),
    TOLD,
    { bf16: ["out"] },
  ],
  ["names of PyTorch", "right", (all) =>
    called(narrow(all), {
      ...{ q: "query_states", k: "key_states", v: "value_states" },
      ...{ out: "attn_output", lse: "softmax_lse", levels: "block_mask" },
    })],
  ["more tensors", "right", (all) => ({ ...narrow(all), weights: tensor(new Float32Array(7), [7]) })],
  ["words of JSON", "right", narrow, { ...TOLD, causal: "true", scale: "0.125", tail: '"exact"' }],
  ["numbers as booleans", "right", narrow, { ...TOLD, causal: "1" }],
  ["a formula", "right", narrow, { ...TOLD, scale: "64 ** -0.5" }],
  ["a tuple of blocks", "right", narrow, {
    ...{ causal: "True", scale: "1/sqrt(64)", block_size: "(64, 64)" },
  }],
  ["tokens first, and said", "right", inLayout, { ...TOLD, layout: "BLHD" }],
  ["tokens first", "unjudged", inLayout],
  [
    "without the axis of the batch",
    "unjudged",
    (all) => Object.fromEntries(Object.entries(narrow(all)).map(([name, x]) => [name, squeezed(x)])),
  ],
  ["another block size", "unjudged", narrow, { ...TOLD, block_n: "32" }],
  ["an order twice", "unjudged", (all) => ({ ...narrow(all), order: tensor(Int32Array.of(1, 0), [2]) }), {
    ...TOLD,
    order: "[0, 1]",
  }],
  ["no metadata", "unjudged", narrow, {}],
];

/** Verdicts by file. */
async function verdicts(folder: string): Promise<Record<string, string>> {
  const { stdout, stderr } = await task(["verify", "--capture", folder, "--json"]);
  const all = stdout.trim().split("\n").map((line) => JSON.parse(line));
  assert(!stderr.includes("fault"), stderr);
  return Object.fromEntries(all.map(({ file, verdict }) => [file.replace(".safetensors", ""), verdict]));
}

for (const isRight of [true, false]) {
  move(`a ${isRight ? "right" : "wrong"} call, dumped in many ways`, async (folder) => {
    const all = dumped(), rows = all.out.data;
    if (!isRight) { for (let at = 0; at < 64; at++) rows[rows.length - 1 - at] += 1; }
    for (const [what, _, change, told = TOLD, options] of DUMPS) {
      await Deno.writeFile(
        folder.at(`${what}.safetensors`),
        writeSafetensors(change({ ...all }), told, options),
      );
    }
    const want = DUMPS.map(([what, verdict]) => [what, isRight || verdict !== "right" ? verdict : "wrong"]);
    assertEquals(await verdicts(folder.path), Object.fromEntries(want));
  });
}
