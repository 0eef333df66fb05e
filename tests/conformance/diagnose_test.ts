/** The kit itself is held to account: planted mistakes are found and named, right kernels pass. */
import { callOfFile, Catalogue } from "../../bench/conformance/diagnose.ts";
import { errorTable } from "../../bench/conformance/error_table.ts";
import { explainStages } from "../../bench/conformance/diagnose_stages.ts";
import { attentionCases, HONEST, honestOutcome, killMatrix } from "../../bench/conformance/kill_matrix.ts";
import { type Judged, judgeOutputs, type ReadCase } from "../../bench/conformance/judge.ts";
import { judgedCase, judgeKernel, outputFile } from "../../bench/conformance/planted.ts";
import { factsOf, separation } from "../../bench/conformance/summary.ts";
import { truthOf } from "../../fixtures/conformance/call.ts";
import { MISTAKES, runMistakes } from "../../fixtures/conformance/mistakes.ts";
import { pairsIn, pairsOf, pairwise } from "../../fixtures/conformance/pairwise.ts";
import { STANDARD_FACTORS, suiteCases } from "../../fixtures/conformance/suites.ts";
import { tokenAttention } from "../../fixtures/conformance/token_attention.ts";
import { loadGolden } from "../../fixtures/golden.ts";
import {
  attentionTolerance,
  compare,
  type FloatData,
  parseCase,
  pyramidAttention,
  type Tensor,
} from "../../mod.ts";
import { assert, assertEquals, assertStringIncludes } from "../assert.ts";

const smoke = attentionCases("smoke");
const found = (name: string) => MISTAKES.find((mistake) => mistake.name === name)!;

Deno.test("conformance: attention over lists of tokens equals the reference where no mistake is put in", () => {
  for (const judged of smoke) {
    const call = callOfFile(judged), got = tokenAttention(call), want = truthOf(call);
    assert(compare(got.out, want.out).relL2 < 1e-12, judged.listed.case);
    assert(compare(got.lse, want.lse).relL2 < 1e-12, judged.listed.case);
  }
});

Deno.test("conformance: every mistake of the catalogue fails smoke and is named", () => {
  assertEquals(new Set(MISTAKES.map(({ name }) => name)).size, MISTAKES.length);
  for (const { mistake, failing, names } of killMatrix(smoke)) {
    assert(failing > 0, `'${mistake}' passes`);
    assert(names.includes(mistake) && names.length <= 2, `'${mistake}' is named ${names.join(" or ")}`);
  }
});

for (const kernel of HONEST) {
  Deno.test(`conformance: a right kernel passes smoke, ${kernel.name}`, () => {
    assertEquals(honestOutcome(attentionCases("smoke", kernel.dtype), kernel).failing, []);
  });
}

Deno.test("conformance: outputs of the release that are right pass, and its fault is found and named", async () => {
  const merge = found("tile merge joins only two pooled blocks"),
    read: ReadCase[] = [],
    wrong: ReadCase[] = [];
  for (const [i, { tensors, parameters }] of (await loadGolden("attention")).entries()) {
    const { block_m: blockM, block_n: blockN, causal = false, tail } = parameters as Record<string, never>;
    const float = (name: string) => tensors[name] as Tensor<FloatData>;
    const qkv = { q: float("q"), k: float("k"), v: float("v") },
      levels = tensors.levels as Tensor<Int32Array>;
    const options = { blockM, blockN, causal, tail };
    const { out, lse } = pyramidAttention(qkv, levels, options);
    const bound = attentionTolerance(qkv, levels, { ...options, dtype: "f16" });
    const [batch, heads, seqQ, headDim] = qkv.q.shape, seqK = qkv.k.shape[2];
    const sizes = `B=${batch} H=${heads} Hk=${qkv.k.shape[1]} Lq=${seqQ} Lk=${seqK} D=${headDim}`;
    const name =
      `attention ${sizes} bm=${blockM} bn=${blockN} causal=${causal} tail=${tail} dtype=f16 seed=${i}`;
    const metadata = {
      outputs: '["out","lse"]',
      tolerance: JSON.stringify({ out: { relL2: bound.relL2, maxAbs: bound.maxAbs } }),
      parameters: '{"dtype":"f16"}',
    };
    const judged: Judged = {
      contents: { tensors: { ...qkv, levels, expected_out: out, expected_lse: lse }, metadata },
      listed: { case: name, file: `${i}`, sha256: {} },
    };
    const output = { tensors: { out: float("out") }, metadata: {}, dtypes: { out: "F16" } };
    read.push({ ...judged, output, verdict: judgeOutputs(judged, output) });
    if (i > 1) continue;
    const shape = [batch, heads, levels.shape[2], Math.ceil(seqK / 64)],
      length = shape[0] * shape[1] * shape[2] * shape[3];
    const pooled = { data: Int32Array.from({ length }, (_, at) => at % 5 === 0 ? 1 : 8), shape };
    const renamed = {
      ...judged.listed,
      case: name.replace(`bn=${blockN}`, "bn=64").replace(`bm=${blockM}`, `bm=${blockM} tile=32`),
    };
    const planted = { ...callOfFile({ ...judged, listed: renamed }), levels: pooled },
      truth = truthOf(planted);
    const spoilt: Judged = {
      listed: renamed,
      contents: {
        metadata,
        tensors: { ...qkv, levels: pooled, expected_out: truth.out, expected_lse: truth.lse },
      },
    };
    wrong.push(...judgeKernel([spoilt], () => runMistakes(planted, [merge])));
  }
  assertEquals(read.flatMap(({ verdict }) => verdict.problems), []);
  assert(
    wrong.some(({ verdict }) => verdict.problems.length > 0),
    "the merge should spoil blocks of 64",
  );
  assertStringIncludes(
    new Catalogue().explain(wrong)!.names.join(),
    "tile merge joins only two pooled blocks",
  );
});

