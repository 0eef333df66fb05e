/** Facts that hold for every method on every input, and input that methods refuse. */
import fc from "fast-check";
import {
  blockMass,
  type BlockMethod,
  type BlockSelection,
  choose,
  denseAttention,
  droppedMass,
  InputError,
  levelDensity,
  type Method,
  type MethodInputs,
  methodInputs,
  methodLayout,
  methodOf,
  METHODS,
  pyramidAttention,
  type Qkv,
  selectionDroppedMass,
  spargeAttention,
  type Tensor,
} from "../../../mod.ts";
import { causalBlocks } from "../../../reference/levels/causal.ts";
import {
  assert,
  assertAlmostEquals,
  assertEquals,
  assertStringIncludes,
  assertThrows,
} from "../../support/assert.ts";
import { assertClose } from "../../support/attention_case.ts";
import { head } from "../../support/tensor_tools.ts";
import { randomInputs, randomQkv, type RandomSizes } from "../../support/method_tools.ts";
import { TEST_SEED } from "../../support/seed.ts";

/** Methods of blocks that take any order and grid, those without a causal form left out if the call is causal. */
function blockMethods({ causal }: { readonly causal: boolean }): BlockMethod[] {
  return METHODS.filter((method): method is BlockMethod =>
    method.granularity === "block" && method.gridTile === undefined && (method.causal || !causal)
  );
}

/** Methods whose output is attention to the chosen keys and nothing else. */
const PURE = ["block-topk", "pooled-topk", "xattention", "spargeattn", "random", "mass-topk"];

/** Methods that keep the density they were asked for, unless rows need more blocks than it allows. */
const THRESHOLDS = ["psa-threshold", "xattention", "spargeattn"];

/** A random call and density. */
interface MethodCase extends RandomSizes {
  readonly density: number;
  readonly causal: boolean;
}

/** Random cases; blocks are multiples of the antidiagonals' stride. */
const cases: fc.Arbitrary<MethodCase> = fc.record({
  kvHeads: fc.integer({ min: 1, max: 2 }),
  group: fc.integer({ min: 1, max: 2 }),
  seqQ: fc.integer({ min: 1, max: 70 }),
  seqK: fc.integer({ min: 1, max: 90 }),
  blockM: fc.constantFrom(8, 16),
  blockN: fc.constantFrom(8, 16),
  density: fc.integer({ min: 1, max: 20 }).map((twentieth) => twentieth / 20),
  causal: fc.boolean(),
  seed: fc.nat(9999),
}).map(({ group, ...drawn }) => ({ ...drawn, heads: drawn.kvHeads * group }));

/** Registers a test that a fact holds for random calls. */
function fact(name: string, check: (inputs: MethodInputs, drawn: MethodCase) => void, numRuns = 60): void {
  const property = fc.property(cases, (drawn) => check(randomInputs(drawn), drawn));
  Deno.test(`methods: ${name}`, () => fc.assert(property, { seed: TEST_SEED, numRuns }));
}

/** Values that tell which key block a key lies in: attention to them is the mass of every block. */
function indicators({ qkv: { k }, sizes: { blockN, seqK } }: MethodInputs): Tensor<Float64Array> {
  const [batch, heads] = k.shape, columns = Math.ceil(seqK / blockN);
  const data = new Float64Array(batch * heads * seqK * columns);
  for (let i = 0; i < batch * heads * seqK; i++) data[i * columns + Math.floor(i % seqK / blockN)] = 1;
  return { data, shape: [batch, heads, seqK, columns] };
}

/** The dense mass of every key block for every query, [batch, heads, queries, key blocks]. */
function massOfRows(inputs: MethodInputs): Tensor<Float64Array> {
  const qkv: Qkv = { ...inputs.qkv, v: indicators(inputs) };
  return denseAttention(qkv, { causal: inputs.causal }).out;
}

/** The mass that every query loses to skipped blocks. */
function droppedOfRows(inputs: MethodInputs, { data, shape }: Tensor<Int32Array>): Float64Array {
  const mass = massOfRows(inputs), [, , seqQ, columns] = mass.shape, [, , rows] = shape;
  return Float64Array.from({ length: mass.data.length / columns }, (_, row) => {
    const m = Math.floor(row / seqQ) * rows + Math.floor(row % seqQ / inputs.sizes.blockM);
    let dropped = 0;
    for (let j = 0; j < columns; j++) {
      if (data[m * columns + j] === 0) dropped += mass.data[row * columns + j];
    }
    return dropped;
  });
}

