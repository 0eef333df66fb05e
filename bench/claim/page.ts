/**
 * The page of the claim: what was asked, the verdict in sentences, and every cell, those that PSA loses beside those
 * that it wins.
 *
 * @module
 */
import type { ReportChart } from "../report/sections.ts";
import type { StoredRun } from "../sweep/write.ts";
import { plural, showNumber } from "../text/number.ts";
import { markdownTable } from "../text/table.ts";
import { type Cell, cellsOf, type Footing, KINDS } from "./cells.ts";
import type { CellVerdict } from "./verdicts.ts";
import { footingName, showRatio } from "./charts.ts";

/** A page, and what it says. */
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
  const sentences = footings.flatMap(({ footing, cells }) => sentencesOf(cells, footing));
  const markdown = [
    "# The paper's claim, tested",
    "",
    "Written by `deno task claim`. The claim: at equal cost, blocks of keys that are averaged instead of skipped lose " +
    "less of attention's output than a binary mask. Here is where that holds for `psa`, and where it does not.",
    "",
    "## Verdict",
    "",
    ...sentences.map((sentence) => `- ${sentence}`),
    "",
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
    "## Error against density",
    "",
    ...charts.filter(({ name }) => name.startsWith("claim-lines")).flatMap(({ name }) =>
      picture(charts, name)
    ),
    "## Every cell at equal density",
    "",
    "The median over heads of PSA's error over that of the method, its 95 % interval, and what it says.",
    "",
    ...everyCell(footings.find(({ footing }) => footing === "density")?.cells ?? []),
  ];
  return { markdown: markdown.join("\n") + "\n", sentences };
}

/** How cells come about. */
const HOW = [
  "## How it is decided",
  "",
  "Every head of every input is a measurement. Each point of another method, with the density or time that it " +
  "**reached**, is set beside PSA's error on the same head, in the same order, at the same density or time, which is " +
  "read from PSA's own points along a straight line on logarithmic axes. A head where PSA has no point within 2 % of " +
  "that density or time is left out. A cell is all heads of one kind of inputs in one order at one density asked for. " +
  "PSA wins or loses it if a sign test over heads says so, which assumes nothing of their distribution, and only as far " +
  "as the number of cells allows: of hundreds of cells without a difference one in twenty would pass a test alone. " +
  "Verdicts are taken in the order of their chance as long as at most one in twenty of them is expected to be wrong " +
  "(Benjamini and Hochberg, over all cells of a footing); the others are within the noise, ties. Intervals are those " +
  "of each cell alone. " +
  "Times are read from lines: on heads of the same sizes a kernel takes a constant plus so many milliseconds per " +
  "density, but for each head's own slowness, which is taken out. Masks of the order's own blocks run one kernel on " +
  "lists of one kind and share a line, every other method has its own; slow outliers bend lines little. How far the " +
  "ratio of two such times may be off is told by leaving out one head after the other (a jackknife, 95 %). It is off " +
  "for all heads alike, so the interval of a cell reaches from where the times are as wrong as that to PSA's " +
  "advantage to where they are as wrong to its disadvantage. " +
  "Errors below 1e-5 count as rounding, and ratios within a thousandth of 1 as no difference.",
  "",
  "Causal calls have blocks that are forced, so that methods reach more than they are asked for; that is why the " +
  "density reached decides. Importance is sampled, or antidiagonal where causal, for `psa` and `block-topk` alike. " +
  "`sta` and `draft` cut tiles of their own and stand beside PSA in the order `tile`. `psa-released` has one density " +
  "of its own, which stands in the first column. Orders are never compared. A single run with one seed was made.",
];

const NOTES: Record<Footing, readonly string[]> = {
  density: ["What attention reads is the same; what choosing costs is not counted."],
  time: [
    "**Measured**: milliseconds of our kernels with levels given, so that choosing is not in them, nor what " +
    "`rectified` adds afterwards. `token-topk`, with a star, has no kernel and is compared at density + selection " +
    "cost, which is **computed, not measured**. PSA's kernels read their pyramid " +
    "first, so that a mask at a low density can cost less than PSA at any density that was run: no comparison.",
  ],
  cost: [
    "**Computed, not measured**: density plus the operations of choosing over those of dense attention. A method " +
    "whose choice is cheap may read more.",
  ],
};

function aboutRun(environment: StoredRun["environment"], rows: number, timed: boolean): string {
  const { adapter, commit, date, minutes, command } = environment;
  const took = typeof minutes === "number" ? `, ${Math.max(1, Math.round(minutes))} minutes` : "";
  const where = timed ? `kernels on ${adapter}` : "the reference alone, without times";
  return `The run: \`${command}\`, ${rows} cases, ${where}${took}, ${String(date).slice(0, 10)}, commit ${
    String(commit).slice(0, 8)
  }.`;
}

/** The sentences of a footing: how the cells of each kind of methods went, and where binary masks win and lose. */
function sentencesOf(cells: readonly Cell[], footing: Footing): string[] {
  const known = cells.filter(({ verdict }) => verdict !== "apart");
  return KINDS.flatMap(({ name, methods }, i) => {
    const own = known.filter(({ rival }) => methods.includes(rival));
    if (own.length === 0) return [];
    const count = (verdict: CellVerdict) => countOf(own, verdict);
    const result = `At ${footingName(footing)}, against ${name}, PSA loses less error in ${count("win")} of ${
      plural(own.length, "cell")
    }, more in ${count("loss")}, and ${count("tie")} are within the noise.`;
    return [i > 0 ? result : [result, placesOf(own, "win"), placesOf(own, "loss")].filter(Boolean).join(" ")];
  });
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
    : `It loses ${verdict === "win" ? "less" : "**more**"} on ${places.join(", ")}.`;
}

/** The cells of a verdict that are against binary masks, in a table of their own. */
function maskCells(cells: readonly Cell[], verdict: "win" | "loss"): string[] {
  const own = cells.filter((cell) => cell.verdict === verdict && KINDS[0].methods.includes(cell.rival));
  const better = verdict === "win" ? "less" : "more";
  if (own.length === 0) return [`PSA loses ${better} error than a binary mask in no cell.`, ""];
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
  const head = [`PSA loses ${better} error`, "median ratio of errors at the density asked"];
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
    "Cells in which PSA loses less : more : neither beyond noise.",
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
