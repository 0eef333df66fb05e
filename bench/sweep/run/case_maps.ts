/**
 * Which maps the report has of an input. They are made from the input and its cases alone, so that a run that was taken
 * up, or joined from shards, has those of the run that was not.
 *
 * @module
 */
import { drawMaps } from "../../report/level_maps.ts";
import type { ReportChart } from "../../report/sections.ts";
import { type ArrangedTokens, arrangeGroup, arrangementOf, type LoadedGroup } from "./arrange.ts";
import type { SweepCase } from "../cases.ts";
import type { SweepInput } from "../inputs.ts";
import type { VariantOptions } from "../options/variants.ts";
import { MOST_PAIRS, pairsOf } from "../truth/kinds.ts";
import { cpuTruth } from "../truth/maker.ts";

/** The method and the density whose levels are drawn. */
const MAPPED_METHOD = "psa", MAPPED_DENSITY = 0.15;

/** Maps are drawn of inputs up to so many pairs of tokens: beyond, the true mass takes too long. */
const isDrawn = ({ shape }: SweepInput) => pairsOf(shape) <= MOST_PAIRS;

/** What maps need beside the input and its cases. */
export interface MapContext {
  /** The options of the variant that the input is of. */
  readonly options: VariantOptions;
  /** Arrangements that are there already, by what {@link arrangementOf} says of a case. */
  readonly arranged?: ReadonlyMap<string, ArrangedTokens>;
}

/**
 * Draws the levels that `psa` chooses at the density nearest to .15, once for each layout and importance.
 *
 * @param group the first heads of the input
 * @param cases all cases of the input, also those that did not run here
 * @param context the seed, and what is arranged already
 *
 * @example
 * ```ts
 * import { mapsOfInput } from "./case_maps.ts";
 * import { casesOf } from "../cases.ts";
 * import { inputSources } from "../inputs.ts";
 * import { METHODS } from "../../../reference/methods/mod.ts";
 * import { parseOptions } from "../options/options.ts";
 * import { variantsOf } from "../options/variants.ts";
 *
 * const args = ["--workload", "gaussian", "--seq", "128", "--dim", "16", "--densities", ".5", "--no-gpu"];
 * const [options] = variantsOf(parseOptions(args, METHODS.map(({ name }) => name)));
 * const [source] = await inputSources(options);
 * const [input] = await source.load();
 * const [, given] = casesOf(input, options), group = { input, firstHead: 0, qkv: await input.groups[0].load() };
 * console.log((await mapsOfInput(group, [given], { options })).length); // 2: levels and mass
 * ```
 */
export async function mapsOfInput(
  group: LoadedGroup,
  cases: readonly SweepCase[],
  { options, arranged }: MapContext,
): Promise<ReportChart[]> {
  const { input } = group, { name, head, grid } = input, charts: ReportChart[] = [];
  const drawn = isDrawn(input) ? cases.filter(({ method }) => method.name === MAPPED_METHOD) : [];
  for (const [key, alike] of Map.groupBy(drawn, arrangementOf)) {
    const away = ({ density }: SweepCase) => Math.abs(Math.log(density / MAPPED_DENSITY));
    const given = alike.reduce((nearest, each) => away(each) < away(nearest) ? each : nearest);
    const { inputs, order } = arranged?.get(key) ??
      await arrangeGroup(group, given, { options, maker: cpuTruth("cpu"), dense: null, judges: false });
    const selection = given.method.select(inputs, given.density);
    if (!("levels" in selection)) continue;
    const { layout: { order: { kind }, blockM, blockN }, importance, density } = given;
    const place = [
      name,
      ...(head === undefined ? [] : [`head ${head}`]),
      ...(given.data.dtype === "f16" ? ["f16"] : []),
      ...(input.causal ? ["causal"] : []),
    ].join(", ");
    charts.push(
      ...await drawMaps({
        title: `${place}, ${kind} order, ${importance} importance, ${MAPPED_METHOD} at density ${density}`,
        name: `${place}-${kind}-${importance}-${blockM}x${blockN}`.replaceAll(/[^a-z0-9]+/g, "-"),
        ...{ levels: selection.levels, mass: inputs.mass(), blockN, grid, order },
      }),
    );
  }
  return charts;
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
