/**
 * Why outputs are wrong: they are compared with those of every mistake of the catalogue, over all cases at once, and
 * of pairs of mistakes where no single one fits.
 *
 * @module
 */
import { parseCase, resolveCase } from "../../fixtures/cases.ts";
import type { Call } from "../../fixtures/conformance/call.ts";
import { type Mistake, MISTAKES, runMistakes } from "../../fixtures/conformance/mistakes.ts";
import type { AttentionResult } from "../../reference/attention.ts";
import { compare } from "../../reference/metrics.ts";
import type { FloatData, Tensor } from "../../reference/tensor.ts";
import { hasNaN } from "./error_table.ts";
import type { Judged, ReadCase } from "./judge.ts";

/** A mistake, or a pair, that explains outputs. */
export interface Explanation {
  /** Names; several if they cannot be told apart by these cases. */
  readonly names: readonly string[];
  readonly sections: string;
  /** The largest distance to what the mistake gives, over the failing cases that it explains. */
  readonly distance: number;
  /** How many failing cases it explains, of how many. */
  readonly explained: number;
  readonly failing: number;
}

/** The attention call that a case file holds. */
export function callOfFile({ contents: { tensors }, listed }: Judged): Call {
  const { blockM, blockN, tile, scale, causal, tail } = resolveCase(parseCase(listed.case));
  const read = (name: string) => tensors[name] as Tensor<FloatData>;
  return {
    qkv: { q: read("q"), k: read("k"), v: read("v") },
    levels: tensors.levels as Tensor<Int32Array>,
    order: tensors.order as Tensor<Int32Array> | undefined,
    options: { blockM, blockN, tile, scale, causal, tail },
  };
}

/** Numbers with 0 where neither of two tensors is finite: such places agree. */
function finitePlaces({ data, shape }: Tensor, other: Tensor): Tensor<Float64Array> {
  const both = (i: number) => !Number.isFinite(data[i]) && !Number.isFinite(other.data[i]);
  return { data: Float64Array.from(data, (x, i) => both(i) ? 0 : x), shape };
}

/** The relative error of outputs; places that are not finite in both agree. */
function apart(got: Tensor, want: Tensor): number {
  return compare(finitePlaces(got, want), finitePlaces(want, got)).relL2;
}

/** Whether outputs are so far from others that a relative error within `limit` cannot be; stops as soon as it is sure. */
function surelyFar(got: Tensor, want: Tensor, limit: number): boolean {
  let norm2 = 0, error2 = 0;
  for (let i = 0; i < got.data.length; i++) {
    if (Number.isFinite(got.data[i])) norm2 += got.data[i] ** 2;
  }
  const most = (2 * limit) ** 2 * norm2;
  for (let i = 0; i < got.data.length; i++) {
    const x = got.data[i], y = want.data[i];
    if (Number.isFinite(x) !== Number.isFinite(y)) return true;
    if (Number.isFinite(x)) error2 += (x - y) ** 2;
    if (error2 > most) return true;
  }
  return false;
}

/** How far outputs are from others: the larger relative error of outputs and of log-sum-exps, where there are any. */
function distance(got: Readonly<Record<string, Tensor>>, want: AttentionResult): number {
  const outs = got.out ? apart(got.out, want.out) : Infinity;
  return got.lse ? Math.max(outs, apart(got.lse, want.lse)) : outs;
}

/**
 * Products of queries and keys that a search may compute for mistakes, which takes about half a minute, and twice as
 * many for pairs. The smallest wrong case is compared with all single mistakes in any case.
 */
const WORK = 1.5e10;

/** Products of queries and keys of a case. */
function workOf({ contents: { tensors: { q, k } } }: ReadCase): number {
  return q.data.length * k.shape[2];
}

/** Remembers what every mistake gives in every case. */
export class Catalogue {
  readonly #work: number;
  readonly #results = new Map<string, AttentionResult>();
  readonly #limits = new WeakMap<ReadCase, number>();
  readonly #harmlessness = new Map<string, boolean>();
  readonly #left: string[] = [];

  /** @param options how much work a search may be */
  constructor({ work = WORK }: { readonly work?: number } = {}) {
    this.#work = work;
  }

  /** What the last search left out to end in time, in sentences; empty if it was complete. */
  get left(): readonly string[] {
    return this.#left;
  }

