/** Tuning: the best of the space is found, held-out inputs are not looked at for it, and files are checked. */
import type { FloatData, Qkv } from "../../../reference/tensor.ts";
import { attentionShape, tensor } from "../../../reference/tensor.ts";
import { levelDensity } from "../../../reference/levels/density.ts";
import { methodInputs } from "../../../reference/methods/inputs.ts";
import { blockTopkMean } from "../../../reference/methods/pyramid/block_topk_mean.ts";
import { psa } from "../../../reference/methods/pyramid/psa.ts";
import { denseAttention, pyramidAttention } from "../../../mod.ts";
import { compare } from "../../../reference/judge/metrics.ts";
import { InputError } from "../../../reference/errors.ts";
import { makeWorkload, type WorkloadName } from "../../../fixtures/workloads.ts";
import { formatTuned, parseTuned, type Tuned } from "../../../bench/tune/file.ts";
import { requireTunedFor } from "../../../bench/tune/shape.ts";
import { chooseBest } from "../../../bench/tune/halving.ts";
import { openInputs, splitInputs, type TuneInput } from "../../../bench/tune/inputs.ts";
import { HeadMeasure, type MeasureOptions } from "../../../bench/tune/measure.ts";
import { geometricMean, proofOf, verdictSentence } from "../../../bench/tune/proof.ts";
import { candidateOf, choicesOf } from "../../../bench/tune/space.ts";
import { tuneInputs, type TuneOptions } from "../../../bench/tune/tune.ts";
import { assert, assertEquals, assertMatch, assertRejects, assertThrows } from "../../support/assert.ts";

const BLOCKS = { blockM: 16, blockN: 16 };
const GRID = { width: 4, height: 8, depth: 8 };

/** One head of a workload. */
function headOf(name: WorkloadName, seed: number, options: Partial<MeasureOptions> = {}) {
  const { qkv } = makeWorkload(name, { seqQ: 256, headDim: 16, grid: GRID, seed });
  return measureOf(name, qkv, options);
}

function measureOf(name: string, qkv: Qkv, options: Partial<MeasureOptions> = {}) {
  const input = { name, shape: attentionShape(qkv), causal: false, grid: GRID, textLength: 0 };
  return { qkv, measure: new HeadMeasure({ input, head: 0, qkv }, { ...BLOCKS, density: 0.25, ...options }) };
}

/** Inputs as tuning sees them, made of tensors. */
function inputOf(name: string, qkv: Qkv, causal = false): TuneInput {
  const { seqQ, seqK, headDim, valueDim, heads } = attentionShape(qkv);
  const shape = {
    heads: [...Array(heads).keys()],
    seqQ,
    seqK,
    headDim,
    valueDim,
    causal,
    grid: null,
    textLength: 0,
  };
  const head = (data: FloatData, at: number, dim: number) =>
    data.subarray(at * seqQ * dim, (at + 1) * seqQ * dim);
  const load = (at: number) => {
    const part = (key: keyof Qkv) => {
      const { data, shape: [, , tokens, dim] } = qkv[key];
      return { data: head(data, at, dim) as FloatData, shape: [1, 1, tokens, dim] };
    };
    const own = { q: part("q"), k: part("k"), v: part("v") };
    return Promise.resolve({
      ...{ input: { name, shape: attentionShape(own), causal, textLength: 0 }, head: at, qkv: own },
    });
  };
  return { ...{ name, sha256: name, seed: null, shape, load } };
}

const workload = (name: WorkloadName, seed: number, heads = 1) =>
  inputOf(`${name} ${seed}`, makeWorkload(name, { seqQ: 128, heads, headDim: 8, seed }).qkv);

