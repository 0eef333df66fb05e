/** Similarity caps and the segment format: examples by hand, and bad input. */
import { fromSegments, InputError, similarityCap, type Tensor, tensor, toSegments } from "../../../mod.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

/** Keys in the plane at these angles, in turns of a sixth: cosines of neighbours are 1, 1/2, -1/2 and -1. */
function keys(...angles: number[]): Tensor<Float64Array> {
  const data = angles.flatMap((angle) => [Math.cos(angle * Math.PI / 3), Math.sin(angle * Math.PI / 3)]);
  return tensor(new Float64Array(data), [1, 1, angles.length, 2]);
}

/** The caps of blocks of four keys. */
function caps(k: Tensor<Float64Array>, thresholds: Record<number, number>): number[] {
  return [...similarityCap(k, { blockN: 4, thresholds }).data];
}

Deno.test("cap: the mean cosine of the first and last key of a group decides", () => {
  // pairs: 1 and 1/2, their mean .75; the group of four: cos of two sixths, -1/2
  assertEquals(caps(keys(0, 0, 1, 2), { 2: 0.7, 4: -0.6 }), [4]);
  assertEquals(caps(keys(0, 0, 1, 2), { 2: 0.7, 4: -0.4 }), [2]);
  assertEquals(caps(keys(0, 0, 1, 2), { 2: 0.76, 4: -0.4 }), [1]);
});

Deno.test("cap: the largest level counts, even above one that fails", () => {
  assertEquals(caps(keys(0, 3, 3, 0), { 2: 0.5, 4: 0.5 }), [4]);
});

Deno.test("cap: a similarity has to be above its threshold", () => {
  assertEquals(caps(keys(0, 0, 0, 0), { 2: 1 }), [1]);
  assertEquals(caps(keys(0, 0, 0, 0), { 2: 0.999 }), [2]);
});

Deno.test("cap: every key head and block has its own, and a partial block repeats its last key", () => {
  const whole = keys(0, 0, 3, 3, 0, 3, 0, 3, 0, 0, 3, 3, 3, 3, 3, 3);
  const k = tensor(whole.data, [1, 2, 8, 2]);
  const options = { blockN: 4, thresholds: { 2: 0.5, 4: 0.5 } };
  assertEquals(similarityCap(k, options), { data: new Int32Array([2, 1, 2, 4]), shape: [1, 2, 2] });
  assertEquals(caps(keys(0, 0, 0, 0, 3), { 2: 0.5, 4: 0.5 }), [4, 4]);
  assertEquals(caps(keys(0, 0, 0, 0, 0, 3), { 2: -0.5, 4: -0.5 }), [4, 2]);
});

Deno.test("cap: a key without direction is like no other", () => {
  const k = tensor(new Float64Array(8), [1, 1, 4, 2]);
  assertEquals(caps(k, { 2: 0 }), [1]);
  assertEquals(caps(k, { 2: -0.1 }), [2]);
});

Deno.test("cap: keys may be as long and as short as float32 can say", () => {
  for (const length of [3e38, 1e-45]) {
    assertEquals(caps(tensor(new Float64Array(8).fill(length), [1, 1, 4, 2]), { 2: 0.5 }), [2]);
  }
});

Deno.test("cap: without thresholds nothing is pooled", () => {
  assertEquals(caps(keys(0, 0, 0, 0), {}), [1]);
});

Deno.test("cap: bad input is refused in one sentence", () => {
  const k = keys(0, 0, 0, 0);
  assertThrows(
    () => caps(k, { 3: 0.5 }),
    InputError,
    "`thresholds` has level 3; it should be a power of two",
  );
  assertThrows(() => caps(k, { 8: 0.5 }), InputError, "that divides `blockN`, 4.");
  assertThrows(() => caps(k, { 1: 0.5 }), InputError, "`thresholds` has level 1");
  assertThrows(
    () => caps(k, { 2: 1.5 }),
    InputError,
    "`thresholds` has 1.5 for level 2; it should be a cosine",
  );
  assertThrows(() => caps(k, { 2: NaN }), InputError, "`thresholds` has NaN for level 2");
  const flat = tensor(k.data, [4, 2]);
  assertThrows(() => caps(flat, { 2: 0.5 }), InputError, "`k` has shape [4,2]; it should have four axes.");
});

const LEVELS = tensor(new Int32Array([8, 0, 1, 2, 1, 4, 0, 8, 8, 8, 8, 8]), [1, 2, 1, 6]);

Deno.test("segments: blocks of each level in turn, skipped ones last, every segment closed by -1", () => {
  assertEquals(toSegments(LEVELS), {
    data: new Int32Array([2, 4, -1, 3, -1, 5, -1, 0, -1, 1, -1, -1, -1, -1, 1, 2, 3, 4, 5, -1, 0, -1]),
    shape: [1, 2, 1, 11],
  });
});

Deno.test("segments: with importance, blocks of a level come by importance, lower index first among equals", () => {
  const importance = tensor(new Float64Array([0, 0, 1, 5, 2, 0, 9, 1, 3, 3, 2, 4]), [1, 2, 1, 6]);
  assertEquals(
    [...toSegments(LEVELS, { importance }).data],
    [4, 2, -1, 3, -1, 5, -1, 0, -1, 1, -1, -1, -1, -1, 5, 2, 3, 4, 1, -1, 0, -1],
  );
});

Deno.test("segments: a list of levels gives the number of segments and their order", () => {
  const levels = tensor(new Int32Array([16, 0, 1]), [1, 1, 1, 3]);
  const segments = toSegments(levels, { levels: [1, 16] });
  assertEquals([...segments.data], [2, -1, 0, -1, 1, -1]);
  assertEquals(fromSegments(segments, { levels: [1, 16] }), levels);
});

Deno.test("segments: bad input is refused in one sentence", () => {
  const odd = tensor(new Int32Array([16, 0]), [1, 1, 1, 2]);
  assertThrows(() => toSegments(odd), InputError, "`levels` holds 16; segments exist for [1,2,4,8,0] only.");
  assertThrows(
    () => toSegments(odd, { levels: [1, 1] }),
    InputError,
    "`levels` lists 1; it should list different",
  );
  assertThrows(() => toSegments(odd, { levels: [3] }), InputError, "`levels` lists 3");
  assertThrows(
    () => toSegments(odd, { levels: [16], importance: LEVELS }),
    InputError,
    "`importance` has shape [1,2,1,6]; it should be that of `levels`, [1,1,1,2].",
  );
  assertThrows(() => toSegments(tensor(odd.data, [2])), InputError, "`levels` has shape [2]");
  const read = (...entries: number[]) => () =>
    fromSegments(tensor(new Int32Array(entries), [1, 1, 1, entries.length]), { levels: [1] });
  assertEquals([...read(1, -1, 0, -1)().data], [0, 1]);
  assertThrows(read(1, -1, 1, -1), InputError, "names key block 1 twice, or outside its row, in row 0.");
  assertThrows(read(2, -1, 0, -1), InputError, "names key block 2 twice");
  assertThrows(read(-2, -1, 0, -1), InputError, "names key block -2 twice");
  assertThrows(read(-1, -1, 0, 1), InputError, "names key block 0 twice");
  assertThrows(read(-1, -1, -1, -1), InputError, "has 4 ends of segments in row 0; it should have 2.");
  assertThrows(read(0, -1, 1, 2), InputError, "names key block 2 twice");
  assertThrows(read(-1, -1), InputError, "`segments` has rows of 2; 2 segments need more.");
  assertThrows(() => fromSegments(tensor(odd.data, [2])), InputError, "`segments` has shape [2]");
});