Deno.test("conformance: the fault of the release is separated by what it depends on", () => {
  const merge = found("tile merge joins only two pooled blocks");
  const cases = [["bn=128", "0,1,2,4,8"], ["bn=64", "1,2,4"], ["bn=64", "1,8"], ["bn=64", "0,1,8"], [
    "bn=128",
    "1,8",
  ]]
    .map(([block, levels], i) =>
      `attention B=1 H=1 Lq=64 Lk=1024 D=16 bm=64 ${block} levels=${levels} seed=${i}`
    );
  const judged = cases.map((name) => judgedCase(parseCase(name)));
  const verdicts = judgeKernel(judged, (one) => runMistakes(callOfFile(one), [merge])).map(({ verdict }) =>
    verdict
  );
  assertEquals(separation(verdicts), "wrong exactly when bn=64 and level 8 occurs");
  assert(factsOf(cases[0]).has("pooled blocks occur"));
});

Deno.test("conformance: other conjunctions that these cases cannot tell from the smallest are said", () => {
  const verdict = (rest: string, wrong: boolean) => ({
    ...{ case: `attention B=1 H=1 Lq=64 Lk=128 D=16 bm=64 ${rest}`, file: "", notes: [], budget: {} },
    problems: wrong ? ["wrong"] : [],
  });
  const cases = [verdict("bn=32 tile=32 levels=1,4", true), verdict("bn=64 tile=32 levels=1", false)];
  const said = separation(cases)!;
  assertStringIncludes(said, "wrong exactly when bn=32 (these cases cannot tell that from: ");
  assertStringIncludes(said, "level 4 occurs");
  assertEquals(said.includes("level 1 occurs"), false);
});

const catalogue = new Catalogue();
const PAIRS = [
  ["log term missing", "causal off by one, the own position unseen"],
  ["scale applied twice", "lse in base 2"],
  ["V not pooled", "log term subtracted"],
  ["tile merge joins only two pooled blocks", "log term missing"],
  ["order undone twice", "log term missing"],
  ["stale workgroup memory in the last tile", "values pooled by the sum"],
  ["no division by the total", "tail padded by the last token and counted"],
];
for (const pair of PAIRS) {
  Deno.test(`conformance: two mistakes at once are named as a pair, ${pair.join(" and ")}`, () => {
    const read = judgeKernel(smoke, (one) => runMistakes(callOfFile(one), pair.map(found)));
    const { names, explained, failing } = catalogue.explain(read)!;
    assertEquals([names.length, explained], [1, failing]);
    for (const name of pair) assertStringIncludes(names[0], name);
  });
}

Deno.test("conformance: right outputs are explained by nothing", () => {
  const all = suiteCases("smoke", { dtype: "f32" }).map(judgedCase);
  const read = judgeKernel(all, ({ contents: { tensors, metadata } }) => {
    const names: string[] = JSON.parse(metadata.outputs);
    return Object.fromEntries(names.map((name) => [name, tensors[`expected_${name}`]]));
  });
  assertEquals([new Catalogue().explain(read), explainStages(read)], [undefined, []]);
});

