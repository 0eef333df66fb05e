/**
 * Judges the captures of the released kernels in fixtures, and makes the table of docs/departures.md.
 *
 * @module
 */
import { withBetween } from "../text/between.ts";
import { readCapture } from "../../fixtures/conformance/captures/capture.ts";
import { explained, judgeCapture } from "../../fixtures/conformance/captures/judge.ts";
import { keepsContract } from "../../fixtures/conformance/contract.ts";
import { type ReadCase, short } from "../../fixtures/conformance/judge/judge.ts";
import { type Report, reportOf } from "../../fixtures/conformance/judge/report.ts";
import { compare } from "../../reference/judge/metrics.ts";
import { markdownTable } from "../text/table.ts";

const CAPTURES = new URL("../../fixtures/data/released/", import.meta.url);

/** Where the table begins and ends in the page. */
const BEGIN = "<!-- captures: deno task departures --write -->", END = "<!-- end of captures -->";

/** One call of a released kernel, judged. */
export interface JudgedCapture {
  /** Kernel, block size and levels, in words. */
  readonly name: string;
  /** Whether the counts of levels keep the contract of the new kernel. */
  readonly aligned: boolean;
  /** Relative L2 error of the outputs against the definition in float64; NaN if some output is not finite. */
  readonly relL2: number;
  /** The largest relative L2 error of a right kernel of this element type. */
  readonly bound: number;
  /** The verdict, and what it was made of. */
  readonly one: ReadCase;
}

/** Judges captures, in the order of their files: all, or those whose places are asked for. */
export async function judgedCaptures(
  { only = () => true }: { readonly only?: (place: number) => boolean } = {},
): Promise<JudgedCapture[]> {
  const names = [...Deno.readDirSync(CAPTURES)].map(({ name }) => name).sort().filter((_, i) => only(i));
  return await Promise.all(names.map(async (file) => {
    const capture = await readCapture(new URL(file, CAPTURES).pathname), { levels, options } = capture.call;
    const one = judgeCapture(capture, { file });
    const { relL2 } = compare(capture.outputs.out, one.contents.tensors.expected_out);
    return {
      name: file.replace(/^\d+-(.*)\.safetensors$/, "$1").replaceAll("-", " "),
      aligned: keepsContract(levels, options),
      relL2: Number.isFinite(relL2) ? relL2 : NaN,
      bound: JSON.parse(one.contents.metadata.tolerance).out.relL2,
      one,
    };
  }));
}

/**
 * Judges and diagnoses captures ({@link judgedCaptures}); the rows of the table as Markdown.
 *
 * @param options which captures, by place, and what reports on one of them: by default a diagnosis, which takes seconds
 */
export async function departuresTable(
  { only, report = (one) => reportOf(one, explained(one)) }: {
    readonly only?: (place: number) => boolean;
    readonly report?: (one: ReadCase) => Pick<Report, "verdict" | "arithmetic" | "names">;
  } = {},
): Promise<string> {
  const head = ["capture", "aligned", "relative L2", "verdict", "what gives the same"];
  const rows = (await judgedCaptures({ only })).map(({ name, aligned, relL2, one }) => {
    const { verdict, arithmetic, names } = report(one);
    return [
      name,
      aligned ? "yes" : "no",
      Number.isFinite(relL2) ? short(relL2) : "not finite",
      verdict,
      verdict === "right"
        ? `the definition, as ${arithmetic}`
        : names.map((found) => found.name).join("; or ") || "unknown",
    ];
  });
  return markdownTable(head, rows).join("\n");
}

/** A page with the table replaced. */
export function withTable(page: string, table: string): string {
  return withBetween(page, table, { marks: [BEGIN, END], path: "docs/departures.md" });
}
