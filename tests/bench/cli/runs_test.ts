import { changesOf, parseLimits, toMarkdown } from "../../../bench/sweep/earlier/changes.ts";
import { readRun, writeRun } from "../../../bench/sweep/files/write.ts";
import type { SweepRow } from "../../../bench/sweep/rows/columns.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "../../support/assert.ts";
import { callPsa, runPsa, SMALL_SWEEP, smallSweep, TemporaryFolder } from "../../support/command.ts";
import { makeSweepRow } from "../../support/rows.ts";

/** The figures of a report, without the numbers of clipping paths: Vega counts those over the whole process. */
async function figuresOf(folder: string): Promise<string[]> {
  const html = await Deno.readTextFile(`${folder}/report.html`);
  return [...html.matchAll(/<figure.*?<\/figure>/gs)].map(([figure]) =>
    figure.replaceAll(/clip\d+/g, "clip")
  );
}

/** The figures that are maps. */
async function mapsOf(folder: string): Promise<string[]> {
  const figures = await figuresOf(folder);
  return figures.filter((figure) => /Map of|frames of/.test(figure));
}

/** A second workload, so that there are several inputs. */
const MORE = ["--workload", "gaussian"];

Deno.test("merge: shards joined equal the run that was not sharded, row for row", async () => {
  await using folder = new TemporaryFolder();
  await smallSweep(folder.at("whole"), ...MORE);
  const shards = [1, 2, 3].map((i) => folder.at(`part-${i}`));
  for (const [i, shard] of shards.entries()) await smallSweep(shard, ...MORE, "--shard", `${i + 1}/3`);
  const { code, stderr } = await runPsa("merge", [...shards, "--out", folder.at("merged")]);
  assertEquals(code, 0, stderr);
  const [whole, merged] = [
    await Deno.readTextFile(folder.at("whole/sweep.csv")),
    await Deno.readTextFile(folder.at("merged/sweep.csv")),
  ];
  assertEquals(merged, whole);
  assertEquals(
    (await mapsOf(folder.at("whole"))).length,
    8,
    "mass of both inputs; of two methods levels of both, frames of the video",
  );
  assertEquals(await figuresOf(folder.at("merged")), await figuresOf(folder.at("whole")));
  const sizes = await Promise.all(shards.map(async (shard) => (await readRun(shard)).rows.length));
  assert(Math.min(...sizes) > 0, `shards have ${sizes} cases`);
});

Deno.test("merge: a missing shard, one that is there twice and one of another sweep are refused", async () => {
  await using folder = new TemporaryFolder();
  const [one, two, other] = ["one", "two", "other"].map((name) => folder.at(name));
  await smallSweep(one, "--shard", "1/2");
  await smallSweep(two, "--shard", "2/2");
  await smallSweep(other, "--shard", "2/2", "--seed", "2");
  const refused = async (args: readonly string[], sentence: RegExp) => {
    const { code, stderr } = await callPsa("merge", [...args, "--out", folder.at("merged")]);
    assertMatch(stderr, sentence);
    assertEquals(code, 2);
    assert(!await Deno.stat(folder.at("merged")).then(() => true, () => false));
  };
  await refused([one], /have \d of 5 cases/);
  await refused([one, one], /which another folder has too/);
  await refused([one, other], /seed was 1 and is 2/);
  await refused([], /No folder was given/);
  await refused([folder.at("nowhere")], /has no run/);
});

Deno.test("resume: a run that stopped goes on where it was, and becomes the run that did not stop", async () => {
  await using folder = new TemporaryFolder();
  await smallSweep(folder.path, ...MORE);
  const whole = await readRun(folder.path), maps = await mapsOf(folder.path);
  const part = whole.rows.slice(0, 5).map((row): SweepRow => ({
    ...row,
    rel_l2: row.rel_l2 === null ? null : 42,
  }));
  await writeRun(folder.path, { ...whole, rows: part });
  // Another process, which knows nothing of the first run but its files
  const { code } = await runPsa("sweep", [...SMALL_SWEEP, ...MORE, "--out", folder.path, "--resume"]);
  assertEquals(code, 0);
  assertEquals((await readRun(folder.path)).rows, [...part, ...whole.rows.slice(5)]);
  assertEquals(await mapsOf(folder.path), maps, "also those of the input that was done before");
});

