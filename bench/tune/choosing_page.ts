/**
 * The tables of docs/choosing.md.
 *
 * @module
 */
import { withBetween } from "../text/between.ts";
import { showFixed, showNumber } from "../text/number.ts";
import { markdownTable } from "../text/table.ts";
import { CHOOSING_PARTS, type ChoosingRow } from "./choosing.ts";
import { BASELINES } from "./measure.ts";
import type { Interval, Proof, Proved } from "./proof.ts";
import { showInterval } from "./text.ts";

const BEGIN = "<!-- choices: deno task choosing --write -->", END = "<!-- end of choices -->";
const RIVAL = "pooled-topk-mean";

/**
 * The page with its tables replaced.
 *
 * @param page the text of the page
 * @param rows the lines of the tables, in any order
 *
 * @example
 * ```ts
 * import { withChoices } from "./choosing_page.ts";
 * const page = "<!-- choices: deno task choosing --write -->\nold\n<!-- end of choices -->\n";
 * console.log(withChoices(page, []).includes("old")); // false
 * ```
 */
export function withChoices(page: string, rows: readonly ChoosingRow[]): string {
  const kinds = CHOOSING_PARTS.map(({ kind }) => kind), places = kinds.map(({ name }) => name);
  const placeOf = ({ inputs, orders }: ChoosingRow) => {
    const kind = kinds.find(({ name }) => name === inputs);
    return [places.indexOf(inputs), kind?.orders.findIndex((each) => `${each}` === `${orders}`) ?? 0];
  };
  const sorted = rows.toSorted((a, b) => {
    const [kind, order] = placeOf(a), [otherKind, otherOrder] = placeOf(b);
    return kind - otherKind || order - otherOrder || a.density - b.density;
  });
  const about = ["inputs", "order", "density"];
  const aboutOf = ({ inputs, orders, density }: ChoosingRow) => [inputs, ordersOf(orders), `${density}`];
  const errors = sorted.map((row) => [
    ...[...aboutOf(row), showFixed(lineOf(row.together.proof, "psa").density, 3)],
    ...BASELINES.map((name) => showFixed(lineOf(row.together.proof, name).error.mean, 3)),
    ...[lineOf(row.together.proof, RIVAL).ratio, row.together.proof.ratio, row.each.proof.ratio].map(
      showRatio,
    ),
    adviceFor(row),
  ]);
  const chosen = sorted.map((
    row,
  ) => [...aboutOf(row), ...[row.together, row.each].map(({ chosen }) => showChosen(chosen))]);
  const ratios = [`${RIVAL} / psa`, "tuned, all heads alike / psa", "tuned, each head / psa"];
  const text = [
    ...markdownTable([...about, "reached", ...BASELINES, ...ratios, "use"], errors),
    "",
    "What was chosen most often, over heads and inputs that were held out:",
    "",
    ...markdownTable([...about, "all heads alike", "each head"], chosen),
  ].join("\n");
  return withBetween(page, text, { marks: [BEGIN, END], path: "docs/choosing.md" });
}

/**
 * The advice for a cell: the side of least error among those better than `psa` beyond their interval. Else `psa`, with
 * a note of what has less error within the interval.
 *
 * @param row the cell
 */
export function adviceFor({ together, each }: ChoosingRow): string {
  const rivals: readonly (readonly [string, Interval])[] = [
    [RIVAL, lineOf(together.proof, RIVAL).ratio],
    ["tuned, all heads alike", together.proof.ratio],
    ["tuned, each head", each.proof.ratio],
  ];
  const byMean = rivals.toSorted(([, a], [, b]) => a.mean - b.mean),
    better = byMean.find(([, { high }]) => high < 1);
  if (better !== undefined) return better[0];
  return byMean[0][1].mean < WORTH ? `psa, or ${byMean[0][0]}` : "psa";
}

/** Errors this near to that of `psa` are not worth a note. */
const WORTH = 0.99;

/** The line of one side of a proof. */
function lineOf({ lines }: Proof, name: Proved) {
  return lines.find((line) => line.name === name)!;
}

function ordersOf(orders: readonly string[]): string {
  return orders.length === 1 ? orders[0] : "any";
}

function showRatio(ratio: Interval): string {
  return `${showNumber(ratio.mean)} (${showInterval(ratio)})`;
}

/** Choices of a list that are named; the others are counted. */
const NAMED = 2;

function showChosen(chosen: ChoosingRow["each"]["chosen"]): string {
  const rest = chosen.slice(NAMED).reduce((sum, [, times]) => sum + times, 0);
  const named = chosen.slice(0, NAMED).map(([name, times]) => `${times} x ${name}`);
  return [...named, ...rest > 0 ? [`${rest} x others`] : []].join("; ");
}
