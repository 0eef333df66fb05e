/** sweep.csv: rows are read as they were written, no cell is a formula, and a damaged file gives one sentence. */
import { COLUMN_NAMES } from "../../../../bench/sweep/rows/columns.ts";
import { formatRows, parseRows } from "../../../../bench/sweep/rows/csv.ts";
import { readRun, writeRun } from "../../../../bench/sweep/files/write.ts";
import { InputError } from "../../../../mod.ts";
import { assert, assertEquals, assertRejects, assertThrows } from "../../../support/assert.ts";
import { TemporaryFolder } from "../../../support/command.ts";
import { makeSweepRow } from "../../../support/rows.ts";

Deno.test("csv: numbers that are not finite come back", () => {
  const rows = [NaN, Infinity, -Infinity, -0.5, 1e-300].map((rel_l2, at) =>
    makeSweepRow({ case: `case ${at}`, rel_l2 })
  );
  assertEquals(parseRows(formatRows(rows), "sweep.csv"), rows);
});

Deno.test("csv: no cell of words is a formula, and all come back as they were", () => {
  const names = ["=1+1", "+1", "-1", "@sum", "\tx", "\rx", "'quoted", "'=1", "''", "plain", ""];
  const rows = names.map((input, at) => makeSweepRow({ case: `case ${at}`, input }));
  const text = formatRows(rows), at = COLUMN_NAMES.indexOf("input");
  assertEquals(parseRows(text, "sweep.csv"), rows);
  for (const line of text.replaceAll('"', "").split("\n").slice(1, -1)) {
    assert(!/^[=+\-@\t\r]/.test(line.split(",")[at] ?? ""), line);
  }
});

const GOOD = formatRows([makeSweepRow()]);
const DAMAGED: readonly (readonly [what: string, text: string, sentence: RegExp])[] = [
  ["an open quote", 'case,"unfinished\n1,2,3\n', /sweep\.csv is damaged: /],
  ["an empty file", "", /sweep\.csv is empty; it should begin with the names of the columns\./],
  ["a row that is cut", GOOD.slice(0, -8), /sweep\.csv ends in the middle of a row; it is damaged\./],
  ["other marks between cells", GOOD.replaceAll(",", ";"), /sweep\.csv has ";" between its cells, .* commas/],
  ["a row that is too short", `${GOOD}a,ok\r\n`, /sweep\.csv is damaged: /],
  ["a row twice", GOOD + GOOD.split("\r\n")[1] + "\r\n", /has the case "attention .*" twice\./],
  ["a blank for a number", GOOD.replace(",64,", ", ,"), /has " " in column/],
  ["a number in hex", GOOD.replace(",64,", ",0x40,"), /has "0x40" in column/],
  ["an empty seed", formatRows([makeSweepRow({ seed: 7 })]).replace(",7,", ",,"), /has "" in column seed/],
];
for (const [what, text, sentence] of DAMAGED) {
  Deno.test(`csv: ${what} is told in a sentence`, () => {
    const error = assertThrows(() => parseRows(text, "sweep.csv"), InputError);
    assert(sentence.test(error.message) && !error.message.includes("\n"), error.message);
  });
}

Deno.test("environment.json: what is damaged or of a later version is told in a sentence", async () => {
  await using folder = new TemporaryFolder();
  await writeRun(folder.path, { rows: [makeSweepRow()], environment: { schema: 1, csv_schema: 1 } });
  assertEquals((await readRun(folder.path)).rows.length, 1);
  for (
    const [text, sentence] of [
      ["{ no", "is damaged: it is not JSON"],
      ["[1]", "should hold one JSON object"],
      ['{"schema": 2}', "has the schema 2; this version reads those up to 1"],
      ['{"csv_schema": 9}', "has the csv_schema 9"],
      ['{"csv_schema": "new"}', 'has the csv_schema "new"'],
    ]
  ) {
    await Deno.writeTextFile(folder.at("environment.json"), text);
    await assertRejects(() => readRun(folder.path), InputError, sentence);
  }
});

Deno.test("environment.json: numbers that are not finite are texts", async () => {
  await using folder = new TemporaryFolder();
  await writeRun(folder.path, { rows: [], environment: { limits: { a: Infinity, b: NaN } } });
  assertEquals((await readRun(folder.path)).environment, { limits: { a: "Infinity", b: "NaN" } });
});
