/**
 * Why gradients, or the outputs of a single stage, are wrong: they are compared with those of every mistake of the
 * catalogue of stages, over all cases of the stage at once.
 *
 * @module
 */
import { parseCase, resolveCase } from "../../fixtures/cases.ts";
import { STAGE_MISTAKES } from "../../fixtures/conformance/stage_mistakes/catalogue.ts";
import {
  runStageMistake,
  runStageMistakes,
  type StageCall,
  type StageMistake,
} from "../../fixtures/conformance/stage_mistakes/stage_mistake.ts";
import { compare } from "../../reference/metrics.ts";
import type { FloatData, Tensor } from "../../reference/tensor.ts";
import { asNear, type Explanation, nearEnough } from "./diagnose.ts";
import { type Judged, type ReadCase, short } from "./judge.ts";

/** What explains a stage's wrong outputs. */
export interface StageExplanation extends Explanation {
  readonly stage: string;
}

/** What a stage's case file holds. */
export function stageCallOf({ contents: { tensors, metadata }, listed }: Judged): StageCall {
  return { given: resolveCase(parseCase(listed.case)), tensors, parameters: JSON.parse(metadata.parameters) };
}

/** The names of the outputs of a case that can be compared: written, and of the right shape. */
function comparable({ contents: { tensors }, output }: ReadCase): string[] {
  return Object.keys(output?.tensors ?? {}).filter((name) => {
    const want = tensors[`expected_${name}`];
    return want !== undefined && name !== "lse" && String(want.shape) === String(output!.tensors[name].shape);
  });
}

/** How far two tensors are apart: relative L2, or the share of entries that differ for whole numbers. */
function apart(got: Tensor, want: Tensor): number {
  if (!(want.data instanceof Int32Array)) return compare(got, want).relL2;
  const numbers: ArrayLike<number> = got.data;
  return want.data.filter((x, i) => x !== numbers[i]).length / want.data.length;
}

/** How near a tensor must come; whole numbers must be equal. */
function limitOf({ contents: { tensors, metadata } }: ReadCase, name: string, got: Tensor): number {
  const want = tensors[`expected_${name}`], bound = JSON.parse(metadata.tolerance)[name]?.relL2 ?? 0;
  if (want.data instanceof Int32Array) return 0;
  return nearEnough(bound, compare(got, want).relL2);
}

/** One mistake, or two at once. */
type Mistakes = readonly [StageMistake] | readonly [StageMistake, StageMistake];

/** The distance of a case's outputs to those of mistakes, undefined if one of them is too far. */
function fit(one: ReadCase, mistakes: Mistakes): number | undefined {
  const call = stageCallOf(one);
  const given = mistakes.length === 1
    ? runStageMistake(call, mistakes[0])
    : runStageMistakes(call, mistakes) ?? {};
  let far = 0;
  for (const name of comparable(one)) {
    const got = one.output!.tensors[name], distance = given[name] ? apart(got, given[name]) : Infinity;
    if (!(distance <= limitOf(one, name, got))) return undefined;
    far = Math.max(far, distance);
  }
  return far;
}

/** Mistakes with how many wrong cases they explain, how many right ones they leave, and the largest distance. */
interface Scored {
  readonly mistakes: Mistakes;
  readonly explained: number;
  readonly kept: number;
  readonly distance: number;
}

/** How well mistakes explain the cases of a stage. */
function score(mistakes: Mistakes, { wrong, right }: Record<"wrong" | "right", readonly ReadCase[]>): Scored {
  const fits = wrong.map((one) => fit(one, mistakes)).filter((far) => far !== undefined);
  const harmless = (one: ReadCase) => mistakes.every((mistake) => fit(one, [mistake]) !== undefined);
  const kept = fits.length === 0 ? 0 : right.filter(harmless).length;
  return { mistakes, explained: fits.length, kept, distance: Math.max(0, ...fits) };
}

/** Whether two explanations are the same mistakes, in whichever order. */
function sameMistakes({ mistakes: a }: Scored, { mistakes: b }: Scored): boolean {
  return a.length === b.length && a.every((mistake) => (b as readonly StageMistake[]).includes(mistake));
}

/** The best first: what explains most, leaves most of what is right, and is nearest. */
function ranked(scored: readonly Scored[]): Scored[] {
  return scored.filter(({ explained }) => explained > 0)
    .toSorted((a, b) => b.explained - a.explained || b.kept - a.kept || a.distance - b.distance);
}

/** The pairs, in both orders, that explain the wrong case with the least work, and of which neither explains it alone. */
function pairsOf(mistakes: readonly StageMistake[], wrong: readonly ReadCase[]): Mistakes[] {
  const size = ({ contents: { tensors } }: ReadCase) =>
    Object.values(tensors).reduce((sum, { data }) => sum + data.length, 0);
  const [one] = wrong.toSorted((a, b) => size(a) - size(b));
  const candidates = mistakes.filter((mistake) => fit(one, [mistake]) === undefined);
  return candidates.flatMap((first, i) =>
    candidates.flatMap((second, j): Mistakes[] => {
      const sameTwice = first.parts !== undefined && first.parts.build === second.parts?.build && j < i;
      if (i === j || sameTwice) return [];
      return fit(one, [first, second]) === undefined ? [] : [[first, second]];
    })
  );
}

