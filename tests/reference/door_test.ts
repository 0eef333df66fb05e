import { type PsaConfig, seededRandom, tensor } from "../../mod.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { TEST_SEED } from "../support/seed.ts";

/** The line of a function of the reference that checks its input. */
const CHECK =
  /^export function ((?:require|check|validate)\w*|attentionShape|queryKeyShape|seededRandom)\b|^function ((?:require|check)\w*)\b/;
const ROOT = new URL("../../reference/", import.meta.url);
/** Checks that stand for others, or compare two lengths: sentences are made there, data are not read. */
const PRIMITIVE = ["requireInput", "requireTensor"];

/** A call that attentionShape and validateConfig check. */
const WITHIN = [
  "queryKeyShape",
  "checkBlocks",
  "checkImportance",
  "checkAssignment",
  "checkThresholds",
  "checkRest",
  "checkOrder",
  "checkLengths",
];

/** A copy of the reference in which every check counts its calls. */
async function countedReference(folder: string): Promise<string[]> {
  const names: string[] = [];
  const copy = async (from: URL, to: string) => {
    await Deno.mkdir(to, { recursive: true });
    for await (const { name, isDirectory } of Deno.readDir(from)) {
      if (isDirectory) await copy(new URL(`${name}/`, from), `${to}/${name}`);
      else {await Deno.writeTextFile(
          `${to}/${name}`,
          counted(await Deno.readTextFile(new URL(name, from)), names),
        );}
    }
  };
  await copy(ROOT, folder);
  return names;
}

/** A file in which the body of every check begins with a count. */
function counted(text: string, names: string[]): string {
  let name: string | undefined;
  return text.split("\n").map((line) => {
    const found = line.match(CHECK);
    if (found) name = found[1] ?? found[2];
    if (
      name === undefined || PRIMITIVE.includes(name) || !/^(?:export function|function|\)).*\{$/.test(line)
    ) {
      return line;
    }
    const count =
      `{ const seen = Reflect.get(globalThis, 'checks'); if (seen) seen.${name} = (seen.${name} ?? 0) + 1; }`;
    names.push(name);
    name = undefined;
    return `${line} ${count}`;
  }).join("\n");
}

const blocks = { blockM: 32, blockN: 16, tile: 16 } as const;
const box = { width: 8, height: 8, depth: 4 };
/** Every kind of order, importance and assignment once. */
const CONFIGS: readonly PsaConfig[] = [
  { ...blocks, importance: { kind: "full" }, assignment: { mode: "density", density: 0.25 }, causal: true },
  {
    ...blocks,
    importance: { kind: "sampled", seed: 1 },
    assignment: { mode: "topk", ratios: [[1, 0, 0.25], [2, 0.25, 0.75], [0, 0.75, 1]] },
    order: { kind: "tile", box, tile: { width: 4, height: 4, depth: 2 } },
    similarityThresholds: { 2: 0.7 },
  },
  {
    ...blocks,
    importance: { kind: "antidiagonal", stride: 8 },
    assignment: { mode: "threshold", ratios: [[1, 0, 0.5], [0, 0.5, 1]] },
    order: { kind: "semantic", clusters: 3, seed: 1, iterations: 2 },
  },
  {
    ...blocks,
    importance: { kind: "pooled" },
    assignment: { mode: "density", density: 0.5 },
    order: { kind: "gilbert", box, variant: "curve" },
  },
];

Deno.test("the door: psa checks each input once, with two batch entries of four heads", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const names = await countedReference(folder);
    assert(
      names.includes("attentionShape") && names.includes("requireFit") && names.includes("requireBlock"),
    );
    const { psa } = await import(`file://${folder}/psa.ts`) as typeof import("../../mod.ts");
    const random = seededRandom(TEST_SEED);
    const x = tensor(Float32Array.from({ length: 2 * 4 * 256 * 8 }, random.normal), [2, 4, 256, 8]);
    for (const config of CONFIGS) {
      const seen: Record<string, number> = {};
      Reflect.set(globalThis, "checks", seen);
      psa({ q: x, k: x, v: x }, config);
      Reflect.deleteProperty(globalThis, "checks");
      const { checkBox = 0, ...others } = seen; // one for each box of the order
      assert(checkBox <= 2);
      const found = Object.keys(others).filter((name) => others[name] > 0 && !WITHIN.includes(name)).sort();
      assertEquals(found, ["attentionShape", "requireImportance", "validateConfig"]);
      for (const [name, times] of Object.entries(others)) assertEquals([name, times], [name, 1]);
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
