/**
 * Which maps the report has of an input. They are made from the input and its cases alone, so that a run that was taken
 * up, or joined from shards, has those of the run that was not.
 *
 * @module
 */
import { drawLevels, drawMass } from "../../report/maps/level_maps.ts";
import type { ReportChart } from "../../report/sections/sections.ts";
import { choose } from "../../../reference/methods/fit.ts";
import { type ArrangedTokens, arrangeGroup, arrangementOf, type LoadedGroup } from "./arrange.ts";
import type { SweepCase } from "../plan/cases.ts";
import type { SweepInput } from "../inputs/inputs.ts";
import type { VariantOptions } from "../options/variants.ts";
import { MOST_PAIRS, pairsOf } from "../truth/kinds.ts";
import { cpuTruth } from "../truth/maker.ts";

/** The density whose levels are drawn, or the nearest that ran. */
const MAPPED_DENSITY = 0.15;
/** Heads of an input of which the levels of all methods are drawn; of the others those of the first method alone. */
const HEADS_WITH_ALL = 4;

/** The most pairs of tokens of an input with maps: for more, the true mass takes too long. */
const isDrawn = ({ shape }: SweepInput) => pairsOf(shape) <= MOST_PAIRS;

/** Options of maps. */
export interface MapContext {
  /** The options of the variant that the input is of. */
  readonly options: VariantOptions;
  /** Arrangements that are there already, by what {@link arrangementOf} says of a case. */
  readonly arranged?: ReadonlyMap<string, ArrangedTokens>;
}

/**
 * Draws the true mass of one head, and the levels that each method chooses for it at the density nearest to .15, once
 * for each layout and importance. Dense attention reads everything, and has no map.
 *
 * @param group the first heads of the input
 * @param cases all cases of the input, also those that did not run here
 * @param context the seed, and what is arranged already
 *
 * @example
 * ```ts
 * import { mapsOfInput } from "./case_maps.ts";
 * import { casesOf } from "../plan/cases.ts";
 * import { inputSources } from "../inputs/inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const cases = casesOf(input, options), group = { input, firstHead: 0, qkv: await input.groups[0].load() };
 * console.log((await mapsOfInput(group, cases, { options })).length); // 3: mass, levels of two methods
 * ```
 */
export async function mapsOfInput(
  group: LoadedGroup,
  cases: readonly SweepCase[],
  { options, arranged }: MapContext,
): Promise<ReportChart[]> {
  const { input } = group, { head = 0, grid } = input, charts: ReportChart[] = [];
  const drawn = isDrawn(input)
    ? cases.filter(({ method, tuned }) => hasLevels(method) && tuned === undefined)
    : [];
  for (const [key, alike] of Map.groupBy(drawn, arrangementOf)) {
    const chosen = [...Map.groupBy(alike, ({ method }) => method).values()].map(nearest);
    const { inputs, order } = arranged?.get(key) ??
      await arrangeGroup(group, chosen[0], { options, maker: cpuTruth("cpu"), dense: null, judges: false });
    const scored = chosen.find(({ method }) => method.usesImportance) ?? chosen[0];
    const { blockM, blockN } = scored.layout, place = placeOf(input, scored);
    const name = `${place}-${blockM}x${blockN}`.replaceAll(/[^a-z0-9]+/g, "-");
    charts.push(drawMass({ place, name, mass: inputs.mass() }));
    for (const { method, density } of head < HEADS_WITH_ALL ? chosen : chosen.slice(0, 1)) {
      const selection = choose(method, inputs, density);
      if (!("levels" in selection)) continue;
      const { levels } = selection;
      charts.push(...drawLevels({ place, name, method: method.name, density, levels, blockN, grid, order }));
    }
  }
  return charts;
}

/** Whether a method chooses levels of blocks, and not all of them. */
function hasLevels({ name, granularity }: SweepCase["method"]): boolean {
  return granularity === "block" && name !== "dense";
}

/** The case whose density is nearest to that of maps. */
function nearest(cases: readonly SweepCase[]): SweepCase {
  const away = ({ density }: SweepCase) => Math.abs(Math.log(density / MAPPED_DENSITY));
  return cases.reduce((best, each) => away(each) < away(best) ? each : best);
}

/** The place that maps are of, in words. */
function placeOf(
  { name, head = 0, causal }: SweepInput,
  { layout, data, method, importance }: SweepCase,
): string {
  return [
    name,
    `head ${head}`,
    ...(data.dtype === "f16" ? ["f16"] : []),
    ...(causal ? ["causal"] : []),
    `${layout.order.kind} order`,
    ...(method.usesImportance ? [`${importance} importance`] : []),
  ].join(", ");
}

/** The heads of an input that maps are drawn of: the first group, empty where none are drawn. */
export async function firstGroup(input: SweepInput): Promise<LoadedGroup> {
  const empty = { data: new Float32Array(0), shape: [0] };
  return {
    input,
    firstHead: 0,
    qkv: isDrawn(input) ? await input.groups[0].load() : { q: empty, k: empty, v: empty },
  };
}
