/**
 * docs/choosing.md: what tuning gains over `psa` on the project's traces, layer against layer.
 *
 * @module
 */
import { withBetween } from "../text/between.ts";
import { InputError } from "../../reference/errors.ts";
import type { OrderName } from "../../reference/config/tuned.ts";
import { TRACES } from "../../fixtures/traces.ts";
import { showFixed, showNumber } from "../text/number.ts";
import { markdownTable } from "../text/table.ts";
import type { OnProgress } from "../text/progress.ts";
import { openInputs, type TuneInput } from "./inputs.ts";
import { BASELINES, HeadMeasure } from "./measure.ts";
import { type Proof, proofOf, type ProofPair } from "./proof.ts";
import { candidateOf } from "./space.ts";
import { showInterval } from "./text.ts";
import { chooseHeads, proveHeads } from "./tune.ts";

/** One line of the page. */
export interface ChoosingRow {
  /** The kind of inputs. */
  readonly inputs: string;
  /** The orders that were tried. */
  readonly orders: readonly OrderName[];
  /** The density. */
  readonly density: number;
  /** Whether all heads had one choice. */
  readonly together: boolean;
  /** The proof over all layers, each held out in its turn. */
  readonly proof: Proof;
  /** How often each choice was made, over heads and layers that were held out. */
  readonly chosen: ReadonlyMap<string, number>;
}

const PAGE = new URL("../../docs/choosing.md", import.meta.url);
const BEGIN = "<!-- choices: deno task tune --write -->", END = "<!-- end of choices -->";
const BLOCKS = { blockM: 128, blockN: 64, seed: 1 };
/** The columns of errors. */
const SHOWN = [...BASELINES, "tuned"] as const;
const DENSITIES = [0.1, 0.2];
const KINDS: readonly { readonly name: string; readonly trace: RegExp; readonly orders: OrderName[][] }[] = [
  { name: "video (trace a)", trace: /trace-a-/, orders: [["raster"], ["tile"], ["raster", "tile"]] },
  { name: "causal (trace c)", trace: /trace-c-/, orders: [["raster"]] },
];

/**
 * Tunes on all inputs but one and proves on that one, for each of them.
 *
 * @param inputs at least two of one shape
 * @param about the kind of inputs, orders, density, whether all heads have one choice
 * @param open opens heads; those that are opened twice should be kept
 */
export async function crossTune(
  inputs: readonly TuneInput[],
  about: Pick<ChoosingRow, "inputs" | "orders" | "density" | "together">,
  open: (input: TuneInput, at: number) => Promise<HeadMeasure>,
): Promise<ChoosingRow> {
  const options = { ...BLOCKS, ...about, open }, pairs: ProofPair[] = [], chosen = new Map<string, number>();
  for (const held of inputs) {
    const { heads, baselineOrder } = await chooseHeads(inputs.filter((input) => input !== held), options);
    const candidates = heads.map(({ choice }) => candidateOf(choice));
    for (const { name } of candidates) chosen.set(name, (chosen.get(name) ?? 0) + 1);
    pairs.push(...await proveHeads([held], { candidates, order: baselineOrder }, options));
  }
  return { ...about, proof: proofOf(pairs), chosen };
}

/**
 * Measures, and writes the table into docs/choosing.md.
 *
 * @param onProgress told how far it is
 * @throws {InputError} where the page or the traces are not there, as in a package
 */
export async function writeChoosing(onProgress: OnProgress): Promise<void> {
  const page = await Deno.readTextFile(PAGE).catch((error) => {
    throw new InputError("docs/choosing.md is not here; --write is for a checkout.", { cause: error });
  });
  const rows: ChoosingRow[] = [];
  const cells = 2 * KINDS.flatMap(({ orders }) => orders).length * DENSITIES.length;
  for (const { name, trace, orders: all } of KINDS) {
    const inputs = await openInputs({ input: TRACES.filter((path) => trace.test(path)) }, [BLOCKS.seed]);
    for (const density of DENSITIES) {
      const kept = new Map<string, Promise<HeadMeasure>>();
      const open = (input: TuneInput, at: number) => {
        const key = `${input.name} ${at}`;
        if (!kept.has(key)) {
          kept.set(key, input.load(at).then((head) => new HeadMeasure(head, { ...BLOCKS, density })));
        }
        return kept.get(key)!;
      };
      for (const orders of all) {
        for (const together of [false, true]) {
          onProgress(rows.length / cells, `${name}, ${orders.join(" or ")}, ${density}`);
          rows.push(await crossTune(inputs, { inputs: name, orders, density, together }, open));
        }
      }
    }
  }
  await Deno.writeTextFile(PAGE, withChoices(page, rows));
}

/**
 * The page with its table replaced.
 *
 * @param page the text of the page
 * @param rows the lines of the table
 */
export function withChoices(page: string, rows: readonly ChoosingRow[]): string {
  const about = ["inputs", "order", "density", "choice of"];
  const aboutOf = ({ inputs, orders, density, together }: ChoosingRow) => [
    ...[inputs, orders.join(" or "), `${density}`, together ? "all heads" : "each head"],
  ];
  const cells = rows.map((row) => {
    const { proof: { lines, ratio, verdict } } = row;
    const errors = SHOWN.map((name) =>
      showFixed(lines.find((line) => line.name === name)?.error.mean ?? NaN, 3)
    );
    return [...aboutOf(row), ...errors, showNumber(ratio.mean), showInterval(ratio), verdict];
  });
  const chosen = rows.map((row) => [
    ...aboutOf(row),
    [...row.chosen].sort(([, a], [, b]) => b - a).map(([name, times]) => `${times} x ${name}`).join("; "),
  ]);
  const text = [
    ...markdownTable([...about, ...SHOWN, "tuned / psa", "95 % interval", "tuned is"], cells),
    "",
    "What was chosen, over heads and layers that were held out:",
    "",
    ...markdownTable([...about, "choices"], chosen),
  ].join("\n");
  return withBetween(page, text, { marks: [BEGIN, END], path: "docs/choosing.md" });
}