Deno.test("tune: a measurement of all rows is the error of the sweep's way, in any order", async () => {
  const { qkv, measure } = headOf("video", 3);
  const inputs = methodInputs(qkv, { ...BLOCKS, seed: 1, importance: { kind: "sampled", seed: 1 } });
  const { levels } = psa.select(inputs, 0.25), dense = denseAttention(qkv);
  const { relL2 } = compare(pyramidAttention(qkv, levels, BLOCKS).out, dense.out);
  const got = await measure.baseline("psa", "raster", 16);
  assert(Math.abs(got!.error - relL2) < 1e-9, `${got!.error} and ${relL2}`);
  assertEquals(got!.density, levelDensity(levels));
  const all = candidateOf(choicesOf({ orders: ["tile"] })[0]);
  const full = new HeadMeasure({
    ...{
      input: { name: "x", shape: attentionShape(qkv), causal: false, grid: GRID, textLength: 0 },
      head: 0,
      qkv,
    },
  }, { ...BLOCKS, density: 1 });
  assert((await full.measure(all, 4))!.error < 1e-12, "dense in another order is dense");
});

Deno.test("tune: full blocks with means are block-topk-mean; means keep the density with any shares", async () => {
  const { qkv, measure } = headOf("video", 5);
  const choices = choicesOf({ methods: ["ranked"], importances: ["sampled"] });
  const inputs = methodInputs(qkv, { ...BLOCKS, seed: 1, importance: { kind: "sampled", seed: 1 } });
  const binary = choices.findIndex(({ shares, rest }) => rest === "mean" && shares?.[1] === 1);
  const method = candidateOf(choices[binary]).method;
  assertEquals(method.select(inputs, 0.25).levels, blockTopkMean.select(inputs, 0.25).levels);
  for (const choice of choices) {
    const measured = await measure.measure(candidateOf(choice), 1);
    assert(measured === null || Math.abs(measured.density - 0.25) < 0.02, JSON.stringify([choice, measured]));
  }
  assert(
    (await Promise.all(choices.map((each) => measure.measure(candidateOf(each), 1)))).filter(Boolean).length >
      4,
  );
});

Deno.test("tune: without halving the best of the space is chosen, with halving one that is as good", async () => {
  const candidates = choicesOf({ orders: ["raster", "tile"] }).map(candidateOf);
  for (const name of ["video", "needle"] as const) {
    const inputs = [headOf(name, 1).measure, headOf(name, 2).measure];
    const errors: number[] = [];
    for (const candidate of candidates) {
      const all = [];
      for (const input of inputs) all.push((await input.measure(candidate, 16))?.error ?? Infinity);
      errors.push((all[0] + all[1]) / 2);
    }
    const least = Math.min(...errors),
      { index, measured } = await chooseBest(candidates, inputs, { rounds: [16] });
    assertEquals([measured.error, errors[index]], [least, least]);
    const halved = await chooseBest(candidates, inputs, { rounds: [1, 4, 16] });
    assertEquals(halved.rounds, [candidates.length, 15, 4]);
    assertEquals(errors[halved.index], least, `${name}: ${candidates[halved.index].name}`);
  }
});

Deno.test("tune: the budget holds: with --budget cost choosing is paid, and full importance is out", async () => {
  const { measure } = headOf("video", 1, { budget: "cost" });
  const [full] = choicesOf({ methods: ["ranked"], importances: ["full"] });
  assertEquals(await measure.measure(candidateOf(full), 1), null);
  const [sampled] = choicesOf({ methods: ["ranked"], importances: ["sampled"] });
  const { cost, density } = (await measure.measure(candidateOf(sampled), 1))!;
  assert(Math.abs(cost - density - 1 / 32) < 1e-12 && cost < 0.26, `${cost} ${density}`);
});

Deno.test("tune: one choice for all heads is that of the least mean error over heads and inputs", async () => {
  const tuning = [workload("video", 1, 2), workload("video", 2, 2)], heldOut = [workload("video", 3, 2)];
  const options: TuneOptions = {
    ...BLOCKS,
    density: 0.25,
    rounds: [16],
    together: true,
    methods: ["ranked"],
  };
  const { heads, search } = await tuneInputs({ tuning, heldOut }, options);
  const measures: HeadMeasure[] = [];
  for (const input of tuning) {
    for (const at of [0, 1]) {
      measures.push(new HeadMeasure(await input.load(at), { ...BLOCKS, density: 0.25 }));
    }
  }
  const choices = choicesOf({ methods: ["ranked"] }), means: number[] = [];
  for (const choice of choices) {
    const all = [];
    for (const each of measures) all.push((await each.measure(candidateOf(choice), 16))?.error ?? Infinity);
    means.push(all.reduce((sum, error) => sum + error, 0) / all.length);
  }
  const best = choices[means.indexOf(Math.min(...means))];
  assertEquals(heads.map(({ choice }) => choice), [best, best]);
  assertEquals(search, { candidates: 24, measured: 24 * 16 * 4, exhaustive: 24 * 16 * 4 });
});

