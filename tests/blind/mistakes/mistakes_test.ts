/**
 * The blind set is what it says: right kernels are right, and every mistake changes what they give.
 *
 * @module
 */
import { drawn } from "../../support/seed.ts";
import { assert, assertEquals } from "@std/assert";
import { compileC, KERNELS, rawCases, runAll, runCase } from "./kernel.ts";
import { SETS, type WgslName } from "./numpy.ts";
import { runAllWgsl } from "./wgsl.ts";
import { TemporaryFolder } from "../../support/command.ts";
import { runExport, runVerify } from "../../support/kit.ts";

const { mistakes, combinations, nobody_would_list: odd } = JSON.parse(
  await Deno.readTextFile(new URL("statements.json", import.meta.url)),
);
const { mistakes: second } = JSON.parse(await Deno.readTextFile(new URL("second.json", import.meta.url)));
const { mistakes: third } = JSON.parse(await Deno.readTextFile(new URL("third.json", import.meta.url)));
const IN_C = 20;
const SECOND = second.map(({ number }: { number: number }) => number);
const THIRD = third.map(({ number }: { number: number }) => number);

/** The float32 outputs `out` and `lse` of a case, as bytes. */
async function outputsOf(folder: string, stem: string): Promise<Float32Array[]> {
  const read = async (name: string) =>
    new Float32Array((await Deno.readFile(`${folder}/${stem}.${name}.bin`)).buffer);
  return [await read("out"), await read("lse")];
}

/** Whether outputs of a case differ by more than 1e-4 of the largest number. */
async function differs(stem: string, right: string, planted: string): Promise<boolean> {
  const before = await outputsOf(right, stem), after = await outputsOf(planted, stem);
  return before.some((tensor, n) => {
    const most = tensor.reduce((a, x) => Number.isFinite(x) ? Math.max(a, Math.abs(x)) : a, 0);
    return tensor.some((x, i) => Number.isFinite(x) && !(Math.abs(x - after[n][i]) <= 1e-4 * most));
  });
}

/** Runs a mistake case by case until one changes. */
async function changes(
  program: string,
  mistake: number,
  paths: Record<"cases" | "right" | "outputs", string>,
) {
  await Deno.mkdir(paths.outputs, { recursive: true });
  for (const one of await rawCases(paths.cases)) {
    await runCase(program, mistake, { ...one, ...paths });
    if (await differs(one.stem, paths.right, paths.outputs)) return true;
  }
  return false;
}

/** Exports the cases of attention of a suite as raw files. */
async function exportAttention(folder: string, suite: string): Promise<void> {
  await runExport(["--out", folder, "--suite", suite, "--format", "raw", "--filter", "attention"]);
}

/** Asserts that outputs are right in all cases of a folder. */
async function assertRight(cases: string, outputs: string): Promise<void> {
  const { code, text } = await runVerify([cases, "--outputs", outputs]);
  assertEquals(code, 0, text);
}

/** Kernels of which a commit draws one for all of its mistakes. */
const TURNS = ["tiles", "groups", "wgsl"];

Deno.test("statements: 24 mistakes, five combinations, three or more that nobody would list", () => {
  assertEquals(
    mistakes.map(({ number }: { number: number }) => number),
    Array.from({ length: 24 }, (_, n) => n + 1),
  );
  assertEquals(combinations.length, 5);
  assert(odd.length >= 3);
  for (const { statement, must_say } of [...mistakes, ...second, ...third]) {
    assert(statement.length > 20 && must_say.length >= 1);
  }
});

for (
  const { kernel, planted } of [
    { kernel: "tiles" as const, planted: [...Array.from({ length: IN_C }, (_, n) => n + 1), ...SECOND] },
    { kernel: "groups" as const, planted: THIRD },
  ]
) {
  // A commit draws which of the kernels is run; PSA_LONG=1 runs all three.
  if (!drawn(TURNS.indexOf(kernel), TURNS.length)) continue;
  Deno.test(`the C kernel ${kernel} is right without a mistake, and every mistake changes a case`, async () => {
    await using folder = new TemporaryFolder();
    const program = folder.at("kernel"), why = await compileC(KERNELS[kernel], program);
    if (why !== null) {
      console.log(`1 check is left out: ${why}`);
      return;
    }
    const ofSuite = async (suite: string) => {
      const cases = folder.at(suite), right = folder.at(`${suite}-right`);
      await exportAttention(cases, suite);
      await runAll(program, 0, { cases, outputs: right });
      await assertRight(cases, right);
      return { cases, right };
    };
    const smoke = await ofSuite("smoke");
    let standard: typeof smoke | undefined; // made where a mistake changes nothing in smoke
    // a fifth of them, drawn by the commit
    for (const mistake of planted.filter((_: number, i: number) => drawn(i % 5, 5))) {
      const outputs = folder.at(`mistake-${mistake}`);
      if (await changes(program, mistake, { ...smoke, outputs })) continue;
      standard ??= await ofSuite("standard");
      const isSeen = await changes(program, mistake, { ...standard, outputs: `${outputs}-standard` });
      assert(isSeen, `mistake ${mistake} changes nothing`);
    }
  });
}

/** The WGSL kernels, of which a commit draws one, with the mistakes that are planted in them. */
const IN_WGSL: readonly { readonly kernel: WgslName; readonly planted: readonly number[] }[] = [
  { kernel: "rows", planted: mistakes.slice(IN_C).map(({ number }: { number: number }) => number) },
  ...SETS.flatMap(({ wgsl }) => wgsl === undefined ? [] : [{ kernel: wgsl.kernel, planted: wgsl.mistakes }]),
];

for (const [place, { kernel, planted }] of IN_WGSL.entries()) {
  if (!drawn(place, IN_WGSL.length)) continue;
  Deno.test(`the WGSL kernel ${kernel} is right without a mistake, and every mistake changes a case`, async () => {
    await using folder = new TemporaryFolder();
    const cases = folder.at("cases"), right = folder.at("right");
    await exportAttention(cases, "smoke");
    await runAllWgsl(0, { cases, outputs: right, kernel });
    await assertRight(cases, right);
    const turn = drawn(TURNS.indexOf("wgsl"), TURNS.length);
    for (const mistake of turn ? planted : planted.slice(0, 1)) {
      const outputs = folder.at(`mistake-${mistake}`);
      await runAllWgsl(mistake, { cases, outputs });
      const all = await Promise.all((await rawCases(cases)).map(({ stem }) => differs(stem, right, outputs)));
      assert(all.includes(true), `mistake ${mistake} changes nothing`);
    }
  });
}
