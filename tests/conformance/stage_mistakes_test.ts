/** Wrong gradients and wrong stages are found, placed and named. */
import { explainStages, stageCallOf, stageTable } from "../../bench/conformance/diagnose_stages.ts";
import { HONEST_STAGES, honestStages, stageCases, stageMatrix } from "../../bench/conformance/kill_stages.ts";
import { judgeKernel } from "../../bench/conformance/planted.ts";
import { HONEST } from "../../bench/conformance/kill_matrix.ts";
import { MISTAKES } from "../../fixtures/conformance/mistakes.ts";
import { judgeOutputs } from "../../bench/conformance/judge.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/stage_mistakes/catalogue.ts";
import { changed, runStageMistake } from "../../fixtures/conformance/stage_mistakes/stage_mistake.ts";
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