/** The mistakes that explain most of the wrong cases of one stage, and spoil the fewest right ones; two if one does not do. */
function explainStage(stage: string, all: readonly ReadCase[]): StageExplanation | undefined {
  const wrong = all.filter((one) => one.verdict.problems.length > 0 && comparable(one).length > 0);
  if (wrong.length === 0) return undefined;
  const cases = { wrong, right: all.filter((one) => one.verdict.problems.length === 0) };
  const mistakes = STAGE_MISTAKES.filter((mistake) => mistake.stage === stage);
  let scored = ranked(mistakes.map((mistake) => score([mistake], cases)));
  if ((scored[0]?.explained ?? 0) < wrong.length) {
    const unexplained = wrong.filter((one) =>
      scored.length === 0 || fit(one, scored[0].mistakes) === undefined
    );
    const pairs = ranked(pairsOf(mistakes, unexplained).map((pair) => score(pair, cases)));
    if ((pairs[0]?.explained ?? 0) > (scored[0]?.explained ?? 0)) scored = pairs;
  }
  const [best] = scored;
  if (best === undefined) return undefined;
  const alike = scored.filter(({ explained, kept, distance }) =>
    explained === best.explained && kept === best.kept && asNear(distance, best.distance)
  );
  return {
    stage,
    names: alike.filter((one, i) => !alike.slice(0, i).some((other) => sameMistakes(one, other)))
      .map((one) => one.mistakes.map(({ name }) => name).join(" and ")),
    sections: best.mistakes.map(({ sections }) => sections).join(","),
    distance: best.distance,
    explained: best.explained,
    failing: wrong.length,
  };
}

/** What explains the wrong cases of each stage other than attention, where something does. */
export function explainStages(read: readonly ReadCase[]): StageExplanation[] {
  const stages = Map.groupBy(read, ({ listed }) => listed.case.split(" ")[0]);
  return [...stages].filter(([stage]) => stage !== "attention")
    .map(([stage, all]) => explainStage(stage, all)).filter((found) => found !== undefined);
}

/**
 * Where the outputs of one case are wrong, as an aligned table: relative errors of gradients by head and block of
 * tokens, of importance by head and query block; how many whole numbers differ in each row of levels, caps, segments.
 */
export function stageTable(one: ReadCase): string[] {
  const rows = comparable(one).flatMap((name) => {
    const want = one.contents.tensors[`expected_${name}`], got = one.output!.tensors[name];
    return placesOf(name, want, stageCallOf(one)).map(({ place, start, end }) => ({
      place: `${name} ${place}`,
      error: partError(got, want, { start, end }),
    }));
  }).filter(({ error }) => error !== "0");
  const width = Math.max(0, ...rows.map(({ place }) => place.length));
  return rows.slice(0, 40).map(({ place, error }) => `${place.padEnd(width)}  ${error}`);
}

/** The error of a part of a tensor: relative, or entries that differ of how many. */
function partError(got: Tensor, want: Tensor, { start, end }: { start: number; end: number }): string {
  const numbers: ArrayLike<number> = got.data;
  if (want.data instanceof Int32Array) {
    const count = want.data.subarray(start, end).filter((x, i) => x !== numbers[start + i]).length;
    return count === 0 ? "0" : `${count} of ${end - start} differ`;
  }
  const part = ({ data }: Tensor) => ({
    data: Float64Array.from((data as FloatData).subarray(start, end)),
    shape: [end - start],
  });
  const { relL2, maxAbs } = compare(part(got), part(want));
  return maxAbs === 0 ? "0" : short(relL2);
}

/** The parts that a table shows: blocks of tokens of each head for gradients, rows of blocks for the rest. */
function placesOf(
  name: string,
  { shape, data }: Tensor,
  { given: { blockM, blockN } }: StageCall,
): { place: string; start: number; end: number }[] {
  const width = shape[shape.length - 1], rows = data.length / width;
  const [heads, tokens] = shape.length === 4 ? [shape[1], shape[2]] : [shape[shape.length - 2] ?? 1, 1];
  const ofKeys = name === "dk" || name === "dv", gradient = ofKeys || name === "dq" || name === "out";
  const block = gradient ? ofKeys ? blockN : blockM : 1;
  return Array.from({ length: rows }, (_, row) => row).filter((row) => row % tokens % block === 0).map(
    (row) => {
      const head = Math.floor(row / tokens),
        token = row % tokens,
        end = row + Math.min(block, tokens - token);
      const what = ofKeys ? "key block" : "query block";
      const place = `batch ${Math.floor(head / heads)} head ${head % heads}`;
      return {
        place: tokens === 1 ? place : `${place} ${what} ${Math.floor(token / block)}`,
        start: row * width,
        end: end * width,
      };
    },
  );
}