Deno.test("tune: where forced blocks take psa past the density, all are measured at what psa reaches", async () => {
  const { qkv } = makeWorkload("sinks", { seqQ: 256, headDim: 8, seed: 2, causal: true });
  const input = { name: "sinks", shape: attentionShape(qkv), causal: true, textLength: 0 };
  const measure = new HeadMeasure({ input, head: 0, qkv }, { ...BLOCKS, density: 0.2 });
  const own = (await measure.baseline("psa", "raster", 1))!;
  assert(own.density > 0.25, `${own.density}: blocks are forced`);
  for (const name of ["block-topk", "pooled-topk-mean", "random"] as const) {
    const { density } = (await measure.baseline(name, "raster", 1))!;
    assert(Math.abs(density / own.density - 1) < 0.05, `${name}: ${density} beside ${own.density}`);
  }
});

/** Keys that tell where the values are, and values that are large in one block: pooled ranks find it, or are misled. */
function planted(mislead: boolean): Qkv {
  const { qkv } = makeWorkload("gaussian", { seqQ: 128, heads: 1, headDim: 8, seed: 4 });
  const q = Float64Array.from(qkv.q.data, (x) => 0.1 * x), k = Float64Array.from(qkv.k.data, (x) => 0.1 * x);
  for (let t = 0; t < 128; t++) {
    q[t * 8] = 3;
    if (!mislead && t >= 32 && t < 48) k[t * 8] = 4; // a whole block: its mean tells
    if (mislead && t >= 64 && t < 80) k[t * 8] = t % 16 === 0 ? 14 : -6; // one key of a block, hidden by the others
  }
  const shaped = (data: Float64Array) => tensor(data, [1, 1, 128, 8]);
  return { q: shaped(q), k: shaped(k), v: shaped(Float64Array.from(qkv.v.data)) };
}

const SMALL: TuneOptions = { ...BLOCKS, density: 0.25, seed: 1, rounds: [1, 4, 16] };

Deno.test("tune: held-out inputs are never chosen on, and a choice that is bad on them is said to be", async () => {
  const options: TuneOptions = { ...SMALL, methods: ["ranked"], importances: ["pooled"] };
  const tuning = [inputOf("plain", planted(false))];
  const other = { tuning, heldOut: [1, 2, 3].map((i) => inputOf(`hidden ${i}`, planted(true))) };
  const same = { tuning, heldOut: [inputOf("plain again", planted(false))] };
  const [bad, good] = [await tuneInputs(other, options), await tuneInputs(same, options)];
  assertEquals(bad.heads, good.heads, "what is held out changes nothing about the choice");
  assertEquals([bad.proof.verdict, bad.proof.pairs], ["worse", 3], JSON.stringify(bad.proof));
  assertMatch(verdictSentence(bad.proof), /worse than psa beyond the interval: use psa/);
  assert(bad.heads[0].error < 0.1, `${bad.heads[0].error} on what it was chosen on`);
  assertEquals(good.proof.verdict, "no difference", "one head gives no interval");
});

Deno.test("tune: the same seed gives the same file; the file comes back as it was", async () => {
  const inputs = () => ({ tuning: [workload("video", 1, 2)], heldOut: [workload("video", 2, 2)] });
  const [one, two] = [await tuneInputs(inputs(), SMALL), await tuneInputs(inputs(), SMALL)];
  assertEquals(formatTuned(one), formatTuned(two));
  assertEquals(parseTuned(formatTuned(one), "tuned.json"), one);
  const single = { ...one, proof: proofOf([{ input: "a", head: 0, measured: measuredAs(1, 2) }]) };
  assertEquals(parseTuned(formatTuned(single), "tuned.json"), single);
});

function measuredAs(tuned: number, other: number) {
  const at = (error: number) => ({ error, asked: 0.1, density: 0.1, cost: 0.1 });
  return {
    tuned: at(tuned),
    psa: at(other),
    "block-topk": at(other),
    "pooled-topk-mean": at(other),
    random: at(other),
  };
}

