/** Methods of different granularity are never ranked together; stand-ins are marked; the matrix of methods and heads. */
import {
  groupsByGranularity,
  markedName,
  unitsByGranularity,
} from "../../../../bench/report/rows/granularity.ts";
import { headMatrices } from "../../../../bench/report/sections/matrix.ts";
import { buildReport } from "../../../../bench/report/page.ts";
import type { ReportRow } from "../../../../bench/report/rows/rows.ts";
import { chartUnits } from "../../../../bench/report/rows/units.ts";
import { verdict } from "../../../../bench/report/sections/verdict.ts";
import { formatTable } from "../../../../bench/sweep/rows/table.ts";
import { massEntropy } from "../../../../reference/judge/mass.ts";
import { assert, assertAlmostEquals, assertEquals, assertStringIncludes } from "../../../support/assert.ts";
import { someRows } from "../../../support/report_rows.ts";
import { makeSweepRow } from "../../../support/rows.ts";

/** Rows of some methods on heads; the error of method m on head h is errors[m][h]. */
function rowsOf(
  errors: Readonly<Record<string, readonly number[]>>,
  entropies: readonly number[],
): ReportRow[] {
  const [model] = someRows();
  return Object.entries(errors).flatMap(([method, own]) =>
    own.map((rel_l2, h) => ({
      ...model,
      ...{ method, rel_l2, head: String(h), mass_entropy: entropies[h], speedup: null, gpu_ms_median: null },
      ...{ density_requested: 0.1, density: 0.1, case: `attention method=${method} head=${h}` },
    }))
  );
}

const ERRORS = {
  psa: [0.3, 0.5],
  "pooled-topk": [0.4, 0.2],
  random: [0.9, 0.6],
  moba: [0.1, 0.1],
  moga: [0.35, 0.3],
};

Deno.test("report: every granularity has its own charts, with random in each", () => {
  const units = unitsByGranularity(chartUnits(rowsOf(ERRORS, [0.5, 0.9]), { heads: false }));
  assertEquals(
    units.map(({ title, rows }) => [title, [...new Set(rows.map(({ method }) => method))].join(" ")]),
    [
      ["trace-a, mean over 2 heads, chosen for blocks", "psa pooled-topk random"],
      ["trace-a, mean over 2 heads, chosen for single queries", "moba random"],
      ["trace-a, mean over 2 heads, chosen for groups of queries", "moga random"],
    ],
  );
  const { psa, random } = ERRORS;
  assertEquals(
    unitsByGranularity(chartUnits(rowsOf({ psa, random }, [1, 1]), { heads: false })).map(({ title }) =>
      title
    ),
    [
      "trace-a, mean over 2 heads",
    ],
  );
  assertEquals(
    groupsByGranularity([{ name: "", rows: rowsOf(ERRORS, [1, 1]) }]).map(({ rows }) => rows.length),
    [6, 2, 2],
  );
});

Deno.test("report: stand-ins are marked wherever they are shown, and the mark is explained", async () => {
  const rows = rowsOf(ERRORS, [0.5, 0.9]);
  const { html } = await buildReport({ rows, columns: [], environment: {}, maps: [] });
  assertStringIncludes(
    html,
    "* not an official rule, but a stand-in or made from summaries of a paper: moga (stand-in).",
  );
  assert(
    !/moga(?!\*| \(stand-in\)|\s|=|&|<)/.test(html.replaceAll(/case="[^"]*"|title="[^"]*"/g, "")),
    "moga without a mark",
  );
  assertStringIncludes(html, "Least error at the same density (chosen for blocks)");
  assertEquals([markedName("psa"), markedName("purekv-st"), markedName("moga*")], [
    "psa",
    "purekv-st*",
    "moga*",
  ]);
  const plain = await buildReport({ rows: someRows(), columns: [], environment: {}, maps: [] });
  assert(!plain.html.includes("stand-in") && !plain.html.includes("which head"));
});

Deno.test("table: methods that choose for queries stand in a table of their own", () => {
  const query = { method: "sharpv-keys", granularity: "head", case: "b", status: "reference" };
  const text = formatTable([makeSweepRow(), makeSweepRow(query)], { colour: false });
  assertEquals(text.match(/^method/gm)?.length, 2);
  assertStringIncludes(text, "one choice per head");
  assertStringIncludes(text, "sharpv-keys*");
  assertStringIncludes(text, "* not an official rule");
  assert(text.split("\n").every((line) => line.length <= 80));
});

Deno.test("report: the matrix tells the best method of each head, and what sharp and flat heads have in common", () => {
  const html = headMatrices(rowsOf(ERRORS, [0.9, 0.5]));
  assertEquals(html.match(/<table>/g)?.length, 3, "one a granularity");
  const [blocks] = html.split("</details>");
  assertStringIncludes(blocks, "density 0.1, granularity block");
  assertStringIncludes(blocks, "<th>method</th><th>trace-a, head 1</th><th>trace-a, head 0</th>");
  assertStringIncludes(blocks, "<td>entropy</td><td>0.50</td><td>0.90</td>");
  assertStringIncludes(blocks, "<td>psa</td><td>0.5</td><td><strong>0.3</strong></td>");
  assertStringIncludes(blocks, "<td>pooled-topk</td><td><strong>0.2</strong></td><td>0.4</td>");
  assertStringIncludes(
    blocks,
    "Best on the 1 sharper head: pooled-topk on 1; on the 1 flatter head: psa on 1.",
  );
  assertEquals(headMatrices(someRows()), "", "rows of all heads together have none");
  const all = headMatrices(
    rowsOf({ psa: [0.1, 0.1], random: [0.3, 0.3], "mass-topk": [0.01, 0.01] }, [1, 0]),
  );
  assertStringIncludes(all, "Best on all 2 heads: psa.");
});

Deno.test("report: what read more than the others is not called best", () => {
  const rows = rowsOf({ psa: [0.3, 0.4], "block-topk": [0.5, 0.6], "psa-released": [0.1, 0.1] }, [0, 1])
    .map((row) => row.method === "psa-released" ? { ...row, density: 0.2 } : row);
  assertStringIncludes(headMatrices(rows), "Best on all 2 heads: psa.");
  const told = verdict(rows).sentences.find((sentence) => sentence.startsWith("Least error"));
  assertEquals(told, "Least error at the same density: psa at 0.1.");
  const two = rowsOf({ psa: [0.3, 0.3], "block-topk": [0.4, 0.4] }, [0, 1])
    .map((row) => row.method === "psa" ? { ...row, density: 0.12 } : row);
  assertEquals(
    verdict(two).sentences.find((sentence) => sentence.startsWith("Least error")),
    "Least error at the same density: not comparable at 0.1, where the method of the least error read more.",
  );
});

Deno.test("mass: its entropy is 0 where one block has all, 1 where all have the same", () => {
  const of = (...shares: number[]) =>
    massEntropy({ data: Float64Array.from(shares), shape: [1, 1, 1, shares.length] });
  assertEquals([of(1, 0, 0), of(0.25, 0.25, 0.25, 0.25), of(0.5, 0.5, 0)], [0, 1, 1]);
  assertAlmostEquals(of(0.75, 0.25), -(0.75 * Math.log(0.75) + 0.25 * Math.log(0.25)) / Math.log(2), 1e-12);
});
