import fc from "fast-check";
import { type Case, caseName, InputError, matchesFilter, parseCase } from "../mod.ts";
import { resolveCase, STAGES } from "../fixtures/cases.ts";
import { assert, assertEquals, assertThrows } from "./assert.ts";

const SMALL = "attention B=1 H=2 Lq=512 Lk=512 D=64 bm=128 bn=64";

const count = fc.integer({ min: 1, max: 5000 });
const word = fc.string({ minLength: 1 }).map((text) => text.replace(/[\s=]/g, "_"));

/** Any case: fields are given or left out at random. */
const anyCase: fc.Arbitrary<Case> = fc.record({
  stage: fc.constantFrom(...STAGES),
  batch: count,
  heads: count,
  kvHeads: count,
  seqQ: count,
  seqK: count,
  headDim: count,
  valueDim: count,
  blockM: count,
  blockN: count,
  tile: count,
  causal: fc.boolean(),
  tail: fc.constantFrom("exact", "replicate"),
  dtype: fc.constantFrom("f16", "bf16", "f32", "f64"),
  scale: fc.double({ noNaN: true, noDefaultInfinity: true }).map((scale) => scale + 0),
  grid: word,
  text: fc.nat(),
  order: word,
  importance: word,
  stride: count,
  mode: word,
  quotas: word,
  levels: word,
  cap: word,
  preset: word,
  method: word,
  density: fc.double({ min: 0, max: 1, minExcluded: true, noNaN: true }),
  workload: word,
  input: word,
  seed: fc.nat(),
}, { requiredKeys: ["stage", "batch", "heads", "seqQ", "seqK", "headDim", "blockM", "blockN"] });

Deno.test("case: a string is read back as the case it was written from", () => {
  const property = fc.property(anyCase, (given) => {
    const name = caseName(given), parsed = parseCase(name);
    assertEquals(resolveCase(parsed), resolveCase(given));
    assertEquals(caseName(parsed), name);
  });
  fc.assert(property, { seed: 1, numRuns: 300 });
});

Deno.test("case: two cases have one string exactly if they are the same call", () => {
  const property = fc.property(anyCase, anyCase, fc.boolean(), (a, b, mixed) => {
    const other = mixed ? { ...a, seed: b.seed, causal: b.causal, kvHeads: a.heads } : b;
    const same = JSON.stringify(resolveCase(a)) === JSON.stringify(resolveCase(other));
    assertEquals(caseName(a) === caseName(other), same);
  });
  fc.assert(property, { seed: 2, numRuns: 300 });
});

Deno.test("case: the string leaves out defaults and keeps its order", () => {
  const sizes = { batch: 1, heads: 2, seqQ: 512, seqK: 512, headDim: 64, blockM: 128, blockN: 64 };
  assertEquals(
    caseName({ seed: 3, causal: true, tail: "exact", kvHeads: 2, tile: 32, stage: "attention", ...sizes }),
    `${SMALL} causal=true seed=3`,
  );
  assertEquals(parseCase(`${SMALL} tail=exact seed=0`), parseCase(SMALL));
  assertEquals(
    caseName(parseCase(`psa seed=1 bn=16 bm=16 D=8 Lk=32 Lq=16 H=4 B=1 Hk=2`)),
    "psa B=1 H=4 Hk=2 Lq=16 Lk=32 D=8 bm=16 bn=16 seed=1",
  );
});

Deno.test("case: the filter looks at fields with their defaults, and at the string", () => {
  const given = parseCase(`${SMALL} input=trace-a-layer4 density=0.25`);
  for (
    const filter of ["", "attention", "trace-a", "bn=64 density=0.25", "causal=false", "Hk=2", "D=64  att"]
  ) {
    assert(matchesFilter(given, filter), filter);
  }
  for (
    const filter of ["gradient", "bn=6", "density=0.1", "causal=true", "attention bm=64", "workload=gaussian"]
  ) {
    assert(!matchesFilter(given, filter), filter);
  }
  assertThrows(() => matchesFilter(given, "blockN=64"), InputError, "no field `blockN=64`");
});

const REFUSALS: [text: string, sentence: string][] = [
  ["", "begins with ``"],
  ["attend B=1", "begins with `attend`"],
  ["attention B=1", "has no `H`"],
  [`${SMALL} B=1`, "says `B` twice"],
  [`${SMALL} heads=2`, "no field `heads=2`"],
  [`${SMALL} causal`, "no field `causal`"],
  [`${SMALL} causal=yes`, "should be true or false"],
  [`${SMALL} tile=0`, "should be a positive whole number"],
  [`${SMALL} tile=1e1`, "should be a positive whole number"],
  [`${SMALL} seed=-1`, "not negative"],
  [`${SMALL} density=0`, "above 0 and at most 1"],
  [`${SMALL} density=1.5`, "above 0 and at most 1"],
  [`${SMALL} scale=Infinity`, "finite"],
  [`${SMALL} dtype=f8`, "one of f16, bf16, f32, f64"],
  [`${SMALL} order=`, "a word"],
];

for (const [text, sentence] of REFUSALS) {
  Deno.test(`case: "${text}" is refused`, () => {
    assertThrows(() => parseCase(text), InputError, sentence);
  });
}

Deno.test("case: data that no string could say is refused", () => {
  const given = parseCase(SMALL);
  assertThrows(() => caseName({ ...given, order: "two words" }), InputError, "word without spaces");
  assertThrows(() => caseName({ ...given, seed: NaN }), InputError, "`seed`");
});
