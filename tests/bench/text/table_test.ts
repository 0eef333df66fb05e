import { casesOf } from "../../../bench/sweep/plan/cases.ts";
import { parseOptions } from "../../../bench/sweep/options/options.ts";
import { variantsOf } from "../../../bench/sweep/options/variants.ts";
import { estimateLooked } from "../../../bench/timing/statistics.ts";
import { makeRow } from "../../../bench/sweep/run/row.ts";
import { COLUMN_NAMES, COLUMNS } from "../../../bench/sweep/rows/columns.ts";
import { errorsByHead, joinErrors } from "../../../bench/sweep/run/errors.ts";
import { configSchema } from "../../../bench/sweep/options/option_list.ts";
import { formatSeconds, Progress } from "../../../bench/text/progress.ts";
import { formatTable } from "../../../bench/sweep/rows/table.ts";
import { formatRows, parseRows } from "../../../bench/sweep/rows/csv.ts";
import { writeWhole } from "../../../bench/sweep/files/write.ts";
import { type Tensor, tensor } from "../../../reference/tensor.ts";
import {
  assertAlmostEquals,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "../../support/assert.ts";
import { makeSweepRow } from "../../support/rows.ts";
import { TemporaryFolder } from "../../support/command.ts";

Deno.test("table: rows are aligned, and the least error at a density stands out on a terminal", () => {
  const rows = [
    makeSweepRow({ case: "a", method: "psa", rel_l2: 0.25 }),
    makeSweepRow({ case: "b", method: "block-topk", rel_l2: 0.75, status: "wrong" }),
  ];
  const lines = formatTable(rows, { colour: false }).trimEnd().split("\n").slice(-3);
  assertEquals(new Set(lines.map((line) => line.search(/ (status|ok|wrong)$/))).size, 1);
  const coloured = formatTable(rows, { colour: true });
  assertStringIncludes(coloured, "\x1b[31mwrong\x1b[0m");
  const bold = coloured.split("\x1b[").filter((part) => part.startsWith("1m"));
  assertEquals(bold.map((part) => part.slice(2).trim()), ["0.25"]);
  assertMatch(formatTable([makeSweepRow({ heads: 1, head: "" })], { colour: false }), /: 1 head, /);
});

Deno.test("csv: rows come back as they were, empty cells and infinities too", () => {
  const rows = [
    makeSweepRow({ case: 'a, "b"', gpu_ms_median: null, rel_l2: Infinity, head: "0" }),
    makeSweepRow({ case: "c", density: 0.1 + 0.2 }),
  ];
  assertEquals(parseRows(formatRows(rows), "sweep.csv"), rows);
  assertEquals(parseRows(formatRows([]), "sweep.csv"), []);
  assertEquals(Object.keys(rows[0]).sort(), [...COLUMN_NAMES].sort());
});

Deno.test("csv: a missing column and a word where a number should be are told", () => {
  assertThrows(() => parseRows("case,status\r\na,ok\r\n", "x.csv"), Error, "x.csv has no column method");
  const text = formatRows([makeSweepRow({ seed: 7 })]).replace(",7,", ",seven,");
  assertThrows(() => parseRows(text, "x.csv"), Error, '"seven" in column seed');
});

Deno.test("files: one that cannot be put in place leaves nothing behind", async () => {
  await using folder = new TemporaryFolder();
  await Deno.mkdir(folder.at("taken/full"), { recursive: true });
  await assertRejects(() => writeWhole(folder.at("taken"), "text"));
  assertEquals([...Deno.readDirSync(folder.path)].map(({ name }) => name), ["taken"]);
});

Deno.test("rows: a time that was measured once has no interval", () => {
  const options = parseOptions(["--workload", "gaussian", "--seq", "64", "--dim", "16"], [
    "dense",
    "psa",
    "block-topk",
  ]);
  const [variant] = variantsOf({ ...options, methods: ["dense"] });
  const shape = { batch: 1, heads: 2, kvHeads: 2, seqQ: 64, seqK: 64, headDim: 16, valueDim: 16 };
  const input = { name: "gaussian", isWorkload: true, shape, causal: false, textLength: 0 };
  const [given] = casesOf(input, variant);
  const judged = {
    given,
    ...{
      status: "ok",
      density: 1,
      kernel: null,
      selectionCost: 0,
      droppedMass: 0,
      massEntropy: 0,
      ran: null,
    },
    error: { relL2: 0, maxAbs: 0, cosine: 1, nonFinite: 0 },
    spread: { worstRow: 0, worstHead: 0, headMean: 0, headSpread: 0 },
    ...{ alignmentLoss: 0, interval: null, check: null, heads: [], isWhole: true },
  };
  const times = { repeated: 0, source: "wall", denseMedian: 5 } as const;
  const row = (...all: number[]) =>
    makeRow(judged, {
      ...{ input, index: 1, truth: "cpu" },
      times: { ...times, times: all, estimate: estimateLooked(all) },
    });
  const once = row(5), often = row(4, 7, 5, 6, 8, 4.5);
  assertEquals([once.gpu_ms_median, once.gpu_samples, once.gpu_ms_confidence], [5, 1, 0]);
  assertEquals([once.gpu_ms_low, once.gpu_ms_high], [null, null]);
  assertEquals([often.gpu_ms_low, often.gpu_ms_high, often.gpu_ms_confidence], [4, 8, 1 - 5 * 2 / 64]);
  assertEquals(often.gpu_ms_times, "4 7 5 6 8 4.5");
});

Deno.test("errors by row and head: by hand", () => {
  const spreadOf = (...pair: [Tensor, Tensor<Float64Array>]) =>
    joinErrors(errorsByHead(...pair, null)).spread;
  const truth = tensor(new Float64Array([3, 4, 0, 0, 6, 8, 0, 5]), [1, 2, 2, 2]);
  const out = tensor(new Float64Array([3, 4, 0, 0, 6, 7, 0, 5]), [1, 2, 2, 2]);
  const { worstRow, worstHead, headMean, headSpread } = spreadOf(out, truth);
  assertAlmostEquals(worstRow, 0.1, 1e-12);
  assertAlmostEquals(worstHead, 1 / Math.sqrt(125), 1e-12);
  assertAlmostEquals(headMean, worstHead / 2, 1e-12);
  assertAlmostEquals(headSpread, worstHead / 2, 1e-12);
  out.data[2] = 1;
  assertEquals(spreadOf(out, truth).worstRow, Infinity);
});

Deno.test("progress: a bar that is drawn over itself on a terminal, lines now and then elsewhere", () => {
  let now = 0;
  const shown: string[] = [];
  const progress = (isTerminal: boolean) =>
    new Progress({ write: (text) => shown.push(text), isTerminal, now: () => now });
  const bar = progress(true);
  now = 10_000;
  bar.show(0.25, "trace");
  assertEquals(shown, ["\r\x1b[K[######..................]  25%  30 s left  trace"]);
  shown.length = 0;
  shown.length = 0;
  bar.show(0.25, "\x1b[31mred");
  assertEquals(shown[0].slice(4).includes("\x1b"), false, "a name of an input obeys no terminal");
  shown.length = 0;
  const lines = progress(false);
  for (let i = 0; i <= 1000; i++) lines.show(i / 1000, "trace");
  assertEquals(shown.length, 11);
  assertEquals([59, 60, 3700].map(formatSeconds), ["59 s", "1 min 0 s", "1 h 1 min"]);
});

Deno.test("the schema of configuration files is that of the options", async () => {
  const path = new URL("../../../bench/sweep/sweep.schema.json", import.meta.url);
  assertEquals(JSON.parse(await Deno.readTextFile(path)), configSchema());
});

Deno.test("the columns are told in docs/sweep.md, word for word", async () => {
  const file = await Deno.readTextFile(new URL("../../../docs/sweep.md", import.meta.url));
  const text = file.replaceAll(/\s+/g, " ");
  for (const [name, meaning] of Object.entries(COLUMNS)) {
    assertStringIncludes(text, `- \`${name}\`: ${meaning} `);
  }
});
