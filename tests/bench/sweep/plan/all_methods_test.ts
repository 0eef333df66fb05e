/** The methods that `--methods all` takes and leaves out, and rows of methods that choose masks. */
import { InputError, METHODS } from "../../../../mod.ts";
import type { SweepRow } from "../../../../bench/sweep/rows/columns.ts";
import { methodsFor } from "../../../../bench/sweep/plan/methods.ts";
import { methodsTable, withErrors } from "../../../../bench/sweep/rows/methods_table.ts";
import { timesTable, withTimes } from "../../../../bench/sweep/rows/times_table.ts";
import { parseOptions } from "../../../../bench/sweep/options/options.ts";
import { planSweep } from "../../../../bench/sweep/plan/plan.ts";
import { runInput } from "../../../../bench/sweep/run/run.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertRejects,
  assertThrows,
} from "../../../support/assert.ts";
import { makeSweepRow } from "../../../support/rows.ts";

const NAMES = METHODS.map(({ name }) => name);
const SHAPE = { batch: 1, heads: 2, kvHeads: 2, seqQ: 64, seqK: 64, headDim: 24, valueDim: 24 };

/** An input of 64 tokens. */
function input(more: { causal?: boolean; grid?: { width: number; height: number; depth: number } } = {}) {
  return { name: "x", isWorkload: false, shape: SHAPE, causal: false, textLength: 0, ...more };
}

Deno.test("all methods: what an input cannot have is left out, and that is said", () => {
  const of = (given: ReturnType<typeof input>, truth: "auto" | "rows" = "auto") =>
    methodsFor(given, { methods: ["all"], truth });
  const names = (given: ReturnType<typeof input>) => of(given).methods.map(({ name }) => name);
  const flat = of(input());
  assert(
    flat.leftOut.startsWith(
      "Left out for x: sta, draft, purekv-st, sharpv-keys, moga, svg, svg-sink, radial (needs",
    ),
  );
  assert(
    flat.leftOut.includes(
      "adamas-published (The head dimension is 24; adamas-published needs a power of two",
    ),
  );
  assert(names(input({ grid: { width: 8, height: 4, depth: 2 } })).includes("radial"));
  assert(!names(input({ grid: { width: 8, height: 4, depth: 2 } })).includes("sta"));
  assertEquals(names(input({ causal: true })).filter((name) => ["svg2", "radial", "sta"].includes(name)), []);
  assert(of(input(), "rows").methods.every(({ needsAllRows }) => needsAllRows !== true));
  assertThrows(
    () => methodsFor(input(), { methods: ["radial"], truth: "auto" }),
    InputError,
    '--methods has "radial", which needs the grid of x; give it with --grid T,Y,X.',
  );
  assertThrows(
    () => methodsFor(input(), { methods: ["adamas-scaled"], truth: "auto" }),
    InputError,
    "which cannot run on x.",
  );
});

Deno.test("all methods: a video in tile order has a row of every method, masks without a time", async () => {
  const args = [
    "--workload",
    "video",
    "--seq",
    "256",
    "--dim",
    "16",
    "--densities",
    ".3",
    "--order",
    "tile",
    "--no-gpu",
  ];
  const sizes = ["--methods", "all", "--grid", "4,8,8", "--block-m", "32", "--block-n", "16"];
  const options = parseOptions([...args, ...sizes], NAMES);
  const { inputs: [{ source, part, cases, options: variant }], leftOut } = await planSweep(options, {
    gpu: null,
  });
  assertEquals(leftOut, []);
  const { rows } = await runInput((await source.load())[part], cases, {
    options: variant,
    gpu: null,
    onProgress: () => {},
  });
  assertEquals(rows.map(({ method }) => method), NAMES);
  for (
    const {
      method,
      granularity,
      basis,
      selection_cost,
      dropped_mass,
      density,
      rel_l2,
      alignment_loss,
      timing,
    } of rows
  ) {
    const known = METHODS.find(({ name }) => name === method)!;
    assertEquals([granularity, basis, timing], [known.granularity, known.basis, "none"], method);
    assert(
      density > 0 && density <= 1 && selection_cost! >= 0 && dropped_mass! >= 0 && dropped_mass! < 1,
      method,
    );
    assert(method === "dense" ? rel_l2! < 1e-12 : rel_l2! > 0, `${method}: ${rel_l2}`);
    assert(method === "dense" || alignment_loss! > 0, method);
  }
  const inRaster = args.with(args.indexOf("tile"), "raster");
  const raster = parseOptions([...inRaster, ...sizes, "--filter", "method=radial"], NAMES);
  const { inputs: [other] } = await planSweep(raster, { gpu: null });
  const again = await runInput((await other.source.load())[0], other.cases, {
    options: other.options,
    gpu: null,
    onProgress: () => {},
  });
  assertAlmostEquals(again.rows[0].rel_l2!, rows.find(({ method }) => method === "radial")!.rel_l2!, 1e-12);
});

Deno.test("all methods: a method of the grid without one is refused before anything runs", async () => {
  const args = ["--workload", "gaussian", "--seq", "64", "--dim", "16", "--no-gpu", "--methods", "svg"];
  await assertRejects(
    () => planSweep(parseOptions(args, NAMES), { gpu: null }),
    InputError,
    "needs the grid of gaussian",
  );
});

Deno.test("all methods: the table of errors has means over heads, reached densities that are off, and marks", () => {
  const row = (method: string, changed: Partial<SweepRow>) =>
    makeSweepRow({
      method,
      density_requested: 0.1,
      density: 0.1,
      causal: "false",
      dropped_mass: 0.25,
      ...changed,
    });
  const table = methodsTable([
    row("moga", { rel_l2: 0.5 }),
    row("psa", { rel_l2: 0.2, head: "0" }),
    row("psa", { rel_l2: 0.4, head: "1" }),
    row("psa", { rel_l2: 0.125, causal: "true", density: 0.2 }),
    row("dense", { rel_l2: 0 }),
  ]);
  assertEquals(
    table.map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim())).filter((_, i) => i !== 1),
    [
      ["method", "granularity", "video, 0.1", "causal, 0.1", "dropped mass"],
      ["`psa`", "block", "0.3", "0.125 (at 0.2)", "0.25"],
      ["`moga`*", "group", "0.5", "", "0.25"],
    ],
  );
  const times = timesTable([
    row("moga", {
      rel_l2: 0.5,
      gpu_ms_median: 2,
      whole_ms_median: null,
      whole_ms_low: null,
      whole_ms_high: null,
    }),
    row("psa", {
      rel_l2: 0.25,
      gpu_ms_median: 1,
      whole_ms_median: 1.5,
      whole_ms_low: 1.4,
      whole_ms_high: 1.6,
    }),
  ]);
  assertEquals(times.slice(2).map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim())), [
    ["`moga`*", "group", "0.1", "0.5", "2", "", ""],
    ["`psa`", "block", "0.1", "0.25", "1", "1.5", "1.4 to 1.6"],
  ]);
  assertThrows(() => withTimes("", []), Error, "has no place for the table");
  const page = "a\n<!-- errors: deno task methods --write -->\nold\n<!-- end of errors -->\nb";
  assertEquals(withErrors(page, ["new"]).replaceAll("\n\n", "\n"), page.replace("old", "new"));
  assertThrows(() => withErrors("", []), Error, "has no place for the table");
});