Deno.test("merge: where an input cannot be had, the report says so and has no maps", async () => {
  await using folder = new TemporaryFolder();
  await smallSweep(folder.at("part"));
  const { rows, environment } = await readRun(folder.at("part"));
  const options = { ...Object(environment.options), inputs: [folder.at("gone.safetensors")] };
  await writeRun(folder.at("part"), { rows, environment: { ...environment, options } });
  const { code, stderr } = await callPsa("merge", [folder.at("part"), "--out", folder.at("merged")]);
  assertEquals(code, 0);
  assertMatch(stderr, /^The report has no maps, .* There is no file or folder .*gone/);
  assertEquals(await mapsOf(folder.at("merged")), []);
});

Deno.test("resume: with another command it is refused, with the difference", async () => {
  await using folder = new TemporaryFolder();
  await smallSweep(folder.path);
  const before = await Deno.readTextFile(folder.at("sweep.csv"));
  const { code, stderr } = await smallSweep(folder.path, "--resume", "--seed", "5", "--order", "tile");
  assertEquals(code, 2);
  assertStringIncludes(stderr, "seed was 1 and is 5");
  assertStringIncludes(stderr, 'orders was ["raster"] and is ["tile"]');
  assertEquals(await Deno.readTextFile(folder.at("sweep.csv")), before);
});

Deno.test("compare: times changed only where their intervals do not overlap", () => {
  const was = makeSweepRow();
  const noise = makeSweepRow({ gpu_ms_median: 10.8, gpu_ms_low: 10.3, gpu_ms_high: 11 });
  const slower = makeSweepRow({ gpu_ms_median: 12, gpu_ms_low: 11.5, gpu_ms_high: 12.5 });
  const limits = parseLimits("gpu_ms_median>1.1x, rel_l2>1.05x");
  assertEquals(changesOf([was], [noise], limits).changes, []);
  const [change] = changesOf([was], [slower], limits).changes;
  assertEquals([change.column, change.ratio, change.fails], ["gpu_ms_median", 1.2, true]);
  assertEquals(changesOf([slower], [was], limits).changes.map(({ fails }) => fails), [false]);
});

Deno.test("compare: of a time that was measured once nothing is said, and that is told", () => {
  const slow = { gpu_ms_median: 30, speedup: 1.2 };
  const exact = makeSweepRow({ ...slow, gpu_ms_low: 30, gpu_ms_high: 30, gpu_samples: 1 });
  const empty = makeSweepRow({ ...slow, gpu_ms_low: null, gpu_ms_high: null, gpu_samples: 1 });
  const limits = parseLimits("gpu_ms_median>1.1x,speedup>0.1x");
  for (const once of [exact, empty]) {
    for (const [was, is] of [[makeSweepRow(), once], [once, makeSweepRow()]]) {
      const all = changesOf([was], [is], limits);
      assertEquals([all.changes, all.unknown], [[], [was.case]]);
      assertMatch(
        toMarkdown(all),
        /nothing changed beyond noise\.\n1 cases have a time that was measured once,/,
      );
    }
  }
  const twice = makeSweepRow({ ...slow, gpu_ms_low: 29, gpu_ms_high: 31, gpu_samples: 2 });
  const known = changesOf([makeSweepRow()], [twice], limits);
  assertEquals(known.changes.map(({ column }) => column), ["gpu_ms_median", "speedup"]);
  assertEquals(known.unknown, []);
  const none = makeSweepRow({ gpu_ms_median: null, gpu_ms_low: null, gpu_ms_high: null, gpu_samples: 0 });
  assertEquals(changesOf([none], [none], limits).unknown, []);
});

