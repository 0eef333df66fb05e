/**
 * `deno task blind`: measures the judge and the diagnosis on mistakes and on honest kernels that were written apart from
 * them, on all cores. Exit code 1 if a mistake is called right, or an honest kernel wrong that is not known to be.
 *
 *   deno task blind [--only 3,17] [--suite smoke] [--record FILE] [--shard I/N] [--write]
 *
 * @module
 */
import { requireInput } from "../../reference/errors.ts";
import { requireName } from "../../bench/options/reader.ts";
import { perform, runCommand } from "../../bench/cli/command.ts";
import type { CommandHelp, CommandLine } from "../../bench/options/command_line.ts";
import { formatted } from "../../bench/text/formatted.ts";
import { type Piece, PIECE_OPTIONS, recorded } from "../support/record.ts";
import { spread } from "../support/spread.ts";
import type { BlindWork } from "./blind_worker.ts";
import { HARD } from "./honest/data.ts";
import { table } from "./honest/honest.ts";
import type { Verdict } from "./honest/judging.ts";
import { type BlindPaths, prepare, type Said } from "./measure.ts";
import { ROOT } from "./mistakes/kernel.ts";
import { numpySets } from "./mistakes/numpy.ts";
import { honestPageOf, type Measured, pageOf, type SetOf } from "./page.ts";

const read = async (name: string) => JSON.parse(await Deno.readTextFile(new URL(name, import.meta.url)));

/** Everything that is known of what diagnoses said, by number and names. */
type Heard = Readonly<Record<string, Readonly<Record<string, Measured["outcome"]>>>>;

/** The outcome of a mistake; `unjudged` where nobody has judged yet whether its names are right. */
function measuredOf({ passed, ...one }: Said, heard: Heard): Measured {
  const { number, said } = one;
  return {
    ...one,
    outcome: passed ? "missed" : said === "" ? "unknown" : heard[number]?.[said] ?? "unjudged",
  };
}

const HELP: CommandHelp = {
  name: "blind",
  usage: "[options]",
  about: ["Measures judge and diagnosis on mistakes and honest kernels that were written apart from them."],
  examples: ["deno task blind --record results/blind.jsonl"],
  options: [
    { name: "only", value: "N,…", help: "only these mistakes, and no honest kernels" },
    { name: "suite", value: "S", help: "smoke, standard or full (smoke)" },
    ...PIECE_OPTIONS,
    { name: "write", value: "", help: "write docs/blind.md and docs/blind-honest.md" },
  ],
  exits: "a mistake is called right, or an honest kernel wrong that is not known to be",
};

/** The numbers of the mistakes that were asked for. */
function numbersOf(only: string, sets: readonly SetOf[]): number[] {
  const all = sets.flatMap(({ mistakes }) => mistakes.map(({ number }) => number));
  const numbers = only === "" ? all : only.split(",").map(Number);
  requireInput(
    numbers.every((number) => all.includes(number)),
    () => `--only is "${only}"; it should name mistakes from ${Math.min(...all)} to ${Math.max(...all)}.`,
  );
  return numbers;
}

/** Does pieces on all cores, and says what came of each. */
async function measureAll(
  works: readonly BlindWork[],
  { suite, heard, done }: {
    readonly suite: string;
    readonly heard: Heard;
    readonly done: (result: Said | Verdict[], place: number) => void;
  },
): Promise<void> {
  if (works.length === 0) return;
  const folder = await Deno.makeTempDir();
  try {
    const paths = await prepare(folder, suite), worker = new URL("./blind_worker.ts", import.meta.url);
    const items = works.map((work) => ({ work, paths }));
    await spread<{ work: BlindWork; paths: BlindPaths }, Said | Verdict[]>(
      worker,
      items,
      (one, count, place) => {
        done(one, place);
        const said = "number" in one ? sayOf(measuredOf(one, heard)) : `honest kernels on ${one[0].data}`;
        console.log(`${count} of ${items.length}: ${said}`);
      },
    );
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function sayOf({ number, outcome, wrong, said, explained }: Measured): string {
  return `${number} ${number === 0 && outcome === "missed" ? "right" : outcome}; ${wrong} cases wrong; ${
    said || "nothing is named"
  } ${explained}`;
}

async function measureSets({ read: options }: CommandLine): Promise<number> {
  const sets: SetOf[] = [
    { title: "The first set", ...await read("mistakes/statements.json") },
    { title: "The second set", ...await read("mistakes/second.json") },
    { title: "The third set", ...await read("mistakes/third.json") },
    ...await numpySets(),
  ];
  const only = options.text("only", ""),
    suite = options.text("suite", "smoke"),
    heard: Heard = await read("heard.json");
  requireName("suite", suite, ["smoke", "standard", "full"]);
  const numbers = [0, ...numbersOf(only, sets)];
  const pieces: Piece<BlindWork>[] = [
    ...numbers.map((number) => ({ key: `${suite}: ${number}`, work: { number } })),
    ...(only === "" ? Object.keys(HARD).map((data) => ({ key: `honest: ${data}`, work: { data } })) : []),
  ];
  const results = await recorded<BlindWork, Said | Verdict[]>(
    { task: "blind", pieces, read: options },
    (works, done) => measureAll(works, { suite, heard, done }),
  );
  if (results === null) return 0;
  const [right, ...measured] = (results.slice(0, numbers.length) as Said[]).map((one) =>
    measuredOf(one, heard)
  );
  if (right.outcome !== "missed") throw new Error("the kernel without a mistake is called wrong");
  const honest = (results.slice(numbers.length) as Verdict[][]).flat();
  if (only === "") console.log(table(honest));
  if (only === "" && options.flag("write")) {
    const why = await read("why.json"), old = options.flag("old-records");
    const pages = {
      blind: pageOf({ sets, measured, suite, why, old }),
      "blind-honest": honestPageOf(honest),
    };
    for (const [name, page] of Object.entries(pages)) {
      await Deno.writeTextFile(`${ROOT}docs/${name}.md`, await formatted(page));
    }
  }
  return measured.some(({ outcome }) => outcome === "missed") || await hasNews(honest) ? 1 : 0;
}

/** Whether an honest kernel is called wrong that is not known to be. */
async function hasNews(honest: readonly Verdict[]): Promise<boolean> {
  const known: readonly string[] = (await read("honest/known_wrong.json")).wrong;
  return honest.some((one) => one.verdict === "wrong" && !known.includes(`${one.kernel} on ${one.data}`));
}

if (import.meta.main) await runCommand(() => perform({ help: HELP, run: measureSets }, Deno.args));
