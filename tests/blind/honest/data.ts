/**
 * Hard legal data: whatever a right kernel gets from a model may look like this.
 *
 * @module
 */
import { type Qkv, seededRandom, type Tensor, tensor } from "../../../mod.ts";
import { roundTo } from "../../../fixtures/workloads.ts";

/** How data are stored. */
export type Storage = "f32" | "f16" | "bf16";

/** A call with hard data. */
export interface HardCall {
  readonly name: string;
  readonly qkv: Qkv<Float32Array>;
  readonly levels: Tensor<Int32Array>;
  readonly blockM: number;
  readonly blockN: number;
  readonly causal: boolean;
  readonly scale: number;
}

/** Sizes of a call, and which levels occur. */
interface Sizes {
  readonly heads: number;
  readonly seqQ: number;
  readonly seqK: number;
  readonly levels: readonly number[];
  readonly causal?: boolean;
  readonly scale?: number;
}

/** Where a number stands, and what it may be made of. */
interface At {
  readonly t: number;
  readonly n: number;
  readonly c: number;
  /** A normal random number. */
  readonly x: number;
  /** The smallest normal number of the storage format. */
  readonly smallest: number;
}

/** A number of q, k or v, of token `t` of `n` and channel `c`. */
type Fill = (at: At) => number;

const SMALLEST = { f32: 2 ** -126, bf16: 2 ** -126, f16: 2 ** -14 } as const;

/** How data are made. */
interface Hard {
  readonly sizes: Sizes;
  readonly q?: Fill;
  readonly k?: Fill;
  readonly v?: Fill;
  /** Whether each channel of the values is sorted, largest first. */
  readonly sorted?: boolean;
}

const DIM = 64, BLOCK = 64;
const MIXED: Sizes = { heads: 2, seqQ: 128, seqK: 640, levels: [0, 1, 2, 4, 8] };
const LONG: Sizes = { heads: 1, seqQ: 64, seqK: 4096, levels: [1] };
const LONGER: Sizes = { heads: 1, seqQ: 16, seqK: 16384, levels: [1] };
const random: Fill = ({ x }) => x, none: Fill = () => 0;

/** All hard data by name. */
export const HARD: Readonly<Record<string, Hard>> = {
  "random, mixed levels": { sizes: MIXED },
  "random, causal, tail": { sizes: { ...MIXED, seqQ: 150, seqK: 333, causal: true } },
  "values sorted by sign": { sizes: MIXED, sorted: true },
  "values sorted, flat, 4K": { sizes: LONG, q: none, sorted: true },
  "values sorted, flat, 16K": { sizes: LONGER, q: none, sorted: true },
  "random values, flat, 4K": { sizes: LONG, q: none },
  "positive values, flat, 16K": { sizes: LONGER, q: none, v: ({ x }) => Math.abs(x) },
  "random, 16K": { sizes: LONGER },
  "blocks alternate in sign": { sizes: MIXED, v: ({ t, x }) => (t / BLOCK & 1 ? -1 : 1) * (1 + 0.01 * x) },
  "blocks alternate, 4K, flat": {
    sizes: LONG,
    q: none,
    v: ({ t, x }) => (t / BLOCK & 1 ? -1 : 1) * (1 + 0.01 * x),
  },
  "large offset of values": { sizes: MIXED, v: ({ x }) => 100 + x / 16 },
  "large offset of keys": { sizes: MIXED, k: ({ x }) => 6 + x / 16, q: ({ x }) => 1 + x / 8 },
  "growing maximum": {
    sizes: { ...MIXED, levels: [1, 2] },
    q: () => 1,
    k: ({ t, c, n }) => c === 0 ? 240 * t / n : 0,
  },
  "falling maximum": {
    sizes: { ...MIXED, levels: [1, 2] },
    q: () => 1,
    k: ({ t, c, n }) => c === 0 ? 240 - 240 * t / n : 0,
  },
  "growing maximum, 4K": { sizes: LONG, q: () => 1, k: ({ t, c, x }) => c === 0 ? t / 128 : x / 16 },
  "one hot key": {
    sizes: MIXED,
    q: ({ c }) => c % 3 - 1,
    k: ({ t, c, x }) => t === 77 ? 4 * (c % 3 - 1) : x / 8,
  },
  "all keys and values equal": { sizes: MIXED, k: ({ c }) => c / 64 - 0.3, v: ({ c }) => 0.1 * c - 2.7 },
  "nearly equal values, flat, 16K": { sizes: LONGER, q: none, v: ({ x }) => 0.1 + 1e-7 * x },
  "slow ramp of values, flat, 16K": { sizes: LONGER, q: none, v: ({ t, n }) => 0.3 + t / n / 1000 },
  "nearly equal weights, 16K": { sizes: LONGER, q: ({ x }) => x * 1e-6, v: () => 0.7 },
  "subnormal values": { sizes: MIXED, v: ({ x, smallest }) => x * smallest },
  "numbers of very different size": { sizes: MIXED, v: ({ t, x }) => x * 2 ** (t % 24 - 12) },
  "huge scale": { sizes: { ...MIXED, scale: 20 } },
  "negative scale": { sizes: { ...MIXED, scale: -0.5 } },
  "values all one": { sizes: LONG, v: () => 1 },
  "two keys share the weight": {
    sizes: MIXED,
    q: () => 2,
    k: ({ t, x }) => (t === 5 || t === 600 ? 2 : -1) + x / 64,
  },
};

/** One of q, k and v. */
function filled(fill: Fill, shape: readonly number[], seed: number, smallest: number): Float64Array {
  const source = seededRandom(seed),
    [heads, length, width] = shape,
    data = new Float64Array(heads * length * width);
  data.forEach((_, i) => {
    const c = i % width, t = Math.floor(i / width) % length;
    data[i] = fill({ t, c, x: source.normal(), n: length, smallest });
  });
  return data;
}

/** Each channel of each head sorted, largest first. */
function sortChannels(data: Float64Array, [heads, length, width]: readonly number[]): void {
  for (let head = 0; head < heads; head++) {
    for (let c = 0; c < width; c++) {
      const at = (t: number) => (head * length + t) * width + c;
      const channel = Float64Array.from({ length }, (_, t) => data[at(t)]).sort().reverse();
      channel.forEach((x, t) => data[at(t)] = x);
    }
  }
}

/**
 * Makes a call with hard data, rounded to how they are stored.
 *
 * @param name one of {@link HARD}
 * @param storage what q, k and v are rounded to
 */
export function hardCall(name: string, storage: Storage): HardCall {
  const { sizes: { heads, seqQ, seqK, levels: known, causal = false, scale = 1 / 8 }, ...hard } = HARD[name];
  const make = (fill: Fill = random, length: number, seed: number, sorted = false) => {
    const data = filled(fill, [heads, length, DIM], seed, SMALLEST[storage]);
    if (sorted) sortChannels(data, [heads, length, DIM]);
    return tensor(Float32Array.from(roundTo(storage, data)), [1, heads, length, DIM]);
  };
  const rows = Math.ceil(seqQ / BLOCK), blocks = Math.ceil(seqK / BLOCK), source = seededRandom(7);
  const levels = Int32Array.from(
    { length: heads * rows * blocks },
    () => known[Math.floor(source.uniform() * known.length)],
  );
  return {
    name,
    qkv: { q: make(hard.q, seqQ, 1), k: make(hard.k, seqK, 2), v: make(hard.v, seqK, 3, hard.sorted) },
    levels: tensor(levels, [1, heads, rows, blocks]),
    blockM: BLOCK,
    blockN: BLOCK,
    causal,
    scale,
  };
}
