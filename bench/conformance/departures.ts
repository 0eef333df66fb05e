/**
 * The table of docs/departures.md, from the captures of the released kernels in fixtures.
 *
 * @module
 */
import { readCapture } from "../../fixtures/conformance/captures/capture.ts";
import { explained, judgeCapture } from "../../fixtures/conformance/captures/judge.ts";
import { keepsContract } from "../../fixtures/conformance/contract.ts";
import { short } from "../../fixtures/conformance/judge/judge.ts";
import { reportOf } from "../../fixtures/conformance/judge/report.ts";
import { compare } from "../../reference/judge/metrics.ts";

const CAPTURES = new URL("../../fixtures/data/released/", import.meta.url);

/** Where the table begins and ends in the page. */
const BEGIN = "<!-- captures: deno task departures --write -->", END = "<!-- end of captures -->";

/** Judges and diagnoses every capture; the rows of the table as Markdown. */
export async function departuresTable(): Promise<string> {
  const rows: string[][] = [["capture", "aligned", "relative L2", "verdict", "what gives the same"]];
  for (const { name } of [...Deno.readDirSync(CAPTURES)].sort((a, b) => a.name < b.name ? -1 : 1)) {
    const capture = await readCapture(new URL(name, CAPTURES).pathname), { levels, options } = capture.call;
    const one = judgeCapture(capture, { file: name });
    const { verdict, arithmetic, names } = reportOf(one, explained(one));
    const { relL2 } = compare(capture.outputs.out, one.contents.tensors.expected_out);
    rows.push([
      name.replace(/^\d+-(.*)\.safetensors$/, "$1").replaceAll("-", " "),
      keepsContract(levels, options) ? "yes" : "no",
      Number.isFinite(relL2) ? short(relL2) : "not finite",
      verdict,
      verdict === "right"
        ? `the definition, as ${arithmetic}`
        : names.map((found) => found.name).join("; or ") || "unknown",
    ]);
  }
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const line = (row: readonly string[]) => `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(" | ")} |`;
  const rule = line(widths.map((width) => "-".repeat(width)));
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join("\n");
}

/** A page with the table replaced. */
export function withTable(page: string, table: string): string {
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/departures.md has no place for the table, ${BEGIN}.`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${table}\n\n${page.slice(end)}`;
}
