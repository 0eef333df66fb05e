/**
 * One head of one input, on which candidates are measured: the error of sampled query rows against dense attention in
 * float64. Every candidate is judged by the same rows, whatever its order.
 *
 * @module
 */
import { type ImportanceName, importanceNamed, type OrderName } from "../../reference/config/tuned.ts";
import { attentionRows, type HeadRows } from "../../reference/attention/some_rows.ts";
import {
  estimateRelativeError,
  type SampledRows,
  sampleQueryRows,
} from "../../reference/judge/sampled_rows.ts";
import { requireDensity } from "../../reference/levels/budget.ts";
import { methodInputs } from "../../reference/methods/inputs.ts";
import type { BlockMethod, MethodInputs } from "../../reference/methods/method.ts";
import { blockTopk } from "../../reference/methods/mask/block_topk.ts";
import { pooledTopkMean } from "../../reference/methods/pyramid/pooled_topk_mean.ts";
import { psa } from "../../reference/methods/pyramid/psa.ts";
import { random } from "../../reference/methods/control/random.ts";
import { arrangeTokens } from "../../reference/order/arrange.ts";
import { attentionRowsParallel, importanceParallel } from "../../reference/parallel/heads.ts";
import { attentionShape, type Qkv, type Tensor } from "../../reference/tensor.ts";
import { orderOf } from "../sweep/plan/cases.ts";
import type { InputFacts } from "../sweep/inputs/inputs.ts";
import { workersFor } from "../sweep/truth/maker.ts";
import type { Candidate } from "./space.ts";
import { baselineChoice, type ChoiceTimes } from "./times.ts";

/**
 * The costs that count against a density: attention alone, attention and choosing, or the time of the whole call as that of
 * `psa`, which at this density has all of the budget.
 */
export type Budget = "density" | "cost" | "time";

/** Gives what was noted under a name, or makes it and notes it. */
export type Recall = <Value>(name: string, make: () => Promise<Value>) => Promise<Value>;

/** Options of all measurements. */
export interface MeasureOptions {
  /** Query block size in tokens. */
  readonly blockM: number;
  /** Key block size in tokens. */
  readonly blockN: number;
  /** The density to keep, in (0, 1]. */
  readonly density: number;
  /** The costs that count against the density; default attention alone. */
  readonly budget?: Budget;
  /** Seed of rows and of what methods draw; default 1. */
  readonly seed?: number;
  /** Times of choices, if the budget is `time`. */
  readonly times?: ChoiceTimes;
  /** Keeps measurements of this head; default they are kept in memory alone. */
  readonly recall?: Recall;
}

/** One head with its numbers. */
export interface MeasuredHead {
  /** The facts about its input. */
  readonly input: Pick<InputFacts, "name" | "shape" | "causal" | "grid" | "textLength">;
  /** The head of the call. */
  readonly head: number;
  /** Queries, keys and values of this head alone, in raster order. */
  readonly qkv: Qkv;
}

/** The measurement of a candidate on a head. */
export interface Measurement {
  /** Relative L2 error against dense attention, over the sampled rows. */
  readonly error: number;
  /** The density that the method was asked for, so that the budget is kept. */
  readonly asked: number;
  /** The density that was reached. */
  readonly density: number;
  /** The cost that counts against the budget: the density, plus the cost of choosing where the budget is `cost`. */
  readonly cost: number;
}

/** The names of what a tuned choice stands beside. */
export const BASELINES = ["psa", "block-topk", "pooled-topk-mean", "random"] as const;
/** A method that a tuned choice stands beside. */
export type Baseline = typeof BASELINES[number];
const BASELINE_METHODS: Readonly<Record<Baseline, BlockMethod>> = {
  ...{ psa, "block-topk": blockTopk, "pooled-topk-mean": pooledTopkMean, random },
};

/** The share of the budget by which whole blocks may pass it. */
const SLACK = 0.02;

/** Halvings in a search for the density to ask for. */
const STEPS = 10;

/** Levels and what they cost. */
interface Spent extends Omit<Measurement, "error"> {
  readonly levels: Tensor<Int32Array>;
}

/** Sampled rows, their tokens in raster order and their truth. */
interface JudgedRows {
  readonly sample: SampledRows;
  readonly truth: HeadRows;
  readonly norms: number[];
}

