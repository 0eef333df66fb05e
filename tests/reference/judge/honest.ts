/**
 * `deno task honest [--data WORDS] [--dtype TYPE] [--write]`: judges the family of honest kernels on hard data, each by
 * the bounds of its own arithmetic, and prints the largest share of the bounds that any order of sums takes. With
 * `--write` the table goes into docs/tolerance.md. Exit code 1 if a kernel is called wrong.
 *
 * @module
 */
import { parseArgs } from "../../../bench/std/std.ts";
import { HARD_DATA } from "../../../fixtures/conformance/honest/hard.ts";
import { type HonestVerdict, judgeHonest } from "../../../fixtures/conformance/honest/judging.ts";
import { type KernelDType, ladderOf } from "../../../reference/judge/arithmetic.ts";

const PAGE = new URL("../../../docs/tolerance.md", import.meta.url);
const BEGIN = "<!-- honest kernels: deno task honest --write -->", END = "<!-- end of honest kernels -->";
const DTYPES: readonly KernelDType[] = ["f32", "f16", "bf16"];

/** Columns of the table are these arithmetics; a ladder's names without the type. */
function short(arithmetic: string): string {
  return arithmetic.replaceAll(/ in b?f16| storage| products/g, "").replace("softmax and sums of 64", "both");
}

/** Verdicts as a table, data by arithmetics: the share in percent; a dash where the bounds judge nothing. */
function table(all: readonly HonestVerdict[]): string {
  const columns = [...new Set(all.map((one) => one.arithmetic))];
  const type = (name: string) => DTYPES.find((dtype) => ladderOf(dtype).some((one) => one.name === name));
  const head = columns.map((name) => `${type(name)} ${short(name)}`.replace(/^(\w+) \1$/, "$1"));
  const rows = [...new Set(all.map(({ data }) => data))].map((data) => [
    data,
    ...columns.map((name) => {
      const { share } = all.find((one) => one.data === data && one.arithmetic === name)!;
      return Number.isNaN(share) ? "-" : `${Math.round(100 * share)}`;
    }),
  ]);
  const cells = [["data", ...head], ...rows];
  const widths = cells[0].map((_, at) => Math.max(...cells.map((row) => row[at].length)));
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, at) => cell.padEnd(widths[at])).join(" | ")} |`;
  return [line(cells[0]), line(widths.map((width) => "-".repeat(width))), ...cells.slice(1).map(line)].join(
    "\n",
  );
}

/** The page with the table replaced. */
function withTable(page: string, text: string): string {
  const begin = page.indexOf(BEGIN), end = page.indexOf(END);
  if (begin < 0 || end < begin) throw new Error(`docs/tolerance.md has no place for the table, ${BEGIN}.`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${text}\n\n${page.slice(end)}`;
}

if (import.meta.main) {
  const given = parseArgs(Deno.args, {
    string: ["data", "dtype"],
    boolean: ["write"],
    default: { data: "" },
  });
  const names = Object.keys(HARD_DATA).filter((name) => name.includes(String(given.data)));
  const all: HonestVerdict[] = [];
  for (const data of names) {
    for (const dtype of DTYPES.filter((one) => given.dtype === undefined || one === given.dtype)) {
      for (const { name: arithmetic } of ladderOf(dtype)) all.push(judgeHonest(data, { dtype, arithmetic }));
    }
    const worst = all.filter((one) => one.data === data && one.share >= 0)
      .reduce((a, b) => b.share > a.share ? b : a, { share: 0, arithmetic: "", order: "" });
    console.error(`${data}: at most ${Math.round(100 * worst.share)} %, ${worst.arithmetic}, ${worst.order}`);
  }
  const text = table(all), wrong = all.filter(({ share }) => share > 1);
  console.log(text);
  for (const { data, arithmetic, order, share } of wrong) {
    console.log(`WRONG  ${arithmetic}, ${order}, on ${data}: ${share.toPrecision(3)} of its bounds`);
  }
  if (given.write) await Deno.writeTextFile(PAGE, withTable(await Deno.readTextFile(PAGE), text));
  Deno.exitCode = wrong.length > 0 ? 1 : 0;
}
