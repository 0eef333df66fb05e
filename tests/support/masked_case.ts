/**
 * Random calls of attention over masks, and what is asserted of them on the device.
 *
 * @module
 */
import fc from "fast-check";
import {
  buildMask,
  compare,
  createPsa,
  type Mask,
  maskedAttention,
  maskedTolerance,
  type Psa,
  type Qkv,
  seededRandom,
  type Tensor,
  tensor,
} from "../../mod.ts";
import type { Gpu } from "../../kernels/device/gpu.ts";
import { poisonOutputs } from "../../kernels/device/poison.ts";
import { setBit } from "../../reference/masks/bits.ts";
import { assert, assertEquals } from "./assert.ts";
import {
  type BadNumber,
  badNumbers,
  normalTensor,
  poisonNewBuffers,
  printed,
  spoiltTensor,
} from "./poisoned.ts";

/** The options that decide the text of the kernel. */
export interface MaskedFamily {
  readonly headDim: number;
  readonly valueDim: number;
  readonly blockM: number;
  readonly dtype: "f32" | "f16";
}

/** One call of a family. */
export interface MaskedCase extends MaskedFamily {
  readonly batch: number;
  readonly kvHeads: number;
  /** Query heads of a key head. */
  readonly group: number;
  readonly seqQ: number;
  readonly seqK: number;
  readonly causal: boolean;
  /** The share of pairs that is shown. */
  readonly density: number;
  /** The share of rows that see nothing. */
  readonly blind: number;
  readonly bad: BadNumber;
  readonly seed: number;
}

/** Random calls of a family. */
export function maskedCases(family: MaskedFamily): fc.Arbitrary<MaskedCase> {
  return fc.record({
    batch: fc.constantFrom(1, 2),
    kvHeads: fc.constantFrom(1, 2),
    group: fc.constantFrom(1, 3),
    seqQ: fc.integer({ min: 1, max: 90 }),
    seqK: fc.integer({ min: 1, max: 300 }).filter((n) => n % 8 !== 0), // whole groups are a kernel of their own
    causal: fc.boolean(),
    density: fc.constantFrom(0, 0.01, 0.3, 1),
    blind: fc.constantFrom(0, 0.4),
    bad: badNumbers,
    seed: fc.nat(9999),
  }).map((drawn): MaskedCase => printed({ ...family, ...drawn }));
}

/** Random tensors of a case. */
function inputsOf(c: MaskedCase): Qkv {
  const drawing = { dtype: c.dtype, random: seededRandom(c.seed) }, heads = c.kvHeads * c.group;
  const draw = (shape: readonly number[]) => normalTensor(shape, drawing);
  return {
    q: draw([c.batch, heads, c.seqQ, c.headDim]),
    k: draw([c.batch, c.kvHeads, c.seqK, c.headDim]),
    v: draw([c.batch, c.kvHeads, c.seqK, c.valueDim]),
  } as Qkv;
}

/** A random mask of a case; `causal`: whether it leaves out the future by itself. */
function maskOf(c: MaskedCase, causal: boolean): Mask {
  const words = Math.ceil(c.seqK / 32);
  return buildMask([c.batch, c.kvHeads * c.group, c.seqQ, c.seqK], {
    causal,
    fill: (bits, head, first, end) => {
      for (let i = first; i < end; i++) {
        const random = seededRandom(c.seed, 1 + head * c.seqQ + i);
        if (random.uniform() < c.blind) continue;
        const row = bits.subarray((i - first) * words, (i - first + 1) * words);
        for (let j = 0; j < c.seqK; j++) if (random.uniform() < c.density) setBit(row, j);
      }
    },
  });
}

/** A `Psa` for a case. */
async function psaOf(gpu: Gpu, c: MaskedCase): Promise<Psa> {
  const { batch, kvHeads, group, seqQ, seqK, headDim, valueDim, blockM, dtype, causal } = c;
  return await createPsa(gpu, {
    ...{ shape: { batch, heads: kvHeads * group, kvHeads, seqQ, seqK, headDim, valueDim }, dtype, ready: [] },
    config: {
      ...{ blockM, blockN: 16, tile: 16, causal, importance: { kind: "pooled" } },
      assignment: { mode: "density", density: 1, shares: { 1: 1 } },
    },
  });
}