/** Tokens in an order, and where each token in raster order went. */
interface ArrangedHead {
  readonly qkv: Qkv;
  readonly positionOf: (token: number) => number;
}

/**
 * Measures candidates on one head. Truth, order and importance are computed once for each.
 *
 * @example
 * ```ts
 * import { makeWorkload } from "../../fixtures/workloads.ts";
 * import { attentionShape } from "../../reference/tensor.ts";
 * import { HeadMeasure } from "./measure.ts";
 * import { candidateOf, choicesOf } from "./space.ts";
 * const { qkv } = makeWorkload("video", { seqQ: 256, headDim: 16 });
 * const input = { name: "video", shape: attentionShape(qkv), causal: false, textLength: 0 };
 * const head = new HeadMeasure({ input, head: 0, qkv }, { blockM: 32, blockN: 16, density: 1 });
 * console.log((await head.measure(candidateOf(choicesOf()[0]), 2))?.density); // 1
 * ```
 */
export class HeadMeasure {
  readonly #head: MeasuredHead;
  readonly #options: MeasureOptions & Required<Pick<MeasureOptions, "budget" | "seed" | "recall">>;
  readonly #kept = new Map<string, unknown>();

  /** Takes a head, and what holds for all measurements of it. */
  constructor(head: MeasuredHead, options: MeasureOptions) {
    requireDensity(options.density);
    this.#head = head;
    this.#options = { budget: "density", seed: 1, recall: (_, make) => make(), ...options };
  }

  /** The name of the input. */
  get input(): string {
    return this.#head.input.name;
  }