Deno.test("conformance: a search that would take too long looks at the smallest cases and says what it left out", () => {
  const short = new Catalogue({ work: 0 });
  const single = judgeKernel(smoke, (one) => runMistakes(callOfFile(one), [found("log term missing")]));
  const wrong = single.filter(({ verdict }) => verdict.problems.length > 0).length;
  const { names, failing } = short.explain(single)!;
  assertEquals([names.includes("log term missing"), failing], [true, 1]);
  assertEquals(short.left, [`${wrong - 1} wrong cases are too large to be compared with mistakes`]);
  const small = [judgedCase(parseCase("attention B=1 H=1 Lq=32 Lk=70 D=8 bm=16 bn=16 levels=0,1,2,8"))];
  const pair = judgeKernel(small, (one) => runMistakes(callOfFile(one), PAIRS[2].map(found)));
  assertEquals(short.explain(pair), undefined);
  assertEquals(short.left.at(-1), "not all pairs of mistakes were tried");
  assert(catalogue.explain(pair)!.names.includes("log term subtracted and V not pooled"));
  assertEquals(catalogue.left, []);
});

Deno.test("conformance: mistakes that these cases cannot tell apart are all named", () => {
  const cases = ["levels=1,8 bn=64", "levels=8 bn=64"].map((rest, i) =>
    judgedCase(parseCase(`attention B=1 H=1 Lq=64 Lk=512 D=16 bm=64 ${rest} seed=${i}`))
  );
  for (
    const name of [
      "tile merge joins only two pooled blocks at level 8",
      "tile merge joins only two pooled blocks",
    ]
  ) {
    const read = judgeKernel(cases, (one) => runMistakes(callOfFile(one), [found(name)]));
    assertEquals(new Catalogue().explain(read)!.names, [
      "tile merge joins only two pooled blocks",
      "tile merge joins only two pooled blocks at level 8",
    ]);
  }
});

Deno.test("conformance: what fits nothing is unknown", () => {
  const cases = [
    judgedCase(parseCase("attention B=1 H=2 Hk=1 Lq=32 Lk=45 D=8 bm=16 bn=16 levels=0,1,2,8 causal=true")),
  ];
  const noise = judgeKernel(cases, (one) => {
    const { out, lse } = truthOf(callOfFile(one));
    return { out: { ...out, data: out.data.map((x, i) => x + Math.sin(i * i)) }, lse };
  });
  assertEquals(new Catalogue().explain(noise), undefined);
});

Deno.test("conformance: the table of errors tells head, query block and rows", () => {
  const [judged] = smoke, { out, lse } = truthOf(callOfFile(judged));
  const data = out.data.slice(), half = data.length / 2;
  for (let i = half; i < half + 64; i++) data[i] += 1;
  const output = outputFile({ out: { ...out, data }, lse });
  const rows = errorTable({ ...judged, output, verdict: judgeOutputs(judged, output) });
  const wrong = rows.filter((row) => Number(row.split("  ").at(-1)) > 1e-3).map((row) =>
    row.split("  ")[0].trim()
  );
  assertEquals(wrong.map((row) => row.split(" levels")[0]), [
    "rows 0 to 7 of a tile of 32",
    "batch 0 head 1 query block 0",
  ]);
  assertEquals(new Set(rows.map(({ length }) => length > 0)).size, 1);
});

Deno.test("conformance: the expected outputs of another seed are wrong", () => {
  const others = suiteCases("smoke", { seed: 1 }).filter(({ stage }) => stage === "attention").map(
    judgedCase,
  );
  for (const [i, judged] of smoke.entries()) {
    const output = outputFile({
      out: others[i].contents.tensors.expected_out as Tensor<Float64Array>,
      lse: others[i].contents.tensors.expected_lse as Tensor<Float64Array>,
    });
    assert(judgeOutputs(judged, output).problems.length > 0, judged.listed.case);
  }
});

Deno.test("conformance: the standard suite covers every pair of values of two options", () => {
  const covered = new Set(pairwise(STANDARD_FACTORS).flatMap(pairsIn));
  assertEquals(covered, pairsOf(STANDARD_FACTORS));
});