/**
 * Runs a case on buffers that held NaN, and asserts that it is within the derived bounds of the reference, that rows that see
 * nothing give 0 and -Infinity, and that one row of each key head gives the same bits when all else is bad.
 *
 * @param gpu the device
 * @param c the case
 * @returns the labels of the buffers that were made
 */
export async function checkMasked(gpu: Gpu, c: MaskedCase): Promise<string[]> {
  const made: string[] = [], restore = poisonNewBuffers(gpu, made);
  try {
    using scope = gpu.scope({ guard: 4096 });
    using psa = await psaOf(scope, c);
    const qkv = inputsOf(c), mask = maskOf(c, c.causal), what = JSON.stringify(c);
    await psa.load(qkv);
    const call = await psa.prepare({ mask: maskOf(c, false) });
    poisonOutputs(gpu, call.stages);
    const got = await call.forward(), want = maskedAttention(qkv, mask);
    const { relL2, maxAbs, lse } = maskedTolerance(qkv, mask, { dtype: c.dtype, accumulate: c.dtype });
    const off = compare(got.out, want.out);
    assert(!(off.relL2 > relL2) && off.maxAbs <= maxAbs, `${what}: off by ${off.relL2}, bound ${relL2}`);
    want.lse.data.forEach((right, row) => {
      const given = got.lse.data[row];
      if (right !== -Infinity) {
        return assert(Math.abs(given - right) <= lse, `${what}: lse of row ${row}: ${given}`);
      }
      assertEquals(given, -Infinity, `${what}: lse of row ${row}`);
      const out = got.out.data.subarray(row * c.valueDim, (row + 1) * c.valueDim);
      assert(out.every((x) => x === 0), `${what}: row ${row} sees nothing`);
    });
    await psa.load(spoilt(qkv, mask, c));
    poisonOutputs(gpu, call.stages);
    const again = await call.forward();
    for (const row of observersOf(c)) {
      const of = ({ data }: Tensor<Float32Array | Float16Array>) =>
        data.slice(row * c.valueDim, (row + 1) * c.valueDim);
      const [outputs, clean] = [of(again.out), of(got.out)];
      if (!roundsTwice(gpu, c)) assertEquals(outputs, clean, `${what}: row ${row} beside bad numbers`);
      else {
        const flat = (data: Float32Array | Float16Array) => tensor(Float64Array.from(data), [data.length]);
        const apart = compare(flat(outputs), flat(clean)).maxAbs;
        assert(
          apart <= 2 * maxAbs,
          `${what}: row ${row} beside bad numbers is ${apart} off; bound ${maxAbs}`,
        );
      }
      assertEquals(again.lse.data[row], got.lse.data[row], `${what}: lse of row ${row} beside bad numbers`);
    }
    return made;
  } finally {
    restore();
  }
}

/**
 * Whether a call may be rounded in another way where it meets values that are not finite: masks then take other products, and
 * compilers of hardware do not add up halves in both alike (one unit in the last place, on an H200).
 */
function roundsTwice({ info }: Gpu, { dtype }: MaskedCase): boolean {
  return dtype === "f16" && info.subgroupSize > 0;
}

/** One query row of every key head, counted over all heads. */
function observersOf({ batch, kvHeads, group, seqQ, seed }: MaskedCase): number[] {
  const random = seededRandom(seed, 99_999);
  return Array.from({ length: batch * kvHeads }, (_, keyHead) => {
    return (keyHead * group + random.below(group)) * seqQ + random.below(seqQ);
  });
}

type Stored = Tensor<Float32Array | Float16Array>;

/** The tensors, bad but for the queries of observers and what they see. */
function spoilt(qkv: Qkv, mask: Mask, c: MaskedCase): Qkv {
  const rows = observersOf(c), { bad } = c;
  const isObserver = (head: number, row: number) => rows.includes(head * c.seqQ + row);
  const isSeen = (keyHead: number, token: number) =>
    mask.visible(Math.floor(rows[keyHead] / c.seqQ), rows[keyHead] % c.seqQ, token);
  return {
    q: spoiltTensor(qkv.q as Stored, { bad, isNeeded: isObserver }),
    k: spoiltTensor(qkv.k as Stored, { bad, isNeeded: isSeen }),
    v: spoiltTensor(qkv.v as Stored, { bad, isNeeded: isSeen }),
  } as Qkv;
}
