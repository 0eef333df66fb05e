/** A tuned file as a row of the sweep: it has the errors of its heads' choices, whole times, and sentences about bad files. */
import { METHODS } from "../../../../mod.ts";
import type { Choice } from "../../../../reference/config/tuned.ts";
import { InputError } from "../../../../reference/errors.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { optionDifferences } from "../../../../bench/sweep/earlier/identity.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { runInput } from "../../../../bench/sweep/run/run.ts";
import type { SweepRow } from "../../../../bench/sweep/rows/columns.ts";
import { psaChoice } from "../../../../bench/tune/times.ts";
import type { Gpu } from "../../../../kernels/device/gpu.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../../support/assert.ts";
import { gpuTest } from "../../../support/stage_case.ts";
import { TemporaryFolder } from "../../../support/command.ts";

const NAMES = METHODS.map(({ name }) => name);
const INPUT = ["--workload", "video", "--seq", "128", "--dim", "16", "--grid", "4,4,8", "--seconds", "0.1"];
const ARGS = [...INPUT, "--block-m", "32", "--block-n", "16", "--densities", ".3"];
const XATTENTION: Choice = {
  method: "xattention",
  order: "tile",
  importance: null,
  shares: null,
  rest: "skipped",
};

/** The text of a file that has these choices, for the workload of this test. */
function fileOf(choices: readonly Choice[], changed: Readonly<Record<string, unknown>> = {}): string {
  const heads = choices.map((choice, head) => ({
    head,
    choice,
    asked: 0.3,
    error: 0,
    density: 0.3,
    cost: 0.3,
  }));
  const sizes = {
    seqQ: 128,
    seqK: 128,
    headDim: 16,
    valueDim: 16,
    causal: false,
    grid: [4, 4, 8],
    textLength: 0,
  };
  return JSON.stringify({
    ...{
      schema: 1,
      blockM: 32,
      blockN: 16,
      density: 0.3,
      budget: "density",
      seed: 1,
      heads,
      tunedOn: [],
      search: {},
    },
    ...{
      baselineOrder: "raster",
      heldOut: [],
      proof: {},
      shape: { heads: heads.map(({ head }) => head), ...sizes },
    },
    ...changed,
  });
}

/** All rows of a sweep. */
async function rowsOf(args: readonly string[], gpu: Gpu | null): Promise<SweepRow[]> {
  const { inputs } = await planSweep(parseOptions(args, NAMES), { gpu }), rows: SweepRow[] = [];
  for (const { source, part, cases, options } of inputs) {
    const made = await runInput((await source.load())[part], cases, { options, gpu, onProgress: () => {} });
    rows.push(...made.rows);
  }
  return rows;
}

Deno.test("sweep: each head of a tuned file errs as its choice does in its order", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.at("tuned.json"), args = [...ARGS, "--no-gpu", "--per-head", "--truth", "cpu"];
  const kv = ["--heads", "2", "--kv-heads", "1"]; // both heads read the keys of one, in an order each
  await Deno.writeTextFile(path, fileOf([psaChoice("raster", false), XATTENTION]));
  const given = await rowsOf([...args, ...kv, "--order", "raster,tile", "--methods", "psa,xattention"], null);
  const [first, second] = await rowsOf([
    ...args,
    ...kv,
    "--methods",
    "psa",
    "--filter",
    "method=tuned",
    "--tuned",
    path,
  ], null);
  const of = (method: string, order: string, head: string) =>
    given.find((row) => row.method === method && row.order === order && row.head === head)!;
  for (const [tuned, want] of [[first, of("psa", "raster", "0")], [second, of("xattention", "tile", "1")]]) {
    assertEquals([tuned.method, tuned.density, tuned.dropped_mass], [
      "tuned",
      want.density,
      want.dropped_mass,
    ]);
    assertAlmostEquals(tuned.rel_l2!, want.rel_l2!, 1e-12);
  }
  const whole = await rowsOf([
    ...ARGS,
    ...kv,
    ...["--no-gpu", "--truth", "cpu", "--methods", "psa", "--filter", "method=tuned", "--tuned", path],
  ], null);
  assertEquals([whole.length, whole[0].density], [1, (first.density + second.density) / 2]);
  assert(whole[0].rel_l2! > Math.min(first.rel_l2!, second.rel_l2!) && whole[0].case.includes(" tuned="));
});

