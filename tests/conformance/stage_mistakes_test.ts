/** Wrong gradients and wrong stages are found, placed and named. */
import { explainStages, stageCallOf, stageTable } from "../../bench/conformance/diagnose_stages.ts";
import { HONEST_STAGES, honestStages, stageCases, stageMatrix } from "../../bench/conformance/kill_stages.ts";
import { judgeKernel } from "../../bench/conformance/planted.ts";
import { HONEST } from "../../bench/conformance/kill_matrix.ts";
import { MISTAKES } from "../../fixtures/conformance/mistakes.ts";
import { judgeOutputs } from "../../bench/conformance/judge.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/stage_mistakes/catalogue.ts";
import {
  changed,
  runStageMistake,
  runStageMistakes,
} from "../../fixtures/conformance/stage_mistakes/stage_mistake.ts";
import { assert, assertEquals } from "../assert.ts";

const NOTHING = { name: "nothing", stage: "gradient", sections: "10", give: () => ({}) } as const;
const standard = stageCases("standard");

Deno.test("conformance: mistakes in stages have different names, and no change is the truth", () => {
  assertEquals(new Set(STAGE_MISTAKES.map(({ name }) => name)).size, STAGE_MISTAKES.length);
  for (const judged of standard) {
    const tensors = runStageMistake(stageCallOf(judged), NOTHING);
    assertEquals(
      judgeOutputs(judged, { tensors, metadata: {}, dtypes: {} }).problems,
      [],
      judged.listed.case,
    );
  }
});

for (const { mistake, stage, failing, names } of stageMatrix(standard)) {
  Deno.test(`conformance: ${stage}, '${mistake}' fails and is named`, () => {
    assert(failing > 0, "it passes");
    assert(names.includes(mistake), `it is named ${names.join(" or ") || "unknown"}`);
    assert(names.length <= 2, names.join(" or "));
  });
}

Deno.test("conformance: the table of a stage tells tensor, head and block", () => {
  const judged = standard.find(({ listed }) => listed.case.startsWith("gradient "))!;
  const [read] = judgeKernel([judged], (one) => {
    const { dk, ...rest } = runStageMistake(stageCallOf(one), NOTHING), data = Float64Array.from(dk.data);
    data[32 * dk.shape[3]] += 1;
    return { ...rest, dk: { ...dk, data } };
  });
  const rows = stageTable(read).filter((row) => Number(row.split("  ").at(-1)) > 1e-3);
  assertEquals(rows.map((row) => row.split("  ")[0].trim()), ["dk batch 0 head 0 key block 1"]);
});

Deno.test("conformance: outputs of a stage that fit no mistake are unknown", () => {
  const read = judgeKernel(standard, (one) => {
    const right = Object.entries(runStageMistake(stageCallOf(one), NOTHING));
    return Object.fromEntries(
      right.map((
        [name, tensor],
      ) => [name, changed(tensor, (x, at) => x + Math.round(9 * Math.sin(at * at)))]),
    );
  });
  assert(read.every(({ verdict }) => verdict.problems.length > 0));
  assertEquals(explainStages(read), []);
});

/** Pairs that no single mistake explains: in one computation, one after the other, or in what is read and what is made. */
const PAIRS = [
  ["dk of pooled tokens not divided by the count", "delta missing"],
  ["log term missing when weights are computed again", "dq and dk without scale"],
  ["gradient of dense attention", "dk and dv exchanged"],
  ["key heads taken modulo", "mean over queries instead of the maximum"],
  ["importance without scale", "logarithm of importance"],
  ["alignment to whole tiles forgotten", "text blocks forgotten"],
  ["forced full blocks forgotten", "level index for ratio"],
  ["thresholds in the wrong order", "cap is the level index"],
  ["skipped blocks first", "blocks counted from 1"],
  ["order inverted", "order counted from 1"],
];

for (const [first, second] of PAIRS) {
  Deno.test(`conformance: '${first}' and '${second}' at once are both named`, () => {
    const [a, b] = [first, second].map((name) => STAGE_MISTAKES.find((mistake) => mistake.name === name)!);
    const cases = standard.filter(({ listed }) => listed.case.startsWith(`${a.stage} `));
    const read = judgeKernel(cases, (judged) => {
      const wrong = runStageMistakes(stageCallOf(judged), [a, b]);
      assert(wrong !== undefined, judged.listed.case);
      return wrong;
    });
    const [{ names, explained, failing }] = explainStages(read);
    assert(names.includes(`${first} and ${second}`), names.join(" or "));
    assertEquals(explained, failing);
  });
}

Deno.test("conformance: two mistakes of which the second computes anew what the first changed are no pair", () => {
  const [a, b] = ["delta missing", "delta added"].map((name) =>
    STAGE_MISTAKES.find((mistake) => mistake.name === name)!
  );
  const judged = standard.find(({ listed }) => listed.case.startsWith("gradient "))!;
  assertEquals(runStageMistakes(stageCallOf(judged), [a, b]), undefined);
});

for (const kernel of HONEST_STAGES) {
  Deno.test(`conformance: right gradients and stages pass the standard suite, ${kernel.name}`, () => {
    assertEquals(honestStages("standard", kernel).failing, []);
  });
}

Deno.test("conformance: the page of the kill matrix has every mistake, and no right kernel fails on it", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/kill-matrix.md", import.meta.url));
  const rows = page.split("\n").map((line) => line.split("|").map((cell) => cell.trim()));
  for (const { name } of [...MISTAKES, ...STAGE_MISTAKES]) {
    assert(
      rows.some((cells) => cells[2] === name && cells.includes("yes")),
      `'${name}' is not in docs/kill-matrix.md`,
    );
  }
  for (const { name } of [...HONEST, ...HONEST_STAGES]) {
    assert(
      rows.some((cells) => cells[1] === name && cells[2] === "0"),
      `'${name}' is not in docs/kill-matrix.md`,
    );
  }
});