fact("levels are levels, at the density that is said", (inputs, { density }) => {
  const { sizes, causal, qkv: { q } } = inputs, { blockM, blockN, seqQ, seqK } = sizes;
  for (const method of blockMethods(inputs)) {
    const { levels, status, density: reached, represented } = method.select(inputs, density);
    assertEquals(levels.shape, [1, q.shape[1], Math.ceil(seqQ / blockM), Math.ceil(seqK / blockN)]);
    assert(levels.data.every((level) => level === 0 || blockN % level === 0), method.name);
    const of = levelDensity(levels, { causal, ...sizes });
    const added = { rectified: (1 - of) / (blockM * blockN), pisa: q.shape[3] / (2 * seqK) }[method.name] ??
      0;
    assertAlmostEquals(reached, of + added, 1e-12, method.name);
    if (THRESHOLDS.includes(method.name)) {
      assertEquals(status === "ok", reachedByHeads(inputs, levels, density));
    } else assertEquals(status, "ok");
    represented?.data.forEach((level, at) => assert(level === levels.data[at] || levels.data[at] === 0));
  }
});

/** Whether the density of every head is at or under one. */
function reachedByHeads(
  { causal, sizes }: MethodInputs,
  { data, shape }: Tensor<Int32Array>,
  density: number,
) {
  const size = shape[2] * shape[3];
  return Array.from({ length: shape[1] }, (_, h) => data.subarray(h * size, (h + 1) * size)).every((own) =>
    levelDensity({ data: own, shape: [1, 1, shape[2], shape[3]] }, { causal, ...sizes }) <= density
  );
}

fact(
  "every row that sees keys reads some; a causal one key block 0, its diagonal and not the future",
  (inputs, c) => {
    const { isFuture, isDiagonal } = causalBlocks(inputs.sizes), rule = c.causal ? isFuture : () => false;
    for (const method of blockMethods(inputs)) {
      const { levels: { data, shape: [, , rows, columns] } } = method.select(inputs, c.density);
      for (let row = 0; row < data.length / columns; row++) {
        const m = row % rows, own = data.subarray(row * columns, (row + 1) * columns);
        const empties = method.name === "psa-released" && !c.causal; // its quotas are of no block if there are few
        if (!empties) assertEquals(own.some((level) => level > 0), !rule(m, 0), `${method.name}, row ${row}`);
        own.forEach((level, j) => {
          if (rule(m, j)) assertEquals(level, 0, method.name);
          else if (c.causal && (j === 0 || isDiagonal(m, j))) assertEquals(level, 1, method.name);
        });
      }
    }
  },
);

fact("a head chooses by itself, and the same every time", (inputs, drawn) => {
  const { qkv: { q, k, v } } = inputs, group = q.shape[1] / k.shape[1];
  for (const method of blockMethods(inputs)) {
    const { levels } = method.select(inputs, drawn.density);
    assertEquals(method.select(randomInputs(drawn), drawn.density).levels, levels, method.name);
    if (method.name === "random") continue; // draws anew for every head
    const last = q.shape[1] - 1, kv = Math.floor(last / group);
    const slices = { q: head(q, last), k: head(k, kv), v: head(v, kv) };
    const alone = methodInputs(slices, { ...inputs.sizes, causal: inputs.causal });
    const own = method.select(alone, drawn.density).levels.data;
    assertEquals(own, levels.data.slice(levels.data.length - own.length), method.name);
  }
}, 25);

fact("true mass is what dense attention gives to the keys of a block", (inputs) => {
  const { causal, sizes: { blockM, blockN, seqQ } } = inputs,
    mass = blockMass(inputs.qkv, { blockM, blockN, causal });
  const rows = massOfRows(inputs),
    want = new Float64Array(mass.data.length),
    [, , blocks, columns] = mass.shape;
  for (let at = 0; at < rows.data.length; at++) {
    const row = Math.floor(at / columns), m = Math.floor(row % seqQ / blockM);
    const count = Math.min(blockM, seqQ - m * blockM);
    want[(Math.floor(row / seqQ) * blocks + m) * columns + at % columns] += rows.data[at] / count;
  }
  assertClose(mass, { data: want, shape: mass.shape });
});

fact("dropped mass is the mean of what queries lose", (inputs, { density }) => {
  for (const method of blockMethods(inputs)) {
    const selection = method.select(inputs, density),
      rows = droppedOfRows(inputs, selection.represented ?? selection.levels);
    const mean = rows.reduce((sum, dropped) => sum + dropped, 0) / rows.length;
    assertAlmostEquals(selectionDroppedMass(inputs, selection), mean, 1e-12, method.name);
  }
}, 25);

fact("||full - sparse|| <= dropped * (max ||v|| + ||sparse||) for every query", (inputs, { density }) => {
  const { qkv, causal, sizes } = inputs, full = inputs.dense().out, dim = full.shape[3];
  const norm = (data: Float64Array, row: number) => Math.hypot(...data.subarray(row * dim, (row + 1) * dim));
  const values = Float64Array.from(qkv.v.data);
  let longest = 0;
  for (let j = 0; j < values.length / dim; j++) longest = Math.max(longest, norm(values, j));
  for (const name of PURE) {
    const { levels } = methodOf(name).select(inputs, density) as BlockSelection;
    const { out } = pyramidAttention(qkv, levels, { ...sizes, causal }),
      dropped = droppedOfRows(inputs, levels);
    const away = full.data.map((value, at) => value - out.data[at]);
    dropped.forEach((mass, row) => {
      const bound = mass * (longest + norm(out.data, row)) + 1e-12;
      assert(
        norm(away, row) <= bound,
        `${name}: query ${row} is ${norm(away, row)} away, the bound is ${bound}`,
      );
    });
  }
});

