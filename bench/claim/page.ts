/**
 * The page of the claim: the question, the verdict in sentences, and every cell, those that PSA loses and those
 * that it wins.
 *
 * @module
 */
import type { ReportChart } from "../report/sections/sections.ts";
import type { StoredRun } from "../sweep/files/write.ts";
import type { SweepOptions } from "../sweep/options/options.ts";
import { withoutOptions } from "../options/shell.ts";
import { plural, showNumber } from "../text/number.ts";
import { markdownTable } from "../text/table.ts";
import { type Cell, cellsOf, type Footing, KINDS } from "./cells.ts";
import type { CellVerdict } from "./verdicts.ts";
import { footingName, showRatio } from "./charts.ts";
import { HOW, NOTES } from "./words.ts";

/** A page and its verdict. */
export interface ClaimPage {
  /** The page. */
  readonly markdown: string;
  /** The verdict. */
  readonly sentences: readonly string[];
}

const MARKS: Record<CellVerdict, string> = { win: "wins", loss: "**loses**", tie: "ties", apart: "–" };

/**
 * Writes the page.
 *
 * @param run rows of single heads, and where they come from
 * @param charts the plots, which lie in the folder `pictures`
 *
 * @example
 * ```ts
 * import { claimPage } from "./page.ts";
 * console.log(claimPage({ rows: [], environment: {} }, []).sentences); // []
 * ```
 */
export function claimPage({ rows, environment }: StoredRun, charts: readonly ReportChart[]): ClaimPage {
  const timed = rows.some(({ gpu_ms_median }) => gpu_ms_median !== null);
  const footings = (["density", "time", "cost"] as const).filter((each) => timed || each !== "time")
    .map((footing) => ({ footing, cells: cellsOf(rows, footing) }));
  const sentences = verdictSentences(footings);
  const markdown = [
    ...titleOf(environment),
    "",
    ...(sentences.length === 0 ? [] : [sentences.map((sentence) => `**${sentence}**`).join(" "), ""]),
    ...verdictTable(footings),
    "",
    "The claim of the paper: at equal cost, averaging key blocks loses less of attention's output than skipping them, as " +
    "binary masks do. A comparison is one other method beside `psa`, on all heads of one kind of inputs, in one order, at " +
    "one density. The table counts comparisons in which PSA has less error : more error : no difference beyond noise. " +
    "This page is written by `deno task claim`.",
    "",
    ...places(footings),
    ...HOW,
    "",
    aboutRun(environment, rows.length, timed),
    "",
    ...footings.flatMap(({ footing, cells }) => [
      `## PSA at ${footingName(footing)}`,
      "",
      ...NOTES[footing],
      "",
      ...picture(charts, `claim-${footing}`),
      ...countTable(cells),
      "",
      ...maskCells(cells, "loss"),
      ...maskCells(cells, "win"),
    ]),
    ...linesOf(charts),
    "## Every comparison at equal density",
    "",
    "The median over heads of PSA's error divided by that of the method, its 95 % interval, and the verdict. Below 1 PSA " +
    "has less error.",
    "",
    ...everyCell(footings.find(({ footing }) => footing === "density")?.cells ?? []),
  ];
  return { markdown: markdown.join("\n") + "\n", sentences };
}

/** The title, and for one model what its inputs are. */
function titleOf({ options }: StoredRun["environment"]): string[] {
  const { preset, seq, heads, dim, inputs } = Object(options) as Partial<SweepOptions>;
  if (!preset) return ["# The paper's claim, tested"];
  const data = inputs?.length ? "a capture of the model" : "the workload `model`";
  return [
    `# The paper's claim, tested at the size of ${preset}`,
    "",
    `The inputs are ${data}: ${Number(seq).toLocaleString("en")} tokens, ${
      plural(Number(heads), "head")
    } of dimension ` +
    `${dim}. Each head is one measurement.`,
  ];
}

