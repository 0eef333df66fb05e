/** resume, merge and compare accept only runs that belong together, and say what differs. */
import { parseLimits } from "../../../../bench/sweep/earlier/changes.ts";
import { compareRuns } from "../../../../bench/sweep/earlier/compare.ts";
import { mergeRuns } from "../../../../bench/sweep/earlier/merge.ts";
import { commandOf } from "../../../../bench/sweep/options/command.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { resumeRun } from "../../../../bench/sweep/earlier/resume.ts";
import { runPlan } from "../../../../bench/sweep/runner.ts";
import { readRun, writeRun } from "../../../../bench/sweep/files/write.ts";
import { InputError, makeWorkload, writeSafetensors } from "../../../../mod.ts";
import { METHODS } from "../../../../reference/methods/mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../../support/assert.ts";
import { TemporaryFolder } from "../../../support/command.ts";
import { makeSweepRow } from "../../../support/rows.ts";
import { smallPlan } from "../../../support/small_plan.ts";

/** Writes an input file; the seed decides about its numbers. */
async function writeInput(path: string, seed: number): Promise<void> {
  const { qkv } = makeWorkload("gaussian", { seqQ: 64, headDim: 8, dtype: "f32", seed });
  await Deno.writeFile(path, writeSafetensors({ ...qkv }));
}

Deno.test("resume: another commit, version, schema, adapter or input file is refused with the difference", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.at("in.safetensors"), out = folder.at("out");
  await writeInput(path, 1);
  await Deno.mkdir(out);
  const { environment, ...plan } = await smallPlan("--input", path);
  await runPlan(plan, { gpu: null, environment, done: [], folder: out });
  const stored = await readRun(out);
  assertEquals((await resumeRun(out, { environment, inputs: plan.inputs })).done.length, 5);
  for (
    const [changed, sentence] of [
      [{ commit: "0123" }, "the commit was 0123 and is "],
      [{ version: "0.0.1" }, "the version was 0.0.1 and is "],
      [{ schema: 0 }, "the schema of environment.json was 0 and is 1"],
      [{ csv_schema: undefined }, "the schema of sweep.csv was unknown and is 3"],
      [{ adapter: "another GPU" }, "the adapter was another GPU and is none"],
      [{ cases_sha256: "00" }, "the cases are different"],
      [{ options: { ...environment.options, seed: 9 } }, "seed was 9 and is 1"],
    ] as const
  ) {
    await writeRun(out, { ...stored, environment: { ...stored.environment, ...changed } });
    const error = await assertRejects(() => resumeRun(out, { environment, inputs: plan.inputs }), InputError);
    assert(
      error.message.startsWith(`--resume cannot continue the run in "${out}": ${sentence}`) &&
        error.message.endsWith(". Repeat the command of its environment.json, or choose another --out."),
      error.message,
    );
  }
  await writeRun(out, stored);
  await writeInput(path, 2);
  const { environment: now, inputs } = await smallPlan("--input", path);
  await assertRejects(
    () => resumeRun(out, { environment: now, inputs }),
    InputError,
    'the file of the input "in" was another one',
  );
});

Deno.test("resume: rows of other cases and rows in another's place are refused", async () => {
  await using folder = new TemporaryFolder();
  const { environment, ...plan } = await smallPlan();
  await runPlan(plan, { gpu: null, environment, done: [], folder: folder.path });
  const { rows, environment: stored } = await readRun(folder.path);
  for (const changed of [{ case: "of another run" }, { index: 4 }]) {
    await writeRun(folder.path, { rows: [{ ...rows[0], ...changed }], environment: stored });
    const name = changed.case ?? rows[0].case;
    await assertRejects(
      () => resumeRun(folder.path, { environment, inputs: plan.inputs }),
      InputError,
      `its row "${name}" does not belong to this run`,
    );
  }
});

Deno.test("merge: foreign rows, other commits, adapters and schemas are refused", async () => {
  await using folder = new TemporaryFolder();
  const shards = await Promise.all([1, 2].map(async (i) => {
    const { environment, ...plan } = await smallPlan("--shard", `${i}/2`), path = folder.at(String(i));
    await Deno.mkdir(path);
    const run = await runPlan(plan, { gpu: null, environment, done: [], folder: path });
    return { folder: path, run };
  }));
  assertEquals((await mergeRuns(shards)).rows.length, 5);
  const [one, two] = shards;
  const changed = (environment: Record<string, unknown>, rows = two.run.rows) =>
    mergeRuns([one, {
      folder: two.folder,
      run: { rows, environment: { ...two.run.environment, ...environment } },
    }]);
  const refused = (merged: Promise<unknown>, sentence: string) =>
    assertRejects(() => merged, InputError, sentence);
  await refused(changed({ commit: "0123" }), "the commit was ");
  await refused(
    changed({ adapter: "another GPU" }),
    "the adapter was none and is another GPU; --across joins them without their times.",
  );
  await refused(changed({ csv_schema: undefined }), "has the csv_schema 0; it should be 3");
  await refused(
    changed({ inputs: [{ name: "a", sha256: "1" }], cases_sha256: "00" }),
    "the cases are different",
  );
  const timed = [one, two].map(({ folder, run }, i) => ({
    folder,
    run: {
      rows: run.rows.map((row) => ({ ...row, gpu_ms_median: 1, gpu_samples: 8 })),
      environment: { ...run.environment, adapter: `GPU ${i}` },
    },
  }));
  const joined = await mergeRuns(timed, { across: true });
  assert(joined.rows.every((row) => row.gpu_ms_median === null && row.gpu_samples === 0));
  assertEquals(joined.rows.map(({ rel_l2 }) => rel_l2).length, 5);
  assertEquals((joined.environment.shards as { adapter: string }[]).map(({ adapter }) => adapter), [
    ...["GPU 0", "GPU 1"],
  ]);
  const alike = timed.map(({ folder, run }) => ({
    folder,
    run: { ...run, environment: { ...run.environment, adapter: "GPU 0" } },
  }));
  assert((await mergeRuns(alike, { across: true })).rows.every((row) => row.gpu_ms_median === 1));
  const others = [timed[0], {
    ...timed[1],
    run: { ...timed[1].run, environment: { ...timed[1].run.environment, commit: "0123" } },
  }];
  await refused(mergeRuns(others, { across: true }), "the commit was ");
  const foreign = two.run.rows.map((row, at) => at === 0 ? { ...row, case: "of another sweep" } : row);
  await refused(changed({}, foreign), "The rows do not match the cases of the sweep");
  await refused(changed({}, one.run.rows), "which another folder has too");
});