Deno.test("tune: the interval is Student's, and the verdict needs all of it on one side", () => {
  const { mean, low, high } = geometricMean([Math.E, Math.E ** 3]);
  assert(Math.abs(mean - Math.E ** 2) < 1e-9);
  assert(Math.abs(Math.log(high) - 2 - 12.7062047) < 1e-6 && Math.abs(2 - Math.log(low) - 12.7062047) < 1e-6);
  const pairs = [0.5, 0.6, 1.6].map((error, head) => ({ input: "a", head, measured: measuredAs(error, 1) }));
  assertEquals(proofOf(pairs).verdict, "no difference");
  assertEquals(proofOf(pairs.slice(0, 2).concat(pairs.slice(0, 2))).verdict, "better");
  assertThrows(() => proofOf([]), InputError, "nothing to prove on");
});

Deno.test("tune: a file that is none, or is for another shape, is refused in one sentence", async () => {
  const tuned = await tuneInputs({ tuning: [workload("video", 1)], heldOut: [workload("video", 2)] }, {
    ...{ ...SMALL, methods: ["xattention"], rounds: [1] },
  });
  const broken = (change: Record<string, unknown>) => () =>
    parseTuned(JSON.stringify({ ...tuned, ...change }), "t.json");
  const [head] = tuned.heads,
    choice = (own: Record<string, unknown>) => [{ ...head, choice: { ...head.choice, ...own } }];
  const cases: readonly (readonly [() => Tuned, string])[] = [
    [() => parseTuned("{", "t.json"), "t.json is not a tuned file: it is not JSON."],
    [() => parseTuned("[]", "t.json"), "it should hold one JSON object"],
    [broken({ schema: 2 }), "`schema` is 2; this version reads 1."],
    [broken({ heads: [] }), "it has choices for heads []"],
    [broken({ heads: [null] }), "it has choices for heads [null]"],
    [broken({ heads: [{ head: 0 }] }), "has no `choice`"],
    [broken({ heads: choice({ method: "best" }) }), '`method` is "best"; it should be one of ranked'],
    [broken({ heads: choice({ rest: "mean" }) }), "xattention has `shares` or a `rest`"],
    [broken({ heads: choice({ method: "ranked", importance: "pooled", shares: { 3: 1 } }) }), "has level 3"],
  ];
  for (const [read, sentence] of cases) assertThrows(read, InputError, sentence);
  const names = { path: "t.json", input: "x" };
  requireTunedFor(tuned, tuned.shape, names);
  assertThrows(
    () => requireTunedFor(tuned, { ...tuned.shape, seqK: 64 }, names),
    InputError,
    "t.json is for `seqK` 128; x has 64: tune on inputs of this shape.",
  );
  assertThrows(
    () => requireTunedFor(tuned, { ...tuned.shape, heads: [0, 1] }, names),
    InputError,
    "`heads` [0]",
  );
});

Deno.test("tune: one input, unlike inputs, and an input on both sides are refused", async () => {
  const [one] = await openInputs({ workload: "video", seq: "128", dim: "8" }, [1]);
  assertThrows(() => splitInputs([one], 0.3, 1), InputError, "video is the only input: nothing to prove on");
  const files = ["a", "b", "c", "d", "e"].map((name) =>
    inputOf(name, makeWorkload("gaussian", { seqQ: 64, headDim: 8 }).qkv)
  );
  const { tuning, heldOut } = splitInputs(files, 0.4, 1);
  assertEquals([tuning.length, heldOut.length], [3, 2]);
  assertEquals([...tuning, ...heldOut].map(({ name }) => name).sort().join(""), "abcde");
  assertEquals(splitInputs(files, 0.4, 1), { tuning, heldOut });
  const both = () => tuneInputs({ tuning: files, heldOut: [files[0]] }, SMALL);
  await assertRejects(both, InputError, "a is held out and chosen on");
  const unlike = () => tuneInputs({ tuning: [files[0]], heldOut: [workload("video", 1)] }, SMALL);
  await assertRejects(unlike, InputError, "inputs of one tuning should be alike");
});
