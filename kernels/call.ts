/**
 * Calls of what is given in place of importance. By a rule kernels choose levels or keys, and make the work lists, each time the
 * call runs.
 *
 * @module
 */
import { requireInput } from "../reference/errors.ts";
import type { LevelRule } from "../reference/methods/rule.ts";
import type { Given, GivenRule } from "./calls.ts";
import type { Gpu } from "./device/gpu.ts";
import { isRule } from "./given.ts";
import { selectedTokens } from "./levels/quotas.ts";
import { type LevelSearch, searchedLevels } from "./levels/search/search.ts";
import { buildRuledCall as buildKeyRuledCall } from "./masked.ts";
import type { Call, HeadChoices, Pipeline } from "./parts.ts";
import { buildDenseCall, buildGivenCall, buildSelectedCall } from "./pipeline.ts";
import { chosenLevels, planLists, type PsaPlan } from "./plan.ts";
import { levelsOfLayout } from "./pyramid/layout.ts";
import { cutOf, searchedTokens } from "./tuned/cut.ts";

/**
 * Builds a call of what is given in place of importance.
 *
 * @param gpu the device
 * @param pipeline sizes, configuration, buffers
 * @param given levels, a mask, a rule, or `dense`
 * @throws {InputError} if it is for another call, or the pipeline has no room for it
 */
export async function buildCall(gpu: Gpu, pipeline: Pipeline, given: Given): Promise<Call> {
  if (given === "dense") return await buildDenseCall(gpu, pipeline);
  if (isRule(given)) return await buildRuledCall(gpu, pipeline, given);
  return await buildGivenCall(gpu, pipeline, given);
}

/**
 * Builds a call that chooses by a rule.
 *
 * @param gpu the device
 * @param pipeline sizes, configuration, buffers
 * @param given the rule
 * @throws {InputError} if the rule is for another call, or its buffers are beyond a limit of the device
 */
async function buildRuledCall(gpu: Gpu, pipeline: Pipeline, { rule }: GivenRule): Promise<Call> {
  if (rule.kind !== "levels") return await buildKeyRuledCall(gpu, pipeline, { rule });
  const { plan, choices } = planRule(pipeline.plan, rule);
  return await buildSelectedCall(gpu, { ...pipeline, plan }, { ...choices, correction: rule.correction });
}

/** The plan of a call by a rule: that of the pipeline, with the scores, the levels and the lists of the rule. */
function planRule(
  plan: PsaPlan,
  { importance, firstHead, cut }: LevelRule,
): { readonly plan: PsaPlan; readonly choices: HeadChoices } {
  const { shape, config: { blockM, blockN, causal = false } } = plan;
  const made = { ...plan, config: { ...plan.config, importance }, firstHead };
  const planned = (
    levels: readonly number[],
    { tokens, choices, config = made.config }: {
      readonly tokens: ReturnType<typeof searchedTokens>;
      readonly choices: HeadChoices;
      readonly config?: PsaPlan["config"];
    },
  ) => {
    requireRoom(levels, plan);
    const own = { ...made, config }, lists = planLists(own, { levels, tokens });
    return {
      plan: { ...own, chosen: levels, lists, bytes: { ...plan.bytes, lists: lists.listBytes } },
      choices,
    };
  };
  if (cut.kind === "quotas") {
    const config = { ...made.config, ...cut.quotas, tile: cut.tile };
    return planned(chosenLevels(config), { tokens: selectedTokens(config, shape), choices: {}, config });
  }
  if (cut.kind === "ranked") {
    const choice = { ...cut, shares: cut.shares as Readonly<Record<string, number>> };
    const { cut: quotas, tokens } = cutOf({ ...shape, blockM, blockN, causal }, [{
      choice,
      asked: cut.density,
    }]);
    return planned(quotas.quotas.map(({ level }) => level), { tokens, choices: { cut: quotas } });
  }
  const search: LevelSearch = cut.kind === "pairs" ? cut : { ...cut, asked: [cut.density] };
  const { M, N } = plan.blocks, density = cut.kind === "pairs" ? cut.count / (M * N) : cut.density;
  const tokens = searchedTokens({ seqK: shape.seqK, blockN }, density);
  return planned(searchedLevels(search), { tokens, choices: { search } });
}

/** Throws unless keys and values have room for levels. */
function requireRoom(levels: readonly number[], { layout }: PsaPlan): void {
  const known = levelsOfLayout(layout), stray = levels.find((level) => level > 1 && !known.includes(level));
  requireInput(
    stray === undefined,
    () =>
      `\`rule\` chooses level ${stray}; this pipeline was built for ${
        known.join(", ")
      }: name it in \`levels\` of the setup.`,
  );
}
