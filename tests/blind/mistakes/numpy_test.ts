/**
 * The sixth to the fifteenth blind set are what they say: their kernels are right, and every mistake changes a case.
 *
 * @module
 */
import { assert, assertEquals } from "../../support/assert.ts";
import { runExport, runVerify } from "../../support/kit.ts";
import { TemporaryFolder } from "../../support/command.ts";
import { drawn } from "../../support/seed.ts";
import { testWith } from "../../support/skip.ts";
import { readSafetensors } from "../../../mod.ts";
import { namesIn } from "../measure.ts";
import type { SetOf } from "../page.ts";
import { isNumpy, numpySets, type PlantedKernel, runNumpy, SETS } from "./numpy.ts";

const hasNumpy = await new Deno.Command("python3", { args: ["-c", "import numpy"], stderr: "null" }).output()
  .then(({ success }) => success, () => false);
const numpy = { here: hasNumpy, lack: "no python3 with numpy here" };
const statements = await numpySets(), [, , sixth] = statements;
const KERNELS: readonly { readonly of: PlantedKernel; readonly set: SetOf }[] = SETS.flatMap((
  { folder, kernels },
  n,
) => kernels.map((kernel) => ({ of: { folder, kernel }, set: statements[n] })));

/** Mistakes that no case of smoke shows, each with a case of standard that does. */
const BY_STANDARD: ReadonlyMap<number, string> = new Map([
  [332, "attention B=1 H=2 Hk=1 Lq=160 Lk=256 D=24 bm=32 bn=32 causal=true levels=0,1,2 seed=106"],
]);

/** Exports a case alone and runs a kernel without a mistake on it. */
async function runAlone(line: string, right: PlantedKernel, folder: TemporaryFolder) {
  const [cases, outputs] = [folder.at("alone"), folder.at("alone-right")];
  await runExport(["--out", cases, "--case", line]);
  assertEquals(await runNumpy(300, { cases, outputs, right }), undefined);
  return { cases, right: outputs };
}

/** Whether outputs of a case differ by more than 2e-5 of the largest number. */
function differs(right: string, planted: string): boolean {
  return [...Deno.readDirSync(right)].filter(({ name }) => name.endsWith(".safetensors")).some(({ name }) => {
    const before = readSafetensors(Deno.readFileSync(`${right}/${name}`)).tensors;
    const after = readSafetensors(Deno.readFileSync(`${planted}/${name}`)).tensors;
    return ["out", "lse"].some((tensor) => {
      const a = Array.from(before[tensor].data, Number), b = after[tensor].data;
      const most = a.reduce((top, x) => Number.isFinite(x) ? Math.max(top, Math.abs(x)) : top, 0);
      return a.some((x, i) => x !== b[i] && !(Math.abs(x - b[i]) <= 2e-5 * most));
    });
  });
}

Deno.test("the sixth set: mistakes 301 to 324, four of them two at once, each with the words of a right name", () => {
  assertEquals(sixth.mistakes.map(({ number }) => number), Array.from({ length: 24 }, (_, i) => 301 + i));
  assertEquals(sixth.combinations, [321, 322, 323, 324]);
  for (const { number, statement, must_say: words } of sixth.mistakes) {
    assert(statement.length > 40 && words.every((each) => each.length > 10));
    if (sixth.combinations.includes(number)) assertEquals(words.length, 2);
  }
});

for (const [n, { folder: name, first }] of SETS.entries()) {
  if (n < 3) continue; // those before have other numbers of mistakes
  const set = statements[n];
  Deno.test(`the ${name} set: 20 mistakes from ${first} on, each with the words of a right name`, () => {
    assertEquals(set.mistakes.map(({ number }) => number), Array.from({ length: 20 }, (_, i) => first + i));
    for (const { statement, must_say: words } of set.mistakes) {
      assert(statement.length > 40 && words.length > 0 && words.every((each) => each.length > 10));
    }
  });
}

for (const [place, { of, set }] of KERNELS.entries()) {
  // A commit draws which of the kernels is run, and two of the mistakes; PSA_LONG=1 runs all.
  if (!drawn(place, KERNELS.length)) continue;
  testWith(numpy, {
    name: `the kernel ${of.kernel} of the ${of.folder} set is right, and mistakes of its set change a case`,
    async fn() {
      await using folder = new TemporaryFolder();
      const cases = folder.at("cases"), right = folder.at("right");
      await runExport(["--out", cases, "--filter", "attention"]);
      assertEquals(await runNumpy(300, { cases, outputs: right, right: of }), undefined);
      const { code, text } = await runVerify([cases, "--outputs", right, "--stages", "attention"]);
      assertEquals(code, 0, text);
      const planted = set.mistakes.filter(({ number }) => isNumpy(number)), turns = planted.length / 2;
      for (const { number } of planted.filter((_, i) => drawn(i % turns, turns))) {
        const alone = BY_STANDARD.get(number), outputs = folder.at(`${number}`);
        const at = alone === undefined ? { cases, right } : await runAlone(alone, of, folder);
        assertEquals(await runNumpy(number, { cases: at.cases, outputs }), undefined);
        assert(differs(at.right, outputs), `mistake ${number} changes nothing`);
      }
    },
  });
}

Deno.test('names are read whole, also with an apostrophe or an "or" in them', () => {
  const said =
    "matches 'mean of the block's tokens', 'one or two' or 'rows' to 5e-7; docs (3 of 4 wrong cases)";
  assertEquals(namesIn(said), {
    names: ["mean of the block's tokens", "one or two", "rows"],
    cases: "3 of 4",
  });
});