Deno.test("compare: errors and status changed beyond rounding; cases that only one run has are told", () => {
  const was = [makeSweepRow(), makeSweepRow({ case: "old" })];
  const is = [makeSweepRow({ rel_l2: 0.33, status: "wrong" }), makeSweepRow({ case: "new" })];
  const all = changesOf(was, is, parseLimits("rel_l2>1.2x"));
  assertEquals(all.changes.map(({ column, fails }) => [column, fails]), [["status", false], [
    "rel_l2",
    false,
  ]]);
  assertEquals([all.joined, all.lost, all.added], [1, ["old"], ["new"]]);
  assertMatch(toMarkdown(all), /^1 case compared: 2 numbers changed.*\n.*`old`\.\n.*`new`\.\n\n\| case \|/);
  assertEquals(changesOf(was, [makeSweepRow({ rel_l2: 0.300001 })], []).changes, []);
});

Deno.test("compare: limits that cannot be are refused", () => {
  assertThrows(() => parseLimits("rel_l2"), Error, "COLUMN>NUMBERx");
  assertThrows(() => parseLimits("rel_12>2x"), Error, "the nearest is rel_l2");
  assertThrows(() => parseLimits("method>2x"), Error, "no column of numbers");
});

Deno.test("compare: the command prints Markdown, and its exit code tells a limit", async () => {
  await using folder = new TemporaryFolder();
  const [before, after, other] = ["before", "after", "other"].map((name) => folder.at(name));
  for (const path of [before, after, other]) await Deno.mkdir(path);
  await writeRun(before, { rows: [makeSweepRow()], environment: {} });
  await writeRun(after, { rows: [makeSweepRow({ rel_l2: 0.6 })], environment: {} });
  await writeRun(other, { rows: [makeSweepRow({ case: "other" })], environment: {} });
  const same = await runPsa("compare", [before, before, "--fail-on", "rel_l2>1.05x"]);
  assertEquals([same.code, same.stdout], [0, "1 case compared: nothing changed beyond noise.\n"]);
  const worse = await callPsa("compare", [before, after, "--fail-on", "rel_l2>1.05x"]);
  assertEquals(worse.code, 1);
  assertStringIncludes(worse.stdout, "| rel_l2 | 0.3 | 0.6 | 2.000x | **fails** |");
  assertEquals((await callPsa("compare", [before, after])).code, 0);
  for (
    const [args, sentence] of [
      [[before, other], /no case in common/],
      [[before], /1 argument given; compare needs two folders, BEFORE and AFTER/],
      [[before, folder.at("nowhere")], /has no run/],
      [[`${before}/sweep.csv`, before], /sweep\.csv" is a file; give the folder of its run, ".*before"/],
      [[before, after, "--fail", "x"], /--fail is not an option/],
    ] as const
  ) {
    const { code, stderr } = await callPsa("compare", args);
    assertMatch(stderr, sentence);
    assertEquals(code, 2);
  }
});

Deno.test("compare --fail-on: what was ok and is wrong, lost, empty or not finite fails; the other way round nothing does", async () => {
  await using folder = new TemporaryFolder();
  const two = makeSweepRow({ case: "two" }),
    put = async (name: string, rows: SweepRow[]) => {
      await Deno.mkdir(folder.at(name));
      await writeRun(folder.at(name), { rows, environment: {} });
    };
  await put("before", [makeSweepRow(), two]);
  await put("wrong", [makeSweepRow({ status: "wrong" }), two]);
  await put("skipped", [makeSweepRow({ status: "no-gpu" }), two]);
  await put("lost", [two]);
  await put("empty", [makeSweepRow({ rel_l2: null }), two]);
  await put("unmeasured", [makeSweepRow({ gpu_ms_median: null, gpu_ms_low: null, gpu_ms_high: null }), two]);
  await put("infinite", [makeSweepRow({ rel_l2: Infinity }), two]);
  await put("nan", [makeSweepRow({ kernel_rel_l2: NaN }), two]);
  const exits = async (before: string, after: string, ...more: string[]) =>
    (await callPsa("compare", [folder.at(before), folder.at(after), ...more])).code;
  for (const name of ["wrong", "skipped", "lost", "empty", "unmeasured", "infinite", "nan"]) {
    assertEquals(await exits("before", name, "--fail-on", "regressions"), 1, name);
    assertEquals(await exits("before", name, "--fail-on", "rel_l2>9x"), 1, name);
    assertEquals(await exits("before", name), 0, `${name} without --fail-on`);
    assertEquals(await exits(name, "before", "--fail-on", "regressions"), 0, `${name} mended`);
  }
});