/** The plots of errors over densities, with their heading. */
function linesOf(charts: readonly ReportChart[]): string[] {
  const lines = charts.filter(({ name }) => name.startsWith("claim-lines"));
  return lines.length === 0
    ? []
    : ["## Error against density", "", ...lines.flatMap(({ name }) => picture(charts, name))];
}

/** What of a command says where it wrote, and which part of the whole it was. */
const OWN = { valued: ["shard", "out"], flags: ["resume", "force"] };

function aboutRun(environment: StoredRun["environment"], rows: number, timed: boolean): string {
  const { adapter, commit, date, minutes, shards } = environment;
  const command = withoutOptions(String(environment.command), OWN);
  const parts = Array.isArray(shards) ? ` in ${shards.length} parts at the same time` : "";
  const took = typeof minutes === "number" ? `, ${Math.max(1, Math.round(minutes))} minutes` : "";
  const where = timed ? `kernels on ${adapter}` : "the reference alone, without times";
  return `The run: \`${command}\`${parts}, ${rows} cases, ${where}${took}, ${
    String(date).slice(0, 10)
  }, commit ${String(commit).slice(0, 8)}.`;
}

/** The inputs that two methods share, and their comparisons there. */
interface Comparisons {
  readonly footing: Footing;
  readonly cells: readonly Cell[];
}

/** The comparisons with one kind of methods that have a verdict. */
function ofKind({ cells }: Comparisons, { methods }: typeof KINDS[number]): readonly Cell[] {
  return cells.filter(({ rival, verdict }) => verdict !== "apart" && methods.includes(rival));
}

/** The verdict in up to three sentences that can be quoted: binary masks at equal density and time, masks with a mean. */
function verdictSentences(all: readonly Comparisons[]): string[] {
  const [density, other = density] = all;
  const asked = [[density, KINDS[0]], [other, KINDS[0]], [density, KINDS[1]]] as const;
  const told = asked.flatMap(([at, kind]) => {
    const cells = ofKind(at, kind);
    if (cells.length === 0) return [];
    const count = (verdict: CellVerdict) => countOf(cells, verdict);
    return [
      `At equal ${footingName(at.footing).replace(/^equal /, "")}, PSA has less error than ${kind.name} in ` +
      `${count("win")} of ${plural(cells.length, "comparison")}, more in ${
        count("loss")
      }, and there is no difference ` +
      `beyond noise in ${count("tie")}.`,
    ];
  });
  return [...new Set(told)];
}

/** How the comparisons with each kind of methods ended, at equal density, time and cost. */
function verdictTable(all: readonly Comparisons[]): string[] {
  const rows = KINDS.flatMap((kind) => {
    const cells = all.map((at) => ofKind(at, kind));
    return cells.every((own) => own.length === 0) ? [] : [[`PSA against ${kind.name}`, ...cells.map(tally)]];
  });
  return rows.length === 0
    ? []
    : markdownTable(["", ...all.map(({ footing }) => footingName(footing))], rows);
}

/** Where PSA has less and more error than binary masks. */
function places(all: readonly Comparisons[]): string[] {
  const lines = all.flatMap((at) => {
    const cells = ofKind(at, KINDS[0]),
      where = [placesOf(cells, "win"), placesOf(cells, "loss")].filter(Boolean);
    return where.length === 0 ? [] : [`- At ${footingName(at.footing)}: ${where.join(" ")}`];
  });
  return lines.length === 0 ? [] : ["## Where, against binary masks", "", ...lines, ""];
}

/** Where cells of a verdict are: how many of those of each place. */
function placesOf(cells: readonly Cell[], verdict: "win" | "loss"): string {
  const places = [...Map.groupBy(cells, ({ group, order }) => `${group} in ${order} order`)].flatMap(
    ([place, own]) => {
      const count = countOf(own, verdict);
      return count === 0 ? [] : [`${place} ${count} of ${own.length}`];
    },
  );
  return places.length === 0
    ? ""
    : `PSA has ${verdict === "win" ? "less" : "**more**"} error on ${places.join(", ")}.`;
}