  /** What a mistake gives in a case. */
  run(judged: Judged, mistake: Mistake): AttentionResult {
    const key = `${mistake.name}\n${judged.listed.case}`;
    const result = this.#results.get(key) ?? runMistakes(callOfFile(judged), [mistake]);
    this.#results.set(key, result);
    return result;
  }

  /**
   * The mistakes that explain most failing cases and change nothing in passing ones; two at once where they explain
   * more than any single one.
   */
  explain(read: readonly ReadCase[]): Explanation | undefined {
    this.#left.length = 0;
    const wrong = read.filter(isWrong), failing = this.#affordable(wrong);
    const passing = this.#affordable(read.filter((one) => isAttention(one) && !isWrong(one)));
    if (failing.length === 0) return undefined;
    const large = wrong.length - failing.length;
    if (large > 0) this.#left.push(`${large} wrong cases are too large to be compared with mistakes`);
    const scored = MISTAKES.map((mistake) => this.#score([mistake], failing))
      .filter(({ explained }) => explained > 0);
    const single = this.#best(scored, { failing, passing });
    if (single?.explained === failing.length) return single;
    const finite = failing.filter(({ output }) => !hasNaN(output!.tensors.out));
    const pairs = this.#pairs(finite, scored.map(({ mistakes: [mistake] }) => mistake));
    const pair = this.#best(pairs, { failing, passing });
    return (pair?.explained ?? 0) > (single?.explained ?? 0) ? pair : single;
  }

  /** The smallest cases, as many as all mistakes can be run in; one at least, if there is one. */
  #affordable(cases: readonly ReadCase[]): readonly ReadCase[] {
    let work = 0;
    return cases.toSorted((a, b) => workOf(a) - workOf(b)).filter((one, i) => {
      work += workOf(one) * MISTAKES.length;
      return i === 0 || work <= this.#work;
    });
  }

  /** How many failing cases mistakes explain, and how well. */
  #score(mistakes: readonly Mistake[], failing: readonly ReadCase[]): Scored {
    const fits = failing.map((one) => this.#fit(one, mistakes)).filter((fit) => fit !== undefined);
    return { mistakes, explained: fits.length, distance: Math.max(0, ...fits) };
  }