gpuTest(
  "sweep: whole calls of a tuned file, of levels and of keys are timed; others have no such time",
  async (gpu) => {
    await using folder = new TemporaryFolder();
    const path = folder.at("tuned.json");
    await Deno.writeTextFile(path, fileOf([psaChoice("raster", false), XATTENTION]));
    const rows = await rowsOf(
      [...ARGS, "--methods", "dense,psa,xattention,random,moba,svg2", "--whole", "--tuned", path],
      gpu,
    );
    const timed = rows.filter((row) => row.whole_ms_median !== null && row.whole_ms_median > 0);
    assertEquals(timed.map(({ method }) => method), [
      "dense",
      "psa",
      "xattention",
      "random",
      "moba",
      "tuned",
    ]);
    assert(rows.every(({ status, gpu_ms_median }) => status === "ok" && gpu_ms_median! > 0));
    for (const { method, whole_ms_median, gpu_ms_median } of rows) { // these choose nothing
      if (["dense", "random"].includes(method)) assertEquals(whole_ms_median, gpu_ms_median);
    }
  },
);

Deno.test("sweep: a file that is not for the input is refused in a sentence that says what to do", async () => {
  await using folder = new TemporaryFolder();
  const path = folder.at("tuned.json"), choices = [psaChoice("raster", false), XATTENTION];
  const refused = async (text: string, args: readonly string[], sentence: string) => {
    await Deno.writeTextFile(path, text);
    await assertRejects(
      () => rowsOf([...ARGS, "--no-gpu", ...args, "--tuned", path], null),
      InputError,
      sentence,
    );
  };
  const right = fileOf(choices);
  await refused(
    right,
    ["--seq", "256", "--grid", "4,8,8"],
    `${path} is for \`seqQ\` 128; video has 256: tune on`,
  );
  await refused(
    right,
    ["--heads", "3"],
    `${path} has no choice for head 2 of video: tune on inputs with these heads.`,
  );
  await refused(
    right,
    ["--causal", "true"],
    "is for `causal` false; video has true: tune on inputs of this shape.",
  );
  await refused("{}", [], "is not a tuned file: `schema` is undefined; it should be a number.");
  await refused("[", [], "is not a tuned file: it is not JSON.");
  await refused(
    fileOf([{ ...XATTENTION, method: "best" as "ranked" }, XATTENTION]),
    [],
    '`method` is "best"',
  );
  await refused(fileOf(choices, { blockN: 24 }), [], "`blockN` is 24; it should be one of 16, 32, 64, 128.");
  await refused(
    fileOf(choices, { density: 1e9 }),
    [],
    "`density` is 1000000000; it should be above 0 and at most 1.",
  );
  await Deno.remove(path);
  assertThrows(
    () => parseOptions([...ARGS, "--tuned", folder.path], NAMES),
    InputError,
    `--tuned ${folder.path} cannot be read: it is a folder.`,
  );
  const options = { tuned: { path, hash: "fd553601c0bf" } },
    other = { tuned: { path, hash: "8a8c7c19bc16" } };
  assertEquals(optionDifferences(options, other), [
    "tuned was a file with SHA-256 fd553601c0bf… and is a file with SHA-256 8a8c7c19bc16…",
  ]);
  assertEquals(optionDifferences(options, { tuned: { ...options.tuned, path: "moved" } }), []);
  assertThrows(
    () => parseOptions([...ARGS, "--tuned", path], NAMES),
    InputError,
    `--tuned ${path} cannot be read:`,
  );
  assertThrows(
    () => parseOptions([...ARGS, "--whole", "--no-gpu"], NAMES),
    InputError,
    "--whole and --no-gpu",
  );
});