Deno.test("methods: dropped mass by hand", () => {
  const levels = { data: Int32Array.of(1, 2, 0, 0, 4, 1), shape: [1, 1, 2, 3] };
  const mass = { data: Float64Array.of(0.5, 0.25, 0.25, 0.7, 0.2, 0.1), shape: [1, 1, 2, 3] };
  const sizes = { blockM: 4, blockN: 4, seqQ: 5, seqK: 12 }; // the second query block has one query
  assertAlmostEquals(droppedMass(levels, mass, sizes), (4 * 0.25 + 0.7) / 5, 1e-15);
});

/** Calls that have to be refused: what is called, and words of the message. */
const REFUSED: readonly (readonly [name: string, call: () => unknown, words: string])[] = [
  ["an unknown method", () => methodOf("psa2"), 'The method is "psa2"; it should be one of dense, psa,'],
  [
    "a method of the grid without one",
    () => methodLayout(methodOf("sta"), layout()),
    "`grid` is missing; sta needs",
  ],
  [
    "a grid that tiles do not divide",
    () => methodLayout(methodOf("draft"), layout({ width: 12, height: 8, depth: 1 })),
    "`grid` is 12 wide, 8 high and 1 deep; draft needs multiples of its tiles, 8 wide, 8 high and 1 deep.",
  ],
  [
    "blocks that are no tiles",
    () => select("sta", randomInputs({ seqQ: 128, grid: { width: 8, height: 4, depth: 4 } })),
    "Blocks are 16 x 8 tokens; sta needs its tiles as blocks, 64 x 64.",
  ],
  [
    "a grid that is not all tokens",
    () => select("sta", randomInputs({ ...TILES, seqK: 129, grid: { width: 8, height: 4, depth: 4 } })),
    "`grid` holds 128 tokens; sta needs as many as the 128 queries and 129 keys.",
  ],
  [
    "a causal call of a method of the grid",
    () => select("draft", randomInputs({ ...TILES, causal: true, grid: { width: 16, height: 8, depth: 1 } })),
    "`causal` is true; draft has no causal form.",
  ],
  ["a similarity that is no number", () => spargeAttention({ similarity: NaN }), "`similarity` is NaN"],
  ["a block of no size", () => methodInputs(randomQkv(), { blockM: 0, blockN: 8 }), "`blockM` is 0"],
  [
    "mass of another shape",
    () => {
      const levels = { data: new Int32Array(2), shape: [1, 2, 1, 1] };
      const mass = { data: new Float64Array(1), shape: [1, 1, 1, 1] };
      return droppedMass(levels, mass, { blockM: 4, blockN: 4, seqQ: 4, seqK: 4 });
    },
    "`mass` has shape [1,1,1,1]; it should be that of `levels`, [1,2,1,1].",
  ],
  [
    "dropped mass of a pooled diagonal",
    () => {
      const levels = { data: Int32Array.of(2), shape: [1, 1, 1, 1] },
        mass = { ...levels, data: Float64Array.of(1) };
      return droppedMass(levels, mass, { blockM: 4, blockN: 4, seqQ: 4, seqK: 4, causal: true });
    },
    "`levels` holds 2 in a block that the diagonal crosses; it should hold 0 or 1 there.",
  ],
];

const TILES = { seqQ: 128, blockM: 64, blockN: 64 };

/** The options of a sweep, with or without a grid. */
function layout(grid?: { width: number; height: number; depth: number }) {
  return { order: { kind: "raster" }, blockM: 64, blockN: 64, grid } as const;
}

/** A method's choice at density .5. */
function select(name: string, inputs: MethodInputs) {
  return choose(methodOf(name), inputs, 0.5);
}

for (const [name, call, words] of REFUSED) {
  Deno.test(`methods: ${name} is refused`, () =>
    assertStringIncludes(assertThrows(call, InputError).message, words));
}

Deno.test("methods: a density that is none is refused by every method that obeys it", () => {
  const grid = { width: 8, height: 8, depth: 4 };
  const obeys = METHODS.filter((method: Method) => !method.ownDensity);
  assertEquals(obeys.length, METHODS.length - 2);
  for (const method of obeys) {
    const { blockM, blockN } = methodLayout(method, { ...layout(grid), blockM: 16, blockN: 8 });
    const inputs = randomInputs({ seqQ: 256, blockM, blockN, grid });
    for (const density of [0, -0.1, 1.01, NaN]) {
      assertThrows(() => choose(method, inputs, density), InputError, `\`density\` is ${density}`);
    }
  }
});

Deno.test("methods: names are words joined by hyphens, each once", () => {
  const names = METHODS.map(({ name }) => name);
  assertEquals(new Set(names).size, names.length);
  for (const name of names) assert(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name), name);
});