  /** What explains most and spoils least; all of them, if these cases cannot tell them apart. */
  #best(scored: readonly Scored[], { failing, passing }: {
    readonly failing: readonly ReadCase[];
    readonly passing: readonly ReadCase[];
  }): Explanation | undefined {
    const most = Math.max(0, ...scored.map(({ explained }) => explained));
    let best = scored.filter(({ explained }) => explained === most && explained > 0).map((one) => ({
      ...one,
      kept: passing.filter((p) => one.mistakes.every((mistake) => this.#harmless(p, mistake))).length,
    }));
    const kept = Math.max(0, ...best.map((one) => one.kept));
    best = best.filter((one) => one.kept === kept).sort((a, b) => a.distance - b.distance);
    if (best.length === 0) return undefined;
    const [{ distance, explained, mistakes }] = best;
    const alike = best.filter((one) =>
      asNear(one.distance, distance) || this.#coincide(mistakes, one.mistakes, failing)
    );
    return {
      names: alike.map((one) => one.mistakes.map(({ name }) => name).join(" and ")),
      sections: mistakes.map(({ sections }) => sections).join(","),
      distance,
      explained,
      failing: failing.length,
    };
  }

  /** Whether the outputs of two explanations are within the bounds of each other in all failing cases. */
  #coincide(a: readonly Mistake[], b: readonly Mistake[], failing: readonly ReadCase[]): boolean {
    return failing.every((one) => {
      const { out: bound, lse } = JSON.parse(one.contents.metadata.tolerance);
      const [x, y] = [a, b].map((mistakes) => this.#runAll(one, mistakes));
      const logs = one.output!.tensors.lse === undefined ||
        compare(finitePlaces(x.lse, y.lse), finitePlaces(y.lse, x.lse)).maxAbs <= (lse?.maxAbs ?? 0);
      return logs && apart(x.out, y.out) <= (bound.relL2 ?? 0);
    });
  }

  /** What mistakes give in a case; single ones are remembered. */
  #runAll(one: ReadCase, mistakes: readonly Mistake[]): AttentionResult {
    return mistakes.length === 1 ? this.run(one, mistakes[0]) : runMistakes(callOfFile(one), mistakes);
  }

  /** The distance of a case's outputs to those of a mistake, if that is near enough to be named. */
  #fit(one: ReadCase, mistakes: readonly Mistake[]): number | undefined {
    const limit = this.#limit(one), result = this.#runAll(one, mistakes);
    if (limit < 0.4 && surelyFar(one.output!.tensors.out, result.out, limit)) return undefined;
    const far = distance(one.output!.tensors, result);
    return far <= limit ? far : undefined;
  }

  /** {@link limitOf}, computed once for each outputs. */
  #limit(one: ReadCase): number {
    const limit = this.#limits.get(one) ?? limitOf(one);
    this.#limits.set(one, limit);
    return limit;
  }

  /** Whether a case would pass with this mistake. */
  #harmless(one: ReadCase, mistake: Mistake): boolean {
    const key = `${mistake.name}\n${one.listed.case}`;
    const { tensors, metadata } = one.contents, { out: bound } = JSON.parse(metadata.tolerance);
    const harmless = this.#harmlessness.get(key) ??
      compare(this.run(one, mistake).out, tensors.expected_out).relL2 <= (bound.relL2 ?? Infinity);
    this.#harmlessness.set(key, harmless);
    return harmless;
  }

  /**
   * Pairs that explain the failing case with the least work, then scored on all. One of a pair is a mistake of
   * `known`, which explain some case alone, if there are any; that case is then one that it does not explain.
   *
   * @param failing the cases, those of least work first
   */
  #pairs(failing: readonly ReadCase[], known: readonly Mistake[]): Scored[] {
    const pairs = new Map<string, readonly Mistake[]>();
    let work = 0;
    for (const first of known.length > 0 ? known : MISTAKES) {
      const one = failing.find((other) => this.#fit(other, [first]) === undefined);
      if (one === undefined || first.instead) continue;
      const { expected_out: out, expected_lse: lse } = one.contents.tensors;
      const changes = (mistake: Mistake) => !(distance({ out, lse }, this.run(one, mistake)) < 1e-9);
      for (const second of MISTAKES) {
        const [a, b] = MISTAKES.indexOf(first) < MISTAKES.indexOf(second) ? [first, second] : [second, first];
        const key = `${a.name}\n${b.name}`;
        if (second.instead || a === b || pairs.has(key) || !changes(second)) continue;
        if (Object.keys(a.hooks ?? {}).some((hook) => hook in (b.hooks ?? {}))) continue;
        work += workOf(one);
        if (work > 2 * this.#work) {
          this.#left.push("not all pairs of mistakes were tried");
          return this.#scoredPairs(pairs, failing);
        }
        if (this.#fit(one, [a, b]) !== undefined) pairs.set(key, [a, b]);
      }
    }
    return this.#scoredPairs(pairs, failing);
  }

  /** How well pairs explain all cases. */
  #scoredPairs(pairs: ReadonlyMap<string, readonly Mistake[]>, failing: readonly ReadCase[]): Scored[] {
    return [...pairs.values()].map((pair) => this.#score(pair, failing));
  }
}

/** Mistakes with how many failing cases they explain, and the largest distance to what they give. */
interface Scored {
  readonly mistakes: readonly Mistake[];
  readonly explained: number;
  readonly distance: number;
}

/** How near outputs must come to a mistake's to be explained. */
function limitOf({ contents: { tensors, metadata }, output }: ReadCase): number {
  return nearEnough(
    JSON.parse(metadata.tolerance).out.relL2 ?? 0,
    compare(output!.tensors.out, tensors.expected_out).relL2,
  );
}

/**
 * The distance to a mistake's numbers up to which it explains wrong ones: a few bounds, or 2 % of what is wrong.
 *
 * @param bound the bound on right numbers
 * @param wrong how far the wrong ones are from the truth
 */
export function nearEnough(bound: number, wrong: number): number {
  return Math.max(4 * bound, Number.isFinite(wrong) ? Math.min(0.02, 0.02 * wrong) : 0);
}

/** Whether a distance to a mistake is as good as the best, so that both are named. */
export function asNear(distance: number, best: number): boolean {
  return distance <= 1.05 * best + 1e-12;
}

/** Whether a case is one of attention with outputs of the right shape. */
function isAttention({ contents: { tensors }, output }: ReadCase): boolean {
  const got = output?.tensors.out, want = tensors.expected_out;
  return got !== undefined && want !== undefined && String(got.shape) === String(want.shape);
}

/** Whether a case of attention fails. */
function isWrong(one: ReadCase): boolean {
  return isAttention(one) && Object.values(one.verdict.budget).some((used) => !(used <= 1));
}