/** The comparisons with binary masks that have a verdict, in a table of their own. */
function maskCells(cells: readonly Cell[], verdict: "win" | "loss"): string[] {
  const own = cells.filter((cell) => cell.verdict === verdict && KINDS[0].methods.includes(cell.rival));
  const better = verdict === "win" ? "less" : "more";
  if (own.length === 0) return [`PSA has ${better} error than a binary mask in no comparison.`, ""];
  const rows = [...Map.groupBy(own, ({ group, order }) => `${group}, ${order}`)].map(([place, there]) => {
    const rivals = [...Map.groupBy(there, ({ rival }) => rival)].map(([rival, mine]) =>
      `${rival} ${
        mine.toSorted((x, y) => y.asked - x.asked).map((cell) => `${showRatio(cell.median)} at ${cell.asked}`)
          .join(
            ", ",
          )
      }`
    );
    return [place, rivals.join("; ")];
  });
  const head = [`PSA has ${better} error`, "median ratio of errors at the density asked"];
  return [...markdownTable(head, rows), ""];
}

function countOf(cells: readonly Cell[], verdict: CellVerdict): number {
  return cells.filter((cell) => cell.verdict === verdict).length;
}

function tally(cells: readonly Cell[]): string {
  return [countOf(cells, "win"), countOf(cells, "loss"), countOf(cells, "tie")].join(" : ");
}

function picture(charts: readonly ReportChart[], wanted: string): string[] {
  return charts.filter(({ name }) => name === wanted).flatMap((
    { name, caption, alternative },
  ) => [`![${alternative}](pictures/${name}.svg)`, "", caption, ""]);
}

/** How often PSA wins, loses and ties, by kind of inputs and method. */
function countTable(cells: readonly Cell[]): string[] {
  const methods = KINDS.flatMap((kind) => kind.methods).filter((name) =>
    cells.some(({ rival }) => rival === name)
  );
  const places = [...Map.groupBy(cells, ({ group, order }) => `${group}, ${order}`)];
  return [
    "Comparisons in which PSA has less error : more error : no difference beyond noise.",
    "",
    ...markdownTable(
      ["", ...places.map(([place]) => place)],
      methods.map((method) => {
        const counts = places.map(([, own]) => {
          const mine = own.filter(({ rival, verdict }) => rival === method && verdict !== "apart");
          return mine.length === 0 ? "" : tally(mine);
        });
        return [method, ...counts];
      }),
    ),
  ];
}

/** A table for each kind of inputs and order. */
function everyCell(cells: readonly Cell[]): string[] {
  const places = [...Map.groupBy(cells, ({ group, order }) => `${group}, ${order} order`)];
  return places.flatMap(([place, own]) => {
    const asked = [...new Set(own.map((cell) => cell.asked))].sort((a, b) => b - a);
    const rows = [...Map.groupBy(own, ({ rival }) => rival)].map(([rival, mine]) => {
      const texts = asked.map((density) => {
        const cell = mine.find((each) => each.asked === density);
        return cell === undefined ? "" : cellText(cell);
      });
      return [rival, ...texts];
    });
    const heads = Math.max(...own.map(({ ratios }) => ratios.length));
    return [
      `### ${place}, ${plural(heads, "head")}`,
      "",
      ...markdownTable(["", ...asked.map((density) => `asked ${density}`)], rows),
      "",
    ];
  });
}

function cellText({ median, low, high, verdict, reached, asked }: Cell): string {
  const at = Math.abs(reached / asked - 1) > 0.05 ? ` at ${showNumber(reached, { digits: 2 })}` : "";
  if (verdict === "apart") return `–${at}`;
  return `${showRatio(median)} (${showRatio(low)} to ${showRatio(high)}) ${MARKS[verdict]}${at}`;
}