  /**
   * Measures a candidate; null if it cannot keep the budget.
   *
   * @param candidate the candidate
   * @param rows sampled rows of a query block
   */
  async measure(candidate: Candidate, rows: number): Promise<Measurement | null> {
    return await this.#options.recall(`measure ${candidate.name} ${rows}`, async () => {
      const measured = await this.#attend(candidate, rows);
      if (measured === null) return null;
      const own = await this.#levels(this.#baseline("psa", candidate.order));
      // blocks that are forced count against everyone: what psa reaches is allowed
      const allowed = Math.max(this.#options.density * (1 + SLACK), own?.cost ?? 0);
      return measured.cost <= allowed + 1e-9 ? measured : null;
    });
  }

  /**
   * Measures a method that a tuned choice stands beside, with the importance that the sweep gives it; null if choosing
   * alone costs more than the budget.
   *
   * @param name the method
   * @param order the order of the tokens
   * @param rows sampled rows of a query block
   */
  baseline(name: Baseline, order: OrderName, rows: number): Promise<Measurement | null> {
    return this.chosen(this.#baseline(name, order), rows);
  }

  /** Measures what was chosen before, whether or not it keeps the budget here. */
  chosen(candidate: Candidate, rows: number): Promise<Measurement | null> {
    return this.#options.recall(`chosen ${candidate.name} ${rows}`, () => this.#attend(candidate, rows));
  }

  #baseline(name: Baseline, order: OrderName): Candidate {
    const { causal } = this.#head.input, importance = causal ? "antidiagonal" : "sampled";
    const method = BASELINE_METHODS[name];
    return {
      name: `${name}, ${order}`,
      order,
      importance,
      method,
      choice: baselineChoice(name, { order, causal }),
    };
  }

  async #attend(candidate: Candidate, rows: number): Promise<Measurement | null> {
    return await this.#once(`error ${candidate.name} ${rows}`, async () => {
      const chosen = await this.#levels(candidate);
      if (chosen === null) return null;
      const { sample, truth, norms } = await this.#judged(rows), { levels, ...spent } = chosen;
      const { qkv, positionOf } = this.#arranged(candidate.order), { blockM, blockN } = this.#options;
      const { causal } = this.#head.input, options = { blockM, blockN, causal };
      const [{ out }] = attentionRows(qkv, levels, [truth.rows.map(positionOf)], options);
      const error =
        estimateRelativeError(squares(out, truth.rows.length, truth.out), norms, sample.strata).relL2;
      return { error, ...spent };
    });
  }

  /**
   * The levels of a candidate, their density and what counts against the budget. Where forced blocks take `psa` past the
   * budget, all are brought to what `psa` reaches, so that errors are compared at equal cost.
   */
  #levels(candidate: Candidate): Promise<Spent | null> {
    return this.#once(`levels ${candidate.name}`, async () => {
      const psaCandidate = this.#baseline("psa", candidate.order), first = await this.#spend(candidate);
      if (first === null || candidate.name === psaCandidate.name) return first;
      const limit = Math.max(this.#options.density, (await this.#levels(psaCandidate))?.cost ?? 0);
      if (Math.abs(first.cost - limit) <= SLACK * limit) return first;
      let best = first,
        low = first.cost < limit ? first.asked : 0,
        high = first.cost < limit ? 1 : first.asked;
      for (let step = 0; step < STEPS; step++) {
        const middle = (low + high) / 2, spent = (await this.#spend(candidate, middle))!;
        if (spent.cost > limit * (1 + SLACK)) high = middle;
        else [low, best] = [middle, spent];
      }
      return best;
    });
  }

  /** The choice of a candidate at a density; default the rest of the budget after choosing; null if nothing is left. */
  async #spend({ order, importance, method, choice }: Candidate, density?: number): Promise<Spent | null> {
    const { times } = this.#options;
    if (times !== undefined) {
      const timed = choice === null ? null : await times.spend(choice, density);
      if (timed === null) return null;
      const { levels, density: reached } = method.select(await this.#inputs(order, importance), timed.asked);
      return { levels, ...timed, density: reached };
    }
    const inputs = await this.#inputs(order, importance), { density: whole, budget } = this.#options;
    const facts = { sizes: inputs.sizes, importance: inputs.importance, headDim: inputs.qkv.q.shape[3] };
    const selection = budget === "density" ? 0 : method.selectionCost(facts),
      asked = density ?? whole - selection;
    if (asked <= 0) return null;
    const { levels, density: reached } = method.select(inputs, asked);
    return { levels, asked, density: reached, cost: reached + selection };
  }

  /** The call as methods see it. */
  #inputs(order: OrderName, name: ImportanceName | null): Promise<MethodInputs> {
    return this.#once(`inputs ${order} ${name}`, async () => {
      const { head: firstHead, input: { causal, grid } } = this.#head,
        { blockM, blockN, seed } = this.#options;
      const { qkv } = this.#arranged(order), importance = importanceNamed(name, seed);
      const config = { blockM, blockN, causal, importance, firstHead };
      const importanceGiven = await importanceParallel(qkv, config, workersFor(qkv, undefined));
      return methodInputs(qkv, { ...config, seed, grid, importanceGiven });
    });
  }

  #arranged(order: OrderName): ArrangedHead {
    return this.#once(`order ${order}`, () => {
      const { input, qkv: raster } = this.#head, config = orderOf(order, input);
      const { qkv, queryOrder } = arrangeTokens(raster, { order: config, textLength: input.textLength });
      const positions = new Map(Array.from(queryOrder?.data ?? [], (token, position) => [token, position]));
      return { qkv, positionOf: (token) => positions.get(token) ?? token };
    });
  }

  #judged(rows: number): Promise<JudgedRows> {
    return this.#once(`rows ${rows}`, async () => {
      const { qkv, head, input: { causal } } = this.#head, { blockM, seed } = this.#options;
      const sample = sampleQueryRows(attentionShape(qkv), blockM, {
        seed: seed + head,
        perBlock: rows,
        causal,
      });
      const [truth] = await attentionRowsParallel(qkv, null, sample.rows, {
        causal,
        ...workersFor(qkv, undefined),
      });
      return { sample, truth, norms: squares(truth.out, truth.rows.length) };
    });
  }

  #once<Value>(name: string, make: () => Value): Value {
    if (!this.#kept.has(name)) this.#kept.set(name, make());
    return this.#kept.get(name) as Value;
  }
}

/** The squared norm of every row of an output, or of its difference from another one. */
function squares(out: Float64Array, rows: number, other?: Float64Array): number[] {
  const dim = out.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    let sum = 0;
    for (let at = row * dim; at < (row + 1) * dim; at++) sum += (out[at] - (other?.[at] ?? 0)) ** 2;
    return sum;
  });
}
