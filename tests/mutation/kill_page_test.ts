/** docs/kill-matrix.md holds every mistake of the catalogue, and no other, and its numbers are those of its rows. */
import { assert, assertEquals } from "../support/assert.ts";
import { MISTAKES } from "../../fixtures/conformance/deviations/catalogue.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/deviations/stages/catalogue.ts";
import { markdown, type Matrix } from "./kill_page.ts";
import type { Outcome } from "./outcome.ts";

/** The contents of one of the two tables of the page. */
interface Table {
  readonly names: readonly string[];
  /** The numbers of its sentence: killed, of how many, named. */
  readonly said: readonly number[];
  /** The same, counted in the rows. */
  readonly counted: readonly number[];
}

/** The tables of the page: attention, and gradients and stages. */
function tablesOf(page: string): Table[] {
  return page.split("\n## ").map((part) => {
    const rows = part.split("\n").map((line) => line.split(/(?<!\\)\|/).map((cell) => cell.trim()))
      .filter((cells) => cells.length === 8 && !/^(-*|mistake)$/.test(cells[2]));
    const isNamed = (cell: string) => /^(yes|one of \d+)$/.test(cell);
    const killed = rows.filter((cells) => cells[3] !== "no" || cells[5] !== "no");
    const named = rows.filter((cells) => isNamed(cells[4]) || isNamed(cells[6]));
    const [, ...said] = /Killed: (\d+) of (\d+); named: (\d+)\./.exec(part.replaceAll(/\s+/g, " ")) ?? [];
    return {
      names: rows.map((cells) => cells[2].replaceAll("\\|", "|")).toSorted(),
      said: said.map(Number),
      counted: [killed.length, rows.length, named.length],
    };
  });
}

const namesOf = (all: readonly { readonly name: string }[]) => all.map(({ name }) => name).toSorted();
const row = (mistake: string, failing: number, names: readonly string[]): Outcome => ({
  ...{ mistake, failing, names, cases: 4 },
});

Deno.test("kill matrix: the page says of every mistake whether it was killed and named, and counts both", () => {
  const smoke = [row("a", 2, ["a"]), row("b", 0, []), row("c", 1, ["x"]), row("d", 0, [])];
  const standard = [row("a", 4, ["a", "x"]), row("b", 3, ["b"]), row("c", 4, []), row("d", 0, [])];
  const staged = [{ ...row("e", 1, ["e"]), stage: "levels" }];
  const stages = { smoke: staged, standard: staged };
  const matrix: Matrix = { smoke, standard, stages, honest: ["| right | 0 | 3 % |"], honestStages: [] };
  const [attention, other] = tablesOf(markdown(matrix));
  assertEquals(attention, { names: ["a", "b", "c", "d"], said: [3, 4, 2], counted: [3, 4, 2] });
  assertEquals(other, { names: ["e"], said: [1, 1, 1], counted: [1, 1, 1] });
});

Deno.test("kill matrix: docs/kill-matrix.md has the catalogue's mistakes, and its numbers are those of its rows", async () => {
  const page = await Deno.readTextFile(new URL("../../docs/kill-matrix.md", import.meta.url));
  const [attention, stages] = tablesOf(page);
  const remake = "deno task kill-matrix --record FILE --write makes the page anew";
  assertEquals(attention.names, namesOf(MISTAKES), remake);
  assertEquals(stages.names, namesOf(STAGE_MISTAKES), remake);
  for (const { said, counted } of [attention, stages]) {
    assertEquals(said, counted);
    assert(counted[0] === counted[1], "a mistake survives");
  }
});
