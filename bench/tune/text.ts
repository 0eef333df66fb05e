/**
 * The text that tuning prints on a terminal.
 *
 * @module
 */
import type { OrderName } from "../../reference/config/tuned.ts";
import { showFixed, showNumber } from "../text/number.ts";
import { alignTable } from "../text/table.ts";
import type { Tuned, TunedInput } from "./file.ts";
import { type Interval, type Proof, verdictSentence } from "./proof.ts";
import { candidateOf } from "./space.ts";

const WIDTH = 110;

/**
 * The choice for each head, its inputs and its cost.
 *
 * @param tuned the content of the file
 */
export function choiceLines({ heads, tunedOn, search }: Tuned): string[] {
  const rows = heads.map(({ head, choice, error, density }) => [
    ...[`${head}`, showFixed(error, 4), showFixed(density, 3), candidateOf(choice).name],
  ]);
  return [
    `Chosen on ${namesOf(tunedOn)} among ${search.candidates} candidates per head; ${
      showNumber(100 * search.measured / search.exhaustive)
    } % of the rows that all of them would take.`,
    ...tableLines([["head", "error", "density", "choice"], ...rows]),
  ];
}

/**
 * A proof as lines, the verdict last.
 *
 * @param proof the proof
 * @param about what was proved on, and the order of what the choice stands beside
 */
export function proofLines(
  proof: Proof,
  { heldOut, order }: { readonly heldOut: readonly TunedInput[]; readonly order: OrderName },
): string[] {
  const rows = proof.lines.map(({ name, error, density, cost }) => [
    ...[name === "tuned" ? name : `${name}, ${order}`, showFixed(error.mean, 4), showInterval(error)],
    ...[showFixed(density, 3), showFixed(cost, 3)],
  ]);
  return [
    `Proved on ${namesOf(heldOut)}, which nothing was chosen on:`,
    ...tableLines([["", "error", "95 % interval", "density", "cost"], ...rows]),
    verdictSentence(proof),
  ];
}

/** An interval in words. */
export function showInterval({ low, high }: Interval): string {
  return Number.isFinite(high) ? `${showNumber(low)} to ${showNumber(high)}` : "none";
}

function namesOf(inputs: readonly TunedInput[]): string {
  return inputs.map(({ name, seed }) => seed === null ? name : `${name} (seed ${seed})`).join(", ");
}

/** A table of text, the first column flush left. */
export function tableLines(rows: readonly (readonly string[])[]): string[] {
  const align = rows[0].map((_, i) =>
    i === 0 || i === rows[0].length - 1 && rows[0].length === 4 ? "left" : "right"
  );
  return alignTable(rows, { align: align as ("left" | "right")[], width: WIDTH })
    .map(({ cells, gap }) => cells.join(gap).trimEnd());
}