Deno.test("compare: other adapters, versions and schemas are said, and times across them are compared only if asked for", () => {
  const run = (environment: Record<string, unknown>, changed = {}) => ({
    rows: [makeSweepRow(changed)],
    environment: { adapter: "a", version: "1", commit: "c", csv_schema: 1, ...environment },
  });
  const time = parseLimits("gpu_ms_median>1.1x"), error = parseLimits("rel_l2>1.1x");
  assertEquals(compareRuns(run({}), run({}), { limits: time }).differences, []);
  assertEquals(compareRuns(run({}, { gpu_ms_median: null }), run({}), { limits: time }).differences, [
    "No case has gpu_ms_median in both runs: the limit on it decides nothing.",
  ]);
  assertEquals(compareRuns(run({}), run({ commit: "d" }), { limits: time }).differences, [
    "The commit was c and is d.",
  ]);
  for (
    const [changed, said] of [
      [{ adapter: "b" }, "The adapter was a and is b."],
      [{ version: "2" }, "The version was 1 and is 2."],
      [{ csv_schema: undefined }, "The schema of sweep.csv was 1 and is unknown."],
      [{ versions: { deno: "3" } }, "The version of Deno was unknown and is 3."],
    ] as const
  ) {
    assertEquals(compareRuns(run({}), run(changed), { limits: error }).differences, [said]);
    assertThrows(() => compareRuns(run({}), run(changed), { limits: time }), InputError, "--across compares");
    assertEquals(compareRuns(run({}), run(changed), { limits: time, across: true }).differences, [said]);
  }
});

Deno.test("compare: any number that became empty, and any status that is worse, has regressed", () => {
  const regressed = (was: Record<string, unknown>, is: Record<string, unknown>) =>
    compareRuns(
      { rows: [makeSweepRow(was)], environment: {} },
      { rows: [makeSweepRow(is)], environment: {} },
      { limits: [] },
    ).changes.changes.filter((change) => change.regressed).map(({ column }) => column);
  assertEquals(regressed({}, { cosine: null }), ["cosine"]);
  assertEquals(regressed({}, { kernel_bound: null }), ["kernel_bound"]);
  assertEquals(regressed({}, { gpu_ms_low: null, gpu_ms_high: null }), []);
  for (const status of ["no-gpu", "reference", "unreachable"]) {
    assertEquals(regressed({ status }, { status: "wrong" }), ["status"]);
    assertEquals(regressed({ status }, { status: "lost" }), ["status"]);
    assertEquals(regressed({ status }, { status: "ok" }), []);
  }
  assertEquals(regressed({ status: "skipped" }, { status: "wrong" }), ["status"]);
  assertEquals(regressed({ status: "wrong" }, { status: "failed" }), []);
});

Deno.test("environment.json names the command that the options are, whoever ran it", () => {
  const names = METHODS.map(({ name }) => name), read = (args: string[]) => parseOptions(args, names);
  const all =
    "--input a.safetensors --workload video --seq 256 --heads 4 --kv-heads 2 --dim 16 --batch 2 --seed 3 " +
    "--densities 1,.5 --methods psa,sta --block-m 32,64 --block-n 32 --tile 16 --dtype f16 --causal input,true " +
    "--order tile --importance full --grid 4,8,8 --per-head --confidence .9 --precision .2 --seconds 3 --shard 2/3 " +
    "--resume --out x --plots --json --backend dawn --unguarded --no-gpu";
  const odd = ["--input", "my file=1.safetensors", "--input=-x", "--filter", "method=psa it's", "--force"];
  const real = [
    "--preset Wan2.1-1.3B --grid 21,30,52 --heads 4 --block-n 64 --truth rows --truth-rows 3 --memory 4",
    "--preset Wan2.1-14B --input a.safetensors --heads 0,3-5 --layers 1-3 --truth gpu",
    "--preset Qwen2.5-VL --seq 8192 --methods dense,psa",
  ].map((text) => text.split(" "));
  for (const args of [[], all.split(" "), odd, ...real]) {
    const command = commandOf(read(args)),
      shell = new Deno.Command("sh", { args: ["-c", `printf '%s\\n' ${command}`] });
    const words = new TextDecoder().decode(shell.outputSync().stdout).trimEnd().split("\n");
    assertEquals(words.slice(0, 3), ["deno", "task", "sweep"]);
    assertEquals(read(words.slice(3)), read(args));
  }
});
