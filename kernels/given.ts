/**
 * Calls that give levels or a mask in place of importance.
 *
 * @module
 */
import { requireInput } from "../reference/errors.ts";
import { wordsOf } from "../reference/masks/bits.ts";
import type { ForwardOptions, Given, GivenCorrected, GivenMask, GivenRule } from "./calls.ts";
import { kindOf } from "./door.ts";
import { requireCallLevels } from "./inputs.ts";
import type { PsaPlan } from "./plan.ts";

/**
 * The levels or the mask that options give a call in place of importance; undefined: neither.
 *
 * @param options levels or a mask
 * @param plan the pipeline
 * @throws {InputError} if both are given, or what is given is not for the pipeline
 */
export function givenOf({ levels, mask }: ForwardOptions, plan: PsaPlan): Given | undefined {
  requireOne(levels, mask);
  const given = mask === undefined ? levels : { mask };
  requireGiven(given, plan);
  return given;
}

/** Throws if a call is given levels and a mask. */
function requireOne(levels: unknown, mask: unknown): void {
  requireInput(
    levels === undefined || mask === undefined,
    "`levels` and `mask` were given; a call takes either.",
  );
}

/** Whether a call is given levels and a correction. */
export function isCorrected(given: Given | undefined): given is GivenCorrected {
  return typeof given === "object" && given !== null && "correction" in given;
}

/** Whether a call is given a rule. */
export function isRule(given: Given | undefined): given is GivenRule {
  return typeof given === "object" && given !== null && "rule" in given;
}

/** Whether a call is given a mask. */
export function isMask(given: Given | undefined): given is GivenMask {
  return typeof given === "object" && given !== null && "mask" in given;
}

/**
 * Throws unless given levels or a mask fit the pipeline.
 *
 * @param given levels or a mask; undefined: nothing
 * @param plan the pipeline
 * @throws {InputError} if levels or mask have a wrong type or shape, or there is no room for them
 */
export function requireGiven(given: Given | undefined, plan: PsaPlan): void {
  if (isCorrected(given)) return requireCorrected(given, plan);
  if (isRule(given)) return requireRule(given);
  if (!isMask(given)) return requireCallLevels(given, plan);
  const { mask } = given, { batch, heads, seqQ, seqK } = plan.shape;
  requireOne((given as { levels?: unknown }).levels, mask);
  const want = [batch, heads, seqQ, seqK], words = wordsOf(seqK);
  requireInput(
    typeof mask === "object" && mask !== null && Array.isArray(mask.shape) && typeof mask.rows === "function",
    () => `\`mask\` is ${kindOf(mask)}; it should be the result of buildMask.`,
  );
  requireInput(
    `${mask.shape}` === `${want}`,
    () => `\`mask\` has shape [${mask.shape}]; this call needs [${want}].`,
  );
  requireInput(
    mask.words === words,
    () => `\`mask\` has ${kindOf(mask.words)} words per row; ${seqK} keys need ${words}.`,
  );
}

/** Kinds of rules that kernels know, and a sentence's words for them. */
const KINDS = ["nearest", "best", "listed", "either", "gated", "changed", "levels"];
const NAMES = `${KINDS.slice(0, -1).map((kind) => `"${kind}"`).join(", ")} or "${KINDS.at(-1)}"`;

/** Throws unless kernels know a rule. */
function requireRule({ rule }: GivenRule): void {
  const kind = (rule as { kind?: unknown } | null)?.kind;
  requireInput(
    KINDS.includes(kind as string),
    () => `\`rule\` is ${kindOf(kind ?? rule)}; its kind should be ${NAMES}.`,
  );
}

/** Throws unless kernels can correct what attention gives. */
function requireCorrected({ levels, correction }: GivenCorrected, plan: PsaPlan): void {
  requireCallLevels(levels, plan);
  const { config: { causal = false }, tail } = plan, kind = (correction as { kind?: unknown } | null)?.kind;
  requireInput(
    kind === "means" || kind === "first-order",
    () => `\`correction\` is ${kindOf(kind ?? correction)}; its kind should be "means" or "first-order".`,
  );
  requireInput(
    tail === "exact" && (kind === "means" || !causal),
    () => `The correction ${kind} is not for ${tail === "exact" ? "causal calls" : `the tail ${tail}`}.`,
  );
  if (correction.kind === "first-order") return;
  const { weights } = correction;
  requireInput(
    `${weights?.shape}` === `${levels.shape}` && weights.data.length === levels.data.length,
    () => `\`weights\` has shape [${weights?.shape}]; it should be that of the levels, [${levels.shape}].`,
  );
}
