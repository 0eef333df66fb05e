/**
 * `deno task honest [--data WORDS] [--dtype TYPE] [--write]`: judges the family of honest kernels on hard data, each by
 * the bounds of its own arithmetic, and prints the largest share of the bounds that any order of sums takes. With
 * `--write` the table goes into docs/tolerance.md. Exit code 1 if a kernel is called wrong.
 *
 * @module
 */
import { markdownTable } from "../../../bench/text/table.ts";
import { withBetween } from "../../../bench/text/between.ts";
import { perform, runCommand } from "../../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../../bench/options/command_line.ts";
import { HARD_DATA } from "../../../fixtures/conformance/honest/hard.ts";
import type { HonestVerdict } from "../../../fixtures/conformance/honest/judging.ts";
import { type Piece, PIECE_OPTIONS, recorded } from "../../support/record.ts";
import { spread } from "../../support/spread.ts";
import type { HonestWork } from "./honest_worker.ts";
import { requireInput } from "../../../reference/errors.ts";
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
  return markdownTable(["data", ...head], rows).join("\n");
}

/** The page with the table replaced. */
function withTable(page: string, text: string): string {
  return withBetween(page, text, { marks: [BEGIN, END], path: "docs/tolerance.md" });
}

const HELP: CommandHelp = {
  name: "honest",
  usage: "[options]",
  about: [
    "Judges honest kernels in every arithmetic and order on hard data, by the bounds of their arithmetic.",
  ],
  examples: ["deno task honest"],
  options: [
    { name: "data", value: "TEXT", help: "only data whose name holds this" },
    { name: "dtype", value: "TYPE", help: `of ${DTYPES.join(", ")}; all of them` },
    ...PIECE_OPTIONS,
    { name: "write", value: "", help: "put the table into docs/tolerance.md" },
  ],
  exits: "an honest kernel is called wrong",
};

/** Judges kernels on all cores. */
async function judgeAll(
  works: readonly HonestWork[],
  done: (verdict: HonestVerdict, place: number) => void,
): Promise<void> {
  const worker = new URL("./honest_worker.ts", import.meta.url);
  await spread<HonestWork, HonestVerdict>(worker, works, (one, count, place) => {
    done(one, place);
    const share = Number.isNaN(one.share)
      ? "judges nothing"
      : `${Math.round(100 * one.share)} %, ${one.order}`;
    console.error(`${count} of ${works.length}: ${one.arithmetic} on ${one.data}: ${share}`);
  });
}

/** Judges what was asked for, and says it. */
async function run({ read }: CommandLine): Promise<number> {
  const wanted = read.text("data", ""), dtype = read.text("dtype", "");
  requireInput(
    dtype === "" || (DTYPES as readonly string[]).includes(dtype),
    () => `--dtype is "${dtype}"; it should be one of ${DTYPES.join(", ")}.`,
  );
  const names = Object.keys(HARD_DATA).filter((name) => name.includes(wanted));
  requireInput(
    names.length > 0,
    () => `--data "${wanted}" matches nothing; there are ${Object.keys(HARD_DATA).join(", ")}.`,
  );
  const pieces = names.flatMap((data) =>
    DTYPES.filter((each) => dtype === "" || each === dtype).flatMap((one) =>
      ladderOf(one).map(({ name: arithmetic }): Piece<HonestWork> => ({
        key: `${one}, ${arithmetic}: ${data}`,
        work: { data, dtype: one, arithmetic },
      }))
    )
  );
  const all = await recorded<HonestWork, HonestVerdict>({ task: "honest", pieces, read }, judgeAll);
  if (all === null) return 0;
  const text = table(all), wrong = all.filter(({ share }) => share > 1);
  console.log(text);
  for (const { data, arithmetic, order, share } of wrong) {
    console.log(`WRONG  ${arithmetic}, ${order}, on ${data}: ${share.toPrecision(3)} of its bounds`);
  }
  if (read.flag("write")) await Deno.writeTextFile(PAGE, withTable(await Deno.readTextFile(PAGE), text));
  return wrong.length > 0 ? 1 : 0;
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run }, Deno.args));
