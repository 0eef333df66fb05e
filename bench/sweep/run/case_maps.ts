/**
 * Which maps the report has of an input. They are made from the input and its cases alone, so that a run that was taken
 * up, or joined from shards, has those of the run that was not.
 *
 * @module
 */
import { drawMaps } from "../../report/level_maps.ts";
import type { ReportChart } from "../../report/sections.ts";
import { type ArrangedTokens, arrangeInput, arrangementOf } from "./arrange.ts";
import type { SweepCase } from "../cases.ts";
import type { SweepInput } from "../inputs.ts";

/** The method and the density whose levels are drawn. */
const MAPPED_METHOD = "psa", MAPPED_DENSITY = 0.15;

/** What maps need beside the input and its cases. */
export interface MapContext {
  /** The seed of the sweep. */
  readonly seed: number;
  /** Arrangements that are there already, by what {@link arrangementOf} says of a case. */
  readonly arranged?: ReadonlyMap<string, ArrangedTokens>;
}

/**
 * Draws the levels that `psa` chooses at the density nearest to .15, once for each layout and importance.
 *
 * @param input the input
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
 * const [, given] = casesOf(input, options);
 * console.log((await mapsOfInput(input, [given], options)).length); // 2: levels and mass
 * ```
 */
export async function mapsOfInput(
  input: SweepInput,
  cases: readonly SweepCase[],
  { seed, arranged }: MapContext,
): Promise<ReportChart[]> {
  const { name, head, grid } = input, charts: ReportChart[] = [];
  const drawn = cases.filter(({ method }) => method.name === MAPPED_METHOD);
  for (const [key, group] of Map.groupBy(drawn, arrangementOf)) {
    const away = ({ density }: SweepCase) => Math.abs(Math.log(density / MAPPED_DENSITY));
    const given = group.reduce((nearest, each) => away(each) < away(nearest) ? each : nearest);
    const { inputs, order } = arranged?.get(key) ?? arrangeInput(input, given, { seed });
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
