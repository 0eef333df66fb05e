/**
 * The state of a soak: a device with a pipeline that lives as long as the device does, and what each call gave when it
 * first ran.
 *
 * @module
 */
import { createPsa, type ForwardResult, type Psa, type PsaSetup, type Random } from "../../mod.ts";
import type { Gpu, LiveObjects } from "../../kernels/device/gpu.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { openTestGpu } from "../support/implementation.ts";
import { inputsOf } from "../support/small_call.ts";

/** The smallest call that has a pyramid. */
const TINY: PsaSetup = {
  shape: { batch: 1, heads: 2, kvHeads: 1, seqQ: 20, seqK: 40, headDim: 8, valueDim: 8 },
  config: {
    ...{ blockM: 16, blockN: 16, tile: 16, importance: { kind: "pooled" } },
    assignment: { mode: "density", density: 0.5, shares: { 2: 1 } },
  },
};

/** Shapes that a soak goes through. */
export const SHAPES = 50;

/** The setup of one of the shapes; 0 is that of the pipeline that stays. */
export function setupOf(n: number): PsaSetup {
  return { ...TINY, shape: { ...TINY.shape, seqQ: 20 + n, seqK: 40 + 3 * n } };
}

/** Levels of a call of shape 0: all pooled. */
export const LEVELS = { data: new Int32Array(2 * 2 * 3).fill(4), shape: [1, 2, 2, 3] };

/** How the levels of a call come about. */
export type Kind = "selected" | "given" | "dense";

/** All kinds of calls. */
export const KINDS: readonly Kind[] = ["selected", "given", "dense"];

/** A soak at some moment. */
export class State implements Disposable {
  /** Where everything random comes from. */
  readonly random: Random;
  /** The device. */
  gpu!: Gpu;
  /** The pipeline that stays. */
  psa!: Psa;
  /** The objects on the device when no call runs. */
  rest!: LiveObjects;
  /** Counts of moves by name. */
  readonly counts = new Map<string, number>();
  readonly #seen = new Map<string, string>();

  /** The kinds of calls that there are. */
  readonly kinds: readonly Kind[];

  /** Nothing is open yet. */
  constructor(random: Random, kinds: readonly Kind[]) {
    [this.random, this.kinds] = [random, kinds];
  }

  /** Opens a device, or another one. */
  async open(): Promise<void> {
    this[Symbol.dispose]();
    this.gpu = await openTestGpu();
    const ready = this.kinds.filter((kind) => kind !== "given");
    this.psa = await createPsa(this.gpu, { ...setupOf(0), levels: [4], ready });
    this.rest = this.gpu.live;
    this.count("openings");
  }

  /** Counts something that happened. */
  count(name: string): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + 1);
  }

  /** A call of the pipeline that stays. */
  async forward(kind: Kind, seed: number): Promise<void> {
    const levels = kind === "given" ? LEVELS : kind === "dense" ? kind : undefined;
    const result = await this.psa.forward(inputsOf(setupOf(0), seed), { levels });
    this.requireSame(`shape 0 ${kind} ${seed}`, result);
  }

  /** Asserts that a call gave what it gave the first time, bit for bit. */
  requireSame(call: string, { out, lse, levels }: ForwardResult): void {
    this.count("forwards");
    assert(out.data.every(Number.isFinite), `${call}: not finite`);
    const bits = [out.data, lse.data, levels.data].map((data) => [...data].join()).join(";");
    const before = this.#seen.get(call);
    if (before === undefined) this.#seen.set(call, bits);
    else assert(before === bits, `${call}: other bits than the first time`);
  }

  /** Asserts that nothing is left on the device that was not there at the beginning. */
  requireRest(): void {
    const { buffers, bytes, pipelines } = this.gpu.live;
    assertEquals([buffers, bytes], [this.rest.buffers, this.rest.bytes], "buffers that are left");
    assert(pipelines <= 128, `${pipelines} pipelines`);
  }

  /** Closes the device, if one is open. */
  [Symbol.dispose](): void {
    this.gpu?.[Symbol.dispose]();
  }
}
